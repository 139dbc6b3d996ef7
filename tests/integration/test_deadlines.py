"""What comes over an open network, or does not come, neither holds a client beyond its deadline nor ends an attempt early."""

import json
import os
import random
import socket
import subprocess
import threading
import time

import pytest
import session_peer as peer
from conftest import RELEASE

NUMBER = ("--number", "GJ05-1234")


class Between:
    """Whoever stands between client and server, over UDP: `forward(data)` and `back(data)` say what is passed on, as a list of
    (delay, datagram); what comes back seems to come from the server."""

    def __init__(self, port, forward=lambda data: [(0, data)], back=lambda data: [(0, data)]):
        self.front, self.rear = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.front.bind(("127.0.0.1", 0))
        self.rear.connect(("127.0.0.1", port))
        self.port, self.client, self.over = self.front.getsockname()[1], None, False
        for sock in (self.front, self.rear):
            sock.settimeout(0.1)
        self.threads = [threading.Thread(target=self.pass_on, args=(self.front, forward, self.rear.send)),
                        threading.Thread(target=self.pass_on, args=(self.rear, back, self.to_client))]

    def to_client(self, data):
        if self.client:
            self.front.sendto(data, self.client)

    def pass_on(self, source, change, send):
        while not self.over:
            try:
                data, address = source.recvfrom(2000)
            except (TimeoutError, ConnectionError):
                continue
            if source is self.front:
                self.client = address
            for delay, datagram in change(data):
                threading.Timer(delay, send, (datagram,)).start() if delay else send(datagram)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join()
        time.sleep(0.4)
        self.front.close()
        self.rear.close()


@pytest.fixture
def server(release, serve, small_db):
    return serve(release, small_db, "--openings-per-source", "0", who=("--anonymous",))


def ask(dlv, keys, port, *options, transport="--udp", key=None):
    start = time.monotonic()
    done = dlv("client", "--server", f"127.0.0.1:{port}", "--server-key", key or keys.server_pub, transport, "--json", *options, *NUMBER)
    return done, time.monotonic() - start


FORGED = {"version": peer.refusal(peer.VERSION), "opening": peer.refusal(peer.OPENING), "session": peer.refusal(peer.SESSION),
          "busy": peer.refusal(peer.BUSY), "cookie": peer.header(peer.COOKIE, 28) + bytes(20), "rubbish": b"dlv\2\4\0\x10\0 rubbish",
          "nothing": b"", "short": b"dlv", "accept": peer.header(peer.ACCEPT, 156) + bytes(148)}


@pytest.mark.parametrize("what", FORGED)
def test_forged_datagrams_end_nothing(dlv, server, keys, what):
    """They come first, with each answer; the true one comes a third of a second later."""
    with Between(server.port, back=lambda data: [(0, FORGED[what]), (0.3, data)]) as between:
        done, _ = ask(dlv, keys, between.port)
        assert done.returncode == 0, (done.out, done.err)


def test_loss_is_made_up(release, server, keys):
    """A third of all datagrams is lost, each way: every question has its answer in time."""
    rng = random.Random(3)
    lose = lambda data: [(0, data)] if rng.random() < 0.67 else []
    with Between(server.port, lose, lose) as between:
        for _ in range(6):
            done, took = ask(release, keys, between.port, "--timeout", "20")
            assert done.returncode == 0, (done.out, took)


def test_rubbish_renews_no_deadline(release, server, keys):
    over = []

    def back(data):
        if not over:
            over.append(threading.Thread(target=flood))
            over[0].start()
        return []

    def flood():
        end = time.monotonic() + 8
        while time.monotonic() < end and not between.over:
            between.to_client(b"dlv\2\4\0\x40\0" + os.urandom(56))

    with Between(server.port, back=back) as between:
        done, took = ask(release, keys, between.port, "--timeout", "2")
    assert done.returncode == 2 and json.loads(done.out)["error"] == "unreachable" and took < 6, (done.out, took)


def test_true_refusals_are_believed(release, server, keys):
    done, took = ask(release, keys, server.port, key=keys.other_pub)
    assert json.loads(done.out)["error"] == "wrong_key" and took < 4, (done.out, took)


def test_nobody_listens(release, keys):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done, took = ask(release, keys, port)
    assert json.loads(done.out)["error"] == "unreachable" and took < 4, (done.out, took)


@pytest.mark.parametrize("first", [b"", peer.header(peer.ACCEPT, 156)])
def test_a_server_that_drips(release, keys, first):
    """A byte now and then over TCP holds nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = []

        def drip():
            sock, _ = listener.accept()
            with sock:
                try:
                    sock.sendall(first)
                    while not over:
                        sock.sendall(b"d" if not first else b"\0")
                        time.sleep(0.2)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        done = release("client", "--server", f"127.0.0.1:{listener.getsockname()[1]}", "--server-key", keys.server_pub, "--timeout", "2",
                       "--json", *NUMBER, timeout=20)
        over.append(True)
        thread.join()
    assert done.returncode == 2 and json.loads(done.out)["error"] in ("unreachable", "distrusted")


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_a_connection_that_is_closed_is_made_again(release, server, keys, frames):
    """Once the other side closes after so many answers; the question has its answer all the same."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = []

        def relay():
            for turn in range(2):
                sock, _ = listener.accept()
                with sock, socket.create_connection(("127.0.0.1", server.port), 10) as rear:
                    sock.settimeout(10)
                    count = 0
                    try:
                        while turn == 1 or count < frames:
                            rear.sendall(peer.read_frame(sock))
                            sock.sendall(peer.read_frame(rear))
                            count += 1
                    except (EOFError, OSError):
                        pass
            over.append(True)

        thread = threading.Thread(target=relay)
        thread.start()
        done = release("client", "--server", f"127.0.0.1:{listener.getsockname()[1]}", "--server-key", keys.server_pub, *NUMBER, timeout=30)
        thread.join(20)
    assert done.returncode == 0 and over, done.err


NETWORK = """ip link set lo up
"$DLV" server --db "$DB" --authority "$AUTHORITY" --key "$KEY" --anonymous --listen 127.0.0.1:18080 2>"$LOG" &
for i in $(seq 100); do grep -q event=ready "$LOG" && break; sleep 0.05; done
ip link set lo down
(sleep 1.5; ip link set lo up) &
"$DLV" client --server 127.0.0.1:18080 --server-key "$PUB" $MORE --number GJ05-1234; status=$?
kill %1; wait %1
exit $status"""


@pytest.mark.parametrize("more", ["", "--udp"], ids=["tcp", "udp"])
def test_a_network_that_comes_back(keys, small_db, tmp_path, more):
    """No route just now is no reason to give up while there is time."""
    names = {"DLV": RELEASE, "DB": small_db, "AUTHORITY": keys.authority_pub, "KEY": keys.server, "PUB": keys.server_pub,
             "LOG": tmp_path / "log", "MORE": more}
    done = subprocess.run(["unshare", "-n", "bash", "-c", NETWORK], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **{name: str(value) for name, value in names.items()}})
    if "unshare" in done.stderr:
        pytest.skip("no namespaces here")
    assert done.returncode == 0 and done.stdout.startswith("VALID"), (done.stdout, done.stderr)
