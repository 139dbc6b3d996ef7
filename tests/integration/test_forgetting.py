"""Secrets of sessions that are over are nowhere in the memory of any process: who takes a core image later reads nothing."""

import hmac
import os
import signal
import time

import pytest
import session_peer as peer
from conftest import SHIFTED, Dlv, kiosk_line
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

ITEM = peer.item(peer.sha256(b"nobody"))


def image(pid):
    """All that the process has in memory."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in open(f"/proc/{pid}/maps"):
            fields = line.split()
            low, high = (int(x, 16) for x in fields[0].split("-"))
            if "r" not in fields[1] or "[vvar" in line or "[vsyscall" in line:
                continue
            try:
                memory.seek(low)
                # Of the list of kiosks and the quotas, nearly all of which is never touched, the beginning.
                parts.append(memory.read(high - low if high - low < 32 << 20 else 1 << 20))
            except OSError:
                pass
    return b"\0".join(parts)


class Watched:
    """A client that keeps what it knows of the secrets."""

    def __init__(self, port, server_pub, kiosk):
        self.client = peer.TcpClient(port, server_pub, kiosk)
        opening = peer.Opening(server_pub)
        accept = self.client.exchange(opening.frame)
        common = opening.exponent.exchange(X25519PublicKey.from_public_bytes(accept[8:40]))
        accept_key, session_key = peer.session_keys(opening.t0, accept, opening.secret, common)
        self.client.session = opening.finish(accept)
        self.share = accept[8:40]
        self.secrets = {"S": opening.secret, "X25519": common, "accept key": accept_key, "session key": session_key}
        self.client.identify()


def held(server, watched, names):
    """Which of these secrets are in which process."""
    found = set()
    for pid in [server.process.pid, *server.children()]:
        try:
            memory = image(pid)
        except PermissionError:
            pytest.skip("may not read other processes' memory here")
        found |= {name for name in names if watched.secrets[name] in memory}
        at = memory.find(watched.share)
        while at >= 0:
            for place in (memory[at - 32:at], memory[at + 32:at + 64]):
                if len(place) == 32 and peer.raw(X25519PrivateKey.from_private_bytes(place).public_key()) == watched.share:
                    found.add("exponent")
            at = memory.find(watched.share, at + 1)
    return found


def until(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.5)
    return holds()


def test_what_was_agreed_is_forgotten_at_once(release, serve, small_db, server_pub, keys, tmp_path):
    """Of an open session the key is kept, in the worker that has seen its ticket, and nothing it was made from."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    server = serve(release, small_db, "--kiosks", tmp_path / "kiosks", who=())
    watched = Watched(server.port, server_pub, peer.load_private(keys.kiosk))
    assert watched.client.ask([ITEM]).status == peer.GOOD
    assert "session key" in held(server, watched, ["session key"])  # so the test sees what there is
    # The server's exponent serves for a second; then it goes, though nobody comes.
    until(lambda: held(server, watched, ["S", "X25519", "accept key"]) == set(), 5)
    assert held(server, watched, ["S", "X25519", "accept key"]) == set()


def test_the_keys_of_sessions_that_are_over(release, serve, small_db, server_pub, keys, tmp_path):
    """A kiosk is revoked, or its server's key withdrawn: no process has the key of its session any more, though nobody asks."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "gone") + kiosk_line(keys.other_pub, "stays"))
    server = serve(release, small_db, "--kiosks", tmp_path / "kiosks", "--workers", "1", who=())
    gone = Watched(server.port, server_pub, peer.load_private(keys.kiosk))
    stays = Watched(server.port, server_pub, peer.load_private(keys.other))
    for one in (gone, stays):
        assert one.client.ask([ITEM]).status == peer.GOOD
    (tmp_path / "kiosks").write_text(kiosk_line(keys.other_pub, "stays") + "revoke gone\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"event=kiosks_reloaded")
    until(lambda: held(server, gone, ["session key"]) == set(), 5)
    assert held(server, gone, ["session key"]) == set()
    assert stays.client.ask([ITEM]).status == peer.GOOD


def test_a_ticket_key_after_its_hours(serve, small_db, server_pub, keys, tmp_path, monkeypatch):
    """A ticket key is in no process any more when its tickets have run out: three hours later, which pass in a quarter of a
    minute here. (Who gets the file that servers share can make each of them again: that is said in PROTOCOL.md.)"""
    secret = bytes(range(100, 132))
    (tmp_path / "tickets").write_bytes(secret)
    monkeypatch.setenv("DLV_CLOCK_SPEED", "900")  # an hour in four seconds
    server = serve(Dlv(SHIFTED, False), small_db, "--ticket-key", tmp_path / "tickets", "--workers", "1", "--key-holders", "1",
                   who=("--anonymous",))
    client = peer.TcpClient(server.port, server_pub).open()
    key_id = client.session.ticket[:4]
    hour = int(time.time()) // 3600
    binding = peer.sha256(b"dlv session 2 tickets" + peer.key_id(server_pub) + peer.key_id(peer.load_public(keys.authority_pub)))
    made = [peer.hkdf(binding + h.to_bytes(8, "little"), secret, b"dlv session 2 ticket key", 32) for h in range(hour - 1, hour + 4)]
    key, = [key for key in made if hmac.digest(key, b"dlv session 2 ticket key id", "sha256")[:4] == key_id]

    def holders():
        return [pid for pid in [server.process.pid, *server.children()] if key in image(pid)]
    assert holders()  # so the test sees what there is
    assert until(lambda: not holders(), 30)
