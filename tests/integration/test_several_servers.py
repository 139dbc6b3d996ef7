"""Several servers and little time: the next one is tried while the first is silent, one deadline holds over all, the name look-up included,
and a long-lived client finds its way back."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest
import session_peer as peer
from conftest import RELEASE
from test_deadlines import Between

TCP_UDP = pytest.mark.parametrize("udp", [(), ("--udp",)], ids=["tcp", "udp"])
NUMBER = ("--number", "GJ05-1234")


@pytest.fixture
def server(release, serve, small_db):
    return serve(release, small_db, "--openings-per-source", "0", who=("--anonymous",))


class Mute:
    """Takes connections and datagrams, and never says anything."""

    def __init__(self):
        self.tcp = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(self.tcp.getsockname())
        self.address = "127.0.0.1:%d" % self.tcp.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tcp.close()
        self.udp.close()


def nobody():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return "127.0.0.1:%d" % free.getsockname()[1]


def ask(dlv, keys, servers, *options, **more):
    start = time.monotonic()
    done = dlv("client", "--server", ",".join(servers), "--server-key", keys.server_pub, "--json", *options, *NUMBER, **more)
    return done, time.monotonic() - start


@TCP_UDP
@pytest.mark.parametrize("before", [1, 3, 8])
def test_silent_servers_cost_a_quarter_second_each(release, server, keys, udp, before):
    mutes = [Mute() for _ in range(before)]
    done, took = ask(release, keys, [*(mute.address for mute in mutes), server.address], *udp, status=0)
    assert json.loads(done.out)["source"].startswith(server.address)
    assert took >= 0.25 * before - 0.05, took  # how long at most is a matter of the machine; the default deadline is above


@TCP_UDP
def test_one_deadline_for_all(release, keys, udp):
    """Not one for each server."""
    mutes = [Mute() for _ in range(5)]
    done, took = ask(release, keys, [mute.address for mute in mutes], *udp, "--timeout", "2", status=2)
    assert 1.9 < took < 4, took
    answer = json.loads(done.out)
    assert answer["error"] == "unreachable"
    assert [part["server"] for part in answer["servers"]] == [mute.address for mute in mutes]
    assert all("no answer within" in part["reason"] for part in answer["servers"])


@TCP_UDP
def test_each_failure_is_told(release, keys, udp):
    with Mute() as mute:
        dead = nobody()
        answer = json.loads(ask(release, keys, [dead, mute.address], *udp, "--timeout", "2", status=2)[0].out)
    told = {part["server"]: part["reason"] for part in answer["servers"]}
    assert "refused" in told[dead] and "no answer within" in told[mute.address]


@TCP_UDP
def test_a_server_that_falls_silent(dlv, server, keys, udp):
    """It opens a session, and then answers nothing more: another one takes over, within the same deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(listener.getsockname())
        rear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rear.connect(("127.0.0.1", server.port))

        over = threading.Event()

        def relay_tcp():
            sock, _ = listener.accept()
            with socket.create_connection(("127.0.0.1", server.port), 10) as to:
                to.sendall(peer.read_frame(sock))
                sock.sendall(peer.read_frame(to))
            over.wait(20)
            sock.close()

        def relay_udp():
            for _ in range(2):  # the cookie and the session
                data, address = datagrams.recvfrom(2000)
                rear.send(data)
                datagrams.sendto(rear.recv(2000), address)

        thread = threading.Thread(target=relay_udp if udp else relay_tcp, daemon=True)
        thread.start()
        first = "127.0.0.1:%d" % listener.getsockname()[1]
        done, _ = ask(dlv, keys, [first, server.address], *udp, "--timeout", "10", status=0)
        assert json.loads(done.out)["source"].startswith(server.address)
        over.set()
        thread.join(10)
        rear.close()


# --- names ----------------------------------------------------------------------------------------

NAMES = """mount --bind "$HOSTS" /etc/hosts && mount --bind "$RESOLV" /etc/resolv.conf || exit 99
exec "$DLV" client --server "$SERVERS" --server-key "$PUB" --json --number GJ05-1234 $MORE"""


