"""Kernel bypass: the server on a veth in a network namespace, its clients in another."""

import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest
import session_peer as peer
from conftest import SMALL, VECTORS, Server, build, one_line
from session_peer import Refused, TcpClient, UdpClient
from test_session import FAST, NOBODY, RAMESH

PORT = 9300
LIBC = ctypes.CDLL(None, use_errno=True)
MODES = pytest.mark.parametrize("mode", [[], ["--xdp-generic"]], ids=["native", "generic"])


def ip(*args):
    done = subprocess.run(["ip", *args], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(args)}: {done.stderr}")
    return done.stdout


class Wire:
    """Two namespaces and a veth between them: 10.9.0.1 and fd09::1 serve, .2 and ::2 ask."""

    def __init__(self, queues=1):
        self.server, self.client = f"dlv-s-{os.getpid()}", f"dlv-c-{os.getpid()}"
        for name in (self.server, self.client):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        many = ["numtxqueues", str(queues), "numrxqueues", str(queues)]
        ip("link", "add", "v0", "netns", self.server, *many, "type", "veth", "peer", "name", "v0", "netns", self.client,
           *many)
        for name, number in ((self.server, 1), (self.client, 2)):
            ip("-n", name, "addr", "add", f"10.9.0.{number}/24", "dev", "v0")
            ip("-n", name, "addr", "add", f"fd09::{number}/64", "dev", "v0", "nodad")
            ip("-n", name, "link", "set", "v0", "up")

    def close(self):
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    @contextlib.contextmanager
    def inside(self, name):
        """Sockets made here belong to that namespace for good."""
        own, other = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{name}", os.O_RDONLY)
        assert LIBC.setns(other, 0x40000000) == 0
        try:
            yield
        finally:
            assert LIBC.setns(own, 0x40000000) == 0
            os.close(own)
            os.close(other)

    def mac(self, name):
        return json.loads(ip("-n", name, "-j", "link", "show", "v0"))[0]["address"]

    def has_program(self):
        return "xdp" in ip("-n", self.server, "link", "show", "v0")


@pytest.fixture
def wire(request):
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    wire = None
    try:
        wire = Wire(getattr(request, "param", 1))
    except RuntimeError as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    yield wire
    wire.close()


class XdpServer(Server):
    def __init__(self, dlv, wire, db, keys, *args, queues=""):
        super().__init__(dlv, "--db", db, "--authority", keys.authority_pub, "--key", keys.server, *FAST, "--xdp",
                         f"v0{queues}", *args, who=("--anonymous",), listen=f":{PORT}",
                         prefix=["ip", "netns", "exec", wire.server])
        self.mode = re.search(rb"event=xdp [^\n]*mode=(\w+)", self.log).group(1).decode()


@pytest.fixture
def serve_xdp(wire, keys, small_db):
    started = []

    def start(dlv, *args, db=None, queues=""):
        try:
            server = XdpServer(dlv, wire, db or small_db, keys, *args, queues=queues)
        except AssertionError as reason:
            if "needs CAP_" in str(reason) or "does not take" in str(reason):
                pytest.skip(f"no AF_XDP here: {reason}")
            raise
        started.append(server)
        return server
    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@MODES
def test_questions(dlv, wire, serve_xdp, server_pub, mode):
    server = serve_xdp(dlv, *mode)
    assert server.mode == ("generic" if mode else "native") and wire.has_program()
    for host in ("10.9.0.1", "fd09::1"):
        with wire.inside(wire.client):
            udp = UdpClient(PORT, server_pub, host=host)
        udp.open()
        for count in (1, 2, 31):
            assert udp.ask([RAMESH] * count).kinds == ["licence"] * count
        assert udp.ask([NOBODY], padded=900).kinds == [None]
        with pytest.raises(Refused):
            udp.session.ticket = bytes(88)
            udp.ask([RAMESH])
        assert udp.exchange(b"dlv\1" + bytes(100)) == peer.refusal(peer.VERSION)
    server.stop()
    assert not wire.has_program()


