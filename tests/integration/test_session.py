"""The session protocol: dlv's server and an independent client (tools/session_peer.py)."""

import base64
import hashlib
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time

import dbformat
import pytest
import session_peer as peer
from conftest import DOCUMENT, HEADER, ROOT, SANITIZED, SMALL, VECTORS, build, kiosk_line, one_line
from session_peer import Refused, TcpClient, UdpClient

NUMBER = dbformat.number_digest("GJ05-1234")
RAMESH = peer.item(NUMBER)
NOBODY = peer.item(dbformat.number_digest("XX1"))
FOUND, MISSED = "licence", None
FAST = ("--openings-per-source", "0", "--openings", "0")
BOTH = pytest.mark.parametrize("Client", [TcpClient, UdpClient])


def everybody(serve, dlv, db, *args):
    return serve(dlv, db, *FAST, *args, who=("--anonymous",))


@BOTH
def test_asking(dlv, serve, small_db, server_pub, keys, Client):
    server = everybody(serve, dlv, small_db)
    database = dbformat.Database(small_db, dbformat.load_key(keys.authority))
    client = Client(server.port, server_pub).open()
    assert client.session.lifetime == 3600 and abs(client.session.server_time - time.time()) < 10
    answer = client.ask([RAMESH, NOBODY])
    assert answer.kinds == [FOUND, MISSED] and answer.status == peer.GOOD
    assert answer.found[0].terms == database.entry(database.find(NUMBER))[38:]
    assert abs(answer.server_time - time.time()) < 10 and answer.release == database.id
    # Asked as something that it is not; and the kinds that depend on a licence.
    assert client.ask([peer.item(NUMBER, peer.DOCUMENT)]).kinds == [MISSED]
    document = client.ask([peer.item(hashlib.sha256(DOCUMENT).digest(), peer.DOCUMENT)]).found[0]
    assert document.kind == "document" and document.terms[0] & 3 == 0
    record = hashlib.sha256(b"Ramesh 2344567890 GJ05-1234").digest()
    assert client.ask([peer.item(record, peer.LEGACY)]).kinds == ["legacy"]
    # Fields: by any of the forms given; never by a code.
    name = [(1, dbformat.field_digest(1, NUMBER, form)) for form in ("x", "aehmrs")]
    phone = (2, dbformat.field_digest(2, NUMBER, "2344567890"))
    one, two, three = client.ask([peer.item(NUMBER, forms=forms) for forms in (name, name[:1], [phone])]).found
    assert (one.matches, two.matches, three.matches) == ({1: "same"}, {1: "differs"}, {2: "not kept"})
    for count in (1, 2, 30, 31):
        assert client.ask([RAMESH] * count).kinds == [FOUND] * count
    # The release that is meant, or another one.
    assert client.ask([RAMESH], release=database.id).kinds == [FOUND]
    assert client.ask([RAMESH], release=bytes(31) + b"\1").status == peer.OTHER_RELEASE


@BOTH
def test_every_answer_is_that_of_the_independent_server(dlv, serve, keys, tmp_path, server_pub, Client):
    """Byte for byte, from the golden registry, keyed and not."""
    for keyed in (False, True):
        db, lookup = tmp_path / f"{keyed}.db", VECTORS / "golden_lookup.key"
        options = ["--lookup-key", lookup, "--fields", "name,phone,card"] if keyed else []
        build(dlv, keys, db, (VECTORS / "golden.csv").read_text(), "--provisional", "P", "--calling-code", "91", *options)
        database = dbformat.Database(db, dbformat.load_key(keys.authority), lookup.read_bytes() if keyed else None)
        server = everybody(serve, dlv, db, *(["--lookup-key", lookup] if keyed else []))
        client = Client(server.port, server_pub).open()
        numbers = ["GJ05-1234", "XX", "MH12 20190054321", "KL07 20200000042", "4/9417/KOCHI", "PB10-7"]
        items = []
        for number in map(dbformat.number_digest, numbers):
            forms = [(1, dbformat.field_digest(1, number, form)) for form in ("x", "aaeeimnrr", "aaeehlmprst")]
            forms += [(2, dbformat.field_digest(2, number, "2344567890")), (4, dbformat.field_digest(4, number, "K1"))]
            items.append(peer.item(number, forms=forms))
        items.append(peer.item(hashlib.sha256(DOCUMENT).digest(), peer.DOCUMENT))
        asked = [(items, peer.ANSWERS, 0, 1232), (items[3:], peer.ANSWERS, 0, 0)]
        asked += [([item], peer.PROOFS, 0, 1232) for item in items] + [(items[:1], peer.PROOFS, 0, 200)]
        asked += [((), what, offset, 1232) for what in (peer.HEAD, peer.DICTIONARY, peer.NODES) for offset in (0, 30, 9999)]
        for items_asked, what, offset, padded in asked:
            ask = client.session.ask(items_asked, what, offset, database.id, padded)
            frame = client.exchange(ask)
            body = peer.ChaCha20Poly1305(client.session.key).decrypt(frame[20:32], frame[32:], frame[:32] + ask[-16:])
            question = peer.question(items_asked, what, offset, database.id)
            question += bytes(len(ask) - 124 - len(question))
            if offset == 9999:
                assert peer.Answer(body).status == peer.MALFORMED
                continue
            assert body[8:] == peer.answer_body(database, question, 0)[8:], (keyed, what, offset, padded)
            assert len(frame) == len(ask)


@pytest.mark.parametrize("way", [(), ("--udp",)])
def test_the_client_written_from_the_text(serve, release, keys, small_db, tmp_path, way):
    """tools/session_client.py and dlv's client say the same, and that client believes no other authority."""
    kiosks = tmp_path / "kiosks"
    kiosks.write_text(kiosk_line(keys.kiosk_pub))
    server = serve(release, small_db, *FAST, who=("--kiosks", kiosks))
    ask = [ROOT / "tools/session_client.py", f"127.0.0.1:{server.port}", keys.server_pub]
    kiosk = ["--kiosk", keys.kiosk, *way]
    own = ["client", "--server", f"127.0.0.1:{server.port}", "--server-key", keys.server_pub, "--key", keys.kiosk, "--exact"]
    for question, options in (("GJ05-1234", ()), ("GJ05-1234", ("--name", "Rámesh")), ("GJ05-1234", ("--name", "Rames")),
                              ("gj05 1234", ("--class", "LMV")), ("GJ05-1234", ("--class", "TRANS")), ("KA05-1999-1", ()),
                              ("DL03-2008-7654321", ()), ("MH12 20190054321", ()), ("KL07 1", ())):
        done = subprocess.run([*ask, keys.authority_pub, question, *kiosk, *options], capture_output=True, text=True)
        dlv = release(*own, "--number", question, *options)
        assert dlv.out and (done.stdout.split()[:1], done.returncode) == (dlv.out.split()[:1], dlv.returncode), (done, dlv)
    done = subprocess.run([*ask, VECTORS / "golden_authority.pub", "GJ05-1234", *kiosk], capture_output=True, text=True)
    assert done.returncode == 2 and "no header that this authority signed" in done.stderr