def ask_by_name(keys, tmp_path, hosts, servers, *more, path=RELEASE, resolver="192.0.2.1"):
    """The name server that is nobody's is silent."""
    (tmp_path / "hosts").write_text(hosts)
    (tmp_path / "resolv").write_text(f"nameserver {resolver}\noptions timeout:9 attempts:1\n")
    names = {"DLV": path, "PUB": keys.server_pub, "HOSTS": tmp_path / "hosts", "RESOLV": tmp_path / "resolv",
             "SERVERS": ",".join(servers), "MORE": " ".join(more)}
    start = time.monotonic()
    done = subprocess.run(["unshare", "-m", "sh", "-c", NAMES], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **{name: str(value) for name, value in names.items()}})
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no namespaces here")
    return done, time.monotonic() - start


@TCP_UDP
def test_every_address_of_a_name(server, keys, tmp_path, udp):
    """The first one is dead, or silent."""
    for first in ("127.0.0.9", "192.0.2.7", "::2"):
        done, took = ask_by_name(keys, tmp_path, f"{first} register\n127.0.0.1 register\n", [f"register:{server.port}"], *udp)
        assert done.returncode == 0 and json.loads(done.stdout)["source"].startswith("register:"), (first, done)


def test_a_dead_resolver(server, keys, tmp_path):
    """It holds nobody beyond the deadline, and keeps nobody from a server that needs no name."""
    done, took = ask_by_name(keys, tmp_path, "", ["dead-resolver.example:8080"], "--timeout", "2")
    assert done.returncode == 2 and 1.5 < took < 4, (done, took)
    answer = json.loads(done.stdout)
    assert answer["error"] == "unreachable" and "ry again" not in answer["reason"]
    done, took = ask_by_name(keys, tmp_path, "", ["dead-resolver.example:8080", server.address])
    assert done.returncode == 0 and json.loads(done.stdout)["source"].startswith(server.address), (done, took)
    left = subprocess.run(["pgrep", "-f", "dead-resolver.example"], capture_output=True, text=True)
    assert not left.stdout, "the process that looks names up is still there"


# --- a client that lives long ---------------------------------------------------------------------