@MODES
def test_the_rest_of_the_interface(release, wire, serve_xdp, server_pub, mode):
    with wire.inside(wire.server):
        echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        echo.bind(("0.0.0.0", PORT + 1))
    serve_xdp(release, *mode)
    for host in ("10.9.0.1", "fd09::1"):
        subprocess.run(["ip", "netns", "exec", wire.client, "ping", "-c", "2", "-i", "0.2", "-W", "2", host], check=True,
                       capture_output=True)
        with wire.inside(wire.client):
            tcp = TcpClient(PORT, server_pub, host=host)
        assert tcp.open().ask([RAMESH]).kinds == ["licence"]
    with wire.inside(wire.client):
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    other.settimeout(5)
    other.sendto(b"hello", ("10.9.0.1", PORT + 1))
    data, source = echo.recvfrom(100)
    assert data == b"hello" and source[0] == "10.9.0.2"
    # A datagram in fragments is put together by the kernel, and answered by the socket.
    with wire.inside(wire.client):
        udp = UdpClient(PORT, server_pub, host="10.9.0.1")
    udp.open()
    ip("-n", wire.client, "route", "change", "10.9.0.0/24", "dev", "v0", "mtu", "lock", "600")
    udp.sock.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
    assert udp.ask([RAMESH] * 20).kinds == ["licence"] * 20


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Raw:
    """Ethernet frames by hand, from 10.9.0.2."""

    def __init__(self, wire):
        with wire.inside(wire.client):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind(("v0", 3))
        self.sock.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: tells of a VLAN tag
        self.vlan = 0  # of the last answer
        self.ethernet = bytes.fromhex((wire.mac(wire.server) + wire.mac(wire.client)).replace(":", "")) + b"\x08\0"

    def frame(self, payload, port=40000, ttl=64):
        udp = struct.pack("!HHHH", port, PORT, 8 + len(payload), 0) + payload
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0x4000, ttl, 17, 0,
                             socket.inet_aton("10.9.0.2"), socket.inet_aton("10.9.0.1"))
        pseudo = header[12:20] + struct.pack("!BBH", 0, 17, len(udp))
        udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
        return self.ethernet + header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp

    def answers(self, seconds):
        """Payloads that came back to port 40000, their checksums verified."""
        found, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data, control, _, (_, _, kind, *_) = self.sock.recvmsg(2048, 256)
            except (socket.timeout, BlockingIOError):
                break
            if kind == socket.PACKET_OUTGOING or data[12:14] != b"\x08\0" or data[23] != 17:
                continue
            total, = struct.unpack_from("!H", data, 16)
            packet = data[14 : 14 + total]
            source, destination, length, udp_sum = struct.unpack_from("!HHHH", packet, 20)
            if (source, destination) != (PORT, 40000):
                continue
            status, _, _, _, _, tag, _ = struct.unpack("=IIIHHHH", control[0][2])
            self.vlan = tag if status & 16 else 0  # TP_STATUS_VLAN_VALID
            assert checksum(packet[:20]) == 0 and length == total - 20 and packet[8] == 64
            assert packet[12:16] == socket.inet_aton("10.9.0.1") and data[:6] == self.ethernet[6:12]
            assert udp_sum != 0 and checksum(packet[12:20] + struct.pack("!BBH", 0, 17, length) + packet[20:]) == 0
            found.append(packet[28:])
        return found


def test_malformed_frames(release, wire, serve_xdp, server_pub):
    server = serve_xdp(release, "--workers", "1")
    with wire.inside(wire.client):
        udp = UdpClient(PORT, server_pub, host="10.9.0.1")
        hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # so that the kernel says nothing about port 40000
    hole.bind(("10.9.0.2", 40000))
    session = udp.open().session
    raw = Raw(wire)
    ask = session.ask([RAMESH])
    good = raw.frame(ask)
    raw.sock.send(good)
    answers = raw.answers(1)
    assert len(answers) == 1 and session.open_answer(answers[0], ask).kinds == ["licence"]

    def bend(at, value):
        return good[:at] + bytes(value) + good[at + len(value):]
    bad = [good[:n] for n in range(14, len(good), 3)]
    bad += [bend(at, [good[at] ^ 0x10]) for at in range(14, 42)]
    bad += [bend(20, [0x20, 0x00]), bend(20, [0x00, 0x05]), bend(14, [0x46]), bend(14, [0x4F]), bend(14, [0x65]),
            bend(16, [0xFF, 0xFF]), bend(16, [0, 27]), bend(38, [0, 7]), bend(38, [0xFF, 0xFF]), bend(12, [0x86, 0xDD])]
    for frame in bad:
        raw.sock.send(frame)
    rng = random.Random(5)
    for _ in range(2000):
        frame = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        raw.sock.send(bytes(frame[: rng.choice([len(frame), rng.randrange(14, len(frame))])]))
    time.sleep(0.3)
    # A bent datagram under a bent checksum is nobody's; one that is whole, but no frame, gets a refusal at most.
    for answer in raw.answers(1):
        if answer[4] != peer.REFUSE:  # some were bent to what they were before
            assert session.open_answer(answer, ask).kinds == ["licence"]
    assert udp.ask([RAMESH]).kinds == ["licence"]
    server.stop()
    assert b"child_failed" not in server.log


@MODES
def test_vlan(release, wire, serve_xdp, server_pub, mode):
    serve_xdp(release, *mode)
    with wire.inside(wire.client):
        session = UdpClient(PORT, server_pub, host="10.9.0.1").open().session
    raw, ask = Raw(wire), session.ask([RAMESH])
    good = raw.frame(ask)
    raw.sock.send(good[:12] + struct.pack("!HH", 0x8100, 42) + good[12:])
    answers = raw.answers(1)
    assert len(answers) == 1 and session.open_answer(answers[0], ask).kinds == ["licence"] and raw.vlan == 42
    # Two tags are not ours: on to the kernel, which has no such network here.
    raw.sock.send(good[:12] + struct.pack("!HHHH", 0x88A8, 7, 0x8100, 42) + good[12:])
    assert not raw.answers(0.5)


