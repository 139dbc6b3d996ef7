"""Both sides of the session protocol, from lib/wire/PROTOCOL.md alone, over python3-cryptography.

Plain and slow, and more lenient than dlv in nothing. Frames are bytes; tests bend them at will.
"""

import hmac
import os
import socket
import socketserver
import struct
import threading
import time

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import dbformat

HEALTH, HEALTHY = 16, 17
OPEN, ACCEPT, ASK, ANSWER, COOKIE, REFUSE, IDENTIFY, ADMIT, RENEW, UNWRAP, UNWRAPPED, RECEIPT, RECEIPTED = range(1, 14)
VERSION, OPENING, SESSION, BUSY = range(1, 5)
ANSWERS, PROOFS, HEAD, DICTIONARY, NODES, RELEASE, CHANGES, QUOTA = range(1, 9)
GOOD, MALFORMED, TOO_LONG, OTHER_RELEASE, NOT_ENROLLED, OVER_QUOTA, NO_RIGHT, UNRECORDED = range(8)
NUMBER, DOCUMENT, LEGACY = 1, 2, 3
MATCHES = ["not asked", "same", "differs", "not on file", "not kept"]
LONGEST = 4096
ZERO_NONCE = bytes(12)


class Refused(Exception):
    def __init__(self, reason):
        super().__init__(f"refused: {reason}")
        self.reason = reason


def sha256(*parts):
    digest = hashes.Hash(hashes.SHA256())
    for part in parts:
        digest.update(part)
    return digest.finalize()


def hkdf(salt, secret, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def oaep(label):
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label)


def key_id(public):
    return sha256(public.public_bytes(serialization.Encoding.DER,
                                      serialization.PublicFormat.SubjectPublicKeyInfo))


def load_public(path):
    return serialization.load_pem_public_key(path.read_bytes())


def load_private(path):
    return serialization.load_pem_private_key(path.read_bytes(), None)


def raw(public):
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def header(frame_type, length, detail=0, version=2):
    return b"dlv" + bytes([version, frame_type, detail]) + struct.pack("<H", length)


def refusal(reason):
    return header(REFUSE, 8, reason)


def transcript(server_id, frame):
    return sha256(b"dlv session 2 open", server_id, frame[:8], frame[28:])


def renewal_secret(session_key):
    return hmac.digest(session_key, b"dlv session 2 renewal", "sha256")


def grant(ticket, lifetime, now, renewal_lifetime=0, renewal=bytes(96)):
    """What ACCEPT and ADMIT frames seal."""
    return ticket + struct.pack("<IqI", lifetime, now, renewal_lifetime) + renewal


def session_keys(t0, accept, secret, common):
    salt = sha256(b"dlv session 2 accept", t0, accept[:56])
    both = hkdf(salt, secret + common, b"dlv session 2 keys", 64)
    return both[:32], both[32:]


def signed_by_kiosk(server_id, session_key):
    """What a kiosk signs in a session."""
    return b"dlv session 2 kiosk" + server_id + hmac.digest(session_key, b"dlv session 2 identity", "sha256")


# --- the client -----------------------------------------------------------------------------------


def prove(session, frame):
    """What shows that a renewal ticket is one's own."""
    digest = sha256(b"dlv session 2 shown", frame[:8], frame[28:160], frame[176:])
    return hmac.digest(renewal_secret(session.key), digest, "sha256")[:16]


class Opening:
    """An OPEN frame and what it takes to understand the ACCEPT; or a RENEW frame, of `session`."""

    def __init__(self, server, secret=None, exponent=None, ciphertext=None, session=None, shown=None):
        """`shown` is the session before, in an OPEN."""
        self.server, self.n = server, server.key_size // 8
        self.exponent = exponent or X25519PrivateKey.generate()
        if session is not None:
            self.secret, length, before, rest = renewal_secret(session.key), 272, session, bytes(96)
        else:
            self.secret, length, before = secret or os.urandom(32), 176 + self.n, shown
            rest = ciphertext or server.encrypt(self.secret, oaep(b"dlv session 2 open"))
        start = header(OPEN if session is None else RENEW, length) + bytes(20) + key_id(server)[:4] + \
            raw(self.exponent.public_key()) + (before.renewal if before else bytes(96))
        self.frame = start + (prove(before, start + bytes(16) + rest) if before else bytes(16)) + rest
        self.t0 = transcript(key_id(server), self.frame)

    def with_cookie(self, frame):
        assert frame[:8] == header(COOKIE, 28) and len(frame) == 28
        return self.frame[:8] + frame[8:] + self.frame[28:]

    def finish(self, accept):
        if accept[4] == REFUSE:
            raise Refused(accept[5])
        assert accept[:8] == header(ACCEPT, 272) and len(accept) == 272
        common = self.exponent.exchange(X25519PublicKey.from_public_bytes(accept[8:40]))
        accept_key, session_key = session_keys(self.t0, accept, self.secret, common)
        opened = ChaCha20Poly1305(accept_key).decrypt(ZERO_NONCE, accept[56:], b"")
        return Session(session_key, opened, key_id(self.server))


