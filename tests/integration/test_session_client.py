"""dlv's client against dlv's server, and against an independent server that may lie."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import dbformat
import pytest
import registry_rows
import session_peer as peer
from conftest import HEADER, SMALL, VECTORS, build, kiosk_line, one_line
from session_peer import Core, TcpServer, UdpServer
from test_session import FAST, everybody

RECORD = "Ramesh 2344567890 GJ05-1234"
ROW = {"name": "Ramesh", "licence": "GJ05-1234", "status": "valid", "status_since": "2020-01-01", "valid_from": "2020-01-01",
       "valid_to": "2090-01-01", "classes": "LMV"}
TCP_UDP = pytest.mark.parametrize("udp", [[], ["--udp"]], ids=["tcp", "udp"])


@pytest.fixture(scope="session")
def server_key(keys):
    return peer.load_private(keys.server)


def released(authority, **facts):
    """A database of one licence, by the independent implementation."""
    row = {**ROW, "classes": facts.pop("classes", "LMV")}
    facts = {"sequence": 7, "created": int(time.time()) - 60, **facts}
    with tempfile.NamedTemporaryFile() as out:
        out.write(dbformat.build(registry_rows.entries([row]), authority, dbformat.Facts(**facts)))
        out.flush()
        return dbformat.Database(out.name, authority)


@pytest.fixture(scope="session")
def authority(keys):
    return dbformat.load_key(keys.authority)


@pytest.fixture
def core(server_key, authority):
    """Makes an independent server of one licence, with facts of its release."""
    return lambda key=None, kiosks=(), is_anonymous_allowed=True, **facts: Core(
        key or server_key, released(authority, **facts), kiosks, is_anonymous_allowed)


def ask(dlv, keys, port, *args, record=RECORD, **how):
    ports = port if isinstance(port, (list, tuple)) else [port]
    servers = ",".join(p if isinstance(p, str) else f"127.0.0.1:{p}" for p in ports)
    return dlv("client", "--server", servers, "--server-key", keys.server_pub, *args, record, **how)


# --- with dlv's own server ------------------------------------------------------------------------


@TCP_UDP
def test_ours_with_ours(dlv, serve, small_db, keys, tmp_path, udp):
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    server = serve(dlv, small_db, "--kiosks", tmp_path / "kiosks", who=())
    done = ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, status=0)
    assert done.out.startswith("VALID LMV, MCWG from 2015-04-02 to 2035-04-01; the name is the same; ") and not done.err
    answer = json.loads(ask(dlv, keys, server.port, "--key", keys.kiosk, "--json", *udp, status=0).out)
    assert answer["verdict"] == "VALID" and answer["db_sequence"] == 1
    assert [one["class"] for one in answer["held"][0]["classes"]] == ["LMV", "MCWG"]
    assert answer["source"] == f"127.0.0.1:{server.port}#1" and answer["server_time"]
    assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, record="No 9811111 Body", status=1).out.startswith("UNKNOWN")
    done = ask(dlv, keys, server.port, "--key", keys.kiosk, "--at", "2015-01-01", *udp, status=1)
    assert done.out.startswith("NOT_YET_VALID")
    for wrong in ([], ["--key", keys.other]):
        assert "not enrolled" in one_line(ask(dlv, keys, server.port, *wrong, *udp))
    done = dlv("client", "--server", server.address, "--server-key", keys.other_pub, *udp, "--key", keys.kiosk, RECORD)
    assert "another key than the one given" in one_line(done)


@TCP_UDP
def test_lines(dlv, serve, small_db, keys, udp):
    """The same answers as offline, in the same order, a hundred times over."""
    server = everybody(serve, dlv, small_db)
    numbers = [row.split(",")[2] for row in SMALL.replace('"Sharma, Asha"', "Asha").splitlines()[1:]]
    text = "".join(number + "\n" for number in numbers + ["Some 1"]) * 100
    base = ["client", "--server", server.address, "--server-key", keys.server_pub, *udp]
    online = dlv(*base, "--number", "-", "--class", "LMV", stdin=text, status=1)
    offline = dlv("client", "--db", small_db, "--authority", keys.authority_pub, "--number", "-", "--class", "LMV",
                  stdin=text, status=1)
    strip = lambda out: [line.split(" (")[0] for line in out.splitlines()]
    assert strip(online.out) == strip(offline.out) and len(strip(online.out)) == 700
    bad = ask(dlv, keys, server.port, *udp, record="-", stdin=RECORD + "\nbad\x01line\n" + RECORD + "\n", status=2)
    assert bad.out.count("VALID") == 2 and "standard input:2" in bad.err


def test_numbers_and_documents(dlv, serve, keys, tmp_path):
    document = tmp_path / "licence.pdf"
    document.write_bytes(os.urandom(5000))
    digest = hashlib.sha256(document.read_bytes()).hexdigest()
    db = tmp_path / "l.db"
    build(dlv, keys, db, HEADER.strip() + f",document\nA,9800001,GJ-1,valid,2020-01-01,2090-01-01,{digest}\n")
    server = everybody(serve, dlv, db)
    base = ["client", "--server", server.address, "--server-key", keys.server_pub]
    for proof in ([], ["--prove", "--authority", keys.authority_pub]):
        dlv(*base, *proof, "--number", "gj 1", status=0)
        dlv(*base, *proof, "--document", document, status=0)
        assert dlv(*base, *proof, "--number", "gj 2", status=1).out.startswith("UNKNOWN")
        assert dlv(*base, *proof, "A 9800001 GJ-2", status=1).out.startswith("UNKNOWN")


@pytest.mark.parametrize("is_keyed", [False, True])
def test_proved(dlv, serve, keys, tmp_path, is_keyed):
    db, lookup = tmp_path / "l.db", ["--lookup-key", VECTORS / "golden_lookup.key"] if is_keyed else []
    build(dlv, keys, db, SMALL, *lookup)
    server = everybody(serve, dlv, db, *lookup)
    proof = ["--prove", "--authority", keys.authority_pub, *lookup]
    assert ask(dlv, keys, server.port, *proof, status=0).out.startswith("VALID")
    assert ask(dlv, keys, server.port, *proof, record="No 9811111 Body", status=1).out.startswith("UNKNOWN")
    text = (RECORD + "\nNo 9811111 Body\n") * 20
    assert ask(dlv, keys, server.port, *proof, record="-", stdin=text, status=1).out.count("UNKNOWN") == 20
    evidence = tmp_path / "evidence"
    ask(dlv, keys, server.port, "--evidence", evidence, *proof[1:], status=0)
    done = dlv("verify", "--evidence", evidence, "--authority", keys.authority_pub, *lookup, RECORD, status=0)
    assert done.out.splitlines()[-1].startswith("VALID")
    wrong = ["--prove", "--authority", keys.other_pub, *lookup]
    assert "another authority" in one_line(ask(dlv, keys, server.port, *wrong))
    if is_keyed:
        assert "keyed" in one_line(ask(dlv, keys, server.port, "--prove", "--authority", keys.authority_pub))


def test_a_restarted_server_and_a_long_lived_client(dlv, serve, small_db, keys, tmp_path):
    """A client that waits at its input for the next line survives whatever happens to its session."""
    stats = tmp_path / "stats"
    server = everybody(serve, dlv, small_db, "--idle", "1", "--stats", stats)
    client = subprocess.Popen([dlv.path, "client", "--server", server.address, "--server-key", keys.server_pub, "-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def turn():
        client.stdin.write(RECORD.encode() + b"\n")
        client.stdin.flush()
        assert client.stdout.readline().startswith(b"VALID line ")

    turn()
    time.sleep(2)  # the server closes the idle connection
    turn()
    for child in server.children():
        os.kill(child, signal.SIGKILL)
    time.sleep(1)
    turn()
    client.stdin.close()
    assert client.wait(10) == 0 and client.stderr.read() == b""
    # All in one session: the server spent one RSA operation.
    server.stop()
    assert re.search(r"^dlv_openings_total (\d+)", stats.read_text(), re.M).group(1) == "1"


def test_a_session_at_another_server(dlv, serve, small_db, keys, tmp_path):
    """A client that fails over goes on with its ticket where servers share the key, and opens anew where not."""
    shared = tmp_path / "ticket.key"
    dlv("keygen", "--type", "ticket", "-o", shared, status=0)
    for options, openings in ((["--ticket-key", shared], "0"), ([], "1")):
        stats = tmp_path / f"stats{openings}"
        first = everybody(serve, dlv, small_db, *options)
        second = everybody(serve, dlv, small_db, *options, "--stats", stats)
        client = subprocess.Popen([dlv.path, "client", "--server", f"{first.address},{second.address}", "--server-key",
                                   keys.server_pub, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for server in (first, second):
            client.stdin.write(RECORD.encode() + b"\n")
            client.stdin.flush()
            assert f"; {server.address}#1 of " in client.stdout.readline().decode()
            if server is first:
                first.stop()
        client.stdin.close()
        assert client.wait(10) == 0
        second.stop()
        assert re.search(r"^dlv_openings_total (\d+)", stats.read_text(), re.M).group(1) == openings


# --- with a server that is not ours ---------------------------------------------------------------


@TCP_UDP
def test_theirs(dlv, core, keys, udp):
    kiosk = peer.load_public(keys.kiosk_pub)
    with (UdpServer if udp else TcpServer)(core(kiosks=[kiosk], is_anonymous_allowed=False)) as server:
        assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, status=0).out.startswith("VALID")
        assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, record="x 9811111 y", status=1).out.startswith("UNKNOWN")
        assert "not enrolled" in one_line(ask(dlv, keys, server.port, *udp))


def test_lost_datagrams(dlv, core, keys):
    for drops in (lambda n: n % 2 == 1, lambda n: n in (1, 3), lambda n: n < 4):
        with UdpServer(core(), drops) as server:
            assert ask(dlv, keys, server.port, "--udp", status=0).out.startswith("VALID")
    with UdpServer(core(), lambda n: True) as server:
        started = time.monotonic()
        assert "no answer within" in one_line(ask(dlv, keys, server.port, "--udp", "--timeout", "2"))
        assert 1.5 < time.monotonic() - started < 6


def bend_at(at, value):
    def bend(body):
        body = bytearray(body)
        body[at] = value
        return bytes(body)
    return bend


@TCP_UDP
@pytest.mark.parametrize("bend, complaint", [
    # status, count, zeros, length
    (bend_at(8, 1), "malformed"), (bend_at(8, 9), "malformed"), (bend_at(9, 0), "malformed"), (bend_at(9, 3), "contradicts"),
    (bend_at(9, 65), "malformed"), (bend_at(10, 2), "malformed"), (bend_at(11, 1), "malformed"), (bend_at(12, 1), "malformed"),
    (bend_at(7, 0x80), "malformed"),
    # kind, card, matches, terms, further terms
    (bend_at(48, 0), "malformed"), (bend_at(48, 2), "contradicts"), (bend_at(48, 9), "malformed"), (bend_at(49, 1), "contradicts"),
    (bend_at(49, 4), "malformed"), (bend_at(50, 0), "contradicts"), (bend_at(50, 4), "contradicts"), (bend_at(50, 5), "malformed"),
    (bend_at(51, 1), "contradicts"), (bend_at(52, 1), "contradicts"), (bend_at(54, 0), "contradicts"),
    (bend_at(54, 1), "contradicts"), (bend_at(62, 0xFF), "contradicts"),
    (bend_at(70, 1), "contradicts"), (bend_at(71, 0x7F), "malformed"), (bend_at(-1, 1), "malformed"),
    (lambda body: body[:-1], ""), (lambda body: b"", ""),
], ids=lambda x: x if isinstance(x, str) else "")
def test_a_lying_server(dlv, core, keys, udp, bend, complaint):
    """It has the key, so it is authentic; yet it contradicts itself."""
    lying = core()
    lying.bend_body = lambda body, question: bend(body) if question[0] == peer.ANSWERS else body
    with (UdpServer if udp else TcpServer)(lying) as server:
        line = one_line(ask(dlv, keys, server.port, *udp, "--timeout", "2"))
        assert complaint in line, line


@pytest.mark.parametrize("what, at", [(peer.HEAD, 48 + 16), (peer.HEAD, 48 + 1024), (peer.HEAD, 15), (peer.DICTIONARY, 48),
                                      (peer.DICTIONARY, 60), (peer.DICTIONARY, 12), (peer.HEAD, 16), (peer.DICTIONARY, 16)])
def test_a_lying_release(dlv, core, keys, what, at):
    """What is said about a release is its header's and the header's dictionary, or it is refused."""
    lying = core()
    lying.bend_body = lambda body, question: bend_at(at, body[at] ^ 1)(body) if question[0] == what else body
    with TcpServer(lying) as server:
        one_line(ask(dlv, keys, server.port, "--timeout", "2"))


def test_a_lying_operator(dlv, core, keys):
    """With --prove nothing but what the authority signed is an answer, whatever is changed in a proof."""
    proof = ["--prove", "--authority", keys.authority_pub]
    with TcpServer(core()) as server:
        assert ask(dlv, keys, server.port, *proof, status=0).out.startswith("VALID")
        assert ask(dlv, keys, server.port, *proof, record="x 9811111 y", status=1).out.startswith("UNKNOWN")
    for at in (48, 49, 50, 57, 58, 58 + 31, 58 + 32, 58 + 38, 58 + 40, 58 + 45, 58 + 54):
        lying = core()
        lying.bend_body = lambda body, question: bend_at(at, body[at] ^ 4)(body) if question[0] == peer.PROOFS else body
        with TcpServer(lying) as server:
            one_line(ask(dlv, keys, server.port, *proof, "--timeout", "2"))
            one_line(ask(dlv, keys, server.port, *proof, "--timeout", "2", record="x 9811111 y"))


def test_altered_answers(release, core, keys):
    """Every byte of an answer: over TCP refused; over UDP passed over until the right one comes."""
    for at in (0, 3, 4, 5, 6, 7, 8, 19, 20, 25, 32, 40, 60, 100, -17, -16, -1):
        bent = core()
        bent.bend = lambda frame: frame[:at] + bytes([frame[at] ^ 2]) + frame[at + 1 or len(frame):]
        with TcpServer(bent) as server:
            assert one_line(ask(release, keys, server.port, "--timeout", "1"))
        once, sent = core(), []

        def bend(frame):
            bad = frame[:at] + bytes([frame[at] ^ 2]) + frame[at + 1 or len(frame):]
            sent.append(frame)
            return frame if len(sent) > 1 else bad
        once.bend = bend
        with UdpServer(once) as server:
            done = ask(release, keys, server.port, "--udp", "--timeout", "5")
            assert done.returncode == 0 or at in (4, 5), (at, done.err)


def test_an_answer_to_another_question(dlv, core, keys):
    """Replayed, and swapped between two questions of a session."""
    old = []
    replay = core()

    def bend(frame):
        old.append(frame)
        return old[0] if replay.asked > 1500 else frame
    replay.bend = bend
    with TcpServer(replay) as server:
        text = "\n".join([RECORD] * 3000) + "\n"  # many frames
        done = ask(dlv, keys, server.port, record="-", stdin=text)
        assert done.returncode == 2 and 0 < done.out.count("VALID") <= 1500
        assert "not an answer to this question" in done.err


def test_silence_and_noise(dlv, keys):
    for noise in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 5000, b"dlv\1" + bytes(100), b"dlv"):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            connection, _ = listener.accept()
            connection.recv(2000)
            connection.sendall(noise)
            connection.close()
        thread = threading.Thread(target=serve)
        thread.start()
        line = one_line(ask(dlv, keys, listener.getsockname()[1], "--timeout", "2"))
        assert f"127.0.0.1:{listener.getsockname()[1]}" in line
        thread.join()
        listener.close()


# --- older, staler, later -------------------------------------------------------------------------


@TCP_UDP
def test_an_older_database_is_refused(dlv, core, keys, tmp_path, udp):
    Server = UdpServer if udp else TcpServer
    state = tmp_path / "state"
    assert str(state) in one_line(ask(dlv, keys, 1, "--authority", keys.authority_pub, "--state", state, *udp))
    state.mkdir()
    new_server = core(sequence=9)
    with Server(new_server) as new, Server(core(sequence=8)) as old:
        ask(dlv, keys, new.port, "--authority", keys.authority_pub, "--state", state, *udp, status=0)
        files = list(state.glob("*.seen"))
        assert len(files) == 1 and re.fullmatch(r"[0-9a-f]{32}\.licences\.seen", files[0].name)
        # The head that the authority has signed, and the time.
        head, seen = files[0].read_bytes()[:8192], files[0].read_bytes()[8192:]
        assert peer.sha256(head[:4096]) == new_server.database.id and abs(int(seen) - time.time()) < 60
        line = one_line(ask(dlv, keys, old.port, "--authority", keys.authority_pub, "--state", state, *udp))
        assert "sequence number 8" in line and "9" in line
        # Another server of the list has it.
        assert ask(dlv, keys, [old.port, new.port], "--authority", keys.authority_pub, "--state", state, *udp, status=0).out.startswith("VALID")
        # Without a memory, only within a run.
        ask(dlv, keys, old.port, *udp, status=0)
        # Who can write there cannot invent a release, so cannot have the client wait for one.
        forged = bytearray(files[0].read_bytes())
        forged[24] ^= 64  # the sequence number, FORMAT.md
        files[0].write_bytes(forged)
        line = one_line(ask(dlv, keys, new.port, "--authority", keys.authority_pub, "--state", state, *udp))
        assert "not the head of a release that the authority has signed" in line and str(files[0]) in line
        files[0].write_text("many\n")
        assert str(state) in one_line(ask(dlv, keys, new.port, "--authority", keys.authority_pub, "--state", state, *udp))
    assert files[0].read_text() == "many\n"


def test_a_clock_that_is_set_back(release, core, keys, authority, tmp_path):
    """With --state a server cannot go back to a day on which a licence was still good, or not suspended yet."""
    state = tmp_path / "state"
    state.mkdir()
    server = core()
    with TcpServer(server) as running:
        ask(release, keys, running.port, "--authority", keys.authority_pub, "--state", state, status=0)
        server.clock_skew = -250  # within --max-skew
        ask(release, keys, running.port, "--authority", keys.authority_pub, "--state", state, status=0)
        server.clock_skew = -4000
        server.database = released(authority, created=int(time.time()) - 100000, sequence=9)
        assert "behind a time that a server gave before" in one_line(ask(release, keys, running.port, "--authority", keys.authority_pub, "--state", state))
        ask(release, keys, running.port, "--authority", keys.authority_pub, "--state", state, "--max-skew", "5000", status=0)
        ask(release, keys, running.port, status=0)


def test_a_server_whose_clock_is_ahead(release, shifted, core, keys, authority, tmp_path):
    """One server's word about the time does not keep a kiosk from the others for days: where its own clock agrees
    with them, they are believed. A kiosk whose own clock says something else asks nobody that is behind."""
    state = tmp_path / "state"
    state.mkdir()
    server = core()
    options = ("--authority", keys.authority_pub, "--state", state)

    def early(*args, **how):
        return shifted(-3600, *args, **how)

    with TcpServer(server) as running:
        server.clock_skew = 5 * 86400  # the release is not past its valid-until by then
        ask(release, keys, running.port, *options, status=0)
        server.clock_skew = 0
        assert "behind a time that a server gave before" in one_line(ask(early, keys, running.port, *options))
        ask(release, keys, running.port, *options, status=0)
        ask(early, keys, running.port, *options, status=0)  # forgotten by now


def test_going_back_within_a_run(dlv, core, keys, authority):
    going_back = core(sequence=9)
    older = released(authority, sequence=8)

    def bend(frame):
        if going_back.asked > 1500:
            going_back.database = older
        return frame
    going_back.bend = bend
    with TcpServer(going_back) as server:
        text = "\n".join([RECORD] * 3000) + "\n"
        done = ask(dlv, keys, server.port, record="-", stdin=text)
        assert done.returncode == 2 and 0 < done.out.count("VALID") < 3000 and "8, but 9 has been seen before" in done.err


def test_a_new_release_within_a_run(dlv, core, keys, authority):
    """Its numbers mean other classes: the dictionary is asked for again, and no answer mixes the two."""
    changing = core()
    newer = released(authority, sequence=8, classes="A1 NEW;LMV")

    def bend(frame):
        if changing.asked > 1500:
            changing.database = newer
        return frame
    changing.bend = bend
    with TcpServer(changing) as server:
        done = ask(dlv, keys, server.port, record="-", stdin="\n".join([RECORD] * 3000) + "\n", status=0)
    old, new = done.out.count("LMV from"), done.out.count("A1, LMV, NEW from")
    assert old + new == 3000 and old > 0 and new > 0
    assert all(("#8" in line) == ("NEW" in line) for line in done.out.splitlines())


LONG = HEADER.replace("valid_to", "valid_to,classes") + "".join(
    f"Asha Rao,9800000098,GJ05-{number},valid,20{10 + group}-01-01,20{40 + group}-01-01,{'ABCDEFGHIJ'[group] * 40}\n"
    for number in range(1000, 1300) for group in range(10))
LONG += "Ravi Rao,9800000099,GJ06-1234,valid,2010-01-01,2040-01-01,LMV\n"


@TCP_UDP
def test_long_answers_and_hints(release, serve, keys, tmp_path, udp):
    """Licences of which much is said, between numbers that are unknown and for which hints are sought: every answer
    is what the file says, also where few answers fit into a frame."""
    db = tmp_path / "l.db"
    build(release, keys, db, LONG, "--number-pattern", "@@##-####")
    server = serve(release, db, who=("--anonymous",))
    text = "".join(f"GJ05-{number}\n" + ("GJ06-1243\nGJO6-1234\n" if number % 50 == 7 else "") for number in range(1000, 1300))
    offline = release("client", "--db", db, "--authority", keys.authority_pub, "--number", "-", stdin=text)
    online = ["client", "--server", server.address, "--server-key", keys.server_pub, *udp, "--number", "-"]
    for proof in ([], ["--prove", "--authority", keys.authority_pub]):
        done = release(*online, *proof, stdin=text)
        assert re.sub(r"127\.0\.0\.1:\d+#", "l.db#", done.out) == offline.out and done.err == offline.err
    assert offline.out.count("but GJ06-1234 is known") == 6 and offline.err.count("but GJ06-1234 is known") == 6
    assert offline.out.count("J" * 40) == 300


def test_a_release_that_comes_while_hints_are_sought(release, core, keys, authority):
    """The answers of the old release are not read with the new one's dictionary."""
    changing = core()
    newer = released(authority, sequence=8, classes="A1 NEW;LMV")

    def bend(frame):
        changing.database = newer
        return frame
    changing.bend = bend
    with TcpServer(changing) as server:
        done = ask(release, keys, server.port, record="-", stdin=f"{RECORD}\nRamesh 2344567890 GJ05-1243\n{RECORD}\n", status=1)
    lines = done.out.splitlines()
    assert len(lines) == 3 and all("#8" in line for line in lines)
    assert [line.count("A1, LMV, NEW from") for line in lines] == [1, 0, 1]


