"""--journal: questions that nobody has answered are kept, sealed for the servers, and asked when one is there."""

import collections
import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
import session_peer as peer
from conftest import RELEASE, build, kiosk_line, one_line
from session_peer import Refused, TcpClient, UdpClient

NOBODY = "127.0.0.1:1"
DATES = "name,phone,licence,status,status_since,valid_from,valid_to,classes,document\n"
DAY = 86400


def day_text(days):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY))


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def db(release, keys, tmp_path):
    """One whose licence has run out yesterday, and one that lasts."""
    path = tmp_path / "l.db"
    build(release, keys, path, DATES + f"Meera Nair,9812345678,GJ01,valid,2020-01-01,2020-01-01,{day_text(-1)},LMV,\n"
          "Ramesh Patel,9812345679,GJ02,valid,2020-01-01,2020-01-01,2090-01-01,\"LMV,MCWG\",\n")
    return path


@pytest.fixture
def start(release, serve, db, kiosks):
    return lambda *args, **how: serve(release, db, "--kiosks", kiosks, *args, **{"who": (), **how})


def client(keys, address, journal, *args, kiosk=None, server_pub=None):
    return ("client", "--server", address, "--server-key", server_pub or keys.server_pub, "--key", kiosk or keys.kiosk, "--journal",
            journal, "--timeout", "2", *args)


def late(dlv, keys, address, journal, *args, status=0, **how):
    """Asks what was kept, and nothing else."""
    return dlv(*client(keys, address, journal, "--late", *args, **how), status=status)


def keep(dlv, keys, journal, *args, **how):
    """Asks where nobody answers."""
    done = dlv(*client(keys, NOBODY, journal, *args, **how))
    assert done.returncode == 2 and "kept, and asked when a server is there" in done.err, done.err
    return done


def waiting(journal):
    """How many whole entries wait, by the description in lib/client/journal.h."""
    data, at, count = journal.read_bytes(), 0, 0
    while at < len(data):
        assert data[at:at + 4] == b"dlvj"
        count += data[at + 8] in (1, 3)
        at += int.from_bytes(data[at + 4:at + 8], "little")
    return count


def test_kept_and_asked(dlv, keys, journal, start):
    assert "; kept, and asked when a server is there: " in one_line(
        dlv(*client(keys, NOBODY, journal, "--number", "GJ02", "--name", "Ramesh Patel", "--class", "MCWG", "--reference", "stop 17")))
    kept = json.loads(dlv(*client(keys, NOBODY, journal, "--json", "--number", "GJ09", "--phone", "9812345678"), status=2).out)
    assert kept["verdict"] is None and kept["error"] == "unreachable" and kept["kept"] is True and len(kept["journal_id"]) == 32
    # The reference can be read; of the question nothing, by whoever has the file and the kiosk.
    data = journal.read_bytes()
    assert b"stop 17" in data and oct(journal.stat().st_mode & 0o777) == "0o600" and waiting(journal) == 2
    for text in (b"GJ02", b"GJ09", b"gj02", b"Ramesh", b"RAMESH", b"MCWG", b"98123"):
        assert text not in data
    server = start()
    done = dlv(*client(keys, server.address, journal, "--number", "GJ02"), status=0)
    lines = done.out.splitlines()
    assert len(lines) == 3 and done.err == "" and lines[0].startswith("VALID LMV")
    assert re.match(r"VALID late, to the stop of 20\d\d-\d\d-\d\dT\S+, reference stop 17: asked about number GJ02, name, class MCWG; ", lines[1])
    assert "the name is the same" in lines[1]
    assert re.match(r"UNKNOWN late, to the stop of 20\d\d-\S+: asked about number GJ09, phone", lines[2])
    assert journal.read_bytes() == b""
    assert late(dlv, keys, server.address, journal).out == ""