class Session:
    def __init__(self, key, granted=None, server_id=None):
        self.key, self.server_id = key, server_id
        if granted is not None:
            self.take(granted)

    def take(self, granted):
        assert len(granted) == 200
        self.ticket, self.renewal = granted[:88], granted[104:]
        self.lifetime, self.server_time, self.renewal_lifetime = struct.unpack("<IqI", granted[88:104])
        assert any(self.renewal) == (self.renewal_lifetime > 0)

    def identify(self, kiosk, sign=None, cookie=bytes(20), nonce=None, bend=None):
        """An IDENTIFY frame."""
        nonce = nonce or b"\1" + os.urandom(11)
        signature = (sign or kiosk).sign(signed_by_kiosk(self.server_id, self.key), padding.PKCS1v15(), hashes.SHA256())
        identity = bytes([1, 0]) + struct.pack("<H", len(signature)) + key_id(kiosk.public_key()) + signature
        identity = identity.ljust(548, b"\0")
        start = header(IDENTIFY, 692) + bytes(20) + self.ticket + nonce
        sealed = ChaCha20Poly1305(self.key).encrypt(nonce, bend(identity) if bend else identity, start)
        return start[:8] + cookie + start[28:] + sealed

    def open_sealed(self, frame, kind, length, asked):
        """What a frame has sealed that answers an IDENTIFY or one in its form; it begins with a status, 0 or 1."""
        if frame[4] == REFUSE:
            raise Refused(frame[5])
        assert frame[:8] == header(kind, length) and len(frame) == length
        assert frame[8:20] == asked[116:128] and frame[20] == 2
        opened = ChaCha20Poly1305(self.key).decrypt(frame[20:32], frame[32:], frame[:32])
        assert opened[0] in (0, 1) and not any(opened[1:4])
        return opened

    def admitted(self, frame, identify):
        """Takes an ADMIT frame; returns whether the kiosk is enrolled."""
        opened = self.open_sealed(frame, ADMIT, 252, identify)
        if opened[0] == 1:
            assert not any(opened[4:])
            return False
        self.take(opened[4:])
        return True

    def unwrap(self, server, wrapped, cookie=bytes(20), bend=None):
        """An UNWRAP frame about a key that was wrapped for this public key."""
        nonce = b"\1" + os.urandom(11)
        body = key_id(server)[:4] + struct.pack("<HH", len(wrapped), 0) + wrapped.ljust(540, b"\0")
        start = header(UNWRAP, 692) + bytes(20) + self.ticket + nonce
        sealed = ChaCha20Poly1305(self.key).encrypt(nonce, bend(body) if bend else body, start)
        return start[:8] + cookie + start[28:] + sealed

    def unwrapped(self, frame, unwrap):
        """Takes an UNWRAPPED frame; returns the key, or None where the server has said no."""
        opened = self.open_sealed(frame, UNWRAPPED, 252, unwrap)
        assert not any(opened[36:])
        assert opened[0] == 0 or not any(opened[1:])
        return opened[4:36] if opened[0] == 0 else None

    def receipt(self, claim, bend=None):
        """A RECEIPT frame."""
        nonce, body = b"\1" + os.urandom(11), claim + bytes(516)
        start = header(RECEIPT, 692) + bytes(20) + self.ticket + nonce
        return start + ChaCha20Poly1305(self.key).encrypt(nonce, bend(body) if bend else body, start)

    def receipted(self, frame, receipt):
        """Takes a RECEIPTED frame; returns (Unix milliseconds, release, index, count, nodes, signature, certificate), or
        None where the server has said no."""
        opened = self.open_sealed(frame, RECEIPTED, 1886, receipt)
        if opened[0] == 1:
            assert not any(opened[1:])
            return None
        time_ms, release, index, count, node_count, zero, *lengths = struct.unpack_from("<Q32s4B2H", opened, 4)
        assert index < count <= 64 and node_count <= 6 and zero == 0
        ends = [52 + 32 * node_count, 52 + 32 * node_count + lengths[0], 52 + 32 * node_count + sum(lengths)]
        assert not any(opened[ends[2]:])
        nodes = [opened[at:at + 32] for at in range(52, ends[0], 32)]
        return time_ms, release, index, count, nodes, opened[ends[0]:ends[1]], opened[ends[1]:ends[2]]

    def seal_admit(self, identify, nonce, granted):
        start = header(ADMIT, 252) + identify[116:128] + nonce
        body = bytes(4) + granted if granted else b"\1" + bytes(203)
        return start + ChaCha20Poly1305(self.key).encrypt(nonce, body, start)

    def ask(self, items=(), what=ANSWERS, offset=0, release=bytes(32), padded=0, nonce=None, body=None):
        """An ASK frame about items (bytes, made by `item`), at least `padded` bytes long."""
        nonce = nonce or b"\1" + os.urandom(11)
        if body is None:
            body = question(items, what, offset, release)
            body += bytes(max(0, padded - 124 - len(body)))
        start = header(ASK, 108 + len(body) + 16) + self.ticket + nonce
        return start + ChaCha20Poly1305(self.key).encrypt(nonce, body, start)

    def seal_answer(self, body, ask, nonce):
        start = header(ANSWER, 48 + len(body)) + ask[96:108] + nonce
        return start + ChaCha20Poly1305(self.key).encrypt(nonce, body, start + ask[-16:])

    def open_answer(self, frame, ask):
        if frame[4] == REFUSE:
            raise Refused(frame[5])
        assert frame[:8] == header(ANSWER, len(frame)), frame[:8]
        assert frame[8:20] == ask[96:108] and frame[20] == 2
        return Answer(ChaCha20Poly1305(self.key).decrypt(frame[20:32], frame[32:],
                                                        frame[:32] + ask[-16:]))