def test_another_register(dlv, core, keys):
    with TcpServer(core(name="gujarat")) as server:
        assert ask(dlv, keys, server.port, "--db-name", "gujarat", status=0).out.startswith("VALID")
        assert '"gujarat", not "kerala"' in one_line(ask(dlv, keys, server.port, "--db-name", "kerala"))


def test_a_stale_database(dlv, core, keys):
    now = int(time.time())
    with TcpServer(core(created=now - 86400 * 9, valid_until=now - 86400 * 3)) as server:
        assert "was valid until" in one_line(ask(dlv, keys, server.port))
        assert "was valid until" in one_line(ask(dlv, keys, server.port, "--stale-ok", "2"))
        done = ask(dlv, keys, server.port, "--stale-ok", "4", status=0)
        assert done.out.startswith("VALID") and "warning" in done.err


def test_clocks(dlv, core, keys):
    """The server's clock says what day it is; servers that disagree are told, and none is believed alone then."""
    def skewed(by):
        one = core(created=int(time.time()) - 86400 * 40)
        one.clock_skew = by
        return TcpServer(one)
    day = 86400
    with skewed(30 * day) as ahead, skewed(-30 * day) as behind, skewed(0) as right:
        for server, offset in ((ahead, 30), (behind, -30), (right, 0)):
            answer = json.loads(ask(dlv, keys, server.port, "--json", status=0).out)
            assert answer["day"] == time.strftime("%Y-%m-%d", time.gmtime(time.time() + offset * day))
    # One that is made before its own database.
    young = core()
    young.clock_skew = -4000
    with TcpServer(young) as server:
        assert "behind the date of its own database" in one_line(ask(dlv, keys, server.port))
        assert ask(dlv, keys, server.port, "--max-skew", "5000", status=0)