def test_as_json(dlv, keys, journal, start):
    keep(dlv, keys, journal, "--number", "GJ02", "--reference", "17")
    keep(dlv, keys, journal, "--number", "GJ01")
    first, second = map(json.loads, late(dlv, keys, start().address, journal, "--json", status=1).out.splitlines())
    assert first["verdict"] == "VALID" and first["reference"] == "17" and len(first["journal_id"]) == 32
    assert second["verdict"] == "EXPIRED" and second["reference"] is None and second["journal_id"] != first["journal_id"]
    assert first["stopped"].startswith(day_text(0)[:8])


def test_for_the_moment_of_the_stop(shifted, keys, journal, start):
    """Not for that of the answer, also by a newer program; unless the clock was one that could not be right."""
    now = int(time.time())
    shifted(-2 * DAY, *client(keys, NOBODY, journal, "--number", "GJ01"), built=now - 10 * DAY, status=2)
    shifted(-3000 * DAY, *client(keys, NOBODY, journal, "--number", "GJ01"), built=now - 10 * DAY, status=2)
    shifted(3000 * DAY, *client(keys, NOBODY, journal, "--number", "GJ01"), status=2)
    lines = shifted(0, *client(keys, start().address, journal, "--late"), built=now - 100, status=1).out.splitlines()
    assert [line.split()[0] for line in lines] == ["VALID", "EXPIRED", "EXPIRED"]
    assert f"(for {day_text(-2)};" in lines[0] and f"(for {day_text(0)};" in lines[1] and f"(for {day_text(0)};" in lines[2]
    assert "to the stop of an unknown time" in lines[1]


def test_lines(dlv, keys, journal, start):
    """Of a batch each line that nobody has answered, and none that is none."""
    done = dlv(*client(keys, NOBODY, journal, "--number", "-"), stdin="GJ01\n???\nGJ02\n", status=2)
    assert done.err.count("not answered; kept") == 2 and "standard input:2: the number holds no letter or digit" in done.err
    server = start()
    # Whoever reads answers by line, or as objects, gets one for each question, and no other.
    assert dlv(*client(keys, server.address, journal, "--number", "-"), stdin="GJ02\nGJ02\n", status=0).out.count("\n") == 2
    assert dlv(*client(keys, server.address, journal, "--json", "--number", "GJ02"), status=0).out.count("\n") == 1
    assert len(dlv(*client(keys, server.address, journal, "--late")).out.splitlines()) == 2
    assert journal.read_bytes() == b""


@pytest.mark.parametrize("udp", [(), ("--udp",)], ids=["tcp", "udp"])
def test_how_it_travels(release, keys, journal, start, tmp_path, udp):
    stats = tmp_path / "dlv.prom"
    for number in range(20):
        keep(release, keys, journal, "--number", "GJ02", "--reference", str(number))
    server = start("--stats", stats)
    lines = late(release, keys, server.address, journal, *udp).out.splitlines()
    assert [re.search(r"reference (\d+)", line).group(1) for line in lines] == [str(number) for number in range(20)]
    server.stop()
    assert "\ndlv_unwrapped_total 20\n" in stats.read_text() and "\ndlv_opened_total 1\n" in stats.read_text()