def wrap(server, kiosk, key, label=b"dlv kept question 1"):
    """A key for this server alone, and for the kiosk with this public key."""
    return server.encrypt(key + key_id(kiosk)[:16], oaep(label))


def item(digest, kind=NUMBER, forms=()):
    """One licence asked for; forms are (number of the field, digest of 16 bytes)."""
    return bytes([kind, len(forms)]) + digest + b"".join(bytes([field]) + form for field, form in forms)


def question(items=(), what=ANSWERS, offset=0, release=bytes(32), slips=0):
    return struct.pack("<BBBBI", what, len(items), slips, 0, offset) + release + b"".join(items)


def read_question(body):
    """(what, items, offset, release) of a question; an item is (kind, digest, forms)."""
    what, count, slips, zero, offset = struct.unpack_from("<BBBBI", body)
    assert zero == 0 and slips in (0, 1)
    items, at = [], 40
    for _ in range(count):
        kind, form_count = body[at:at + 2]
        forms = [(body[f], body[f + 1:f + 17]) for f in range(at + 34, at + 34 + 17 * form_count, 17)]
        items.append((kind, body[at + 2:at + 34], forms))
        at += 34 + 17 * form_count
    assert not any(body[at:])
    return what, items, offset, body[8:40]


class Found:
    """What an answer says about one licence."""

    def __init__(self, body, at):
        self.kind, self.terms, self.items, self.matches, self.card = None, b"", b"", {}, 0
        self.end = at + 1
        if body[at] == 0:
            return
        self.kind = ["licence", "document", "former", "legacy"][body[at] - 1]
        self.card = body[at + 1]
        self.matches = {field + 1: MATCHES[body[at + 2 + field]] for field in range(4) if body[at + 2 + field]}
        self.terms = body[at + 6:at + 22]
        length, = struct.unpack_from("<H", body, at + 22)
        self.items = body[at + 24:at + 24 + length]
        self.end = at + 24 + length


