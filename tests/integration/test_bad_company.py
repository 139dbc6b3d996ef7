"""A good server beside one that is silent, wrong, lying or spent: it answers all the same, and nothing that the other one does outlasts
it. With servers that are not ours."""

import json
import random
import socket
import struct
import subprocess
import tempfile
import threading
import time

import dbformat
import pytest
import registry_rows
import session_peer as peer
from conftest import RELEASE
from session_peer import Core, TcpServer
from test_session_client import ROW, authority, core, released, server_key  # noqa: F401  (fixtures)
from test_several_servers import TCP_UDP, Gateway, LongLived, Mute, ask, ask_by_name, server  # noqa: F401


def local(port):
    return f"127.0.0.1:{port}"


# --- beside a silent one ----------------------------------------------------------------------------


def test_a_restart_beside_a_silent_server(release, serve, small_db, keys):
    first = serve(release, small_db, "--openings-per-source", "0", who=("--anonymous",))
    with Mute() as mute, LongLived(keys, [first.address, mute.address], "--timeout", "6") as client:
        assert client.ask()["verdict"] == "VALID"
        first.stop()
        serve(release, small_db, "--openings-per-source", "0", listen=first.address, who=("--anonymous",))
        assert client.ask()["verdict"] == "VALID"


def test_a_forgotten_connection_beside_a_silent_server(server, keys):
    with Mute() as mute, Gateway(server.port) as gateway, LongLived(keys, [gateway.address, mute.address], "--timeout", "6") as client:
        assert client.ask()["verdict"] == "VALID"
        gateway.generation += 1
        assert client.ask()["verdict"] == "VALID"


def test_busy_once_beside_a_silent_server(release, keys, core):
    busy, count = core(), []
    accept = busy.accept
    busy.accept = lambda frame: count.append(1) or (peer.refusal(peer.BUSY) if len(count) == 1 else accept(frame))
    with TcpServer(busy) as running, Mute() as mute:
        ask(release, keys, [local(running.port), mute.address], status=0)


# --- beside one that is wrong -----------------------------------------------------------------------


def test_a_wrong_key_beside_the_right_one(release, server, keys, core):
    """Two keys are pinned; the first server has neither, the second one has the first."""
    with TcpServer(core(key=peer.load_private(keys.other))) as wrong:
        done = release("client", "--server", f"{local(wrong.port)},{server.address}", "--server-key", keys.server_pub, "--server-key",
                       keys.kiosk_pub, "--json", "--number", "GJ05-1234", status=0)
        assert json.loads(done.out)["source"].startswith(server.address)


def test_a_wrong_clock_is_no_measure(release, keys, core):
    """It is refused; the good one is not compared with it."""
    ahead, good = (core(valid_until=int(time.time()) + 86400 * 30) for _ in range(2))
    ahead.clock_skew = 86400 * 3000
    with TcpServer(ahead) as first, TcpServer(good) as second:
        done, _ = ask(release, keys, [local(first.port), local(second.port)], status=0)
        assert json.loads(done.out)["source"].startswith(local(second.port))


def test_a_clock_that_is_set(keys, core):
    """The server's, or this machine's, which looks the same: it goes on."""
    alone = core()
    with TcpServer(alone) as running, LongLived(keys, [local(running.port)]) as client:
        assert client.ask()["verdict"] == "VALID"
        alone.clock_skew = 3600
        assert client.ask()["verdict"] == "VALID"


def test_a_quota_without_end(release, server, keys, core):
    """It says each time that a second has to be waited: the other one is asked; where there is none, --timeout holds."""
    spent = core()
    spent.bend_body = lambda body, question: peer.answer_head(spent.now(), peer.OVER_QUOTA, 0, 1,
                                                              spent.database.id).ljust(len(body), b"\0")
    with TcpServer(spent) as running:
        done, _ = ask(release, keys, [local(running.port), server.address], "--timeout", "3", status=0)
        assert json.loads(done.out)["source"].startswith(server.address)
        done, took = ask(release, keys, [local(running.port)], "--timeout", "3", status=2)
        assert json.loads(done.out)["error"] == "quota" and took < 15


def test_a_release_that_nobody_has_signed(keys, core):
    """Its number says nothing about those of other servers."""
    far, good = core(sequence=1 << 60), core()
    with TcpServer(good) as second, TcpServer(far) as first, LongLived(keys, [local(first.port), local(second.port)]) as client:
        assert client.ask()["source"].startswith(local(first.port))
        far.bend = lambda frame: peer.refusal(peer.SESSION)
        far.accept = lambda frame: peer.refusal(peer.BUSY)
        assert client.ask()["source"].startswith(local(second.port))


# --- who said what ----------------------------------------------------------------------------------