# --- failing over -----------------------------------------------------------------------------------


@TCP_UDP
def test_failover(dlv, serve, small_db, keys, core, udp):
    server = everybody(serve, dlv, small_db)
    free = socket.create_server(("127.0.0.1", 0))
    dead = free.getsockname()[1]
    free.close()
    silent = socket.create_server(("127.0.0.1", 0))
    silent_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent_udp.bind(silent.getsockname())
    mute = silent.getsockname()[1]
    wrong_key = core(key=peer.load_private(keys.other))
    with (UdpServer if udp else TcpServer)(wrong_key) as impostor:
        done = ask(dlv, keys, [dead, mute, impostor.port, server.port], *udp, "--timeout", "1", status=0)
        assert f"127.0.0.1:{server.port}#1" in done.out and not done.err
        line = one_line(ask(dlv, keys, [mute, dead], *udp, "--timeout", "1"))
        assert "127.0.0.1" in line
    # By name, whichever address of it answers.
    assert ask(dlv, keys, [f"localhost:{server.port}"], *udp, status=0).out.startswith("VALID")


def test_a_busy_server(dlv, serve, small_db, keys):
    server = serve(dlv, small_db, "--openings-per-source", "1", who=("--anonymous",))
    for _ in range(8):  # after the burst, one a second: each waits for its turn
        assert ask(dlv, keys, server.port, status=0).out.startswith("VALID")
    for _ in range(2):
        assert ask(dlv, keys, server.port, "--udp", status=0).out.startswith("VALID")