class Proof:
    """Entries (index, entry, items) and nodes."""

    def __init__(self, body, at):
        count, node_count = body[at:at + 2]
        self.entries, at = [], at + 2
        for _ in range(count):
            index, = struct.unpack_from("<Q", body, at)
            length, = struct.unpack_from("<H", body, at + 62)
            self.entries.append((index, body[at + 8:at + 62], body[at + 64:at + 64 + length]))
            at += 64 + length
        self.nodes = [body[at + 32 * i:at + 32 * i + 32] for i in range(node_count)]
        self.end = at + 32 * node_count


class Answer:
    def __init__(self, body):
        self.server_time, self.status, self.count, unrecorded, zero, self.total = struct.unpack_from("<qBBBBI", body)
        self.is_recorded = not unrecorded
        self.release, self.rest, self.length = body[16:48], body[48:], len(body)
        assert zero == 0 and unrecorded <= 1 and self.status <= UNRECORDED

    def items(self, kind):
        found, at = [], 0
        for _ in range(self.count):
            found.append(kind(self.rest, at))
            at = found[-1].end
        assert not any(self.rest[at:])
        return found

    @property
    def found(self):
        return self.items(Found)

    @property
    def kinds(self):
        return [entry.kind for entry in self.found]

    @property
    def proofs(self):
        return self.items(Proof)


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_frame(sock):
    start = read_exactly(sock, 8)
    return start + read_exactly(sock, struct.unpack_from("<H", start, 6)[0] - 8)


