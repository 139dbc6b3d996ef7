"""What a stolen kiosk, or a network of anonymous clients, can read of the country: as much as its quota, and it is told of."""

import json
import os
import struct
import time

import pytest
import session_peer as peer
from conftest import kiosk_line
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

KNOWN = "GJ05-1234"


def item(text):
    return peer.item(peer.sha256(text.encode()))


@pytest.fixture
def enrol(release, serve, small_db, keys, tmp_path):
    """A server for which the kiosk has this quota."""
    def start(quota, *options, who=()):
        (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "surat-1", f"quota={quota}") + kiosk_line(keys.other_pub, "surat-2"))
        return serve(release, small_db, "--kiosks", tmp_path / "kiosks", "--stats", tmp_path / "stats", "--openings-per-source", "0", *options, who=who)
    return start


@pytest.fixture
def clients(keys):
    server_pub = peer.load_public(keys.server_pub)
    return {name: lambda port, kiosk, Client=Client: Client(port, server_pub, kiosk and peer.load_private(kiosk)).open()
            for name, Client in (("tcp", peer.TcpClient), ("udp", peer.UdpClient))}


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_quota_is_spent_by_licences(enrol, clients, keys, way):
    server = enrol("60/100/1000000", "--workers", "2")
    own = [clients[way](server.port, keys.kiosk) for _ in range(3)]  # in sessions and at workers of its own, it is one kiosk
    asked = 0
    for i in range(100):
        answer = own[i % 3].ask([item(f"{i} {n}") for n in range(7)])
        if answer.status != peer.GOOD:
            break
        asked += 7
    assert answer.status == peer.OVER_QUOTA and 1 <= answer.total <= 60
    assert 90 <= asked <= 110
    # What is not about licences is answered, and so are other kiosks.
    assert own[0].ask(what=peer.HEAD, padded=1232).status == peer.GOOD
    assert clients[way](server.port, keys.other).ask([item("x")] * 7).status == peer.GOOD
    time.sleep(1.2)
    assert own[1].ask([item("later")]).status == peer.GOOD
    server.wait_for(rb"event=kiosk_quota_(low|spent) name=surat-1\n")


def test_a_day(enrol, clients, keys):
    server = enrol("1000000/1000000/50")
    client = clients["tcp"](server.port, keys.kiosk)
    statuses = [client.ask([item(str(i))] * 5).status for i in range(12)]
    assert statuses == [peer.GOOD] * 10 + [peer.OVER_QUOTA] * 2
    assert client.ask([item("x")] * 5).total > 3600


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_a_listener_spends_no_kiosks_quota(enrol, clients, keys, way):
    """One frame, replayed as often as he likes: it is his own address that is charged."""
    server = enrol("10/50/100000", "--anonymous-quota", "100/300/100000")
    client = clients[way](server.port, keys.kiosk)
    frame = client.session.ask([item("x")])
    assert client.session.open_answer(client.exchange(frame), frame).status == peer.GOOD
    statuses = []
    while len(statuses) < 320:
        replay = clients[way](server.port, None)  # over TCP each connection rests when it replays on and on
        statuses += [client.session.open_answer(replay.exchange(frame), frame).status for _ in range(2)]
        replay.close()
    assert statuses[:250] == [peer.GOOD] * 250 and statuses[-1] == peer.OVER_QUOTA
    assert [client.ask([item(str(i))]).status for i in range(40)] == [peer.GOOD] * 40


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_what_was_refused_is_refused_again(enrol, clients, keys, way):
    """A frame that was over the quota is no repetition when it comes again."""
    server = enrol("1/1/10", "--workers", "2")
    client = clients[way](server.port, keys.kiosk)
    assert client.ask([item("x")]).status == peer.GOOD
    frame = client.session.ask([item(str(i)) for i in range(7)])
    other = clients[way](server.port, None)
    for one in (client, other, client, other):
        assert client.session.open_answer(one.exchange(frame), frame).status == peer.OVER_QUOTA


P = 2**130 - 5


def blocks(data):
    """The numbers that Poly1305 makes of a message (RFC 8439, 2.5)."""
    return [int.from_bytes(data[i:i + 16] + b"\1", "little") for i in range(0, len(data), 16)]


def padded(data):
    return data + bytes(-len(data) % 16)


def with_tag_of(session, frame, texts):
    """A frame about these numbers, and one that is junk, with the nonce and the tag of another frame of this session: who has
    the session's key chooses one block so that the tag comes out (RFC 8439, 2.8)."""
    nonce, tag, aad = frame[96:108], frame[-16:], frame[:108]
    cipher = Cipher(algorithms.ChaCha20(session.key, bytes(4) + nonce), None).encryptor()
    key = cipher.update(bytes(64))[:32]
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s = int.from_bytes(key[16:], "little")
    target = (int.from_bytes(tag, "little") - s) % 2**128
    free = 40 + 2 + 6  # sixteen bytes of the junk's digest that are a block of their own
    for _ in range(200):
        items = [peer.item(os.urandom(32)), *[item(text) for text in texts]]
        plain = peer.question(items)
        assert len(plain) <= len(frame) - 124
        plain += bytes(len(frame) - 124 - len(plain))
        stream = Cipher(algorithms.ChaCha20(session.key, (1).to_bytes(4, "little") + nonce), None).encryptor()
        text = stream.update(plain)
        message = blocks(padded(aad) + padded(text) + len(aad).to_bytes(8, "little") + len(text).to_bytes(8, "little"))
        at = len(padded(aad)) // 16 + free // 16
        power = pow(r, len(message) - at, P)
        rest = sum(pow(r, len(message) - i, P) * b for i, b in enumerate(message) if i != at) % P
        for high in range(4):
            wanted = (target + high * 2**128 - rest) * pow(power, -1, P) % P - 2**128
            if 0 <= wanted < 2**128:
                start = free // 16 * 16
                return aad + text[:start] + wanted.to_bytes(16, "little") + text[start + 16:] + tag
    raise AssertionError("no such frame was found")


