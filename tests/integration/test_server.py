"""The server as a service: start, slow clients, limits, reload, end."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import original_client
import pytest
from conftest import HEADER, SMALL, VECTORS, Server, build
from test_legacy import GOOD, INVALID, VALID, Peer


def ask(server, record=GOOD):
    return original_client.ask("127.0.0.1", server.port, record)[0]


def rows(*names, status="valid"):
    return HEADER + "".join(f"{n},9800000001,GJ-{n},{status},2020-01-01,2090-01-01\n" for n in names)


# --- start ----------------------------------------------------------------------------------------


def test_refuses_to_start(dlv, keys, small_db, tmp_path):
    good = {"--db": small_db, "--authority": keys.authority_pub, "--key": keys.server}
    old = tmp_path / "old.db"
    build(dlv, keys, old, rows("a"), "--legacy", "--created", "2026-01-01", "--valid-days", "1")
    for option, value, complaint in (
        ("--db", old, "was valid until"), ("--db", tmp_path / "none", "none"),
        ("--authority", keys.other_pub, "another authority"), ("--key", keys.server_pub, "private key"),
        ("--listen", "127.0.0.1:1x", "--listen"), ("--listen", "192.0.2.1:1", "cannot listen"),
        ("--workers", "0", "--workers"), ("--timeout", "0", "--timeout"),
        ("--lookup-key", VECTORS / "golden_lookup.key", "not keyed")):
        options = {"--listen": "127.0.0.1:0", **good, option: value}
        done = dlv("server", "--legacy", "--anonymous", *(x for pair in options.items() for x in pair),
                   timeout=20)
        assert done.returncode == 2 and complaint in done.err.splitlines()[-1], done.err
    taken = socket.create_server(("127.0.0.1", 0))
    done = dlv("server", "--legacy", "--anonymous", "--listen", f"127.0.0.1:{taken.getsockname()[1]}",
               *(x for pair in good.items() for x in pair), timeout=20)
    assert done.returncode == 2 and "in use" in done.err.splitlines()[-1]


def test_keyed(dlv, serve, keys, tmp_path):
    lookup = ["--lookup-key", VECTORS / "golden_lookup.key"]
    build(dlv, keys, tmp_path / "l.db", SMALL, "--legacy", *lookup)
    server = serve(dlv, tmp_path / "l.db", *lookup)
    assert ask(server) == VALID and ask(server, "nobody 1 2") == INVALID


def test_legacy_needs_a_database_made_for_it(dlv, keys, tmp_path):
    build(dlv, keys, tmp_path / "l.db", SMALL)
    done = dlv("server", "--legacy", "--anonymous", "--listen", "127.0.0.1:0", "--db", tmp_path / "l.db", "--authority",
               keys.authority_pub, "--key", keys.server, timeout=20)
    assert done.returncode == 2 and "made without --legacy" in done.err.splitlines()[-1], done.err


def test_listens_on_every_address(release, keys, small_db):
    import subprocess
    process = subprocess.Popen(
        [release.path, "server", "--listen", ":0", "--legacy", "--anonymous", "--db", small_db,
         "--authority", keys.authority_pub, "--key", keys.server], stderr=subprocess.PIPE)
    try:
        while b"event=ready" not in (line := process.stderr.readline()):
            assert line
        port = int(line.split(b" sequence")[0].rsplit(b":", 1)[1])
        assert original_client.ask("127.0.0.1", port, GOOD)[0] == VALID
        if b"[::]" in line and pathlib.Path("/proc/net/if_inet6").exists():
            assert original_client.ask("::1", port, GOOD)[0] == VALID
    finally:
        process.terminate()
        assert process.wait(20) == 0


# --- clients that do not behave -----------------------------------------------------------------


def test_thousands_of_slow_clients(release, serve, small_db):
    """Stalled at every stage; the others notice nothing."""
    server = serve(release, small_db, "--timeout", "60")
    slow = []
    for i in range(3000):
        peer = socket.create_connection(("127.0.0.1", server.port), 20)
        if i % 3:
            peer.sendall(b"Client: OK"[: i % 11])
        if i % 3 == 2:
            peer.sendall(b"Client: OK"[i % 11 :] + b"half a question")
        slow.append(peer)
    start = time.monotonic()
    for _ in range(20):
        assert ask(server) == VALID
    assert time.monotonic() - start < 10
    for peer in slow:
        peer.close()


def test_client_that_never_reads(release, serve, small_db):
    server = serve(release, small_db, "--timeout", "2")
    peer = Peer(server).greet()
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    peer.socket.sendall(peer.question() + b"Quit")
    assert ask(server) == VALID


def test_client_that_leaves_while_decrypting(dlv, serve, small_db):
    server = serve(dlv, small_db)
    for _ in range(40):
        peer = Peer(server).greet()
        peer.socket.sendall(peer.question())
        peer.socket.close()
    assert ask(server) == VALID


def test_flood_of_openings_does_not_stop_greetings(release, serve, small_db):
    """Ciphertexts wait for the key in a queue of their own."""
    server = serve(release, small_db, "--workers", "1", "--key-holders", "1", "--openings-per-source", "0")
    peers = [Peer(server).greet() for _ in range(150)]
    question = peers[0].question()
    for peer in peers:
        peer.socket.sendall(question)
    start = time.monotonic()
    Peer(server).greet()
    assert time.monotonic() - start < 0.5
    for peer in peers:
        assert peer.socket.recv(1024).decode() == VALID


def test_more_connections_than_allowed(release, serve, small_db):
    server = serve(release, small_db, "--connections", "50", "--workers", "1", "--timeout", "60")
    slow = [socket.create_connection(("127.0.0.1", server.port), 20) for _ in range(200)]
    assert ask(server) == VALID  # the oldest made room
    assert slow[0].recv(1) == b""
    for peer in slow:
        peer.close()


def test_descriptors_run_out(release, keys, small_db):
    import resource
    import subprocess
    process = subprocess.Popen(
        [release.path, "server", "--listen", "127.0.0.1:0", "--legacy", "--anonymous", "--db", small_db,
         "--authority", keys.authority_pub, "--key", keys.server, "--workers", "1", "--connections",
         "100000"], stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)))
    try:
        while b"event=ready" not in (line := process.stderr.readline()):
            assert line
        port = int(line.split(b" sequence")[0].rsplit(b":", 1)[1])
        slow = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(400)]
        assert original_client.ask("127.0.0.1", port, GOOD)[0] == VALID
        for peer in slow:
            peer.close()
    finally:
        process.terminate()
        assert process.wait(60) == 0


# --- reload and end -----------------------------------------------------------------------------


def test_reload(dlv, serve, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, rows("old"), "--legacy")
    server = serve(dlv, db)
    assert ask(server, "old 9800000001 GJ-old") == VALID and ask(server, "new 9800000001 GJ-new") == INVALID
    build(dlv, keys, db, rows("new"), "--legacy")
    assert ask(server, "new 9800000001 GJ-new") == INVALID  # not before it is told
    assert "event=reloaded sequence=2 entries=2" in server.reload()
    assert ask(server, "old 9800000001 GJ-old") == INVALID and ask(server, "new 9800000001 GJ-new") == VALID


def test_worse_databases_are_not_taken(dlv, serve, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, rows("good"), "--legacy", "--sequence", "5")
    server = serve(dlv, db)
    good = db.read_bytes()

    def with_options(*options, sign=keys.authority):
        db.unlink()
        dlv("dbgen", "--sign", sign, "-o", db, "--legacy", *options, "-", stdin=rows("bad"), status=0)

    def damaged():
        with_options("--sequence", "6")
        data = bytearray(db.read_bytes())
        data[8200] ^= 1
        os.replace(write(tmp_path / "x", bytes(data)), db)

    for spoil, complaint in (
        (lambda: with_options("--sequence", "4"), "not above 5"),
        (lambda: with_options("--sequence", "5"), "not above 5"),
        (lambda: with_options("--sequence", "6", sign=keys.other), "another authority"),
        (lambda: with_options("--sequence", "6", "--created", "2026-01-01", "--valid-days", "1"),
         "was valid until"),
        (lambda: with_options("--sequence", "6", "--lookup-key", VECTORS / "golden_lookup.key"), "keyed"),
        (damaged, "SHA-256"), (lambda: os.replace(write(tmp_path / "x", good[:4000]), db), "shorter"),
        (lambda: os.replace(write(tmp_path / "x", b""), db), "shorter"), (db.unlink, "No such file")):
        spoil()
        line = server.reload()
        assert line.startswith("event=reload_refused sequence_kept=5") and complaint in line, line
        assert ask(server, "good 9800000001 GJ-good") == VALID
    dlv("dbgen", "--sign", keys.authority, "-o", db, "--legacy", "--sequence", "6", "-", stdin=rows("next"), status=0)
    assert "reloaded sequence=6" in server.reload() and ask(server, "next 9800000001 GJ-next") == VALID


def write(path, data):
    path.write_bytes(data)
    return path


def test_reload_under_load_loses_nothing(release, serve, keys, tmp_path):
    db = tmp_path / "l.db"
    build(release, keys, db, rows("always", "r1"), "--legacy")
    server = serve(release, db, "--openings-per-source", "0")
    over, wrong = threading.Event(), []

    def load():
        while not over.is_set():
            if ask(server, "always 9800000001 GJ-always") != VALID or ask(server, "never 1 2") != INVALID:
                wrong.append(1)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(2, 30):
        build(release, keys, db, rows("always", f"r{i}"), "--legacy")
        assert f"reloaded sequence={i}" in server.reload()
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_reload_of_what_is_locked_in_memory(dlv, release, serve, keys, tmp_path):
    """It is read, locked and let go in parts; questions are answered all the while, and in the end
    one release is in memory."""
    db = tmp_path / "l.db"
    filling = [f"p{i}" for i in range(25000)]  # two of them within the usual RLIMIT_MEMLOCK
    build(release, keys, db, rows("always", *filling), "--legacy")
    server = serve(dlv, db, "--populate", "--lock", "--workers", "1")

    def locked():
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in server.children()]
        return max(int(text.split("VmLck:")[1].split()[0]) * 1024 for text in texts)

    for i in range(2, 5):
        build(release, keys, db, rows("always", f"r{i}", *filling), "--legacy")
        assert f"reloaded sequence={i}" in server.reload()
        deadline = time.monotonic() + 20
        while ask(server, f"r{i} 9800000001 GJ-r{i}") != VALID:
            assert ask(server, "always 9800000001 GJ-always") == VALID and time.monotonic() < deadline
        size = db.stat().st_size
        # AddressSanitizer makes mlock do nothing.
        while not dlv.is_sanitized and not size <= locked() < 1.1 * size:
            assert ask(server, "always 9800000001 GJ-always") == VALID and time.monotonic() < deadline


@pytest.fixture(scope="module")
def large_db(release, keys, tmp_path_factory):
    """Large enough that its check takes a while."""
    path = tmp_path_factory.mktemp("large") / "l.db"
    text = "".join(f"person 98{i:08} x{i}\n" for i in range(600000))
    build(release, keys, path, text, "--lines", "--legacy", "--sequence", "10")
    return path


def test_answers_while_the_next_database_is_checked(release, serve, keys, tmp_path, large_db):
    db = tmp_path / "l.db"
    build(release, keys, db, rows("old"), "--legacy")
    server = serve(release, db)
    os.link(large_db, tmp_path / "next")
    os.replace(tmp_path / "next", db)
    server.log = b""
    server.process.send_signal(signal.SIGHUP)
    assert ask(server, "old 9800000001 GJ-old") == VALID and b"reload" not in server.log
    server.wait_for(rb"event=reloaded sequence=10 entries=1200000")
    assert ask(server, "person 9800599999 x599999") == VALID


def test_ends_while_the_next_database_is_checked(release, serve, keys, tmp_path, large_db):
    db = tmp_path / "l.db"
    build(release, keys, db, rows("old"), "--legacy")
    server = serve(release, db)
    os.link(large_db, tmp_path / "next")
    os.replace(tmp_path / "next", db)
    server.process.send_signal(signal.SIGHUP)
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < 5


def test_damage_that_only_the_full_check_sees(release, keys, tmp_path, serve):
    db = tmp_path / "l.db"
    build(release, keys, db, rows("a", "b"), "--legacy")
    data = bytearray(db.read_bytes())
    data[struct.unpack_from("<Q", data, 272 + 16 * 2)[0]] ^= 1  # a Merkle node: no look-up reads it
    db.write_bytes(data)
    done = release("server", "--legacy", "--anonymous", "--listen", "127.0.0.1:0", "--db", db, "--authority",
                   keys.authority_pub, "--key", keys.server, timeout=20)
    assert done.returncode == 2 and "Merkle" in done.err
    server = serve(release, db, "--quick")
    assert ask(server, "a 9800000001 GJ-a") == VALID


def test_populate_and_lock(dlv, serve, small_db):
    server = serve(dlv, small_db, "--populate", "--lock", "--workers", "1")
    assert ask(server) == VALID
    locked = 0
    for pid in server.children():
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        locked = max(locked, int(status.split("VmLck:")[1].split()[0]) * 1024)
    # AddressSanitizer makes mlock do nothing.
    assert dlv.is_sanitized or locked >= small_db.stat().st_size


def test_valid_until_passes_while_serving(release, serve, keys, tmp_path):
    db = tmp_path / "l.db"
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 + 4))
    build(release, keys, db, rows("a"), "--legacy", "--created", created, "--valid-days", "1")
    server = serve(release, db)
    assert ask(server, "a 9800000001 GJ-a") == VALID
    time.sleep(5.5)
    peer = Peer(server).greet()
    peer.socket.sendall(peer.question())
    assert peer.rest() == b""  # no answer is better than an old one


def test_drain(dlv, serve, small_db):
    """After SIGTERM nobody new is heard, and who was being served is served."""
    server = serve(dlv, small_db)
    peer = Peer(server).greet()
    server.process.send_signal(signal.SIGTERM)
    server.wait_for(rb"event=draining")
    time.sleep(0.3)
    with pytest.raises(ConnectionRefusedError):
        Peer(server)
    peer.socket.sendall(peer.question() + b"Quit")
    assert peer.rest().decode() == VALID + "Server stopped\n"
    assert server.process.wait(20) == 0


def test_drain_ends_at_the_deadline(release, serve, small_db):
    server = serve(release, small_db, "--timeout", "1")
    stalled = Peer(server).greet()
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < 5 and stalled.rest() == b""


@pytest.mark.parametrize("which", range(4))
def test_a_failed_child_is_replaced(release, serve, small_db, which):
    server = serve(release, small_db, "--workers", "2", "--key-holders", "2")
    children = server.children()
    assert len(children) == 4
    for _ in range(3):
        victim = server.children()[which]
        server.log = b""
        os.kill(victim, signal.SIGKILL)
        server.wait_for(rb"event=child_failed [^\n]*signal=9")
        server.wait_for(rb"event=child_restarted")
        assert len(server.children()) == 4 and victim not in server.children()
        for _ in range(8):
            assert ask(server) == VALID


def test_a_server_that_cannot_start_ends(release, keys, small_db):
    """A worker that cannot lock the database in memory, at the first start: no half a server."""
    limits = ["prlimit", "--memlock=4096:4096"]
    if os.geteuid() == 0:
        pytest.skip("root may lock as much as it likes")
    done = subprocess.run([*limits, release.path, "server", "--listen", "127.0.0.1:0", "--anonymous", "--lock",
                           "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server],
                          capture_output=True, timeout=30)
    assert done.returncode == 2 and b"could not start" in done.stderr


def test_children_do_not_outlive_a_killed_parent(release, serve, small_db):
    server = serve(release, small_db)
    children = server.children()
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 10
    while any(pathlib.Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_only_key_holders_have_the_key(release, serve, small_db, keys):
    """The prime is in no worker's memory, and in the parent's only where nobody inherits it and no core file has it."""
    from Cryptodome.PublicKey import RSA
    prime = RSA.import_key(keys.server.read_bytes()).p.to_bytes(128, "big")
    server = serve(release, small_db, "--workers", "2", "--key-holders", "1")
    ask(server)

    def holds(pid):
        with open(f"/proc/{pid}/mem", "rb") as memory:
            for line in open(f"/proc/{pid}/maps"):
                fields = line.split()
                low, high = (int(x, 16) for x in fields[0].split("-"))
                if "r" not in fields[1] or "[vvar" in line or "[vsyscall" in line:
                    continue
                memory.seek(low)
                if prime in memory.read(high - low):
                    yield low

    def flags(pid, low):
        text = pathlib.Path(f"/proc/{pid}/smaps").read_text()
        return re.search(rf"(?s)^0*{low:x}-.*?^VmFlags: ([^\n]*)", text, re.M)[1].split()

    try:
        held = [list(holds(pid)) for pid in [server.process.pid, *server.children()]]
        kept = [flags(server.process.pid, low) for low in held[0]]
    except PermissionError:
        pytest.skip("may not read other processes' memory here")
    assert [bool(places) for places in held] == [True, True, False, False]
    assert all("dd" in one and "dc" in one for one in kept), kept  # not dumped, not copied by fork(2)


def test_log_says_nothing_of_persons(dlv, serve, small_db):
    server = serve(dlv, small_db)
    ask(server)
    server.stop()
    for word in (b"Ramesh", b"8f90a67a", b"2344567890"):
        assert word not in server.log
    for line in server.log.decode().splitlines():
        assert line.startswith("dlv server: ") and ("event=" in line or "warning" in line)


def test_an_end_does_not_wait_for_who_is_silent(release, serve, small_db):
    """Neither for a connection that has sent nothing, nor for one with a part of a frame; an hour is left to both."""
    for sent in (b"", b"dlv", b"dlv\2\1\0\100\1" + bytes(100), b"Client: O"):
        server = serve(release, small_db, "--timeout", "60")
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.send(sent)
        time.sleep(0.3)
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < 4, sent
        connection.close()


def test_a_reload_while_it_starts(release, small_db, keys):
    """It is done when all is there, instead of ending the server."""
    process = subprocess.Popen([release.path, "server", "--listen", "127.0.0.1:0", "--anonymous", "--db", small_db, "--authority",
                                keys.authority_pub, "--key", keys.server], stderr=subprocess.PIPE)
    for _ in range(200):
        time.sleep(0.0005)
        # Not before its first step: until then it is the shell's, as it were.
        if "SigBlk:\t0000000000000000" not in pathlib.Path(f"/proc/{process.pid}/status").read_text():
            process.send_signal(signal.SIGHUP)
    log = b""
    while b"event=database_unchanged" not in log:
        piece = os.read(process.stderr.fileno(), 65536)
        assert piece, log
        log += piece
    process.terminate()
    assert process.wait(30) == 0