def test_many_frames_at_once(dlv, serve, small_db, server_pub):
    server = everybody(serve, dlv, small_db)
    client = TcpClient(server.port, server_pub).open()
    asks = [client.session.ask([RAMESH] * (1 + i % 64)) for i in range(300)]
    client.sock.sendall(b"".join(asks))
    for i, ask in enumerate(asks):
        assert client.session.open_answer(peer.read_frame(client.sock), ask).kinds == [FOUND] * (1 + i % 64)
    # In pieces of every size.
    ask = client.session.ask([RAMESH])
    for size in (1, 7, 100, len(ask) - 1):
        for at in range(0, len(ask), size):
            client.sock.sendall(ask[at : at + size])
            time.sleep(0.0005)
        assert client.session.open_answer(peer.read_frame(client.sock), ask).kinds == [FOUND]


def check_proof(database, proof, digest, held):
    """Walks the paths up to the nodes that are held, as PROTOCOL.md says; returns whether the entry is there."""
    level, used, count = {i: dbformat.leaf(entry, items) for i, entry, items in proof.entries}, 0, database.count
    for _ in range(dbformat.held_level(count)):
        above = {}
        for i in sorted(level):
            if i // 2 in above:
                continue
            node = level[i]
            if i ^ 1 in level:
                node = hashlib.sha256(b"\1" + level[i & ~1] + level[i | 1]).digest()
            elif i ^ 1 < count:
                pair = proof.nodes[used] + node if i & 1 else node + proof.nodes[used]
                node, used = hashlib.sha256(b"\1" + pair).digest(), used + 1
            above[i // 2] = node
        level, count = above, (count + 1) // 2
    assert used == len(proof.nodes) and all(held[i] == node for i, node in level.items())
    first = proof.entries[0]
    if first[1][:32] == digest:
        return True
    if len(proof.entries) == 2:
        assert first[1][:32] < digest < proof.entries[1][1][:32] and first[0] + 1 == proof.entries[1][0]
    else:
        assert first[0] == (database.count - 1 if first[1][:32] < digest else 0)
    return False


@BOTH
def test_proofs(dlv, serve, keys, tmp_path, server_pub, Client):
    """Of every entry and of what is not there, in trees of several heights; they fit a datagram."""
    for count in (1, 3, 40, 700):
        db = tmp_path / f"{count}.db"
        build(dlv, keys, db, HEADER + "".join(f"A,{i},N{i},valid,2020-01-01,2030-01-01\n" for i in range(1000, 1000 + count)))
        database = dbformat.Database(db, dbformat.load_key(keys.authority))
        client = Client(everybody(serve, dlv, db).port, server_pub).open()
        head, release = client.fetch(peer.HEAD, padded=1232)
        assert head == db.read_bytes()[:8192] and release == hashlib.sha256(head[:4096]).digest()
        nodes, _ = client.fetch(peer.NODES, release, padded=1232)
        held = [nodes[i:i + 32] for i in range(0, len(nodes), 32)]
        assert dbformat.merkle_levels(held)[-1][0] == head[128:160] and len(held) <= 256
        for i in [*range(990, 1010), 1000 + count // 2, 999 + count, 1000 + count]:
            digest = dbformat.number_digest(f"N{i}")
            answer = client.ask([peer.item(digest)], what=peer.PROOFS, release=release, padded=900)
            assert check_proof(database, answer.proofs[0], digest, held) == (1000 <= i < 1000 + count)


@BOTH
def test_the_dictionary_is_fetched_in_pieces(dlv, serve, keys, tmp_path, server_pub, Client):
    db = tmp_path / "l.db"
    rows = "".join(f"A,{i},N{i},valid,2020-01-01,2030-01-01,CLASS-{i};B\n" for i in range(1000, 2000))
    build(dlv, keys, db, HEADER.strip() + ",classes\n" + rows)
    database = dbformat.Database(db, dbformat.load_key(keys.authority))
    client = Client(everybody(serve, dlv, db).port, server_pub).open()
    text, release = client.fetch(peer.DICTIONARY, padded=1232)
    assert dbformat.read_dictionary(text) == database.sets and len(database.sets) == 1000 and release == database.id


@BOTH
def test_bad_questions(dlv, serve, small_db, server_pub, Client):
    client = Client(everybody(serve, dlv, small_db).port, server_pub).open()
    good = peer.question([RAMESH]) + bytes(20)
    assert client.ask(body=good).kinds == [FOUND]
    # what, count, zeros, offset, kind and forms of an item, padding that is not zero
    for at, value in ((0, 0), (0, 3), (0, 6), (1, 0), (1, 2), (1, 65), (2, 2), (3, 1), (4, 1), (40, 0), (40, 4), (41, 7),
                      (41, 1), (len(good) - 1, 1), (len(good) - 20, 1)):
        body = bytearray(good)
        body[at] = value
        answer = client.ask(body=bytes(body))
        assert answer.status == peer.MALFORMED and not answer.count, (at, value)
    for items, what in ([[RAMESH] * 5, peer.PROOFS], [[], peer.ANSWERS], [[], peer.PROOFS]):
        assert client.ask(items, what=what).status == peer.MALFORMED
    with_form = bytearray(peer.question([peer.item(NUMBER, forms=[(1, bytes(16))])]))
    for field in (0, 5):
        with_form[74] = field
        assert client.ask(body=bytes(with_form)).status == peer.MALFORMED
    assert client.ask([peer.item(NUMBER, peer.DOCUMENT, [(1, bytes(16))])]).status == peer.MALFORMED
    # Nothing of a question fits; and an answer that would be longer than its question.
    assert client.ask(what=peer.HEAD, offset=8193).status == peer.MALFORMED
    assert client.ask([RAMESH], what=peer.PROOFS).status == peer.TOO_LONG


@BOTH
def test_enrolled(dlv, serve, small_db, server_pub, kiosk, keys, tmp_path, Client):
    kiosks = tmp_path / "kiosks"
    kiosks.write_text("# of Surat\n\n" + kiosk_line(keys.kiosk_pub, "surat-1", "2090-01-01 # until")
                      + kiosk_line(keys.other_pub, "surat-2", "2020-01-01"))
    server = serve(dlv, small_db, *FAST, "--kiosks", kiosks, who=())
    assert Client(server.port, server_pub, kiosk).open().ask([RAMESH]).kinds == [FOUND]
    stranger = peer.load_private(keys.server)
    expired = peer.load_private(keys.other)
    for who in (stranger, expired):
        with pytest.raises(Refused, match="not enrolled"):
            Client(server.port, server_pub, who).open()
    # Who does not say who it is gets a session, and no answer in it.
    nobody = Client(server.port, server_pub).open()
    for how in ({"items": [RAMESH]}, {"what": peer.HEAD}, {"items": [RAMESH], "what": peer.PROOFS, "padded": 900}):
        answer = nobody.ask(**how)
        assert answer.status == peer.NOT_ENROLLED and not any(answer.rest) and answer.count == 0
    # The right name, signed by another key; or by the right one for another session.
    other = Client(server.port, server_pub).open()
    frame = nobody.session.identify(kiosk, sign=stranger, cookie=cookie_of(nobody))
    assert nobody.session.admitted(nobody.exchange(frame), frame) is False
    foreign = peer.Session(other.session.key, None, other.session.server_id)
    signature = kiosk.sign(peer.signed_by_kiosk(foreign.server_id, foreign.key), peer.padding.PKCS1v15(), peer.hashes.SHA256())
    frame = nobody.session.identify(kiosk, cookie=cookie_of(nobody), bend=lambda identity: identity[:36] + signature + identity[292:])
    assert nobody.session.admitted(nobody.exchange(frame), frame) is False
    assert nobody.ask([RAMESH]).status == peer.NOT_ENROLLED
    # And then as it should be; the old ticket still is nobody's.
    old = nobody.session.ticket
    nobody.kiosk = kiosk
    assert nobody.identify(cookie_of(nobody)).ask([RAMESH]).kinds == [FOUND]
    nobody.session.ticket = old
    assert nobody.ask([RAMESH]).status == peer.NOT_ENROLLED
    # Both kinds, where both are asked for.
    server = serve(dlv, small_db, *FAST, "--kiosks", kiosks, who=("--anonymous",))
    for who in (None, kiosk):
        assert Client(server.port, server_pub, who).open().ask([RAMESH]).kinds == [FOUND]
    with pytest.raises(Refused):
        Client(server.port, server_pub, stranger).open()


def cookie_of(client):
    """A cookie for an IDENTIFY frame; zeros over TCP."""
    if not isinstance(client, UdpClient):
        return bytes(20)
    return client.exchange(peer.header(peer.IDENTIFY, 692) + bytes(684))[8:]


@BOTH
def test_identities_altered(dlv, serve, small_db, server_pub, kiosk, keys, tmp_path, Client):
    """Every part of an IDENTIFY frame: refused where the seal tells, and not admitted where it is sealed."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    server = serve(dlv, small_db, *FAST, "--kiosks", tmp_path / "kiosks", who=())
    client = Client(server.port, server_pub).open()
    cookie = cookie_of(client)
    frame = client.session.identify(kiosk, cookie=cookie)
    for at in (28, 40, 115, 116, 117, 127, 128, 130, 164, 675, 676, 691):
        bent = bytearray(frame)
        bent[at] ^= 1
        assert client.exchange(bytes(bent)) == peer.refusal(peer.SESSION), at
        client = client if Client is UdpClient else Client(server.port, server_pub).open()
        frame = frame if Client is UdpClient else client.session.identify(kiosk)
    flipped = lambda at, bits: lambda identity: identity[:at] + bytes([identity[at] ^ bits]) + identity[at + 1:]
    for at, bits in ((0, 1), (0, 3), (1, 1), (2, 1), (2, 255), (3, 1), (4, 1), (35, 1), (36, 1), (291, 1)):
        frame = client.session.identify(kiosk, cookie=cookie, bend=flipped(at, bits))
        assert client.session.admitted(client.exchange(frame), frame) is False, (at, bits)
    if Client is UdpClient:  # without a cookie nothing is spent
        assert client.exchange(client.session.identify(kiosk))[4] == peer.COOKIE


def test_tickets_are_bound(dlv, serve, small_db, server_pub, keys, tmp_path):
    """Servers that share a file of ticket keys take each other's tickets, unless key or authority is another."""
    (tmp_path / "ticket.key").write_bytes(bytes(range(32)))
    other_db = tmp_path / "other.db"
    dlv("dbgen", "--sign", keys.other, "-o", other_db, "--legacy", "-", stdin=SMALL, status=0)
    shared = ["--ticket-key", tmp_path / "ticket.key"]
    first = everybody(serve, dlv, small_db, *shared)
    session = TcpClient(first.port, server_pub).open().session

    def status_at(server):
        client = TcpClient(server.port, server_pub)
        ask = session.ask([RAMESH])
        return client.exchange(ask)[4]
    assert status_at(everybody(serve, dlv, small_db, *shared)) == peer.ANSWER
    assert status_at(serve(dlv, small_db, *FAST, *shared, who=("--anonymous",), key=keys.other)) == peer.REFUSE
    assert status_at(serve(dlv, other_db, *FAST, *shared, authority=keys.other_pub, who=("--anonymous",))) == peer.REFUSE
    # Where nobody may ask without being enrolled, the ticket is good and says nothing.
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    strict = TcpClient(serve(dlv, small_db, *FAST, *shared, "--kiosks", tmp_path / "kiosks", who=()).port, server_pub)
    strict.session = session
    assert strict.ask([RAMESH]).status == peer.NOT_ENROLLED


def test_a_removed_kiosk_is_out(dlv, serve, small_db, server_pub, kiosk, keys, tmp_path):
    kiosks = tmp_path / "kiosks"
    kiosks.write_text(kiosk_line(keys.kiosk_pub) + kiosk_line(keys.other_pub))
    server = serve(dlv, small_db, *FAST, "--kiosks", kiosks, who=())
    other = peer.load_private(keys.other)
    tcp, udp = (Client(server.port, server_pub, kiosk).open() for Client in (TcpClient, UdpClient))
    stays = TcpClient(server.port, server_pub, other).open()

    def hup(event):
        server.log = b""
        server.process.send_signal(signal.SIGHUP)
        return server.wait_for(event)

    kiosks.write_text("nonsense\n")
    line = hup(rb"event=kiosks_refused [^\n]*").group(0).decode()
    assert f"{kiosks}:1" in line
    assert tcp.ask([RAMESH]).kinds == [FOUND]
    kiosks.write_text(kiosk_line(keys.other_pub) + "# end 1\n")
    hup(rb"event=kiosks_reloaded kiosks=1")
    server.wait_for(rb"event=database_unchanged sequence=1")
    for client in (tcp, udp):
        with pytest.raises(Refused, match=f"{peer.SESSION}"):
            client.ask([RAMESH])
    with pytest.raises(Refused):
        TcpClient(server.port, server_pub, kiosk).open()
    assert stays.ask([RAMESH]).kinds == [FOUND]
    kiosks.write_text(kiosk_line(keys.other_pub) + kiosk_line(keys.kiosk_pub))
    hup(rb"event=kiosks_reloaded kiosks=2")
    assert tcp.ask([RAMESH]).kinds == [FOUND]


@pytest.mark.parametrize("text, complaint", [
    ("surat\n", "has no key"), ("surat AAAA\n", "not base64"), ("# ok\nsurat !!!!\n", ":2: "),
    ("{kiosk}{kiosk}", "have one key"), ("{kiosk_until}", "not a day"), ("a {body} 2030-01-01 x\n", "more than"),
    ("x" * 5000 + "\n", "a line of more than")])
def test_bad_lists_of_kiosks(dlv, keys, small_db, tmp_path, text, complaint):
    line = kiosk_line(keys.kiosk_pub)
    text = text.replace("{kiosk}", line).replace("{kiosk_until}", kiosk_line(keys.kiosk_pub, "a", "soon"))
    (tmp_path / "kiosks").write_text(text.replace("{body}", line.split()[1]))
    done = dlv("server", "--listen", "127.0.0.1:0", "--db", small_db, "--authority", keys.authority_pub, "--key",
               keys.server, "--kiosks", tmp_path / "kiosks", timeout=20)
    assert done.returncode == 2 and complaint in done.err and str(tmp_path / "kiosks") in done.err, done.err


# --- what a hostile peer does ---------------------------------------------------------------------


@BOTH
def test_every_byte_of_a_question_counts(dlv, serve, small_db, server_pub, Client):
    server = everybody(serve, dlv, small_db)
    client = Client(server.port, server_pub).open()
    client.sock.settimeout(0.3 if Client is UdpClient else 20)
    ask = client.session.ask([RAMESH])
    for i in range(8, len(ask)):
        bent = bytearray(ask)
        bent[i] ^= 1 << (i % 8)
        assert client.exchange(bytes(bent)) == peer.refusal(peer.SESSION), i
    for i in range(8):  # the header: nothing, a refusal, or the end
        bent = bytearray(ask)
        bent[i] ^= 0x40
        one = Client(server.port, server_pub, timeout=0.3)
        try:
            assert one.exchange(bytes(bent))[4] == peer.REFUSE
        except (EOFError, OSError):
            pass
    answer = client.exchange(ask)
    assert client.session.open_answer(answer, ask).kinds == [FOUND]
    # Replayed: answered again under a fresh nonce, and bound to the same question.
    again = client.exchange(ask)
    assert again[20:32] != answer[20:32] and client.session.open_answer(again, ask).kinds == [FOUND]
    with pytest.raises(Exception):
        client.session.open_answer(again, client.session.ask([RAMESH]))
    other = Client(server.port, server_pub).open()
    stolen = other.session.ask([RAMESH])[:8] + client.session.ticket + other.session.ask([RAMESH])[96:]
    assert client.exchange(stolen) == peer.refusal(peer.SESSION)


def test_every_length_over_tcp(release, serve, small_db, server_pub):
    server = everybody(serve, release, small_db, "--timeout", "2")
    client = TcpClient(server.port, server_pub).open()
    ask = client.session.ask([RAMESH])
    opening = peer.Opening(server_pub).frame
    for frame in (ask, opening):
        for cut in range(0, len(frame), 1 if frame is ask else 13):
            one = TcpClient(server.port, server_pub)
            one.sock.sendall(frame[:cut])
            one.close()
    # A length that lies: the server waits for the rest, or closes, and never answers.
    for length in (0, 7, 8, 9, 100, 163, 4097, 65535):
        one = TcpClient(server.port, server_pub, timeout=5)
        one.sock.sendall(ask[:6] + struct.pack("<H", length) + ask[8:])
        try:
            frame = peer.read_frame(one.sock)
            assert frame == peer.refusal(peer.SESSION), length
        except (EOFError, ConnectionError):
            pass
    assert client.ask([RAMESH]).kinds == [FOUND]


def test_every_length_over_udp(release, serve, small_db, server_pub):
    server = everybody(serve, release, small_db)
    client = UdpClient(server.port, server_pub, timeout=20).open()
    ask = client.session.ask([RAMESH])
    for cut in range(len(ask)):
        client.sock.send(ask[:cut])
    client.sock.send(ask + b"x")
    client.sock.send(ask.ljust(1300, b"\0"))
    client.sock.send(b"")
    assert client.session.open_answer(client.exchange(ask), ask).kinds == [FOUND]
    # The longest, and one more.
    assert client.ask([RAMESH], padded=1232).kinds == [FOUND]
    client.sock.settimeout(0.3)
    with pytest.raises(socket.timeout):
        client.ask([RAMESH], padded=1233)


@BOTH
def test_openings_altered(dlv, serve, small_db, server_pub, Client):
    """All fail alike: the same eight bytes."""
    server = everybody(serve, dlv, small_db)
    n = 256
    for at in (28, 31, 176, 177, 176 + n - 2, 176 + n - 1):
        client = Client(server.port, server_pub)
        opening = peer.Opening(server_pub)
        frame = opening.frame
        if Client is UdpClient:
            frame = opening.with_cookie(client.exchange(frame))
        frame = bytearray(frame)
        frame[at] ^= 1
        assert client.exchange(bytes(frame)) == peer.refusal(peer.OPENING), at


@BOTH
def test_openings_that_only_their_client_can_make(dlv, serve, small_db, server_pub, Client):
    """Encrypted as they should be, but not what PROTOCOL.md says."""
    server = everybody(serve, dlv, small_db)

    def is_accepted(**how):
        client, opening = Client(server.port, server_pub), peer.Opening(server_pub, **how)
        frame = opening.frame
        if Client is UdpClient:
            frame = opening.with_cookie(client.exchange(frame))
        return client.exchange(frame)[4] == peer.ACCEPT
    assert is_accepted()
    secret, label = os.urandom(32), peer.oaep(b"dlv session 2 open")
    assert is_accepted(secret=secret, ciphertext=server_pub.encrypt(secret, label))
    for longer in (secret + b"\0", secret + secret, secret[:31], b""):
        assert not is_accepted(secret=secret, ciphertext=server_pub.encrypt(longer, label))
    assert not is_accepted(secret=secret, ciphertext=server_pub.encrypt(secret, peer.oaep(b"")))


@BOTH
def test_another_version_gets_one_refusal(dlv, serve, small_db, server_pub, Client):
    server = everybody(serve, dlv, small_db)
    for frame in (peer.header(peer.OPEN, 320, version=1), b"dlv\0\0\0\0\0", b"dlv\xff" + os.urandom(200)):
        client = Client(server.port, server_pub)
        assert client.exchange(frame) == peer.refusal(peer.VERSION)
        if Client is TcpClient:
            assert client.is_closed()


def test_cookies(dlv, serve, small_db, server_pub):
    server = everybody(serve, dlv, small_db)
    client = UdpClient(server.port, server_pub)
    opening = peer.Opening(server_pub)
    cookie = client.exchange(opening.frame)
    assert len(cookie) == 28
    # Of another port, or altered: another cookie, no RSA.
    other = UdpClient(server.port, server_pub)
    assert other.exchange(opening.with_cookie(cookie))[4] == peer.COOKIE
    bent = bytearray(opening.with_cookie(cookie))
    bent[12] ^= 1
    assert client.exchange(bytes(bent))[4] == peer.COOKIE
    session = opening.finish(client.exchange(opening.with_cookie(cookie)))
    ask = session.ask([RAMESH])
    # The session goes wherever its client does.
    assert session.open_answer(other.exchange(ask), ask).kinds == [FOUND]
    tcp = TcpClient(server.port, server_pub)
    assert session.open_answer(tcp.exchange(ask), ask).kinds == [FOUND]


def test_what_comes_again_over_udp(dlv, serve, small_db, server_pub, kiosk, keys, tmp_path):
    """A client repeats what may have been lost. The repetition is given the same answer, and costs nothing: no opening is
    counted, no limit is used up. One that differs, or comes from elsewhere, is a frame of its own."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    server = serve(dlv, small_db, "--kiosks", tmp_path / "kiosks", "--openings-per-source", "1", "--workers", "1",
                   "--key-holders", "1", "--stats", tmp_path / "dlv.prom", who=())
    client, opening = UdpClient(server.port, server_pub), peer.Opening(server_pub)
    cookie = client.exchange(opening.frame)
    frame = opening.with_cookie(cookie)
    accept = client.exchange(frame)
    for repeated in frame, opening.frame, frame:
        assert all(client.exchange(repeated) == accept for _ in range(20))
    session = opening.finish(accept)
    identify = session.identify(kiosk, cookie=cookie[8:])
    admit = client.exchange(identify)
    assert all(client.exchange(identify) == admit for _ in range(20)) and session.admitted(admit, identify)
    other = UdpClient(server.port, server_pub)
    assert other.exchange(frame)[4] == other.exchange(identify)[4] == peer.COOKIE
    again = client.exchange(session.identify(kiosk, cookie=cookie[8:]))
    assert len(again) == len(admit) and again != admit
    # While the first waits, nothing is answered; and an answer is forgotten.
    frame = peer.Opening(server_pub).with_cookie(cookie)
    for _ in range(20):
        client.sock.send(frame)
    accept = client.sock.recv(2000)
    time.sleep(0.3)
    client.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            assert client.sock.recv(2000) == accept
    client.sock.settimeout(5)
    time.sleep(4)
    assert client.exchange(frame) != accept
    server.stop()
    assert "\ndlv_openings_total 3\n" in (tmp_path / "dlv.prom").read_text()


def test_openings_are_limited_and_look_ups_are_not(dlv, serve, small_db, server_pub):
    server = serve(dlv, small_db, "--openings-per-source", "2", who=("--anonymous",))
    clients, refused = [], 0
    for _ in range(16):  # a burst of five seconds' worth, then two a second
        try:
            clients.append(TcpClient(server.port, server_pub).open())
        except Refused as refusal:
            assert refusal.reason == peer.BUSY
            refused += 1
    assert 10 <= len(clients) <= 15 and refused >= 1
    for _ in range(100):
        assert clients[0].ask([RAMESH]).kinds == [FOUND]
    with pytest.raises(Refused, match=f"{peer.BUSY}"):
        for _ in range(3):
            UdpClient(server.port, server_pub).open()
    time.sleep(1)
    TcpClient(server.port, server_pub).open()


def test_a_client_that_never_reads(dlv, serve, small_db, server_pub):
    server = everybody(serve, dlv, small_db, "--workers", "1")
    greedy, modest = (TcpClient(server.port, server_pub).open() for _ in range(2))
    asks, sent = [], 0
    greedy.sock.setblocking(False)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        if len(asks) <= sent // 4096:
            asks.append(greedy.session.ask([RAMESH] * 4, what=peer.PROOFS, padded=4096))
        try:
            sent += greedy.sock.send(asks[sent // 4096][sent % 4096:])
        except BlockingIOError:
            assert modest.ask([RAMESH]).kinds == [FOUND]
    assert sent < 64 << 20
    # What was left is still answered, whole and in order.
    greedy.sock.setblocking(True)
    greedy.sock.settimeout(20)
    assert sent > 100 * 4096
    for ask in asks[:sent // 4096]:
        frame = peer.read_frame(greedy.sock)
    assert len(greedy.session.open_answer(frame, ask).proofs) == 4


def test_idle_and_half_open(dlv, serve, small_db, server_pub):
    server = everybody(serve, dlv, small_db, "--timeout", "1", "--idle", "3")
    started = time.monotonic()
    half, live = TcpClient(server.port, server_pub), TcpClient(server.port, server_pub).open()
    half.sock.sendall(peer.Opening(server_pub).frame[:100])
    assert half.is_closed() and time.monotonic() - started < 3
    assert live.ask([RAMESH]).kinds == [FOUND]
    assert live.is_closed() and time.monotonic() - started > 3
    # Bytes that are no question do not keep a connection.
    dribble = TcpClient(server.port, server_pub)
    with pytest.raises(OSError):
        for byte in peer.Opening(server_pub).frame:
            dribble.sock.sendall(bytes([byte]))
            time.sleep(0.05)


# --- servers together, and over time ---------------------------------------------------------------


def ticket_key(keys, secret):
    """The ticket key of this hour, from the file, the server's key and the authority's."""
    ids = [peer.key_id(peer.load_public(public)) for public in (keys.server_pub, keys.authority_pub)]
    salt = peer.sha256(b"dlv session 2 tickets", *ids) + struct.pack("<q", int(time.time()) // 3600)
    return peer.hkdf(salt, secret, b"dlv session 2 ticket key", 32)


def test_servers_share_tickets(dlv, serve, small_db, server_pub, keys, tmp_path):
    shared = tmp_path / "ticket.key"
    dlv("keygen", "--type", "ticket", "-o", shared, status=0)
    a, b = (everybody(serve, dlv, small_db, "--ticket-key", shared) for _ in range(2))
    alone = everybody(serve, dlv, small_db)
    client = TcpClient(a.port, server_pub).open()
    ask = client.session.ask([RAMESH])
    elsewhere = TcpClient(b.port, server_pub)
    assert client.session.open_answer(elsewhere.exchange(ask), ask).kinds == [FOUND]
    assert TcpClient(alone.port, server_pub).exchange(ask) == peer.refusal(peer.SESSION)
    # The ticket, from the file alone.
    key = ticket_key(keys, shared.read_bytes())
    ticket = client.session.ticket
    opened = peer.ChaCha20Poly1305(key).decrypt(ticket[4:16], ticket[16:], ticket[:4])
    assert opened[:32] == client.session.key and opened[32:48] == bytes(16)
    assert abs(struct.unpack_from("<q", opened, 48)[0] - time.time() - 3600) < 20
    # Another file: what is out stays good for a while; what is not 32 bytes changes nothing.
    shared.write_bytes(b"short")
    a.log = b""
    a.process.send_signal(signal.SIGHUP)
    a.wait_for(rb"event=ticket_key_refused [^\n]*ticket.key")
    shared.write_bytes(os.urandom(32))
    a.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert client.ask([RAMESH]).kinds == [FOUND]
    fresh = TcpClient(a.port, server_pub).open()
    assert fresh.session.ticket[:4] != ticket[:4]


def test_a_ticket_expires(release, serve, small_db, server_pub, keys, tmp_path):
    """Made by hand, under the shared key: yesterday's, and one under a key of zeros."""
    shared = tmp_path / "ticket.key"
    shared.write_bytes(os.urandom(32))
    server = everybody(serve, release, small_db, "--ticket-key", shared)
    client = TcpClient(server.port, server_pub)

    def session(secret_key, expiry):
        key_id = peer.hashes.Hash  # HMAC by hand, from hashlib
        import hmac
        key_id = hmac.new(secret_key, b"dlv session 2 ticket key id", "sha256").digest()[:4]
        nonce, session_key = os.urandom(12), os.urandom(32)
        sealed = peer.ChaCha20Poly1305(secret_key).encrypt(
            nonce, session_key + bytes(16) + struct.pack("<q", expiry), key_id)
        return peer.Session(session_key, peer.grant(key_id + nonce + sealed, 0, 0))

    key = ticket_key(keys, shared.read_bytes())
    for client.session, good in ((session(key, int(time.time()) + 60), True),
                                 (session(key, int(time.time()) - 1), False),
                                 (session(bytes(32), int(time.time()) + 60), False)):
        if good:
            assert client.ask([RAMESH]).kinds == [FOUND]
        else:
            with pytest.raises(Refused, match=f"{peer.SESSION}"):
                client.ask([RAMESH])
    # Nor where a server has no file.
    alone = TcpClient(everybody(serve, release, small_db).port, server_pub)
    alone.session = session(bytes(32), int(time.time()) + 60)
    for key_id in (alone.session.ticket[:4], bytes(4)):
        alone.session.ticket = key_id + alone.session.ticket[4:]
        with pytest.raises(Refused):
            alone.ask([RAMESH])


def release_of(db):
    return hashlib.sha256(db.read_bytes()[:4096]).digest()


def test_reload_changes_answers(dlv, serve, keys, tmp_path, server_pub):
    db = tmp_path / "l.db"
    row = HEADER + "Ramesh,2344567890,GJ05-1234,{},2020-01-01,2090-01-01\n"
    build(dlv, keys, db, row.format("valid"))
    server = everybody(serve, dlv, db)
    tcp, udp = (Client(server.port, server_pub).open() for Client in (TcpClient, UdpClient))
    for client in (tcp, udp):
        answer = client.ask([RAMESH])
        assert answer.release == release_of(db) and answer.found[0].terms[0] >> 2 & 7 == 1
    build(dlv, keys, db, row.format("revoked"))
    assert "reloaded sequence=2" in server.reload()
    for client in (tcp, udp):
        answer = client.ask([RAMESH])
        assert answer.release == release_of(db) and answer.found[0].terms[0] >> 2 & 7 == 4
    # Nobody keeps the old release mapped.
    deadline = time.monotonic() + 10
    while any("(deleted)" in line and "l.db" in line for pid in server.children()
              for line in open(f"/proc/{pid}/maps")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keyed_database(dlv, serve, keys, tmp_path, server_pub):
    db, lookup = tmp_path / "l.db", VECTORS / "golden_lookup.key"
    build(dlv, keys, db, SMALL, "--lookup-key", lookup)
    server = everybody(serve, dlv, db, "--lookup-key", lookup)
    for Client in (TcpClient, UdpClient):
        assert Client(server.port, server_pub).open().ask([RAMESH, NOBODY]).kinds == [FOUND, MISSED]


def test_children_killed_under_load(release, serve, small_db, server_pub):
    """Whatever dies: no wrong answer, and who asks again gets one."""
    server = everybody(serve, release, small_db, "--workers", "2", "--key-holders", "2")
    stop = time.monotonic() + 6
    rng = random.Random(1)
    answered = kills = 0
    next_kill = time.monotonic()
    udp = UdpClient(server.port, server_pub, timeout=1).open()
    tcp = None
    while time.monotonic() < stop:
        if time.monotonic() >= next_kill:
            children = server.children()
            if len(children) == 4:
                os.kill(rng.choice(children), signal.SIGKILL)
                kills += 1
            next_kill = time.monotonic() + 0.4
        try:
            tcp = tcp or TcpClient(server.port, server_pub, timeout=5).open()
            assert tcp.ask([RAMESH, NOBODY]).kinds == [FOUND, MISSED]
            answered += 1
        except (OSError, EOFError):
            tcp = None
        try:
            assert udp.ask([RAMESH, NOBODY]).kinds == [FOUND, MISSED]
            answered += 1
        except OSError:
            pass
        if answered % 50 == 0:
            tcp = None  # openings, too, must survive
    assert kills >= 5 and answered > 100, (kills, answered)


def test_a_killed_key_holder_loses_no_opening(release, serve, small_db, server_pub):
    server = everybody(serve, release, small_db, "--workers", "1", "--key-holders", "1")
    holder = server.children()[0]
    os.kill(holder, signal.SIGSTOP)
    clients = [TcpClient(server.port, server_pub) for _ in range(6)]
    openings = [peer.Opening(server_pub) for _ in clients]
    for client, opening in zip(clients, openings):
        client.sock.sendall(opening.frame)
    time.sleep(0.3)
    os.kill(holder, signal.SIGKILL)
    for client, opening in zip(clients, openings):
        client.session = opening.finish(peer.read_frame(client.sock))
        assert client.ask([RAMESH]).kinds == [FOUND]


# --- the service ------------------------------------------------------------------------------------


def test_stats(dlv, serve, small_db, server_pub, tmp_path):
    stats = tmp_path / "dlv.prom"
    server = everybody(serve, dlv, small_db, "--stats", stats)
    client = TcpClient(server.port, server_pub).open()
    for _ in range(10):
        client.ask([RAMESH, NOBODY])
    with pytest.raises(Refused):
        TcpClient(server.port, server_pub, peer.load_private(VECTORS / "golden_authority.key")).open()
    server.stop()
    text = stats.read_text()
    value = {}
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) dlv_\w+ .+|dlv_\w+(\{\w+=\"[^\"]+\"(,\w+=\"[^\"]+\")?\})? \d+(\.\d+)?", line), line
        if line[0] != "#":
            name, number = line.rsplit(" ", 1)
            value[name] = float(number)
    assert value['dlv_questions_total{found="licence"}'] == 10 == value['dlv_questions_total{found="nothing"}']
    assert value["dlv_frames_total"] == 10 == value["dlv_answer_seconds_count"]
    assert value['dlv_answer_seconds_bucket{le="+Inf"}'] == 10
    assert value["dlv_opened_total"] == 2 and value["dlv_openings_total"] == 2
    assert value['dlv_refusals_total{reason="kiosk"}'] == 1 and value["dlv_database_sequence"] == 1
    assert oct(stats.stat().st_mode & 0o777) == "0o644"


def test_what_monitoring_sees(release, serve, keys, tmp_path):
    """A release that runs out, one that is refused, a list of kiosks that is broken: in the log and in the metrics."""
    stats, db, kiosks = tmp_path / "dlv.prom", tmp_path / "l.db", tmp_path / "kiosks"
    kiosks.write_text(kiosk_line(keys.kiosk_pub))
    build(release, keys, db, SMALL, "--valid-days", "2")
    server = serve(release, db, "--stats", stats, "--kiosks", kiosks, who=("--anonymous",))
    server.wait_for(rb"event=database_runs_out sequence=1 days_left=3\n")
    build(release, keys, db, SMALL, "--valid-days", "30")
    assert "event=reloaded sequence=2" in server.reload()
    kiosks.write_text("broken\n")
    (tmp_path / "junk").write_bytes(b"junk")
    os.rename(tmp_path / "junk", db)
    assert "event=reload_refused" in server.reload()
    build(release, keys, tmp_path / "other.db", SMALL, "--valid-days", "1", "--sequence", "9", "--created",
          time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400 + 9)))
    os.rename(tmp_path / "other.db", db)
    assert "event=reloaded sequence=9" in server.reload()
    server.wait_for(rb"event=database_runs_out sequence=9 days_left=1\n")
    server.wait_for(rb"event=database_has_run_out sequence=9 days_left=0\n")
    server.stop()
    value = dict(line.rsplit(" ", 1) for line in stats.read_text().splitlines() if line[0] != "#")
    assert [value[f'dlv_reloads_total{{what="{what}"}}'] for what in ("database", "database_refused", "kiosks", "kiosks_refused")] == \
        ["2", "1", "1", "2"]
    assert value["dlv_database_left_seconds"] == "0" and float(value["dlv_database_age_seconds"]) > 86000


def test_another_register_is_not_taken(release, serve, keys, tmp_path):
    """A file that was put in the wrong place, or made for trying things out, does not replace what is in use."""
    db = tmp_path / "l.db"
    build(release, keys, db, SMALL)
    server = serve(release, db, who=("--anonymous",))
    for options in (["--name", "others"], ["--test"]):
        build(release, keys, tmp_path / "n.db", SMALL, "--sequence", "9", *options)
        os.rename(tmp_path / "n.db", db)
        assert "event=reload_refused sequence_kept=1" in server.reload()


def test_check(release, serve, keys, small_db, tmp_path):
    """All that a start or a SIGHUP would read is looked at, and everything that is wrong is told at once."""
    kiosks, ticket_key = tmp_path / "kiosks", tmp_path / "ticket"
    kiosks.write_text(kiosk_line(keys.kiosk_pub) + kiosk_line(keys.other_pub, "old", "2020-01-01"))
    release("keygen", "--type", "ticket", "-o", ticket_key, status=0)
    run = ["server", "--check", "--authority", keys.authority_pub, "--key", keys.server, "--kiosks", kiosks, "--ticket-key", ticket_key]
    done = release(*run, "--db", small_db, status=0)
    assert "release 1 of licences, 13 entries, good until 20" in done.out and "2 kiosks, 1 of them past their last day" in done.out
    assert "a ticket key" in done.out and done.err == ""
    fingerprint = lambda key: "SHA256:" + base64.b64encode(peer.key_id(peer.load_public(key))).decode().rstrip("=")
    assert f"--key: {fingerprint(keys.server_pub)}\n--" not in done.out and f"--key: {fingerprint(keys.server_pub)}\n" in done.out
    # Beside a server that is running, it says what would change.
    stats = tmp_path / "stats"
    server = serve(release, small_db, "--stats", stats, "--kiosks", kiosks, who=())
    while not stats.exists():
        time.sleep(0.05)
    done = release(*run, "--db", small_db, "--stats", stats, status=0)
    assert "that release is in use" in done.out and "2 kiosks are enrolled now" in done.out
    assert f"--key: {fingerprint(keys.server_pub)}, in use\n" in done.out
    build(release, keys, tmp_path / "next.db", SMALL, "--sequence", "3")
    run_new = [keys.other if word == keys.server else word for word in run]
    done = release(*run_new, "--db", tmp_path / "next.db", "--stats", stats, status=0)
    assert "takes the place of release 1" in done.out and f"--key: {fingerprint(keys.other_pub)}, new\n" in done.out
    assert f"--key: {fingerprint(keys.server_pub)} is in use and goes" in done.out
    enrolled = kiosks.read_text()
    kiosks.write_text("")
    assert "enrols nobody any more" in one_line(release(*run, "--db", small_db, "--stats", stats))
    kiosks.write_text(enrolled)
    server.stop()
    text = stats.read_text()
    stats.write_text(text[:500])
    assert "no metrics that dlv server has written, or not all of them" in one_line(release(*run, "--db", small_db, "--stats", stats))
    os.utime(stats, (1, 1))
    assert "no server writes it" in release(*run, "--db", small_db, "--stats", stats, status=0).out
    stats.write_text(text.replace("dlv_database_sequence 1", "dlv_database_sequence 9"))
    line = one_line(release(*run, "--db", small_db, "--stats", stats))
    assert "its sequence number 1 is not above 9, in use" in line
    kiosks.write_text("broken\n")
    ticket_key.write_bytes(b"short")
    (tmp_path / "bad.db").write_bytes(small_db.read_bytes()[:-1])
    done = release(*run, "--db", tmp_path / "bad.db", status=2)
    assert [name in done.err for name in ("bad.db", "kiosks:1", "ticket")] == [True] * 3 and done.err.count("\n") == 3


def test_notify_and_given_sockets(release, keys, small_db, tmp_path, server_pub):
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(tmp_path / "notify"))
    notify.settimeout(20)
    listener = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(listener.getsockname())

    def child():
        os.dup2(listener.fileno(), 3)
        os.dup2(datagrams.fileno(), 4)
        os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), NOTIFY_SOCKET=str(tmp_path / "notify"))
        os.execv(release.path, [release.path, "server", "--db", str(small_db), "--authority",
                                str(keys.authority_pub), "--key", str(keys.server), "--anonymous"])

    log = open(tmp_path / "log", "w")
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(log.fileno(), 2)
            child()
        finally:
            os._exit(9)
    try:
        assert notify.recv(300) == b"READY=1\nSTATUS=release 1 in use, 0 kiosks; refused so far: database 0, keys 0, kiosks 0 (kept 0), ticket key 0"
        port = listener.getsockname()[1]
        for Client in (TcpClient, UdpClient):
            assert Client(port, server_pub).open().ask([RAMESH]).kinds == [FOUND]
        os.kill(pid, signal.SIGHUP)
        assert notify.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=") and notify.recv(300).startswith(b"READY=1\nSTATUS=")
    finally:
        os.kill(pid, signal.SIGTERM)
    assert notify.recv(100) == b"STOPPING=1"
    assert os.waitpid(pid, 0)[1] == 0, (tmp_path / "log").read_text()


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def test_children_are_confined(release, serve, small_db):
    server = everybody(serve, release, small_db, "--workers", "1", "--key-holders", "1")
    deadline = time.monotonic() + 10
    while any(set(status_of(pid)["CapEff"]) != {"0"} for pid in server.children()) and time.monotonic() < deadline:
        time.sleep(0.05)  # key-holders confine themselves while the server is already ready
    for pid in server.children():
        status = status_of(pid)
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
        assert set(status["CapEff"]) == {"0"}
        if os.geteuid() == 0:
            assert status["Uid"].split() == ["65534"] * 4 and status["Groups"].split() == status["Gid"].split()[:1]
        limits = open(f"/proc/{pid}/limits").read()
        assert re.search(r"Max core file size\s+0\s+0", limits)