class LongLived:
    """A client that is asked line by line."""

    def __init__(self, keys, servers, *options):
        self.child = subprocess.Popen([RELEASE, "client", "--server", ",".join(servers), "--server-key", keys.server_pub, "--json", *options,
                                       "--number", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, number="GJ05-1234"):
        self.child.stdin.write(number + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(10)
        self.child.stdout.close()
        self.child.stderr.close()


@TCP_UDP
def test_a_server_that_restarts(release, serve, small_db, keys, udp):
    """It is away for a second: the question that comes then waits for it."""
    first = serve(release, small_db, "--openings-per-source", "0", who=("--anonymous",))
    with LongLived(keys, [first.address], *udp, "--timeout", "10") as client:
        assert client.ask()["verdict"] == "VALID"
        first.stop()
        again = []
        timer = threading.Timer(1, lambda: again.append(serve(release, small_db, "--openings-per-source", "0", listen=first.address,
                                                              who=("--anonymous",))))
        timer.start()
        assert client.ask()["verdict"] == "VALID"
        timer.join()
        assert client.ask()["verdict"] == "VALID"


class Gateway:
    """A gateway that forgets its connections: what comes over old ones vanishes without a word."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.port, self.generation, self.over, self.sockets = port, 0, False, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                front, _ = self.listener.accept()
            except OSError:
                return
            rear = socket.create_connection(("127.0.0.1", self.port))
            self.sockets += [front, rear]
            for pair in ((front, rear), (rear, front)):
                threading.Thread(target=self.copy, args=(*pair, self.generation), daemon=True).start()

    def copy(self, source, to, generation):
        try:
            while data := source.recv(65536):
                if generation == self.generation:
                    to.sendall(data)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for sock in self.sockets:
            sock.close()


def test_a_forgotten_connection(server, keys):
    with Gateway(server.port) as gateway, LongLived(keys, [gateway.address], "--timeout", "10") as client:
        assert client.ask()["verdict"] == "VALID"
        gateway.generation += 1
        assert client.ask()["verdict"] == "VALID"
        gateway.generation += 1
        assert client.ask("GJ06-999999")["verdict"] == "UNKNOWN"


def relay(listener, port):
    """Three connections that are closed after nine answers, and one that stays."""
    for turn in range(4):
        front, _ = listener.accept()
        with front, socket.create_connection(("127.0.0.1", port), 10) as rear:
            front.settimeout(20)
            count = 0
            try:
                while turn == 3 or count < 9:
                    rear.sendall(peer.read_frame(front))
                    front.sendall(peer.read_frame(rear))
                    count += 1
            except (EOFError, OSError):
                pass


def ask_many(keys, address, *options):
    lines = "".join(f"GJ05-{number}\n" for number in (1234, 777777) * 1500)
    done = subprocess.run([RELEASE, "client", "--server", address, "--server-key", keys.server_pub, "--json", *options, "--exact",
                           "--number", "-"], input=lines, capture_output=True, text=True, timeout=60)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["line"] for answer in answers] == list(range(1, 3001)), done.stderr
    assert [answer["verdict"] for answer in answers] == ["VALID", "UNKNOWN"] * 1500


def test_connections_that_end_in_the_middle(server, keys):
    """A part of many questions is asked over one connection, the rest over the next: each line is answered once, in order."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=relay, args=(listener, server.port), daemon=True).start()
        ask_many(keys, "127.0.0.1:%d" % listener.getsockname()[1])


def test_a_network_that_fails_in_the_middle(server, keys):
    """Over UDP nothing is passed on for a while."""
    count = [0]

    def forward(data):
        count[0] += 1
        return [] if 20 < count[0] < 120 else [(0, data)]

    with Between(server.port, forward) as between:
        ask_many(keys, "127.0.0.1:%d" % between.port, "--udp")
    assert count[0] > 120


def test_every_line_that_stays_unanswered_is_told(keys):
    dead = nobody()
    done = subprocess.run([RELEASE, "client", "--server", dead, "--server-key", keys.server_pub, "--number", "-"],
                          input="GJ05-1\nGJ05-2\nGJ05-3\n", capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and not done.stdout
    for line in (1, 2, 3):
        assert f"standard input:{line}: not answered" in done.stderr


# --- looking at them -------------------------------------------------------------------------------


@TCP_UDP
def test_check(dlv, serve, small_db, keys, udp):
    """Each server by itself: what it has, or why it would not do."""
    good = serve(dlv, small_db, who=("--anonymous",))
    other = serve(dlv, small_db, key=keys.other, who=("--anonymous",))
    with Mute() as mute:
        command = ["client", "--server-key", keys.server_pub, "--check", "--timeout", "3", *udp]
        done = dlv(*command, "--server", ",".join([good.address, mute.address, other.address]), status=2)
        line, = done.out.splitlines()
        assert line.startswith(f"{good.address} at {good.address} over {'UDP' if udp else 'TCP'}: good; key {keys.server_pub}; licences#1 of 20"), line
        assert "covers every number" in line and "its clock is" in line and "answers after" in line
        assert line.endswith("; no quota")
        assert f"{mute.address}: no answer within the time allowed" in done.err and f"{other.address}: " in done.err
        assert dlv(*command, "--server", good.address, status=0).out.count("good") == 1
    for options in (("--number", "GJ05-1"), ("--json",), ("--legacy",)):
        assert "--check" in dlv(*command, "--server", good.address, *options, status=2).err


@pytest.mark.parametrize("silent", [True, False])
def test_a_network_without_udp(dlv, serve, keys, small_db, silent):
    """Datagrams are swallowed, or refused: TCP answers, a moment later."""
    server = serve(dlv, small_db, "--tcp-only", who=("--anonymous",))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        if silent:
            mute.bind(("127.0.0.1", server.port))
        start = time.monotonic()
        done = dlv("client", "--server", server.address, "--server-key", keys.server_pub, "--udp", "--verbose", "--number",
                   "GJ05-1234", status=0)
        assert time.monotonic() - start < (6 if dlv.is_sanitized else 3)
    assert "trying address 1 of 1 over UDP" in done.err and "it answers over TCP" in done.err
    done = dlv("client", "--server", server.address, "--server-key", keys.server_pub, "-v", "--number", "GJ05-1234", status=0)
    assert "UDP" not in done.err


def test_a_network_with_udp(dlv, serve, keys, small_db):
    """TCP is not bothered where datagrams come through."""
    server = serve(dlv, small_db, who=("--anonymous",))
    done = dlv("client", "--server", server.address, "--server-key", keys.server_pub, "--udp", "-v", "--number", "GJ05-1234", status=0)
    assert "it answers over UDP" in done.err and "TCP" not in done.err
