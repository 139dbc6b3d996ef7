"""Files that others change while they are in use: what is printed is what was checked."""

import itertools
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import session_peer as peer
from conftest import HEADER, build
from test_session import RAMESH

ROW = HEADER + "Ramesh,2344567890,GJ05-1234,{},2020-01-01,2090-01-01\n"


@pytest.fixture
def two_states(release, keys, tmp_path):
    """Two releases of the same length: in the one the licence is suspended, in the other, older one it is valid."""
    suspended, valid = tmp_path / "suspended.db", tmp_path / "valid.db"
    build(release, keys, valid, ROW.format("valid"), "--sequence", "1")
    build(release, keys, suspended, ROW.format("suspended"), "--sequence", "2")
    assert suspended.stat().st_size == valid.stat().st_size
    return suspended, valid


def overwrite(path, other, offset=0):
    """As cp and rsync --inplace do: the same file, other bytes."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(other.read_bytes()[offset:])


def trouble_after(dlv, keys, db, change):
    """A client is answered, then the file changes: what it says instead of a second answer."""
    client = subprocess.Popen([dlv.path, "client", "--db", db, "--authority", keys.authority_pub, "--number", "-"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)
    client.stdin.write("GJ05-1234\n")
    assert client.stdout.readline().startswith("SUSPENDED")
    change()
    client.stdin.write("GJ05-1234\n")
    out, err = client.communicate(timeout=30)
    assert out == "" and client.returncode == 2
    return err


@pytest.mark.parametrize("offset", [0, 8192])  # all of it; all but the signed header
def test_an_offline_answer_is_of_the_file_that_was_opened(dlv, keys, two_states, tmp_path, offset):
    db = tmp_path / "l.db"
    shutil.copy(two_states[0], db)
    err = trouble_after(dlv, keys, db, lambda: overwrite(db, two_states[1], offset))
    assert str(db) in err and "damaged" in err


def test_an_offline_file_that_is_cut_short(release, keys, two_states, tmp_path):
    db = tmp_path / "l.db"
    shutil.copy(two_states[0], db)
    err = trouble_after(release, keys, db, lambda: os.truncate(db, 0))
    assert err.splitlines() == [f"dlv client: {db}: was cut short, or cannot be read any more"]


# --- under a running server ------------------------------------------------------------------------------------------


class Asker:
    """Asks one question after the other, over TCP and UDP in turn, each with a new session; keeps what was said."""

    def __init__(self, server, server_pub):
        self.server, self.server_pub, self.said, self.is_over = server, server_pub, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for Client in itertools.cycle((peer.TcpClient, peer.UdpClient)):
            if self.is_over:
                return
            try:
                client = Client(self.server.port, self.server_pub)
                client.sock.settimeout(2)
                client.open()
                for _ in range(50):
                    answer = client.ask([RAMESH])
                    self.said.append(answer.found[0].terms[0] >> 2 & 7)
                client.close()
            except (OSError, EOFError, peer.Refused):
                time.sleep(0.01)

    def stop(self):
        self.is_over = True
        self.thread.join()
        return self.said


VALID, SUSPENDED = 1, 2  # enum status of FORMAT.md


def until_answered(server, server_pub, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            client = peer.TcpClient(server.port, server_pub)
            client.sock.settimeout(2)
            return client.open().ask([RAMESH]).found[0].terms[0] >> 2 & 7
        except (OSError, EOFError, peer.Refused):
            if time.monotonic() > deadline:
                raise


def is_refused(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), 1).close()
        return False
    except ConnectionRefusedError:
        return True


@pytest.fixture
def live(release, serve, two_states, tmp_path):
    db = tmp_path / "live.db"
    shutil.copy(two_states[0], db)
    return serve(release, db, "--workers", "2", "--quick", who=("--anonymous",)), db


def test_a_newer_release_that_is_copied_over_the_one_in_use(release, keys, live, server_pub, tmp_path):
    """It does no harm but a pause: no answer is made of half a file, and the clients go elsewhere meanwhile."""
    server, db = live
    newer = tmp_path / "newer.db"
    build(release, keys, newer, ROW.format("valid") + "Nobody,2344567890,GJ05-9999,valid,2020-01-01,2090-01-01\n" * 1,
          "--sequence", "3")
    asker = Asker(server, server_pub)
    time.sleep(0.5)
    subprocess.run(["cp", newer, db], check=True)
    server.wait_for(rb"event=database_lost sequence=2 reason=\"somebody writes to it")
    server.wait_for(rb"event=reloaded sequence=3")
    assert until_answered(server, server_pub) == VALID
    deadline = time.monotonic() + 10
    while VALID not in asker.said and time.monotonic() < deadline:
        time.sleep(0.1)  # it may be waiting for an answer that went with a worker
    said = asker.stop()
    assert set(said) == {SUSPENDED, VALID} and said == sorted(said, key=lambda status: status == VALID)


@pytest.mark.parametrize("how", ["older", "cut", "body", "no lease", "no lease, body", "no lease, times put back"])
def test_a_file_that_was_spoilt_is_not_answered_from(live, two_states, server_pub, how):
    server, db = live
    good = db.with_name("good.db")
    shutil.copy(two_states[0], good)
    if "no lease" in how:  # the file is another user's
        server.stop()
        os.chown(db, 12345, 0)
        server.__init__(server.dlv, *server.arguments, who=("--anonymous",), prefix=("setpriv", "--bounding-set", "-lease"))
    before = db.stat()
    asker = Asker(server, server_pub)
    time.sleep(0.5)
    if how == "cut":
        os.truncate(db, 5000)
    else:
        overwrite(db, two_states[1], 8192 if "body" in how or "times" in how else 0)
    if "times" in how:
        os.utime(db, ns=(before.st_atime_ns, before.st_mtime_ns))
    server.wait_for(rb"event=database_lost sequence=2")
    server.wait_for(rb"event=reload_refused sequence_kept=2")
    time.sleep(1)
    assert is_refused(server) and server.process.poll() is None
    os.replace(good, db)
    server.wait_for(rb"event=reloaded sequence=2")
    assert until_answered(server, server_pub) == SUSPENDED
    assert set(asker.stop()) == {SUSPENDED}
    assert server.log.count(b"reload_refused") == 1  # each file is tried once


def test_a_worker_that_is_started_anew_checks_the_file(release, live, two_states, server_pub):
    """A release that was signed, too, but is not the one that was checked."""
    server, db = live
    overwrite(db, two_states[1])
    server.wait_for(rb"event=database_lost")
    server.process.send_signal(signal.SIGTERM)  # and it ends while it has nothing to answer from
    assert server.process.wait(10) == 0


def test_what_somebody_has_open_for_writing_is_not_taken(release, keys, live, two_states, server_pub, tmp_path):
    """Through a mapping it could be changed at any time, and nothing would tell."""
    server, db = live
    newer = tmp_path / "newer.db"
    build(release, keys, newer, ROW.format("valid"), "--sequence", "3")
    with open(newer, "r+b"):
        os.replace(newer, db)
        assert "somebody has it open for writing" in server.reload()
        done = release("server", "--db", db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous",
                       "--listen", "127.0.0.1:0", timeout=20)
        assert done.returncode == 2 and "somebody has it open for writing" in done.err
    assert "reloaded sequence=3" in server.reload()


def test_a_port_that_is_taken_while_nothing_is_answered(live, two_states, server_pub):
    server, db = live
    good = db.with_name("good.db")
    shutil.copy(two_states[0], good)
    os.truncate(db, 100)
    server.wait_for(rb"event=database_lost")
    with socket.create_server(("127.0.0.1", server.port)):
        os.replace(good, db)
        server.wait_for(rb"event=port_awaited reason=")
    server.wait_for(rb"event=listening_again")
    assert until_answered(server, server_pub) == SUSPENDED


def test_a_release_that_is_written_to_while_it_is_checked(release, keys, live, server_pub, tmp_path):
    """It is refused, and the one in use stays in use."""
    server, db = live
    server.stop()
    server.__init__(server.dlv, *[word for word in server.arguments if word != "--quick"], who=("--anonymous",))
    newer = tmp_path / "newer.db"
    build(release, keys, newer, HEADER + "".join(f"N{i},,GJ{i:07},valid,2020-01-01,2090-01-01\n" for i in range(300000)),
          "--sequence", "3")
    os.replace(newer, db)
    server.log = b""
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.15)
    with open(db, "r+b"):
        pass
    outcome = server.wait_for(rb"event=(reloaded|reload_refused)[^\n]*").group(0)
    if b"reloaded" in outcome:
        pytest.skip("the check was over before")
    assert b"database_lost" not in server.log
    assert until_answered(server, server_pub) == SUSPENDED


def test_signals_before_it_is_ready(release, keys, tmp_path):
    """SIGHUP while the file is still checked does not end the server; SIGTERM does, at once."""
    db = tmp_path / "l.db"
    build(release, keys, db, HEADER + "".join(f"N{i},,GJ{i:07},valid,2020-01-01,2090-01-01\n" for i in range(200000)))
    for number, status in ((signal.SIGHUP, None), (signal.SIGTERM, 0)):
        process = subprocess.Popen([release.path, "server", "--listen", "127.0.0.1:0", "--anonymous", "--db", db,
                                    "--authority", keys.authority_pub, "--key", keys.server], stderr=subprocess.PIPE)
        blocked, deadline = 0, time.monotonic() + 20
        while not blocked & 0x4000 and time.monotonic() < deadline:  # until it takes SIGTERM itself
            blocked = int(re.search(r"SigBlk:\s*(\w+)", pathlib.Path(f"/proc/{process.pid}/status").read_text()).group(1), 16)
            time.sleep(0.002)
        process.send_signal(number)
        if status is None:
            time.sleep(1.5)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
