"""dlv's client against dlv's server, and against an independent server that may lie."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import dbformat
import pytest
import session_peer as peer
from conftest import HEADER, VECTORS, build, kiosk_line, one_line
from session_peer import Core, TcpServer, UdpServer
from test_session import FAST, everybody

RECORD = "Ramesh 2344567890 GJ05-1234"
RAMESH = hashlib.sha256(RECORD.encode()).digest()
VALID = (1, dbformat.attributes("record", "valid", "2020-01-01", "2090-01-01", ()))
TCP_UDP = pytest.mark.parametrize("udp", [[], ["--udp"]], ids=["tcp", "udp"])


@pytest.fixture(scope="session")
def server_key(keys):
    return peer.load_private(keys.server)


def core(server_key, **how):
    return Core(server_key, {RAMESH: VALID}, **how)


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
    assert done.out.startswith("VALID from 2015-04-02 to 2035-04-01, classes MCWG LMV") and not done.err
    answer = json.loads(ask(dlv, keys, server.port, "--key", keys.kiosk, "--json", *udp, status=0).out)
    assert answer["verdict"] == "VALID" and answer["db_sequence"] == 1 and answer["classes"] == ["MCWG", "LMV"]
    assert answer["source"] == f"127.0.0.1:{server.port}#1" and answer["server_time"]
    assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, record="No 1 Body", status=1).out.startswith("UNKNOWN")
    done = ask(dlv, keys, server.port, "--key", keys.kiosk, "--at", "2036-01-01", *udp, status=1)
    assert done.out.startswith("EXPIRED")
    for wrong in ([], ["--key", keys.other]):
        assert "not enrolled" in one_line(ask(dlv, keys, server.port, *wrong, *udp))
    done = dlv("client", "--server", server.address, "--server-key", keys.other_pub, *udp, "--key", keys.kiosk, RECORD)
    assert "another key than the one given" in one_line(done)


@TCP_UDP
def test_lines(dlv, serve, small_db, keys, udp):
    """The same answers as offline, in the same order, a hundred times over."""
    server = everybody(serve, dlv, small_db)
    lines = "".join(" ".join(row.split(",")[:3]) + "\n" for row in
                    (VECTORS / "golden.csv").read_text().splitlines()[1:])
    text = (lines + "Some 1 Body\n") * 100
    online = ask(dlv, keys, server.port, *udp, record="-", stdin=text, status=1)
    offline = dlv("client", "--db", small_db, "--authority", keys.authority_pub, "-", stdin=text, status=1)
    strip = lambda out: [line.split(" (")[0] for line in out.splitlines()]
    assert strip(online.out) == strip(offline.out) and len(strip(online.out)) == 700
    bad = ask(dlv, keys, server.port, *udp, record="-", stdin=RECORD + "\nbad\x01line\n" + RECORD + "\n", status=2)
    assert bad.out.count("VALID") == 2 and "standard input:2" in bad.err


def test_numbers_and_documents(dlv, serve, keys, tmp_path):
    document = tmp_path / "licence.pdf"
    document.write_bytes(os.urandom(5000))
    digest = hashlib.sha256(document.read_bytes()).hexdigest()
    db = tmp_path / "l.db"
    build(dlv, keys, db, HEADER.strip() + f",document\nA,1,GJ-1,valid,2020-01-01,2090-01-01,{digest}\n")
    server = everybody(serve, dlv, db)
    base = ["client", "--server", server.address, "--server-key", keys.server_pub]
    for proof in ([], ["--prove", "--authority", keys.authority_pub]):
        dlv(*base, *proof, "--number", "gj 1", status=0)
        dlv(*base, *proof, "--document", document, status=0)
        assert dlv(*base, *proof, "--number", "gj 2", status=1).out.startswith("UNKNOWN")
        assert dlv(*base, *proof, "A 1 GJ-2", status=1).out.startswith("UNKNOWN")


@pytest.mark.parametrize("is_keyed", [False, True])
def test_proved(dlv, serve, keys, tmp_path, is_keyed):
    db, lookup = tmp_path / "l.db", ["--lookup-key", VECTORS / "golden_lookup.key"] if is_keyed else []
    build(dlv, keys, db, (VECTORS / "golden.csv").read_text(), *lookup)
    server = everybody(serve, dlv, db, *lookup)
    proof = ["--prove", "--authority", keys.authority_pub, *lookup]
    assert ask(dlv, keys, server.port, *proof, status=0).out.startswith("VALID")
    assert ask(dlv, keys, server.port, *proof, record="No 1 Body", status=1).out.startswith("UNKNOWN")
    text = (RECORD + "\nNo 1 Body\n") * 20
    assert ask(dlv, keys, server.port, *proof, record="-", stdin=text, status=1).out.count("UNKNOWN") == 20
    evidence = tmp_path / "evidence"
    ask(dlv, keys, server.port, "--evidence", evidence, *proof[1:], status=0)
    done = dlv("verify", "--evidence", evidence, "--authority", keys.authority_pub, *lookup, RECORD, status=0)
    assert done.out.startswith("VALID")
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
            assert f"({server.address}#1)" in client.stdout.readline().decode()
            if server is first:
                first.stop()
        client.stdin.close()
        assert client.wait(10) == 0
        second.stop()
        assert re.search(r"^dlv_openings_total (\d+)", stats.read_text(), re.M).group(1) == openings


# --- with a server that is not ours ---------------------------------------------------------------


@TCP_UDP
def test_theirs(dlv, server_key, keys, udp):
    kiosk = peer.load_public(keys.kiosk_pub)
    with (UdpServer if udp else TcpServer)(core(server_key, kiosks=[kiosk], is_anonymous_allowed=False)) as server:
        assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, status=0).out.startswith("VALID")
        assert ask(dlv, keys, server.port, "--key", keys.kiosk, *udp, record="x 1 y", status=1).out.startswith("UNKNOWN")
        assert "not enrolled" in one_line(ask(dlv, keys, server.port, *udp))


def test_lost_datagrams(dlv, server_key, keys):
    for drops in (lambda n: n % 2 == 1, lambda n: n in (1, 3), lambda n: n < 4):
        with UdpServer(core(server_key), drops) as server:
            assert ask(dlv, keys, server.port, "--udp", status=0).out.startswith("VALID")
    with UdpServer(core(server_key), lambda n: True) as server:
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
    (bend_at(40, 0), "malformed"), (bend_at(40, 2), "contradicts"), (bend_at(40, 9), "malformed"),
    (bend_at(41, 1), "malformed"), (bend_at(55, 0xFF), "contradicts"), (bend_at(36, 2), "does not take"),
    (bend_at(36, 7), "malformed"), (bend_at(37, 2), "malformed"), (bend_at(38, 0), "malformed"),
    (bend_at(38, 4), "malformed"), (bend_at(39, 1), "malformed"), (bend_at(40 + 16 + 32, 0x80), "malformed"),
    (lambda body: body[:-1], "malformed"), (lambda body: b"", ""),
], ids=lambda x: x if isinstance(x, str) else "")
def test_a_lying_server(dlv, server_key, keys, udp, bend, complaint):
    """It has the key, so it is authentic; yet it contradicts itself."""
    lying = core(server_key)
    lying.bend_body = bend
    with (UdpServer if udp else TcpServer)(lying) as server:
        line = one_line(ask(dlv, keys, server.port, *udp, "--timeout", "2"))
        assert complaint in line, line


def test_altered_answers(release, server_key, keys):
    """Every byte of an answer: over TCP refused; over UDP passed over until the right one comes."""
    for at in (0, 3, 4, 5, 6, 7, 8, 19, 20, 25, 32, 40, 60, 100, -17, -16, -1):
        bent = core(server_key)
        bent.bend = lambda frame: frame[:at] + bytes([frame[at] ^ 2]) + frame[at + 1 or len(frame):]
        with TcpServer(bent) as server:
            assert one_line(ask(release, keys, server.port, "--timeout", "1"))
        once = core(server_key)

        def bend(frame):
            bad = frame[:at] + bytes([frame[at] ^ 2]) + frame[at + 1 or len(frame):]
            return frame if once.asked > 1 else bad
        once.bend = bend
        with UdpServer(once) as server:
            done = ask(release, keys, server.port, "--udp", "--timeout", "5")
            assert done.returncode == 0 or at in (4, 5), (at, done.err)


def test_an_answer_to_another_question(dlv, server_key, keys):
    """Replayed, and swapped between two questions of a session."""
    old = []
    replay = core(server_key)

    def bend(frame):
        old.append(frame)
        return old[0]
    replay.bend = bend
    with TcpServer(replay) as server:
        text = "\n".join([RECORD] * 65) + "\n"  # two frames
        done = ask(dlv, keys, server.port, record="-", stdin=text)
        assert done.returncode == 2 and done.out.count("VALID") == 64
        assert "not an answer to this question" in done.err


def test_silence_and_noise(dlv, keys):
    for noise in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 5000, b"dlv\2" + bytes(100), b"dlv"):
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
def test_an_older_database_is_refused(dlv, server_key, keys, tmp_path, udp):
    Server = UdpServer if udp else TcpServer
    state = tmp_path / "state"
    assert str(state) in one_line(ask(dlv, keys, 1, "--state", state, *udp))
    state.mkdir()
    with Server(core(server_key, sequence=9)) as new, Server(core(server_key, sequence=8)) as old:
        ask(dlv, keys, new.port, "--state", state, *udp, status=0)
        files = list(state.iterdir())
        assert len(files) == 1 and files[0].read_text() == "9\n" and re.fullmatch(r"[0-9a-f]{32}\.sequence", files[0].name)
        line = one_line(ask(dlv, keys, old.port, "--state", state, *udp))
        assert "sequence number 8" in line and "9" in line
        # Another server of the list has it.
        assert ask(dlv, keys, [old.port, new.port], "--state", state, *udp, status=0).out.startswith("VALID")
        # Without a memory, only within a run.
        ask(dlv, keys, old.port, *udp, status=0)
        files[0].write_text("many\n")
        assert "not a sequence number" in one_line(ask(dlv, keys, new.port, "--state", state, *udp))
    assert files[0].read_text() == "many\n"


def test_going_back_within_a_run(dlv, server_key, keys):
    going_back = core(server_key, sequence=9)

    def bend(frame):
        going_back.sequence = 8
        return frame
    going_back.bend = bend
    with TcpServer(going_back) as server:
        text = "\n".join([RECORD] * 65) + "\n"
        done = ask(dlv, keys, server.port, record="-", stdin=text)
        assert done.returncode == 2 and done.out.count("VALID") == 64 and "seen before" in done.err


def test_a_new_release_within_a_run(dlv, server_key, keys):
    """Its names may be others: they are asked for again."""
    changing = core(server_key)
    first = changing.names

    def bend(frame):
        changing.sequence += 1
        changing.names = first[:32] + b"NEW-NAME".ljust(16, b"\0") + bytes(240)
        return frame
    changing.bend = bend
    changing.table[RAMESH] = (1, dbformat.attributes("record", "valid", "2020-01-01", "2090-01-01", ("MCWOG",)))
    with TcpServer(changing) as server:
        done = ask(dlv, keys, server.port, record="-", stdin="\n".join([RECORD] * 128) + "\n", status=0)
    assert done.out.count("classes LMV") == 64 and done.out.count("classes NEW-NAME") == 64


def test_a_stale_database(dlv, server_key, keys):
    stale = core(server_key)
    stale.valid_until = int(time.time()) - 86400 * 3
    with TcpServer(stale) as server:
        assert "was valid until" in one_line(ask(dlv, keys, server.port))
        assert "was valid until" in one_line(ask(dlv, keys, server.port, "--stale-ok", "2"))
        done = ask(dlv, keys, server.port, "--stale-ok", "4", status=0)
        assert done.out.startswith("VALID") and "warning" in done.err


def test_clocks(dlv, server_key, keys):
    def skewed(by):
        one = core(server_key)
        one.clock_skew = by
        return TcpServer(one)
    with skewed(4000) as ahead, skewed(-4000) as behind, skewed(4100) as also_ahead, skewed(0) as right:
        line = one_line(ask(dlv, keys, ahead.port))
        assert "ahead of this machine's" in line and "one of the two" in line
        assert "behind this machine's" in one_line(ask(dlv, keys, behind.port))
        assert ask(dlv, keys, ahead.port, "--max-skew", "5000", status=0)
        # A third opinion.
        assert "this machine's looks wrong" in one_line(ask(dlv, keys, [ahead.port, also_ahead.port]))
        assert ask(dlv, keys, [ahead.port, right.port], status=0).out.startswith("VALID")


# --- failing over -----------------------------------------------------------------------------------


@TCP_UDP
def test_failover(dlv, serve, small_db, keys, server_key, udp):
    server = everybody(serve, dlv, small_db)
    free = socket.create_server(("127.0.0.1", 0))
    dead = free.getsockname()[1]
    free.close()
    silent = socket.create_server(("127.0.0.1", 0))
    silent_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent_udp.bind(silent.getsockname())
    mute = silent.getsockname()[1]
    wrong_key = core(peer.load_private(keys.other))
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
    assert asked[0][:4] == b"dlv\1"


def test_usage(dlv, keys, small_db):
    online = ["client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub]
    offline = ["client", "--db", small_db, "--authority", keys.authority_pub]
    for args, complaint in (
            (["client", "--server", "127.0.0.1:1", RECORD], "--server-key"),
            ([*online, "--prove", RECORD], "--authority"), ([*online, "--authority", keys.authority_pub, RECORD], "--prove"),
            ([*online, "--udp", "--prove", "--authority", keys.authority_pub, RECORD], "TCP"),
            ([*online, "--legacy", RECORD], "--legacy"), ([*online, "--quick", RECORD], "--quick"),
            ([*online, "--lookup-key", "x", RECORD], "--lookup-key"), ([*online, "--max-skew", "x", RECORD], "--max-skew"),
            ([*offline, "--udp", RECORD], "--db"), ([*offline, "--state", "x", RECORD], "--db"),
            ([*offline, "--key", keys.kiosk, RECORD], "--db"),
            (["client", "--server", "127.0.0.1:1", "--server-key", keys.server, RECORD], "public key"),
            ([*online, "--key", keys.kiosk_pub, RECORD], "private key")):
        line = one_line(dlv(*args))
        assert complaint in line, line
