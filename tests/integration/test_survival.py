"""The server under load and in want: nothing wrong, nothing lost, nothing kept."""

import hashlib
import json
import os
import random
import resource
import socket
import subprocess
import threading
import time

import pytest
import session_peer as peer
from conftest import HEADER, build, kiosk_line
from session_peer import Refused, TcpClient, UdpClient
from test_session import FAST, NOBODY, RAMESH, everybody

ROW = HEADER + "Ramesh,2344567890,GJ05-1234,{},2020-01-01,2090-01-01\n"


def bench(dlv, keys, server, *args):
    """A load generator in the background; its figures when it is asked for them."""
    process = subprocess.Popen([dlv.load.path, "--server", server.address, "--server-key",
                                str(keys.server_pub), "--json", *map(str, args)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)

    def finish():
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)
    return finish


def memory_of(pid):
    """Bytes that are this process's own."""
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Private_Dirty"):
            return int(line.split()[1]) * 1024


def test_ten_thousand_connections_half_of_them_stalled(release, serve, small_db, server_pub, keys):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 12000:
        pytest.skip("RLIMIT_NOFILE is too low")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = everybody(serve, release, small_db, "--workers", "2", "--timeout", "120")
    opening = peer.Opening(server_pub).frame
    workers = server.children()[2:]
    before = [memory_of(pid) for pid in workers]
    stalled = []
    try:
        for i in range(5000):
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.send(opening[: i % 800])
            stalled.append(sock)
        figures = bench(release, keys, server, "-c", 5000, "-t", 4)()
        assert figures["lost"] == figures["wrong"] == figures["refused"] == 0 and figures["answered"] > 20000, figures
        after = [memory_of(pid) for pid in workers]
        # A part of a frame each, at most: those have 400 bytes on average.
        assert sum(after) - sum(before) < 10000 * 2048, (before, after)
        assert max(before) < 4 << 20
    finally:
        for sock in stalled:
            sock.close()
    server.stop()


def test_memory_of_idle_connections(release, serve, small_db, server_pub):
    server = everybody(serve, release, small_db, "--workers", "1")
    worker = server.children()[2]
    session = TcpClient(server.port, server_pub).open().session
    before, clients = memory_of(worker), []
    for _ in range(500):
        client = TcpClient(server.port, server_pub)
        client.session = session
        client.ask([RAMESH])
        clients.append(client)
    assert memory_of(worker) - before < 500 * 2048 + 65536
    for client in clients:
        client.close()


def test_databases_swapped_under_load(release, serve, keys, tmp_path, server_pub):
    """Odd releases say VALID, even ones REVOKED: every answer agrees with its own release."""
    db = tmp_path / "l.db"
    releases, status_of = [], {}
    for sequence in range(1, 102):
        path = tmp_path / f"{sequence}.db"
        build(release, keys, path, ROW.format("valid" if sequence % 2 else "revoked"), "--sequence", sequence)
        releases.append(path)
        status_of[hashlib.sha256(path.read_bytes()[:4096]).digest()] = 1 if sequence % 2 else 4
    os.replace(releases[0], db)
    server = everybody(serve, release, db, "--workers", "2", "--quick")
    stop, counts, failures = threading.Event(), [], []

    def ask(Client):
        n, client = 0, Client(server.port, server_pub).open()
        try:
            while not stop.is_set():
                answer = client.ask([RAMESH, NOBODY])
                found, nothing = answer.found
                assert found.terms[0] >> 2 & 7 == status_of[answer.release] and nothing.kind is None
                n += 1
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)
        counts.append(n)

    threads = [threading.Thread(target=ask, args=(Client,)) for Client in (TcpClient, UdpClient, TcpClient)]
    for thread in threads:
        thread.start()
    load = bench(release, keys, server, "-t", 8, "-c", 16)
    for sequence, path in enumerate(releases[1:], 2):
        os.replace(path, db)
        assert f"reloaded sequence={sequence}" in server.reload()
    stop.set()
    for thread in threads:
        thread.join()
    figures = load()
    assert not failures and min(counts) > 50, (failures, counts)
    assert figures["lost"] == figures["wrong"] == figures["refused"] == 0, figures


