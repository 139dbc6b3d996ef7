#!/usr/bin/python3
"""The morning after a power cut: 100,000 kiosks come back at once, to one core of a server.

    tests/bench/power_cut.py [DLV] [KIOSKS]

They renew their sessions, as the servers share a ticket file; or open them anew, as after the restart of a server that
has its own keys alone (a thousand of them are measured). Then they renew while strangers open as many sessions as they
can. The list of kiosks is real in size; their keys are random numbers, and their renewal tickets made under the shared
file, as PROTOCOL.md says, so that no private key is needed. The server has one core, the kiosks the other one.
"""

import base64
import collections
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
from conftest import RELEASE, SMALL, Dlv, Keys, Server, build, kiosk_line  # which finds tools/, too
import session_peer as peer
import test_renewals as renewals

CONNECTIONS, OPENED, DAY = 64, 1000, 86400
SPKI = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100")


def make_kiosks(path, count):
    """A list of them; the first 16 bytes of the id of each."""
    ids = []
    with path.open("w") as out:
        for i in range(count):
            der = SPKI + b"\xc1" + os.urandom(254) + b"\x01" + bytes.fromhex("0203010001")
            ids.append(peer.sha256(der)[:16])
            out.write(f"k{i} {base64.b64encode(der).decode()}\n")
    return ids


def make_frames(keys, secret, ids):
    """A RENEW of each. All have the same share, which is nothing to the server."""
    now = int(time.time())
    key = renewals.renewal_key(keys, secret, now // DAY)
    key_id, sealing = renewals.hmac.digest(key, b"dlv session 2 ticket key id", "sha256")[:4], peer.ChaCha20Poly1305(key)
    share = peer.raw(peer.X25519PrivateKey.generate().public_key())
    start = peer.header(peer.RENEW, 272) + bytes(20) + peer.key_id(peer.load_public(keys.server_pub))[:4] + share
    frames = []
    for kiosk in ids:
        nonce, session_key = os.urandom(12), os.urandom(32)
        content = peer.renewal_secret(session_key) + kiosk + renewals.struct.pack("<qq", now + 3600, now + 3600)
        frame = start + key_id + nonce + sealing.encrypt(nonce, content, key_id)
        proof = peer.prove(peer.Session(session_key), frame + bytes(112))
        frames.append(frame + proof + bytes(96))
    return frames


def drive(port, turns):
    """Takes each turn on one of many connections: a generator that yields frames, and is sent the replies. How many were
    refused, and seconds."""
    poll, states, refused = select.epoll(), {}, 0
    start = time.monotonic()

    def begin(sock):
        turn = next(turns, None)
        if turn is None:
            return
        states[sock.fileno()] = [sock, turn, b""]
        sock.sendall(next(turn))
    for _ in range(CONNECTIONS):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(sock, select.EPOLLIN)
        begin(sock)
    while states:
        for fd, _ in poll.poll(10):
            state = states[fd]
            state[2] += state[0].recv(4096)
            if len(state[2]) < 8 or len(state[2]) < renewals.struct.unpack_from("<H", state[2], 6)[0]:
                continue
            refused += state[2][4] == peer.REFUSE
            frame, state[2] = state[2], b""
            try:
                state[0].sendall(state[1].send(frame))
            except StopIteration:
                del states[fd]
                begin(state[0])
    return refused, time.monotonic() - start


def renew_all(port, frames):
    def turn(frame):
        yield frame
    return drive(port, (turn(frame) for frame in frames))


def open_all(port, keys, count):
    server, kiosk = peer.load_public(keys.server_pub), peer.load_private(keys.kiosk)
    openings = collections.deque(peer.Opening(server) for _ in range(count))

    def turn(opening):
        accept = yield opening.frame
        yield opening.finish(accept).identify(kiosk)
    return drive(port, (turn(opening) for opening in openings))


def main():
    dlv = Dlv(sys.argv[1] if len(sys.argv) > 1 else RELEASE, False)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        keys = Keys(folder)
        build(dlv, keys, folder / "l.db", SMALL)
        ids = make_kiosks(folder / "kiosks", count)
        with (folder / "kiosks").open("a") as out:
            out.write(kiosk_line(keys.kiosk_pub, "own"))
        (folder / "tickets").write_bytes(os.urandom(32))
        (folder / "tickets").chmod(0o600)
        os.sched_setaffinity(0, {0})
        server = Server(dlv, "--db", folder / "l.db", "--authority", keys.authority_pub, "--key", keys.server, "--workers", "1",
                        "--key-holders", "1", "--openings", "0", "--openings-per-source", "0", "--ticket-key", folder / "tickets",
                        who=("--kiosks", folder / "kiosks"))
        os.sched_setaffinity(0, {1})
        print(f"## The morning after a power cut: {count} kiosks, one core of the server, another one of theirs")
        refused, took = renew_all(server.port, make_frames(keys, (folder / "tickets").read_bytes(), ids))
        print(f"renewals, of servers that share a ticket file: {count / took:.0f} a second, {took:.1f} s, {refused} refused "
              f"(aim: above 4,000 a second)")
        refused, opened = open_all(server.port, keys, OPENED)
        print(f"openings with identity, after a restart without one: {OPENED / opened:.0f} a second, so {count * opened / OPENED:.0f} s, "
              f"{refused} refused; renewals are {count / took / (OPENED / opened):.1f} times as fast")
        frames = make_frames(keys, (folder / "tickets").read_bytes(), ids[:count // 4])
        flood = subprocess.Popen([pathlib.Path(dlv.path).parent / "dlv-load", "--server", f"127.0.0.1:{server.port}", "--server-key",
                                  keys.server_pub, "--openings", "-c", "256", "-t", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        refused, flooded = renew_all(server.port, frames)
        flood.kill()
        flood.wait()
        print(f"renewals beside a flood of openings that takes all it gets: {len(frames) / flooded:.0f} a second, {refused} refused")
        server.stop()


if __name__ == "__main__":
    main()