def test_a_tag_that_was_chosen_is_no_repetition(enrol, clients, keys):
    """A thief of the kiosk makes new questions with the tag of an old one; they are counted all the same."""
    server = enrol("1/8/1000", "--anonymous-quota", "0")
    client = clients["tcp"](server.port, keys.kiosk)
    frame = client.session.ask([item(str(i)) for i in range(7)])
    assert client.session.open_answer(client.exchange(frame), frame).status == peer.GOOD
    forged = with_tag_of(client.session, frame, ["a", "b", "c", "d", "e", "f"])
    assert forged[-16:] == frame[-16:] and forged != frame
    assert client.session.open_answer(client.exchange(forged), forged).status == peer.OVER_QUOTA
    assert client.session.open_answer(client.exchange(frame), frame).status == peer.GOOD  # the true repetition


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_anonymous_networks_have_one(enrol, clients, way):
    server = enrol("60/100/1000", "--anonymous-quota", "60/100/1000", who=("--anonymous",))
    statuses = [clients[way](server.port, None).ask([item(str(i))] * 7).status for i in range(20)]
    assert statuses.count(peer.GOOD) in (14, 15) and statuses[-1] == peer.OVER_QUOTA


def test_who_seeks_numbers_is_told_of(enrol, clients, keys):
    server = enrol("1000000/1000000/1000000")
    honest, thief = clients["tcp"](server.port, keys.other), clients["tcp"](server.port, keys.kiosk)
    for i in range(0, 1100, 25):
        assert thief.ask([item(f"{i} {n}") for n in range(25)]).status == peer.GOOD
    server.wait_for(rb"event=kiosk_seeks_numbers name=surat-1\n")
    for _ in range(15):
        honest.ask([peer.item(peer.sha256(b"x"))] + [item("y")] * 6)
    assert b"name=surat-2" not in server.log


def test_the_busiest_kiosks_are_in_the_metrics(enrol, clients, keys, tmp_path):
    server = enrol("1000/1000/100000")
    clients["tcp"](server.port, keys.kiosk).ask([item("x")] * 20)
    clients["tcp"](server.port, keys.other).ask([item("x")] * 3)
    server.stop()
    text = (tmp_path / "stats").read_text()
    assert text.index('dlv_kiosk_licences_total{kiosk="surat-1"} 20\n') < text.index('dlv_kiosk_licences_total{kiosk="surat-2"} 3\n')


def test_what_the_client_says_and_does(release, enrol, keys):
    """One question is told how long; many are paced, and none is lost."""
    server = enrol("120/30/100000")
    base = ["client", "--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, "--exact"]
    text = "".join(f"GJ{i:04}\n" for i in range(29)) + f"{KNOWN}\n"
    release(*base, "--number", "-", stdin=text, status=1)
    done = release(*base, "--timeout", "5", "--json", "--number", "-", stdin=text)
    assert done.returncode == 1 and done.err.count("the quota is spent; going on in") >= 1
    verdicts = [json.loads(line)["verdict"] for line in done.out.splitlines()]
    assert len(verdicts) == 30 and verdicts[-1] == "VALID" and verdicts.count("UNKNOWN") == 29


def test_one_question_that_is_too_much(release, enrol, keys):
    server = enrol("1/1/10")
    base = ["client", "--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, "--exact", "--timeout", "2", "--json",
            "--number", KNOWN]
    release(*base, status=0)
    done = release(*base, status=2)
    answer = json.loads(done.out)
    assert answer["error"] == "quota" and "the quota is spent; ask again in" in answer["reason"]


@pytest.mark.parametrize("option", ["1200", "1/2", "0/1/1", "a/b/c", "1/1/99999999999", ""])
def test_bad_quotas(release, keys, small_db, option):
    done = release("server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous", "--anonymous-quota", option)
    assert done.returncode == 2 and "--anonymous-quota" in done.err


@pytest.mark.parametrize("way", ["tcp", "udp"])
def test_what_is_left(release, enrol, clients, keys, way):
    """Said to who asks, and it costs nothing."""
    server = enrol("60/100/1000 sync=50", "--anonymous-quota", "10/20/30", who=("--anonymous",))
    client = clients[way](server.port, keys.kiosk)

    def left(client):
        answer = client.ask(what=peer.QUOTA, padded=400)
        assert answer.status == peer.GOOD and answer.total == 28
        return struct.unpack("<7I", answer.rest[:28])

    assert left(client) == (60, 100, 1000, 100, 1000, 50, 50)
    client.ask([item(str(i)) for i in range(30)], padded=1232)
    minute, burst, day, burst_left, day_left, *sync = left(client)
    assert (minute, burst, day, sync) == (60, 100, 1000, [50, 50]) and 68 <= burst_left <= 72 and 968 <= day_left <= 971
    assert client.ask(what=peer.QUOTA, offset=29).status == peer.MALFORMED
    assert left(clients[way](server.port, None))[:5] == (10, 20, 30, 20, 30)
    assert left(clients[way](server.port, keys.other))[5:] == (0, 0)
    line = release("client", "--check", "--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, status=0).out
    assert "of 100 at once, " in line and " of 1000 a day, 50 of 50 MiB to fetch a day\n" in line