def bench(wire, release, keys, *args):
    done = subprocess.run(["ip", "netns", "exec", wire.client, release.load.path, "--server",
                           f"10.9.0.1:{PORT}", "--server-key", str(keys.server_pub), "--json", "--udp",
                           *map(str, args)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@MODES
def test_rings_go_round(release, wire, serve_xdp, server_pub, keys, mode):
    """Many times; and once with more under way than they hold."""
    serve_xdp(release, "--workers", "1", *mode)
    figures = bench(wire, release, keys, "-t", 2)
    assert figures["answered"] > 3 * 4096 and figures["lost"] == figures["wrong"] == figures["refused"] == 0, figures
    figures = bench(wire, release, keys, "-t", 2, "-c", 32, "-w", 512)
    assert figures["answered"] > 4096 and figures["wrong"] == 0
    figures = bench(wire, release, keys, "-t", 1, "-r", 200)
    assert figures["answered"] >= 190 and figures["lost"] == 0, figures


@pytest.mark.parametrize("wire", [2], indirect=True)
def test_two_queues(release, wire, serve_xdp, keys):
    """A worker each; a third has the sockets alone."""
    server = serve_xdp(release, "--xdp-busy-poll", "20", "--workers", "3", queues=":0,1")
    assert b"queues=2" in server.log
    figures = bench(wire, release, keys, "-t", 2, "-c", 16, "-w", 8)
    assert figures["answered"] > 10000 and figures["lost"] == figures["wrong"] == figures["refused"] == 0, figures
    server.stop()
    answered = sorted(int(n) for n in re.findall(rb"event=counters [^\n]*answered=(\d+)", server.log))
    assert len(answered) >= 2 and answered[-2] > 1000, answered


def test_reload_and_failures_under_load(release, wire, serve_xdp, server_pub, keys, tmp_path):
    db = tmp_path / "l.db"
    build(release, keys, db, SMALL)
    server = serve_xdp(release, "--workers", "1", db=db)
    load = subprocess.Popen(["ip", "netns", "exec", wire.client, release.load.path, "--server",
                             f"10.9.0.1:{PORT}", "--server-key", str(keys.server_pub), "--json", "--udp", "-t", "6", "-r",
                             "5000"], stdout=subprocess.PIPE)
    for sequence in (2, 3, 4):
        build(release, keys, db, SMALL)
        assert f"event=reloaded sequence={sequence}" in server.reload()
    for times in (1, 2):
        worker = server.children()[-1]
        os.kill(worker, signal.SIGKILL)
        server.wait_for(rb"(?s)" + rb"event=child_restarted.*" * times)
    figures = json.loads(load.communicate()[0])
    assert figures["wrong"] == 0 and figures["answered"] > 20000, figures
    with wire.inside(wire.client):
        udp = UdpClient(PORT, server_pub, host="10.9.0.1")
    answer = udp.open().ask([RAMESH])
    assert answer.kinds == ["licence"] and answer.release == hashlib.sha256(db.read_bytes()[:4096]).digest()


def test_killed_it_leaves_the_interface_as_it_was(release, wire, serve_xdp):
    server = serve_xdp(release)
    assert wire.has_program()
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 10
    while wire.has_program():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    subprocess.run(["ip", "netns", "exec", wire.client, "ping", "-c", "1", "-W", "2", "10.9.0.1"], check=True,
                   capture_output=True)
    second = serve_xdp(release)
    assert second.mode == "native"


def test_without_the_right_or_the_interface(release, wire, keys, small_db):
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        for source in (small_db, keys.authority_pub, keys.server):
            shutil.copy(source, folder)
            (folder / source.name).chmod(0o600)
            os.chown(folder / source.name, 65534, 65534)
        command = ["ip", "netns", "exec", wire.server, "setpriv", "--reuid", "65534", "--regid", "65534",
                   "--clear-groups", release.path, "server", "--db", folder / small_db.name, "--authority",
                   folder / keys.authority_pub.name, "--key", folder / keys.server.name, "--anonymous", "--listen",
                   f":{PORT}"]
        done = subprocess.run([*command, "--xdp", "v0"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "AF_XDP" in done.stderr, done.stderr
        server = subprocess.Popen([*command, "--xdp", "v0", "--xdp-optional"], stderr=subprocess.PIPE, text=True)
        lines = [server.stderr.readline(), server.stderr.readline()]
        assert "event=xdp_unavailable" in lines[0] and "event=ready" in lines[1], lines
        server.terminate()
        assert server.wait(20) == 0
    finally:
        shutil.rmtree(folder)
    base = ["server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous"]
    for args, complaint in ((["--listen", ":0", "--xdp", "nosuch0"], "nosuch0"),
                            (["--listen", "127.0.0.1:0", "--xdp", "lo"], "every address"),
                            (["--listen", ":0", "--xdp", "lo:x"], "QUEUE"), (["--listen", ":0", "--xdp", ""], "interface"),
                            (["--listen", ":0", "--xdp-optional"], "belong to --xdp")):
        assert complaint in one_line(release(*base, *args, timeout=20))
