#!/usr/bin/python3
"""A thousand honest clients beside somebody who fills the connection table: failures, and what a question takes.

    tests/bench/starving.py [DLV]

One worker with room for 2,000 connections. The honest clients come from as many networks, open a session each and ask
ten times; the attacker replays one captured frame on as many connections as he gets, from one network or from 64, and
opens new ones where his are closed. On a machine of two cores the attacker's own program takes its share of them: what
another busy program costs is measured beside it.
"""

import multiprocessing
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
from conftest import RELEASE, SMALL, Dlv, Keys, Server, build, kiosk_line  # which finds tools/, too
import session_peer as peer
from test_starving import Flood, captured, client_from

CLIENTS, ROUNDS, ROOM = 1000, 10, 2000
BUSY = "another busy program"
ITEM = peer.item(peer.sha256(b"nobody"))
SOURCES = {"one network": [f"127.7.7.{i}" for i in range(1, 200)], "64 networks": [f"127.9.{i}.1" for i in range(64)]}


def idle_away():
    """Takes as much of the machine as the attacker, and does nothing to the server."""
    while True:
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            pass
        time.sleep(0.02)


def attack(port, sources, frame, ready):
    flood = Flood(port, sources, frame)
    while True:
        flood.fill(100)
        if flood.opened > ROOM:
            ready.set()
        time.sleep(0.02)


def honest(port, server_pub):
    """The number of failures, and the times of all questions."""
    failed, took, clients = 0, [], []
    for i in range(CLIENTS):
        try:
            clients.append(client_from(f"127.{100 + i // 250}.{i % 250}.1", port, server_pub).open())
        except (OSError, EOFError, peer.Refused):
            failed += 1
    for _ in range(ROUNDS):
        for client in clients:
            start = time.monotonic()
            try:
                assert client.ask([ITEM]).status == peer.GOOD
                took.append(time.monotonic() - start)
            except (OSError, EOFError, peer.Refused):
                failed += 1
    for client in clients:
        client.sock.close()
    return failed, sorted(took)


def measure(dlv, keys, folder, name):
    server = Server(dlv, "--db", folder / "l.db", "--authority", keys.authority_pub, "--key", keys.server, "--kiosks", folder / "kiosks",
                    "--workers", "1", "--connections", ROOM, "--openings-per-source", "0", "--openings", "0", who=("--anonymous",))
    server_pub = peer.load_public(keys.server_pub)
    process = None
    if name == BUSY:
        process = multiprocessing.Process(target=idle_away, daemon=True)
        process.start()
    elif name != "quiet":
        _, frame = captured(server.port, server_pub, peer.load_private(keys.kiosk))
        ready = multiprocessing.Event()
        process = multiprocessing.Process(target=attack, args=(server.port, SOURCES[name], frame, ready), daemon=True)
        process.start()
        ready.wait(60)
    failed, took = honest(server.port, server_pub)
    print(f"{name}: {failed} failed of {CLIENTS * (ROUNDS + 1)}, median {took[len(took) // 2] * 1e6:.0f} us, "
          f"p99 {took[len(took) * 99 // 100] * 1e6:.0f} us", flush=True)
    if process is not None:
        process.terminate()
        process.join()
    server.process.kill()
    server.process.wait()


def main():
    dlv, folder = Dlv(sys.argv[1] if len(sys.argv) > 1 else RELEASE, False), pathlib.Path(tempfile.mkdtemp(prefix="dlv-starving-"))
    keys = Keys(folder)
    build(dlv, keys, folder / "l.db", SMALL)
    (folder / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "quota=1000000000/1000000000/1000000000"))
    for name in ("quiet", BUSY, *SOURCES):
        measure(dlv, keys, folder, name)


if __name__ == "__main__":
    main()