class TcpClient:
    def __init__(self, port, server, kiosk=None, timeout=20, host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server, self.kiosk, self.session = server, kiosk, None

    def exchange(self, frame):
        self.sock.sendall(frame)
        return read_frame(self.sock)

    def open(self, shown=None):
        opening = Opening(self.server, shown=shown)
        self.session = opening.finish(self.exchange(opening.frame))
        return self.identify()

    def renew(self, session):
        """Another session, from what an earlier one has brought."""
        opening = Opening(self.server, session=session)
        reply = self.exchange(opening.frame)
        if reply[4] == COOKIE:
            reply = self.exchange(opening.with_cookie(reply))
        self.session = opening.finish(reply)
        return self

    def identify(self, cookie=bytes(20)):
        if self.kiosk is not None:
            frame = self.session.identify(self.kiosk, cookie=cookie)
            if not self.session.admitted(self.exchange(frame), frame):
                raise Refused("not enrolled")
        return self

    def ask(self, items=(), **how):
        frame = self.session.ask(items, **how)
        return self.session.open_answer(self.exchange(frame), frame)

    def fetch(self, what, release=bytes(32), padded=LONGEST):
        """All of a head, a dictionary or nodes, in pieces; and the release that it is of."""
        data, total = b"", 1
        while len(data) < total:
            answer = self.ask(what=what, offset=len(data), release=release, padded=padded)
            assert answer.status == GOOD
            total, release = answer.total, answer.release
            data += answer.rest[:total - len(data)]
        return data, release

    def sync(self, what, release):
        """All of a release, or of the list of changes that leads on from one, rounded up to 32 bytes."""
        data, total = b"", 1
        while len(data) < total:
            assert len(data) % 4000 == 0
            answer = self.ask(what=what, offset=len(data) // 32, release=release)
            assert answer.status == GOOD and 0 < len(answer.rest) <= 4000
            total = answer.total * 32
            data += answer.rest
            if len(answer.rest) < 4000:
                break
        return data

    def is_closed(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionError:
            return True

    def close(self):
        self.sock.close()


class UdpClient(TcpClient):
    def __init__(self, port, server, kiosk=None, timeout=5, host="127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))
        self.server, self.kiosk, self.session = server, kiosk, None

    def exchange(self, frame):
        self.sock.send(frame)
        return self.sock.recv(65536)

    def ask(self, items=(), **how):
        frame = self.session.ask(items, **how)
        answer = self.exchange(frame)
        while answer[4] == ANSWER and answer[8:20] != frame[96:108]:
            answer = self.sock.recv(65536)  # that one was late, to a question before
        return self.session.open_answer(answer, frame)

    def open(self, shown=None):
        opening = Opening(self.server, shown=shown)
        cookie = self.exchange(opening.frame)
        if cookie[4] == REFUSE:
            raise Refused(cookie[5])
        self.session = opening.finish(self.exchange(opening.with_cookie(cookie)))
        return self.identify(cookie[8:])


# --- answers from a database ----------------------------------------------------------------------


def found_bytes(database, kind, digest, forms):
    at = database.find(digest)
    wanted = {NUMBER: ("licence", "former"), DOCUMENT: ("document",), LEGACY: ("legacy",)}[kind]
    if at is None or database.kind(at) not in wanted:
        return b"\0"
    licence = database.licence_of(at)
    matches, items = database.matches(at, forms), database.items(licence)
    cut = 0
    while cut < len(items) and items[cut] != 7:
        cut += 3 + struct.unpack_from("<H", items, cut + 1)[0]
    return bytes([1 + dbformat.KINDS.index(database.kind(at)), database.card_state(licence, forms)]) + \
        bytes(MATCHES.index(matches.get(field, "not asked")) for field in (1, 2, 3, 4)) + \
        database.entry(licence)[38:] + struct.pack("<H", cut) + items[:cut]


def proof_bytes(database, digest):
    stored = dbformat.keyed(database.lookup_key, digest)
    place = database.place(stored)
    if database.find(digest) is not None:
        around = [place] if database.kind(place) == "licence" else [place, database.licence_of(place)]
    else:
        around = [i for i in (place - 1, place) if 0 <= i < database.count]
    nodes = dbformat.proof_nodes(database.levels, around, dbformat.held_level(database.count))
    return bytes([len(around), len(nodes)]) + b"".join(
        struct.pack("<Q", i) + database.entry(i) + struct.pack("<H", len(database.items(i))) + database.items(i)
        for i in around) + b"".join(nodes)


def answer_head(now, status, count, total, release):
    return struct.pack("<qBBHI", now, status, count, 0, total) + release


def answer_body(database, body, now):
    """What a server says to a question, from a dbformat.Database: as long as the frame of the question."""
    room = len(body) + 76
    what, items, offset, release = read_question(body)
    if release not in (bytes(32), database.id):
        return answer_head(now, OTHER_RELEASE, 0, 0, database.id).ljust(room, b"\0")
    if what in (ANSWERS, PROOFS):
        out = answer_head(now, GOOD, len(items), 0, database.id)
        out += b"".join(found_bytes(database, *one) if what == ANSWERS else proof_bytes(database, one[1])
                        for one in items)
        if len(out) > room:
            out = answer_head(now, TOO_LONG, 0, 0, database.id)
        return out.ljust(room, b"\0")
    nodes = database.levels[dbformat.held_level(database.count)]
    data = {HEAD: database.head, DICTIONARY: database.sections[4], NODES: b"".join(nodes)}[what]
    return (answer_head(now, GOOD, 0, len(data), database.id) + data[offset:])[:room].ljust(room, b"\0")


# --- the server -----------------------------------------------------------------------------------


class Core:
    """Answers frames from a dbformat.Database: what dlv's client is tested against."""

    def __init__(self, key, database, kiosks=(), is_anonymous_allowed=True):
        self.key, self.database = key, database
        self.kiosks = {key_id(k): k for k in kiosks}
        self.is_anonymous_allowed = is_anonymous_allowed
        self.sessions = {}
        self.renewals = {}  # tickets, and the secrets of their sessions
        self.clock_skew = 0
        self.bend = lambda frame: frame  # of an answer, on its way out
        self.bend_admit = lambda frame: frame
        self.bend_body = lambda body, question: body
        self.opened = self.asked = self.renewed = 0

    def now(self):
        return int(time.time()) + self.clock_skew

    def answer(self, frame):
        if frame[3] != 2:
            return refusal(VERSION)
        return {OPEN: self.accept, RENEW: self.renew, IDENTIFY: self.admit, ASK: self.answer_ask}[frame[4]](frame)

    def check_identity(self, identity, session_key):
        kind, zero, length = struct.unpack_from("<BBH", identity)
        kiosk = self.kiosks.get(identity[4:36])
        if kind != 1 or zero != 0 or kiosk is None or length != kiosk.key_size // 8:
            return False
        kiosk.verify(identity[36 : 36 + length], signed_by_kiosk(key_id(self.key.public_key()), session_key),
                     padding.PKCS1v15(), hashes.SHA256())
        return not any(identity[36 + length :])

    def seal_accept(self, frame, secret, is_enrolled):
        exponent = X25519PrivateKey.generate()
        common = exponent.exchange(X25519PublicKey.from_public_bytes(frame[32:64]))
        start = header(ACCEPT, 272) + raw(exponent.public_key()) + os.urandom(16)
        accept_key, session_key = session_keys(transcript(key_id(self.key.public_key()), frame), start, secret, common)
        granted = self.grant(session_key, is_enrolled)
        return start + ChaCha20Poly1305(accept_key).encrypt(ZERO_NONCE, granted, b"")

    def grant(self, session_key, is_enrolled):
        """Tickets are whatever the server likes."""
        ticket, renewal = os.urandom(88), os.urandom(96)
        self.sessions[ticket] = session_key, is_enrolled or self.is_anonymous_allowed
        if not is_enrolled:
            return grant(ticket, 3600, self.now())
        self.renewals[renewal] = renewal_secret(session_key)
        return grant(ticket, 3600, self.now(), 90000, renewal)

    def accept(self, frame):
        n = self.key.key_size // 8
        if len(frame) != 176 + n or frame[28:32] != key_id(self.key.public_key())[:4]:
            return refusal(OPENING)
        try:
            secret = self.key.decrypt(frame[176:], oaep(b"dlv session 2 open"))
        except ValueError:
            return refusal(OPENING)
        self.opened += 1
        return self.seal_accept(frame, secret, False)

    def renew(self, frame):
        secret = self.renewals.get(frame[64:160])
        digest = sha256(b"dlv session 2 shown", frame[:8], frame[28:160], frame[176:])
        if secret is None or len(frame) != 272 or any(frame[176:]) or hmac.digest(secret, digest, "sha256")[:16] != frame[160:176]:
            return refusal(SESSION)
        self.renewed += 1
        return self.seal_accept(frame, secret, True)

    def admit(self, frame):
        key, _ = self.sessions.get(frame[28:116], (None, False))
        if key is None or len(frame) != 692:
            return refusal(SESSION)
        granted = None
        try:
            identity = ChaCha20Poly1305(key).decrypt(frame[116:128], frame[128:], frame[:8] + bytes(20) + frame[28:128])
            if self.check_identity(identity, key):
                granted = self.grant(key, True)
        except InvalidTag:
            return refusal(SESSION)
        except InvalidSignature:
            pass
        return self.bend_admit(Session(key).seal_admit(frame, b"\2" + os.urandom(11), granted))

    def answer_ask(self, frame):
        key, may_ask = self.sessions.get(frame[8:96], (None, False))
        if key is None or frame[96] != 1:
            return refusal(SESSION)
        try:
            body = ChaCha20Poly1305(key).decrypt(frame[96:108], frame[108:], frame[:108])
        except InvalidTag:
            return refusal(SESSION)
        what, items, *_ = read_question(body)
        self.asked += len(items)
        if not may_ask:
            answer = answer_head(self.now(), NOT_ENROLLED, 0, 0, self.database.id).ljust(len(body) + 76, b"\0")
        else:
            answer = self.bend_body(answer_body(self.database, body, self.now()), (what, items))
        return self.bend(Session(key).seal_answer(answer, frame, b"\2" + os.urandom(11)))


class TcpServer:
    """`with TcpServer(core) as server:` serves on server.port."""

    def __init__(self, core):
        class Handler(socketserver.BaseRequestHandler):
            def handle(handler):
                try:
                    while True:
                        handler.request.sendall(core.answer(read_frame(handler.request)))
                except (EOFError, OSError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class UdpServer(TcpServer):
    """Likewise; gives out cookies, and drops what `drops` says."""

    def __init__(self, core, drops=lambda count: False):
        cookie, count = os.urandom(20), [0]

        class Handler(socketserver.BaseRequestHandler):
            def handle(handler):
                frame, sock = handler.request
                count[0] += 1
                if drops(count[0]):
                    return
                if frame[4] in (OPEN, IDENTIFY) and frame[8:28] != cookie:
                    answer = header(COOKIE, 28) + cookie
                else:
                    has_cookie = frame[4] in (OPEN, IDENTIFY, RENEW)
                    answer = core.answer(frame[:8] + bytes(20) + frame[28:] if has_cookie else frame)
                assert len(answer) <= len(frame)
                sock.sendto(answer, handler.client_address)

        self.server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