def test_never_falls_back(dlv, serve, small_db, keys):
    """A server that speaks only the original protocol gets nothing from a session client."""
    asked = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_once():
        connection, _ = listener.accept()
        connection.settimeout(3)
        asked.append(connection.recv(2000))
        connection.sendall(b"-----BEGIN PUBLIC KEY-----\n")
        connection.close()
    thread = threading.Thread(target=serve_once)
    thread.start()
    assert "does not speak this protocol" in one_line(ask(dlv, keys, listener.getsockname()[1], "--timeout", "3"))
    thread.join()
    assert asked[0][:4] == b"dlv\2"


def test_usage(dlv, keys, small_db):
    online = ["client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub]
    offline = ["client", "--db", small_db, "--authority", keys.authority_pub]
    for args, complaint in (
            (["client", "--server", "127.0.0.1:1", RECORD], "--server-key"),
            ([*online, "--prove", RECORD], "--authority"), ([*online, "--authority", keys.authority_pub, RECORD], "--prove"),
            ([*online, "--legacy", RECORD], "--legacy"),
            ([*online, "--lookup-key", "x", RECORD], "--lookup-key"), ([*online, "--max-skew", "x", RECORD], "--max-skew"),
            ([*offline, "--udp", RECORD], "--db"), ([*offline, "--state", "/nowhere", RECORD], "--state"),
            ([*offline, "--key", keys.kiosk, RECORD], "--db"),
            (["client", "--server", "127.0.0.1:1", "--server-key", keys.server, RECORD], "public key"),
            ([*online, "--key", keys.kiosk_pub, RECORD], "private key")):
        line = one_line(dlv(*args))
        assert complaint in line, line
