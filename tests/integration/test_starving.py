"""Attackers who hold what others need: connections, memory, the key-holders' time. Honest clients are served all the same.

The attacker has what PROTOCOL.md says, and addresses of his own; here those of 127.0.0.0/8.
"""

import concurrent.futures
import contextlib
import os
import signal
import socket
import struct
import time

import original_client
import pytest
import session_peer as peer
from conftest import kiosk_line

ITEM = peer.item(peer.sha256(b"nobody"))


@pytest.fixture
def kiosks(keys, tmp_path):
    path = tmp_path / "kiosks"
    path.write_text(kiosk_line(keys.kiosk_pub, "k", "quota=1000000000/1000000000/1000000000"))
    return path


def client_from(address, port, server_pub, kiosk=None, timeout=20):
    """A client whose source is this address."""
    client = peer.TcpClient.__new__(peer.TcpClient)
    client.sock = socket.create_connection(("127.0.0.1", port), timeout, source_address=(address, 0))
    client.server, client.kiosk, client.session = server_pub, kiosk, None
    return client


def captured(port, server_pub, kiosk):
    """A good ASK of an enrolled kiosk, as a listener sees it."""
    client = client_from("127.0.0.1", port, server_pub, kiosk).open()
    frame = client.session.ask([ITEM])
    assert client.session.open_answer(client.exchange(frame), frame).status == peer.GOOD
    return client, frame


class Flood:
    """Connections that are opened, kept alive by a replayed frame, and opened again when they are closed."""

    def __init__(self, port, sources, frame):
        self.port, self.sources, self.frame, self.sockets, self.opened = port, sources, frame, [], 0

    def fill(self, count):
        for i in range(count):
            with contextlib.suppress(OSError):
                sock = socket.create_connection(("127.0.0.1", self.port), 5, source_address=(self.sources[i % len(self.sources)], 0))
                sock.setblocking(False)
                self.sockets.append(sock)
                self.opened += 1
        self.replay()

    def replay(self):
        alive = []
        for sock in self.sockets:
            try:
                sock.send(self.frame)
                with contextlib.suppress(BlockingIOError):
                    if sock.recv(4096) == b"":
                        raise ConnectionError
                alive.append(sock)
            except BlockingIOError:
                alive.append(sock)
            except OSError:
                sock.close()
        self.sockets = alive

    def close(self):
        for sock in self.sockets:
            sock.close()


@pytest.mark.parametrize("sources", [["127.7.7.%d" % i for i in range(1, 100)], ["127.9.%d.1" % i for i in range(64)]],
                         ids=["one network", "64 networks"])
def test_a_full_table(release, serve, small_db, server_pub, kiosk, kiosks, sources):
    """One captured ASK, replayed on as many connections as a worker takes, renewed for ever: no honest client fails."""
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", "--connections", "300", "--openings-per-source", "0",
                   who=("--anonymous",))
    owner, frame = captured(server.port, server_pub, kiosk)
    flood = Flood(server.port, sources, frame)
    try:
        flood.fill(400)
        honest = []
        for i in range(60):
            client = client_from(f"127.1.{i}.1", server.port, server_pub).open()
            honest.append(client)
            flood.fill(10)
            assert client.ask([ITEM]).status == peer.GOOD
        # All of them are still there, and so is the kiosk that was listened to; the attacker pays.
        for client in [*honest, owner]:
            flood.fill(5)
            assert client.ask([ITEM]).status == peer.GOOD
        assert flood.opened - len(flood.sockets) > 300
    finally:
        flood.close()


def test_newcomers_are_left_alone_at_first(release, serve, small_db, server_pub, kiosk, kiosks):
    """Even where everybody holds one connection only, who has just come is not the one who goes."""
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", "--connections", "100", "--openings-per-source", "0", who=())
    sockets = [socket.create_connection(("127.0.0.1", server.port), 5, source_address=(f"127.3.{i}.1", 0)) for i in range(100)]
    time.sleep(2.2)
    for i in range(30):
        sockets.append(socket.create_connection(("127.0.0.1", server.port), 5, source_address=(f"127.4.{i}.1", 0)))
    time.sleep(0.3)
    closed = []
    for sock in sockets:
        sock.setblocking(False)
        try:
            closed.append(sock.recv(1) == b"")
        except BlockingIOError:
            closed.append(False)
    assert sum(closed[:100]) == 30 and not any(closed[100:])
    for sock in sockets:
        sock.close()