def test_no_descriptors_left(release, serve, small_db, server_pub, keys):
    """Connections beyond what the process may have push out the oldest; who has a session goes last."""
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300))
    server = everybody(lambda *args, **how: serve(*args, preexec_fn=few, **how), release, small_db, "--workers", "1")
    client = TcpClient(server.port, server_pub).open()
    idle = []
    for _ in range(600):
        idle.append(socket.create_connection(("127.0.0.1", server.port)))
        if len(idle) % 50 == 0:
            assert client.ask([RAMESH]).kinds == ["licence"]
    assert TcpClient(server.port, server_pub).open().ask([RAMESH]).kinds == ["licence"]
    for sock in idle:
        sock.close()


def test_noise(release, serve, small_db, server_pub):
    """Random bytes, and frames of random types, lengths and bodies, from many sides at once."""
    server = everybody(serve, release, small_db, "--workers", "2", "--timeout", "5")
    client = TcpClient(server.port, server_pub).open()
    datagrams = UdpClient(server.port, server_pub, timeout=10).open()
    ask = client.session.ask([RAMESH])
    rng = random.Random(7)
    for i in range(3000):
        kind = rng.randrange(4)
        if kind == 0:
            noise = rng.randbytes(rng.randrange(1400))
        elif kind == 1:
            body = rng.randbytes(rng.randrange(1200))
            noise = peer.header(rng.randrange(9), 8 + len(body), rng.choice([0, 0, 1])) + body
        elif kind == 2:
            at = rng.randrange(len(ask))
            noise = ask[:at] + rng.randbytes(rng.randrange(8)) + ask[at + rng.randrange(8):]
        else:
            noise = ask * rng.randrange(1, 4) + ask[: rng.randrange(len(ask))]
        datagrams.sock.send(noise[:1400])
        if i % 3 == 0:
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.sendall(noise)
            sock.close()
        if i % 500 == 0:
            assert client.ask([RAMESH]).kinds == ["licence"]
    datagrams.sock.setblocking(False)
    time.sleep(0.5)
    try:
        while True:
            datagrams.sock.recv(65536)
    except BlockingIOError:
        datagrams.sock.settimeout(10)
    assert datagrams.ask([RAMESH]).kinds == ["licence"]
    assert len(server.children()) == 4
    server.stop()
    assert b"child_failed" not in server.log


def test_failed_identities_take_the_same_time(release, serve, small_db, server_pub, keys, tmp_path):
    """Whatever is wrong with an identity: ranks of the times of three causes do not tell them apart."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub) + kiosk_line(keys.other_pub, "x", "2020-01-01"))
    server = serve(release, small_db, *FAST, "--kiosks", tmp_path / "kiosks", "--workers", "1", "--key-holders", "1", who=())
    kiosk, expired, stranger = (peer.load_private(path) for path in (keys.kiosk, keys.other, keys.server))
    client = TcpClient(server.port, server_pub).open()
    session = client.session
    causes = {"unknown": lambda: session.identify(stranger), "expired": lambda: session.identify(expired),
              "signature": lambda: session.identify(kiosk, sign=stranger)}
    frames = {cause: [make() for _ in range(8)] for cause, make in causes.items()}
    times, order = [], list(causes) * 120
    random.Random(3).shuffle(order)
    for i, cause in enumerate(order):
        frame = frames[cause][i % 8]
        started = time.perf_counter()
        assert session.admitted(client.exchange(frame), frame) is False
        times.append((time.perf_counter() - started, cause))
    # Kruskal and Wallis's test by ranks; 13.8 is the 0.999 quantile of chi-squared with 2 degrees,
    # and a factor of four on top for a machine that does other things meanwhile.
    times.sort()
    ranks = {cause: [] for cause in causes}
    for rank, (_, cause) in enumerate(times, 1):
        ranks[cause].append(rank)
    n = len(times)
    h = 12 / (n * (n + 1)) * sum(sum(r) ** 2 / len(r) for r in ranks.values()) - 3 * (n + 1)
    assert h < 4 * 13.8, (h, {cause: sum(r) / len(r) for cause, r in ranks.items()})