@pytest.mark.parametrize("part", ["seccomp", "landlock", "seccomp,landlock"])
def test_only_the_protection_that_is_named_is_left_out(release, serve, small_db, part):
    server = everybody(serve, release, small_db, "--workers", "1", "--key-holders", "1", f"--no-sandbox={part}")
    time.sleep(0.3)  # key-holders confine themselves while the server is already ready
    for pid in server.children():
        status = status_of(pid)
        assert status["Seccomp"] == ("0" if "seccomp" in part else "2"), status
        assert status["NoNewPrivs"] == "1", status
    assert f"warning: --no-sandbox={part}:" in server.log.decode()


def start_badly(path, keys, small_db, *options, prefix=()):
    return subprocess.run([*prefix, path, "server", "--listen", "127.0.0.1:0", "--anonymous", "--db", small_db,
                           "--authority", keys.authority_pub, "--key", keys.server, *options],
                          capture_output=True, text=True, timeout=30)


def test_a_missing_protection_is_no_silence(release, keys, small_db):
    """The kernel without Landlock, or without seccomp; a build without a list of system calls."""
    traced = ["strace", "-f", "-qq", "-o", "/dev/null"]
    for prefix, path, part in (
            ([*traced, "-e", "inject=landlock_create_ruleset:error=ENOSYS"], release.path, "landlock"),
            ([], SANITIZED, "seccomp")):
        done = start_badly(path, keys, small_db, prefix=prefix)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert f"--no-sandbox={part}" in done.stderr, done.stderr
        other = {"landlock": "seccomp", "seccomp": "landlock"}[part]
        done = start_badly(path, keys, small_db, f"--no-sandbox={other}", prefix=prefix)
        assert done.returncode == 2 and f"--no-sandbox={part}" in done.stderr, done.stderr