def test_a_replayed_frame_renews_nothing(release, serve, small_db, server_pub, kiosk, kiosks):
    server = serve(release, small_db, "--kiosks", kiosks, "--timeout", "2", "--idle", "60", who=())
    owner, frame = captured(server.port, server_pub, kiosk)
    replay = client_from("127.5.5.5", server.port, server_pub)
    start = time.monotonic()
    with pytest.raises((EOFError, ConnectionError)):
        while time.monotonic() - start < 10:
            assert replay.exchange(frame)[4] == peer.ANSWER  # it is answered, as a repetition has to be
            time.sleep(0.2)
    assert 1.5 < time.monotonic() - start < 5
    assert owner.ask([ITEM]).status == peer.GOOD


def test_who_replays_on_and_on_rests(release, serve, small_db, server_pub, kiosk, kiosks):
    """The first repetitions on a connection are answered at once, as a client's may be; then one each two seconds. Others do
    not wait for that."""
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", who=())
    client, frame = captured(server.port, server_pub, kiosk)
    replay = client_from("127.5.5.5", server.port, server_pub)
    start = time.monotonic()
    assert all(replay.exchange(frame)[4] == peer.ANSWER for _ in range(3)) and time.monotonic() - start < 0.5
    assert replay.exchange(frame)[4] == peer.ANSWER and 1.5 < time.monotonic() - start < 4
    replay.sock.sendall(frame * 50)
    start = time.monotonic()
    for _ in range(100):
        client.ask([peer.item(os.urandom(32))])
    assert time.monotonic() - start < 1
    # What asks about no licence is no repetition, however often it comes.
    head = client.session.ask(what=peer.HEAD, padded=1000)
    start = time.monotonic()
    assert all(client.exchange(head)[4] == peer.ANSWER for _ in range(50)) and time.monotonic() - start < 0.5


def test_clients_that_do_not_read(release, serve, small_db, server_pub, kiosk, kiosks):
    """One ticket cannot fill the memory for answers: whoever holds the most pays, and nobody else."""
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", "--openings-per-source", "0", who=())
    first = client_from("127.6.6.6", server.port, server_pub, kiosk).open()
    deaf = []
    for _ in range(600):
        one = client_from("127.6.6.6", server.port, server_pub)
        one.session = first.session
        one.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sock.setblocking(False)
        with contextlib.suppress(OSError):
            for _ in range(200):
                one.sock.send(first.session.ask([ITEM], padded=4096))
        deaf.append(one)
    worker = server.children()[-1]
    with open(f"/proc/{worker}/status") as status:
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    assert resident < 80 << 10  # KiB
    for i in range(20):
        client = client_from(f"127.1.{i}.1", server.port, server_pub, kiosk).open()
        assert client.ask([ITEM], padded=4096).status == peer.GOOD
    for one in deaf:
        one.sock.close()


# --- the key-holders' time ------------------------------------------------------------------------


@contextlib.contextmanager
def flooding(work, count):
    """Runs `work` again and again, on so many threads."""
    over = []

    def run(i):
        while not over:
            with contextlib.suppress(OSError, EOFError, AssertionError, peer.Refused, struct.error):
                work(i)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        for i in range(count):
            pool.submit(run, i)
        try:
            yield
        finally:
            over.append(True)


def opens(port, server_pub, addresses):
    """How long each of these clients takes to open a session; None: it could not."""
    took = []
    for address in addresses:
        start = time.monotonic()
        try:
            client = client_from(address, port, server_pub, timeout=5).open()
            assert client.ask([ITEM]).status == peer.GOOD
            took.append(time.monotonic() - start)
        except (OSError, EOFError, peer.Refused):
            took.append(None)
    return took


def test_legacy_questions_leave_sessions_their_share(release, serve, small_db, server_pub):
    """A flood of the original protocol, where every question costs an RSA operation, from many networks."""
    server = serve(release, small_db, "--workers", "1", "--key-holders", "1", "--openings", "0", "--openings-per-source", "1000")
    opening = peer.Opening(server_pub)

    def work(i):
        with socket.create_connection(("127.0.0.1", server.port), 5, source_address=(f"127.8.{i}.1", 0)) as sock:
            sock.sendall(b"Client: OK")
            sock.recv(4096)
            for _ in range(3):
                sock.sendall(os.urandom(256))
                sock.recv(4096)

    assert opening.frame
    with flooding(work, 30):
        time.sleep(1)
        took = opens(server.port, server_pub, [f"127.1.{i}.1" for i in range(15)])
    assert None not in took and max(took) < 3, took
    record = "Ramesh 2344567890 GJ05-1234"
    assert original_client.ask("127.0.0.1", server.port, record)[0].startswith("Server: This person has")