def test_who_may_have_it_unwrapped(release, serve, db, keys, journal, start, kiosks, tmp_path):
    """Neither another kiosk, nor one that was revoked, nor with another server's key."""
    keep(release, keys, journal, "--number", "GJ02")
    data = journal.read_bytes()
    server = start()
    done = late(release, keys, server.address, journal, kiosk=keys.other, status=2)
    assert done.out == "" and "1 of the questions" in one_line(done) and "were not opened" in done.err
    kiosks.write_text(kiosk_line(keys.other_pub, "van-8") + "revoke van-7\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"event=kiosks_reloaded")
    assert "not enrolled" in one_line(late(release, keys, server.address, journal, status=2))
    kiosks.write_text(kiosk_line(keys.kiosk_pub, "van-7"))
    stranger = start(key=keys.other)
    assert late(release, keys, stranger.address, journal, server_pub=keys.other_pub, status=2).out == ""
    kept = bytearray(journal.read_bytes())
    assert kept[8] == 3  # it waits behind the others
    kept[8] = 1
    assert kept == data


def test_a_key_roll(release, keys, journal, start, tmp_path):
    """What was kept for the old key and the new one is answered by a server that has either."""
    keep(release, keys, journal, "--number", "GJ02", "--server-key", keys.other_pub)
    old = start()
    keep(release, keys, journal, "--number", "GJ01", "--server-key", keys.other_pub)
    both = tmp_path / "both.key"
    both.write_text(keys.other.read_text() + keys.server.read_text())
    lines = late(release, keys, start(key=keys.other).address, journal, server_pub=keys.other_pub, status=1).out.splitlines()
    assert [line.split()[0] for line in lines] == ["VALID", "EXPIRED"]
    keep(release, keys, journal, "--number", "GJ02")
    assert late(release, keys, start(key=both).address, journal, server_pub=keys.other_pub).out.startswith("VALID late")
    keep(release, keys, journal, "--number", "GJ02", server_pub=keys.other_pub)
    assert late(release, keys, old.address, journal, status=2).out == "" and waiting(journal) == 1


def test_kept_for_so_long(shifted, keys, journal, start):
    """Then it is dropped, and that is said; by the server's clock, whatever this machine's says."""
    def then(days):
        return lambda *args, **how: shifted(days * DAY, *args, built=1, **how)

    keep(then(-6), keys, journal, "--number", "GJ02", "--reference", "9")
    keep(then(-4), keys, journal, "--number", "GJ02", "--reference", "10")
    data = journal.read_bytes()
    late(then(6), keys, NOBODY, journal, "--journal-days", "5", status=2)
    assert journal.read_bytes() == data
    done = late(then(30), keys, start().address, journal, "--journal-days", "5", "--max-skew", "31536000", status=2)
    assert "reference 9: no answer came in --journal-days, so it is dropped" in one_line(done)
    assert done.out.startswith("VALID late") and "reference 10" in done.out and journal.read_bytes() == b""


def test_those_that_nobody_can_open(release, keys, journal, start):
    """They wait behind the others, and hold nothing up."""
    server = start()
    for number in range(20):
        keep(release, keys, journal, "--number", "GJ02", "--reference", f"other {number}", kiosk=keys.other)
    assert late(release, keys, server.address, journal, status=2).out == ""
    keep(release, keys, journal, "--number", "GJ02", "--reference", "own")
    done = release(*client(keys, server.address, journal, "--number", "GJ02"), status=0)
    assert done.out.count("\n") == 2 and "reference own" in done.out and "15 of the questions" in done.err
    lines = late(release, keys, server.address, journal, kiosk=keys.other).out.splitlines()
    assert len(lines) == 20 and journal.read_bytes() == b""


def test_what_cannot_be_printed_waits_on(dlv, keys, journal, start):
    for number in range(3):
        keep(dlv, keys, journal, "--number", "GJ02")
    server = start()
    for options in ((), ("--json",)):
        with open("/dev/full", "w") as full:
            done = subprocess.run([dlv.path, *map(str, client(keys, server.address, journal, "--late", *options))], stdout=full, capture_output=False)
        assert done.returncode == 2 and waiting(journal) == 3
    assert len(late(dlv, keys, server.address, journal).out.splitlines()) == 3


def test_the_card_that_was_scanned(release, keys, journal, start):
    """It is compared with its own licence, not with that of one who was kept."""
    keep(release, keys, journal, "--number", "GJ01")
    done = release(*client(keys, start().address, journal, "--scan", "GJ02"), status=0)
    assert done.out.startswith("VALID LMV") and "EXPIRED late" in done.out and "note: the card" not in done.out
    assert done.out.index("EXPIRED late") > done.out.index("VALID LMV")


# --- slips, faults and crashes ------------------------------------------------------------------------


def test_what_goes_together(release, keys, journal, small_db):
    for arguments, why in (
            (("--db", small_db, "--authority", keys.authority_pub, "--number", "A", "--journal", journal), "--journal needs --server and --key"),
            (("--server", NOBODY, "--server-key", keys.server_pub, "--number", "A", "--journal", journal), "--journal needs --server and --key"),
            (client(keys, NOBODY, journal, "--number", "A", "--at", "2020-01-01")[1:], "does not go with --at"),
            (("--legacy", "--server", NOBODY, "--journal", journal, "A 9812345678 B"), "--journal does not go with --legacy"),
            (("--server", NOBODY, "--server-key", keys.server_pub, "--number", "A", "--reference", "1"), "--reference belongs to --journal"),
            (client(keys, NOBODY, journal)[1:], "one question is needed"), (client(keys, NOBODY, journal, "--name", "X")[1:], "one question is needed"),
            (client(keys, NOBODY, journal, "--late", "--number", "A")[1:], "--late asks nothing but"),
            (client(keys, NOBODY, journal, "--late", "--class", "A")[1:], "--class does not go with --late"),
            (client(keys, NOBODY, journal, "--number", "A", "--reference", "7:\nVALID")[1:], "without control characters"),
            (client(keys, NOBODY, journal, "--number", "A", "--reference", "\x9b0m")[1:], "without control characters"),
            (client(keys, NOBODY, journal, "--number", "A", "--reference", "x" * 65)[1:], "no longer than 64 bytes")):
        assert why in one_line(release("client", *arguments)), arguments
    assert not journal.exists()


def test_files_that_are_none(release, keys, journal, tmp_path):
    """Nothing of somebody else's is touched."""
    for content in (b"hello\n", b"dlx", b"x" * 5000, b"dlvj" + b"\xff" * 2000 + b"x" * 20000):
        journal.write_bytes(content)
        journal.chmod(0o600)
        done = release(*client(keys, NOBODY, journal, "--number", "GJ02"), status=2)
        assert "not a journal of dlv from byte 0 on; move it away" in done.err and "; kept" not in done.err
        assert journal.read_bytes() == content
    journal.chmod(0o644)
    assert "this user's alone" in one_line(release(*client(keys, NOBODY, journal, "--number", "GJ02")))
    for path in (tmp_path, tmp_path / "no/where", "/dev/null"):
        assert str(path) in one_line(release(*client(keys, NOBODY, path, "--number", "GJ02")))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "this user's alone" in one_line(release(*client(keys, NOBODY, tmp_path / "pipe", "--number", "GJ02")))
    (tmp_path / "link").symlink_to(journal)
    assert str(tmp_path / "link") in one_line(release(*client(keys, NOBODY, tmp_path / "link", "--number", "GJ02")))


def test_cut_short_and_altered(dlv, keys, journal, start):
    """What a crash has cut off was not said to be kept; it takes nothing else with it. Damage is told, and touches nothing."""
    for number in ("GJ02", "GJ01"):
        keep(dlv, keys, journal, "--number", number)
    data = journal.read_bytes()
    length = int.from_bytes(data[4:8], "little")
    server = start()
    for end in sorted({*range(length, length + 60, 7), len(data) - 1, len(data) - 16, len(data) - 40}):
        for tail in (b"", bytes(30), bytes(len(data) - end)):
            journal.write_bytes(data[:end] + (tail if end == length or len(data) - end == len(tail) > 15 else b""))
            done = late(dlv, keys, server.address, journal)
            assert done.out.startswith("VALID late") and done.out.count("\n") == 1, (end, len(tail))
    chance = random.Random(5)
    for at in [*range(0, 46), *chance.sample(range(46, length), 25)]:
        bent = bytearray(data)
        bent[at] ^= 4
        journal.write_bytes(bent)
        done = late(dlv, keys, server.address, journal, status=None)
        assert "not a journal of dlv from byte 0 on" in done.err and done.out == "" and journal.read_bytes() == bytes(bent), at
    # Made to fit again: what the servers were given to open is authenticated; so it is opened by none, and waits.
    bent = bytearray(data[:length])
    bent[16] ^= 1
    bent[-16:] = peer.sha256(bytes(bent[9:-16]))[:16]
    journal.write_bytes(bent)
    done = late(dlv, keys, server.address, journal, status=2)
    assert "were not opened" in done.err and done.out == "" and waiting(journal) == 1


def test_a_reference_that_somebody_has_written(release, keys, journal, start):
    """It is shown before it is known whose it is, where a question is dropped."""
    keep(release, keys, journal, "--number", "GJ02", "--reference", "0123456789")
    bent = bytearray(journal.read_bytes())
    bent[16:24] = (1).to_bytes(8, "little")
    bent[40:50] = b"\x1b[31m\nVA\xc2\x9b"[:10]
    bent[-16:] = peer.sha256(bytes(bent[9:-16]))[:16]
    journal.write_bytes(bent)
    done = late(release, keys, start().address, journal, status=2)
    assert "it is dropped" in one_line(done) and "\x1b" not in done.err and done.out == ""


def test_no_room(release, keys, journal):
    """Where nothing can be kept, that is said, and nothing is half there."""
    keep(release, keys, journal, "--number", "GJ02")
    data = journal.read_bytes()
    arguments = [str(word) for word in client(keys, NOBODY, journal, "--number", "GJ01")]
    done = subprocess.run(["prlimit", f"--fsize={len(data) + 100}", RELEASE, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "--journal: " in done.stderr and "kept, and" not in done.stderr
    assert journal.read_bytes() == data


def test_at_once(release, keys, journal, start):
    """Many processes that keep, and many that ask: each question once."""
    def run(processes):
        return [(process.communicate(timeout=60), process.returncode) for process in processes]

    def begin(*args):
        return subprocess.Popen([RELEASE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    done = run([begin(*client(keys, NOBODY, journal, "--number", "GJ02", "--reference", str(i))) for i in range(30)])
    assert all("kept, and" in err for (_, err), _ in done) and waiting(journal) == 30
    server = start()
    done = run([begin(*client(keys, server.address, journal, "--late")) for _ in range(8)])
    lines = [line for (out, _), _ in done for line in out.splitlines()]
    assert sorted(int(re.search(r"reference (\d+)", line).group(1)) for line in lines) == list(range(30))
    assert all(status == 0 for _, status in done) and journal.read_bytes() == b""


def test_fifty_kills(release, keys, journal, start, tmp_path):
    """While it keeps, asks, prints and settles: what was said to be kept is answered, and what is said twice was said as
    the process died, under the same id."""
    chance = random.Random(11)
    kept, kills, answers = set(), 0, collections.Counter()
    ids = collections.defaultdict(set)
    for number in range(120):
        process = subprocess.Popen([RELEASE, *map(str, client(keys, NOBODY, journal, "--number", "GJ02", "--reference", str(number)))],
                                   stderr=subprocess.PIPE, text=True)
        if number % 2 == 0:
            time.sleep(chance.random() * 0.01)
            process.kill()
        if "kept, and" in process.communicate(timeout=30)[1]:
            kept.add(str(number))
        kills += process.returncode == -signal.SIGKILL
    assert len(kept) >= 60
    server = start()
    after_kill = 0
    for turn in range(61):
        process = subprocess.Popen([RELEASE, *map(str, client(keys, server.address, journal, "--late", "--json"))], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        if turn < 60:
            time.sleep(0.005 + chance.random() * 0.04)
            process.kill()
        out = process.communicate(timeout=60)[0]
        kills += process.returncode == -signal.SIGKILL
        for line in out.splitlines():
            found = json.loads(line)
            assert found["verdict"] == "VALID"
            answers[found["reference"]] += 1
            ids[found["reference"]].add(found["journal_id"])
        after_kill += process.returncode == -signal.SIGKILL and out != ""
    assert journal.read_bytes() == b"" and kills >= 25
    assert kept <= set(answers) and all(len(found) == 1 for found in ids.values())
    assert sum(answers.values()) - len(answers) <= after_kill


# --- the frame, by an independent peer ------------------------------------------------------------------


@pytest.mark.parametrize("Client", [TcpClient, UdpClient])
def test_frames(dlv, serve, small_db, server_pub, kiosk, keys, kiosks, Client):
    server = serve(dlv, small_db, "--kiosks", kiosks, "--openings-per-source", "0", "--openings", "0", who=())
    other = peer.load_private(keys.other)
    secret = os.urandom(32)
    wrapped = peer.wrap(server_pub, kiosk.public_key(), secret)
    client = Client(server.port, server_pub, kiosk).open()
    cookie = bytes(20)

    def exchange(frame):
        reply = client.exchange(frame)
        if reply[4] == peer.COOKIE:
            frame = frame[:8] + reply[8:] + frame[28:]
            reply = client.exchange(frame)
        return client.session.unwrapped(reply, frame)

    assert exchange(client.session.unwrap(server_pub, wrapped)) == secret
    other_pub = other.public_key()
    flipped = lambda at: lambda body: body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
    for frame in (
            client.session.unwrap(server_pub, peer.wrap(server_pub, other_pub, secret)),
            client.session.unwrap(server_pub, peer.wrap(server_pub, kiosk.public_key(), secret, label=b"dlv session 2")),
            client.session.unwrap(server_pub, peer.wrap(server_pub, kiosk.public_key(), secret, label=b"")),
            client.session.unwrap(server_pub, peer.wrap(server_pub, kiosk.public_key(), secret[:31])),
            client.session.unwrap(other_pub, peer.wrap(other_pub, kiosk.public_key(), secret)),
            client.session.unwrap(server_pub, os.urandom(256)), client.session.unwrap(server_pub, bytes(256)),
            client.session.unwrap(server_pub, b"\xff" * 256), client.session.unwrap(server_pub, b""),
            client.session.unwrap(server_pub, wrapped.ljust(540, b"\1")),
            *(client.session.unwrap(server_pub, wrapped, bend=flipped(at)) for at in (0, 3, 4, 5, 6, 7, 8, 100, 263))):
        assert exchange(frame) is None
    # The session goes on; the kiosk's questions are answered.
    assert client.ask([peer.item(bytes(32))]).status == peer.GOOD
    frame = client.session.unwrap(server_pub, wrapped)
    for at in (28, 60, 116, 117, 128, 300, 676, 691):
        bent = bytearray(frame)
        bent[at] ^= 1
        with pytest.raises(Refused, match=f"{peer.SESSION}"):
            exchange(bytes(bent))
        client = client if Client is UdpClient else Client(server.port, server_pub, kiosk).open()
        frame = client.session.unwrap(server_pub, wrapped)
    # Of nobody in particular.
    client = Client(server.port, server_pub).open()
    assert exchange(client.session.unwrap(server_pub, wrapped)) is None


def test_a_kiosk_that_has_too_much_unwrapped(release, serve, small_db, server_pub, kiosk, kiosks):
    """Sixteen at once are the kiosk's own; then it waits as strangers do who open sessions."""
    server = serve(release, small_db, "--kiosks", kiosks, "--openings-per-source", "1", who=())
    wrapped = peer.wrap(server_pub, kiosk.public_key(), os.urandom(32))
    client, count = TcpClient(server.port, server_pub, kiosk).open(), 0
    while True:
        frame = client.session.unwrap(server_pub, wrapped)
        reply = client.exchange(frame)
        if reply == peer.refusal(peer.BUSY):
            break
        assert client.session.unwrapped(reply, frame)
        count += 1
    assert 16 <= count <= 200