def test_counts_are_logged_at_the_end(dlv, serve, small_db, server_pub):
    server = everybody(serve, dlv, small_db, "--workers", "1")
    TcpClient(server.port, server_pub).open().ask([RAMESH])
    server.stop()
    assert re.search(rb"event=counters accepted=1 answered=1 found=1 opened=1 ", server.log), server.log


def test_descriptors_for_many_connections(release, serve, small_db):
    """The soft limit that a shell leaves does not matter."""
    server = serve(release, small_db, *FAST, "--workers", "1", who=("--anonymous",),
                   prefix=["prlimit", "--nofile=64:4096"])
    for pid in server.children():
        assert re.search(r"Max open files\s+4096\s+4096", open(f"/proc/{pid}/limits").read())


def test_load_generator(dlv, serve, small_db, keys):
    """The load generator counts what it should: rates, refusals, losses, times from when they were due."""
    server = everybody(serve, dlv, small_db, "--workers", "1")
    base = ["--server", server.address, "--server-key", keys.server_pub, "-t", "1"]
    for args in ([], ["--udp"], ["-n", "16", "-c", "4", "-w", "8"], ["--udp", "-n", "31"], ["--prove", "-n", "4"], ["--udp", "--prove"], ["--openings", "-c", "2"]):
        done = dlv.load(*base, *args, "--json", status=0)
        figures = json.loads(done.out)
        assert figures["answered"] > 20 and figures["lost"] == figures["wrong"] == figures["refused"] == 0, (args, figures)
        assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    figures = json.loads(dlv.load(*base, "-r", "500", "--json", status=0).out)
    assert 480 <= figures["answered"] <= 505
    assert re.match(r"\d+ frames/s, \d+ questions/s; \d+ answered, 0 refused, 0 lost, 0 wrong\np50 ", dlv.load(*base, status=0).out)
    # A server that stands still for a while is charged for all that had to wait meanwhile.
    process = subprocess.Popen([dlv.load.path, *map(str, base), "-r", "1000", "--json"], stdout=subprocess.PIPE)
    time.sleep(0.4)
    worker = server.children()[-1]
    os.kill(worker, signal.SIGSTOP)
    time.sleep(0.3)
    os.kill(worker, signal.SIGCONT)
    figures = json.loads(process.communicate()[0])
    assert figures["answered"] > 900 and figures["p90_us"] > 50000 and figures["p50_us"] < 50000, figures
    # Limits are told from answers.
    limited = serve(dlv, small_db, "--openings-per-source", "1", who=("--anonymous",))
    done = dlv.load("--server", limited.address, "--server-key", keys.server_pub, "--openings", "-c", "1",
               "-t", "1", "--json", status=0)
    figures = json.loads(done.out)
    assert figures["answered"] <= 7 and figures["refused"] + figures["lost"] >= 1, figures
    assert "--window" in dlv.load(*base, "--openings", "-w", "2", status=2).err


def test_a_forbidden_call_is_named_in_the_log(release, serve, small_db):
    """seccomp ends a process by SIGSYS; that it does is tested in tests/unit/serve.c."""
    server = everybody(serve, release, small_db)
    os.kill(server.children()[-1], signal.SIGSYS)
    server.wait_for(rb"event=child_failed role=worker [^\n]*signal=31 reason=\"a system call that its role has no use for")
    server.wait_for(rb"event=child_restarted role=worker")


def test_usage(dlv, keys, small_db):
    base = ["server", "--listen", "127.0.0.1:0", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server]
    for args, complaint in (([], "--kiosks"), (["--legacy"], "--anonymous"),
                            (["--anonymous", "--ticket-key", keys.server], "ticket key"),
                            (["--anonymous", "--user", "nosuchuser"], "--user"), (["--anonymous", "--idle", "0"], "--idle")):
        done = dlv(*base, *args, timeout=20)
        assert done.returncode == 2 and complaint in done.err, done.err