def test_openings_of_one_network_leave_the_others_theirs(release, serve, small_db, server_pub):
    """A queue that one network has filled gives that network's jobs up."""
    server = serve(release, small_db, "--workers", "1", "--key-holders", "1", "--openings", "0", "--openings-per-source", "0",
                   who=("--anonymous",))
    frames = [peer.Opening(server_pub).frame for _ in range(8)]
    bad = [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in frames]

    def work(i):
        with client_from(f"127.8.8.{i + 1}", server.port, server_pub, timeout=5) as client:
            client.exchange(bad[i % 8])

    with flooding(lambda i: flood_once(server.port, bad[i % 8], f"127.8.8.{i + 1}"), 40):
        time.sleep(1)
        took = opens(server.port, server_pub, [f"127.1.{i}.1" for i in range(15)])
    assert None not in took and max(took) < 4, took


def flood_once(port, frame, address):
    with socket.create_connection(("127.0.0.1", port), 5, source_address=(address, 0)) as sock:
        sock.sendall(frame)
        sock.recv(100)


def test_strangers_use_up_nothing_of_networks_with_kiosks(release, serve, small_db, server_pub, kiosk, kiosks):
    """A flood from many networks spends the limit for all strangers; where a kiosk was seen, openings go on."""
    server = serve(release, small_db, "--kiosks", kiosks, "--openings", "20", "--openings-per-source", "0", who=("--anonymous",))
    client_from("127.1.1.1", server.port, server_pub, kiosk).open()
    bad = bytearray(peer.Opening(server_pub).frame)
    bad[-1] ^= 1
    with flooding(lambda i: flood_once(server.port, bytes(bad), f"127.{100 + i}.1.1"), 20):
        time.sleep(0.5)
        took = opens(server.port, server_pub, ["127.1.1.1"] * 10)
    assert None not in took, took


def test_who_holds_the_most_goes_even_if_he_has_just_come(release, serve, small_db, server_pub, kiosk, kiosks):
    """A small table, filled again and again from one address within the two seconds: the kiosk's one connection stays."""
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", "--connections", "40", "--openings-per-source", "0", who=())
    client = client_from("127.1.1.1", server.port, server_pub, kiosk).open()
    flood = Flood(server.port, ["127.7.7.7"], b"")
    try:
        for _ in range(40):
            flood.fill(15)
            assert client.ask([ITEM]).status == peer.GOOD
            time.sleep(0.08)
    finally:
        flood.close()


def test_silent_ones_go_first_where_all_hold_one(release, serve, small_db, server_pub, kiosk, kiosks):
    server = serve(release, small_db, "--kiosks", kiosks, "--workers", "1", "--connections", "60", "--openings-per-source", "0", who=())
    client = client_from("127.1.1.1", server.port, server_pub, kiosk).open()
    sockets = []
    for i in range(250):
        sockets.append(socket.create_connection(("127.0.0.1", server.port), 5, source_address=(f"127.{i}.3.1" if i not in (0, 1) else f"127.9.{i}.1", 0)))
        if i % 3 == 0:
            assert client.ask([ITEM]).status == peer.GOOD, i
        time.sleep(0.01)
    for sock in sockets:
        sock.close()


def test_limits_hold_for_networks(release, serve, small_db, server_pub):
    """A /24 has four times what one address has, a /16 sixteen times; another network is not touched by it."""
    server = serve(release, small_db, "--openings-per-source", "2", "--openings", "0", who=("--anonymous",))
    bad = bytearray(peer.Opening(server_pub).frame)
    bad[-1] ^= 1
    busy = 0
    for i in range(400):
        with socket.create_connection(("127.0.0.1", server.port), 5, source_address=(f"127.20.{i % 100}.{i // 100 + 1}", 0)) as sock:
            sock.sendall(bad)
            busy += sock.recv(8) == peer.refusal(peer.BUSY)
    assert 400 - busy <= 16 * 2 * 5 + 200  # what the time that it takes allows
    assert busy > 0
    assert None not in opens(server.port, server_pub, ["127.21.1.1"])


def test_a_key_holder_that_hangs(release, serve, small_db, server_pub):
    """One that does not answer holds up what it has, and nobody else's."""
    server = serve(release, small_db, "--workers", "1", "--key-holders", "2", "--openings-per-source", "0", who=("--anonymous",))
    stopped = server.children()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        took = opens(server.port, server_pub, ["127.0.0.1"] * 12)
        assert sum(one is None for one in took) <= 1, took  # the one that it took before it noticed
        assert sorted(one for one in took if one is not None)[-1] < 2, took
    finally:
        os.kill(stopped, signal.SIGCONT)