def test_hints_of_another_server(keys, core):
    """The first one answers, and goes; similar numbers are asked about at the other: the answer is still the first one's."""
    first, second = core(), core()
    second.database, frames = first.database, []

    def bend(frame):
        frames.append(frame)
        if len(frames) > 5:
            raise EOFError
        return frame
    first.bend = bend
    with TcpServer(first) as one, TcpServer(second) as two:
        done = subprocess.run([RELEASE, "client", "--server", f"{local(one.port)},{local(two.port)}", "--server-key", keys.server_pub,
                               "--json", "--number", "GJ05-7777"], capture_output=True, text=True, timeout=30)
        assert json.loads(done.stdout)["source"].startswith(local(one.port))


def test_hints_wait_once(keys, core):
    """The server answers six questions, and then nothing more: the answers are shown after one deadline."""
    silent, frames = core(), []

    def bend(frame):
        frames.append(frame)
        if len(frames) > 5:
            time.sleep(30)
        return frame
    silent.bend = bend
    with TcpServer(silent) as running:
        start = time.monotonic()
        done = subprocess.run([RELEASE, "client", "--server", local(running.port), "--server-key", keys.server_pub, "--timeout", "3",
                               "--json", "--number", "-"], input="".join(f"GJ05-77777{i}\n" for i in range(6)), capture_output=True,
                              text=True, timeout=90)
        assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["UNKNOWN"] * 6
        assert time.monotonic() - start < 12  # six deadlines are 18 s


def test_answers_as_long_as_can_be(dlv, keys, server_key, authority):
    """A server that has the key, whose answers never fit together, that are long, and that break off again and again: nothing is kept
    twice."""
    rows = [{**ROW, "licence": "GJ05-1234", "classes": f"C{i:03}", "valid_from": f"20{i // 12:02}-{i % 12 + 1:02}-01"} for i in range(30)]
    with tempfile.NamedTemporaryFile() as file:
        file.write(dbformat.build(registry_rows.entries(rows), authority, dbformat.Facts(sequence=7, created=int(time.time()) - 60)))
        file.flush()
        database = dbformat.Database(file.name, authority)
    found = peer.found_bytes(database, 1, dbformat.number_digest("GJ05-1234"), ())
    filler = b"\3\3\0" + ((1 << 18) - 2).to_bytes(3, "little")
    further = found[24:] + filler * ((2040 - len(found[24:])) // len(filler))
    found = found[:22] + struct.pack("<H", len(further)) + further
    lying, asked = Core(server_key, database), []

    def bend(body, question):
        what, items = question
        if what != peer.ANSWERS:
            return body
        if len(items) > 1:
            return peer.answer_head(lying.now(), peer.TOO_LONG, 0, 0, database.id).ljust(len(body), b"\0")
        asked.append(1)
        if len(asked) % 40 == 0:
            return peer.answer_head(lying.now(), peer.OVER_QUOTA, 0, 1, database.id).ljust(len(body), b"\0")
        return (peer.answer_head(lying.now(), peer.GOOD, 1, 0, database.id) + found).ljust(len(body), b"\0")
    lying.bend_body = bend
    with TcpServer(lying) as running:
        dlv("client", "--server", local(running.port), "--server-key", keys.server_pub, "--json", "--exact", "--number", "-",
            stdin="".join(f"GJ05-{7000 + i}\n" for i in range(64)), timeout=100)
    assert len(asked) < 80  # each once, and those that were not answered once more


# --- names that come late ---------------------------------------------------------------------------


class SlowNames:
    """A name server that takes its time; every name has these addresses."""

    def __init__(self, addresses, delay):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = "127.{}.{}.{}".format(*(random.randrange(1, 255) for _ in range(3)))  # others run beside this one
        self.sock.bind((self.address, 53))
        self.addresses, self.delay = addresses, delay
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                query, client = self.sock.recvfrom(2000)
            except OSError:
                return
            threading.Timer(self.delay, self.reply, (query, client)).start()

    def reply(self, query, client):
        end = 12
        while query[end]:
            end += query[end] + 1
        end += 5
        addresses = self.addresses if query[end - 4:end - 2] == b"\0\1" else []
        answer = query[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0) + query[12:end]
        for address in addresses:
            answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
        try:
            self.sock.sendto(answer, client)
        except OSError:
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


@TCP_UDP
def test_a_late_name_whose_first_address_is_silent(server, keys, tmp_path, udp):
    with SlowNames(["192.0.2.7", "127.0.0.1"], 0.6) as names:
        done, _ = ask_by_name(keys, tmp_path, "", [f"register.example:{server.port}"], *udp, resolver=names.address)
    assert done.returncode == 0, done.stderr


def test_a_name_that_comes_when_all_lanes_are_taken(dlv, server, keys, tmp_path):
    hosts = "".join(f"192.0.2.{10 * n + i} n{n}\n" for n in (1, 2) for i in range(8))
    with SlowNames(["127.0.0.1"], 4.5) as names:
        done, _ = ask_by_name(keys, tmp_path, hosts, ["n1:80", "n2:80", f"register.example:{server.port}"], "--udp", "--timeout", "9",
                              path=dlv.path, resolver=names.address)
    assert done.returncode == 0, done.stderr
