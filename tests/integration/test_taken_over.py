"""A worker in an attacker's hands reaches nothing: the real confined process, with hostile calls in the place of its
work (tests/support/hostile_worker.c)."""

import os
import pathlib
import re
import socket
import subprocess
import time

import pytest
import session_peer as peer
from conftest import HOSTILE_WORKER, Dlv, kiosk_line
from test_forgetting import image
from test_session import RAMESH


@pytest.fixture
def hostile_server(serve, small_db, keys, tmp_path, monkeypatch):
    def start(what, *more):
        monkeypatch.setenv("DLV_HOSTILE", what)
        (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
        return serve(Dlv(HOSTILE_WORKER, False), small_db, "--workers", "2", "--key-holders", "1", "--kiosks",
                     tmp_path / "kiosks", "--stats", tmp_path / "stats", *more)
    return start


def answers(server, server_pub, kiosk=None, count=20):
    """How many of so many new clients over TCP are answered; some come to the worker that answers nobody."""
    good = 0
    for _ in range(count):
        client = peer.TcpClient(server.port, server_pub, kiosk)
        client.sock.settimeout(0.7)
        try:
            client.open()
            good += client.ask([RAMESH]).found[0].kind is not None
        except (TimeoutError, OSError):
            pass
        finally:
            client.close()
    return good


# What it does, and what comes of it: "done" (it may be tried, and changes nothing), an error, or the end of the worker.
ACTS = {"board": "Permission denied", "empty": "done", "short": "done", "long": "done", "tally": None,
        "shut listener": "killed", "shut datagrams": "killed", "shut channel": "killed"}


@pytest.mark.parametrize("what", ACTS)
def test_an_act_changes_nothing_for_the_others(hostile_server, server_pub, keys, what):
    server = hostile_server(what)
    children = set(server.children())
    if ACTS[what] == "killed":
        server.wait_for(rb"event=child_failed role=worker [^\n]*signal=31[^\n]*a system call that its role has no use for")
        server.wait_for(rb"event=child_restarted role=worker")
        assert answers(server, server_pub, peer.load_private(keys.kiosk)) == 20
    else:
        if ACTS[what]:
            assert ACTS[what] in server.wait_for(rb"hostile: [^\n]*").group(0).decode()
        if what == "tally":  # so long it can have openings refused, as it can take connections and not answer
            server.wait_for(rb"hostile: tally: done", 60)
        # Whom the other worker gets, it answers: new sessions, which take the key-holder, and kiosks.
        assert answers(server, server_pub, peer.load_private(keys.kiosk)) >= 3
        assert set(server.children()) == children, server.log.decode()
    assert len(server.children()) == 3
    assert b"listener_lost" not in server.log
    server.process.send_signal(9)  # the hostile worker does not drain
    server.process.wait()


def test_a_flood_of_requests_takes_its_own_turn_only(hostile_server, server_pub):
    """Each of its requests is sound and costs a millisecond; the other worker's are served in turn with them."""
    server = hostile_server("flood")
    assert answers(server, server_pub, count=30) >= 5
    assert len(server.children()) == 3
    server.process.send_signal(9)
    server.process.wait()


@pytest.mark.parametrize("gives_receipts", [True, False])
def test_a_flood_of_receipts_takes_its_own_turn_only(hostile_server, release, server_pub, keys, tmp_path, gives_receipts):
    """Those that are signed together, and those that are refused at once."""
    release("keygen", "--type", "receipt", "-o", tmp_path / "receipt", status=0)
    release("keygen", "--certify", tmp_path / "receipt.pub", "--authority-key", keys.authority, "-o", tmp_path / "certificate", status=0)
    more = ("--receipt-key", tmp_path / "receipt.key", "--receipt-certificate", tmp_path / "certificate") if gives_receipts else ()
    server = hostile_server("receipts", *more)
    server.wait_for(rb"hostile: receipts: done")
    assert answers(server, server_pub, count=30) >= 5
    server.process.send_signal(9)
    server.process.wait()


def test_a_key_holder_serves_the_next_process_again(hostile_server, server_pub):
    """Whoever sent nonsense is shut out; the worker that takes its place is not."""
    server = hostile_server("long")
    server.wait_for(rb"hostile: requests: done")
    time.sleep(0.3)
    key_holder, first, second = server.children()
    os.kill(first, 9)
    os.kill(second, 9)
    server.wait_for(rb"(child_restarted role=worker.*){2}|child_restarted role=worker(.|\n)*child_restarted role=worker")
    deadline = time.monotonic() + 10
    while answers(server, server_pub, count=1) == 0 and time.monotonic() < deadline:
        pass
    assert answers(server, server_pub) == 20
    assert key_holder in server.children()


def test_children_know_no_secret_of_the_parents(release, serve, small_db, keys, tmp_path):
    """The file that servers derive ticket keys from, and the private keys, are nowhere in a worker."""
    secret = bytes(range(7, 39))
    (tmp_path / "tickets").write_bytes(secret)
    (tmp_path / "tickets").chmod(0o600)
    server = serve(release, small_db, "--workers", "2", "--key-holders", "1", "--ticket-key", tmp_path / "tickets")
    private = peer.load_private(keys.server).private_numbers()
    wanted = {"ticket secret": secret, "p": private.p.to_bytes(128, "big"), "q": private.q.to_bytes(128, "big")}
    parent = image(server.process.pid)
    assert all(value in parent for value in wanted.values())  # so the test sees what there is
    key_holder, *workers = server.children()
    for worker in workers:
        memory = image(worker)
        assert [name for name, value in wanted.items() if value in memory] == []
    assert secret not in image(key_holder)


def status_of(pid):
    return pathlib.Path(f"/proc/{pid}/status").read_text()


def test_the_parent_gives_up_what_it_does_not_need(release, serve, small_db, tmp_path):
    server = serve(release, small_db)
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    allowed = int(re.search(r"CapPrm:\s*(\w+)", status).group(1), 16)
    needed = sum(1 << n for n in (2, 5, 6, 7, 10, 23, 28))
    # DAC_READ_SEARCH KILL SETGID SETUID NET_BIND_SERVICE SYS_NICE LEASE
    assert allowed & ~needed == 0
    assert re.search(r"NoNewPrivs:\s*1", status) and re.search(r"Seccomp:\s*2", status)
    assert b"protection=user,seccomp,landlock,capabilities" in server.log
    for pid in server.children():
        deadline = time.monotonic() + 10
        while not (is_bare := re.search(r"CapPrm:\s*0+\nCapEff:\s*0+$", status_of(pid), re.M)) and time.monotonic() < deadline:
            time.sleep(0.05)  # key-holders confine themselves while the server is already ready
        assert is_bare


@pytest.mark.parametrize("part", ["seccomp", "landlock"])
def test_a_protection_is_left_out_alone(release, serve, small_db, part):
    server = serve(release, small_db, "--no-sandbox", part)
    other = {"seccomp": "landlock", "landlock": "seccomp"}[part]
    assert f"protection=user,{other},capabilities".encode() in server.log
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    assert f"Seccomp:\t{2 if part == 'landlock' else 0}" in status


@pytest.mark.parametrize("what", ["shut listener", "shut datagrams"])
def test_a_socket_that_is_shut_is_opened_anew(hostile_server, server_pub, what):
    """Which takes a worker without its list of calls."""
    server = hostile_server(what, "--no-sandbox", "seccomp")
    server.wait_for(rb"hostile: \w+: ")  # of datagrams: "not connected", and done
    server.wait_for(rb"event=listening_again port=(\d+)")
    deadline = time.monotonic() + 10
    while answers(server, server_pub, count=1) == 0 and time.monotonic() < deadline:
        pass
    assert answers(server, server_pub) == 20
    assert peer.UdpClient(server.port, server_pub).open().ask([RAMESH]).found[0].kind is not None


def test_a_given_socket_that_is_shut_ends_the_server(small_db, keys, monkeypatch):
    """So that the service manager, which alone can, opens it again."""
    monkeypatch.setenv("DLV_HOSTILE", "shut listener")
    listener = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0', HOSTILE_WORKER, "server", "--anonymous", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server,
         "--workers", "2", "--no-sandbox", "seccomp"], stdin=listener, stderr=subprocess.PIPE, text=True)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "a socket of the service manager's was shut down" in err
