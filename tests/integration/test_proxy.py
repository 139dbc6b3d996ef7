"""Behind a balancer that says whose connections it passes on: limits are the source's, not the balancer's."""

import contextlib
import os
import random
import socket
import struct
import subprocess
import time

import pytest
import session_peer as peer
from conftest import one_line

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ITEM = peer.item(peer.sha256(b"nobody"))


def header(source, port=1000, command=0x21, more=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = 2 * address + struct.pack(">HH", port, 8080) + more
    return SIGNATURE + bytes([command, 0x21 if ":" in source else 0x11]) + struct.pack(">H", len(body)) + body


def client_with(first, port, server_pub, address="127.0.0.1"):
    client = peer.TcpClient.__new__(peer.TcpClient)
    client.sock = socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0))
    client.server, client.kiosk, client.session = server_pub, None, None
    client.sock.sendall(first)
    return client


def is_served(client):
    try:
        return client.open().ask([ITEM]).status == peer.GOOD
    except (OSError, EOFError, peer.Refused):
        return False


@pytest.fixture
def server(dlv, serve, small_db):
    return serve(dlv, small_db, "--proxy-from", "127.0.0.0/28,fd00::/8", "--openings-per-source", "2", who=("--anonymous", "--legacy"))


@pytest.mark.parametrize("first", [header("192.0.2.1"), header("2001:db8::1"), header("192.0.2.1", more=b"\4\0\1x"),
                                   SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x21\0\0\0", header("192.0.2.1", command=0x20)])
def test_headers(server, server_pub, first):
    assert is_served(client_with(first, server.port, server_pub))


@pytest.mark.parametrize("first", [b"", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", SIGNATURE, header("192.0.2.1", command=0x22), header("192.0.2.1")[:-1],
                                   SIGNATURE + b"\x21\x11\xff\xff", header("192.0.2.1", more=bytes(600))])
def test_what_is_no_header(server, server_pub, first):
    """From a balancer everything begins with one: what does not is closed without a word."""
    assert not is_served(client_with(first, server.port, server_pub))


def test_nobody_else_may_send_one(server, server_pub):
    assert not is_served(client_with(header("192.0.2.1"), server.port, server_pub, "127.0.0.77"))
    assert is_served(client_with(b"", server.port, server_pub, "127.0.0.77"))


def test_limits_are_the_sources(server, server_pub):
    served = [is_served(client_with(header("192.0.2.1"), server.port, server_pub)) for _ in range(25)]
    assert served[0] and not served[-1]
    assert is_served(client_with(header("198.51.100.1"), server.port, server_pub))
    assert is_served(client_with(header("2001:db8::1"), server.port, server_pub))


def test_any_bytes(server, server_pub):
    rng, good = random.Random(5), header("192.0.2.1")
    for _ in range(200):
        data = bytearray(good + os.urandom(8))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with client_with(bytes(data[: rng.randrange(1, len(data))]), server.port, server_pub).sock:
            pass
    assert is_served(client_with(header("203.0.113.9"), server.port, server_pub))


HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
listen dlv
  bind 127.0.0.1:{front}
  server one 127.0.0.1:{port} send-proxy-v2 source 127.0.0.1
"""


def test_behind_haproxy(release, serve, small_db, server_pub, keys, tmp_path):
    """The real one, and one source floods through it."""
    server = serve(release, small_db, "--proxy-from", "127.0.0.1", "--openings-per-source", "2", "--workers", "1", "--connections", "60",
                   who=("--anonymous",))
    with socket.create_server(("127.0.0.1", 0)) as free:
        front = free.getsockname()[1]
    (tmp_path / "haproxy.cfg").write_text(HAPROXY.format(front=front, port=server.port))
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.PIPE) as haproxy:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", front), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < deadline and haproxy.poll() is None, haproxy.stderr.read() if haproxy.poll() is not None else ""
                    time.sleep(0.1)
            flood = []
            for i in range(80):
                with contextlib.suppress(OSError):
                    one = client_with(b"dlv", front, server_pub, f"127.66.0.{i + 1}")
                    flood.append(one)
            for i in range(12):
                assert is_served(client_with(b"", front, server_pub, f"127.{70 + i}.0.1")), i
            done = release("client", "--server", f"127.0.0.1:{front}", "--server-key", keys.server_pub, "--number", "GJ05-1234")
            assert done.returncode == 0, done.err
            for one in flood:
                one.sock.close()
        finally:
            haproxy.terminate()


BALANCED = """
defaults
  mode tcp
  timeout connect 2s
  timeout client 20s
  timeout server 20s
listen dlv
  bind 127.0.0.1:{front}
  balance first
  option tcp-check
  tcp-check connect send-proxy
  tcp-check send-binary 646c7602100010000000000000000000
  tcp-check expect binary 646c760211
  default-server check inter 200ms fall 2 rise 1 send-proxy-v2 check-send-proxy on-marked-down shutdown-sessions
  server one 127.0.0.1:{one}
  server two 127.0.0.1:{two}
"""


def test_balanced_by_health(release, serve, small_db, server_pub, keys, tmp_path):
    """HAProxy asks each server whether it could answer, and sends nobody to one that could not."""
    servers = [serve(release, small_db, "--proxy-from", "127.0.0.1", who=("--anonymous",)) for _ in range(2)]
    with socket.create_server(("127.0.0.1", 0)) as free:
        front = free.getsockname()[1]
    (tmp_path / "haproxy.cfg").write_text(BALANCED.format(front=front, one=servers[0].port, two=servers[1].port))
    ask = ("client", "--server", f"127.0.0.1:{front}", "--server-key", keys.server_pub, "--number", "GJ05-1234", "--timeout", "10")
    with subprocess.Popen(["haproxy", "-db", "-f", tmp_path / "haproxy.cfg"], stderr=subprocess.PIPE) as haproxy:
        try:
            deadline = time.monotonic() + 20
            while release(*ask).returncode != 0:
                assert time.monotonic() < deadline and haproxy.poll() is None, haproxy.stderr.read() if haproxy.poll() is not None else ""
                time.sleep(0.2)
            servers[0].stop()
            time.sleep(1)
            for _ in range(3):
                assert release(*ask).out.startswith("VALID")
        finally:
            haproxy.terminate()


def test_health(dlv, serve, small_db, tmp_path):
    """Without key or session."""
    server = serve(dlv, small_db, who=("--kiosks", os.devnull))
    done = dlv("client", "--health", "--server", server.address, status=0)
    assert done.out.startswith(f"{server.address}: could answer, from release 1; ")
    for frame in (peer.header(peer.HEALTH, 16) + bytes(7) + b"\1", peer.header(peer.HEALTH, 17) + bytes(9), peer.header(peer.HEALTH, 8)):
        with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
            sock.sendall(frame)
            assert sock.recv(100) == b"", frame
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        sock.sendall(2 * (peer.header(peer.HEALTH, 16) + bytes(8)))
        assert peer.read_frame(sock) == peer.header(peer.HEALTHY, 16) + (1).to_bytes(8, "little") and sock.recv(100) == b""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = "127.0.0.1:%d" % mute.getsockname()[1]
        assert dlv("client", "--health", "--server", address, "--timeout", "1", status=2).err.startswith("dlv client: " + address)
    one_line(dlv("client", "--health"))


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0", "x", "fd00::/129", "10.0.0.0/8,", ",".join(["10.0.0.0/8"] * 17), ""])
def test_bad_networks(release, keys, small_db, text):
    done = release("server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous", "--proxy-from", text,
                   "--listen", "127.0.0.1:0", "--once", timeout=20)
    assert done.returncode == 2 and "--proxy-from" in done.err
