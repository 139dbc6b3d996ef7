"""Both sides of the session protocol, from lib/wire/PROTOCOL.md alone, over python3-cryptography.

Plain and slow, and more lenient than dlv in nothing. Frames are bytes; tests bend them at will.
"""

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

OPEN, ACCEPT, ASK, ANSWER, COOKIE, REFUSE = range(1, 7)
VERSION, OPENING, SESSION, BUSY = range(1, 5)
NAMES, PROOFS, DAY = 1, 2, 4
GOOD, STALE, MALFORMED, TOO_LONG = range(4)
VERDICTS = ["UNKNOWN", "VALID", "EXPIRED", "NOT_YET_VALID", "SUSPENDED", "REVOKED"]
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


def header(frame_type, length, detail=0, version=1):
    return b"dlv" + bytes([version, frame_type, detail]) + struct.pack("<H", length)


def refusal(reason):
    return header(REFUSE, 8, reason)


def transcript(server_id, frame, n):
    return sha256(b"dlv session 1 open", server_id, frame[:8], frame[28 : 60 + n])


def session_keys(t0, frame, n, accept, secret, common):
    salt = sha256(b"dlv session 1 accept", t0, frame[60 + n :], accept[:40])
    both = hkdf(salt, secret + common, b"dlv session 1 keys", 64)
    return both[:32], both[32:]


# --- the client -----------------------------------------------------------------------------------


class Opening:
    """An OPEN frame and what it takes to understand the ACCEPT."""

    def __init__(self, server, kiosk=None, secret=None, exponent=None, sign=None, ciphertext=None, bend=None):
        self.n = server.key_size // 8
        self.secret = secret or os.urandom(32)
        self.exponent = exponent or X25519PrivateKey.generate()
        start = header(OPEN, 624 + self.n) + bytes(20) + raw(self.exponent.public_key()) + \
            (ciphertext or server.encrypt(self.secret, oaep(b"dlv session 1 open")))
        self.t0 = transcript(key_id(server), start, self.n)
        identity = bytes(548)
        if kiosk is not None:
            signature = (sign or kiosk).sign(b"dlv session 1 kiosk" + self.t0, padding.PKCS1v15(),
                                             hashes.SHA256())
            identity = bytes([1, 0]) + struct.pack("<H", len(signature)) + \
                key_id(kiosk.public_key()) + signature
        key = hkdf(self.t0, self.secret, b"dlv session 1 identity", 32)
        identity = identity.ljust(548, b"\0")
        self.frame = start + ChaCha20Poly1305(key).encrypt(ZERO_NONCE, bend(identity) if bend else identity, b"")

    def with_cookie(self, frame):
        assert frame[:8] == header(COOKIE, 28) and len(frame) == 28
        return self.frame[:8] + frame[8:] + self.frame[28:]

    def finish(self, accept):
        if accept[4] == REFUSE:
            raise Refused(accept[5])
        assert accept[:8] == header(ACCEPT, 156) and len(accept) == 156
        common = self.exponent.exchange(X25519PublicKey.from_public_bytes(accept[8:40]))
        accept_key, session_key = session_keys(self.t0, self.frame, self.n, accept, self.secret, common)
        opened = ChaCha20Poly1305(accept_key).decrypt(ZERO_NONCE, accept[40:], b"")
        lifetime, server_time = struct.unpack("<Iq", opened[88:])
        return Session(session_key, opened[:88], lifetime, server_time)


class Session:
    def __init__(self, key, ticket, lifetime, server_time):
        self.key, self.ticket, self.lifetime, self.server_time = key, ticket, lifetime, server_time

    def ask(self, digests, at=None, flags=0, kind=1, padding_len=0, nonce=None, body=None):
        nonce = nonce or b"\1" + os.urandom(11)
        if body is None:
            body = struct.pack("<qBBB5x", int(time.time() if at is None else at), flags, kind,
                               len(digests)) + b"".join(digests) + bytes(padding_len)
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


class Answer:
    def __init__(self, body):
        (self.server_time, self.sequence, self.created, self.valid_until, self.utc_offset, self.status,
         count, self.brings, zero) = struct.unpack_from("<qQqqiBBBB", body)
        assert zero == 0 and self.status <= TOO_LONG
        self.entries = []
        for i in range(count):
            entry = body[40 + 16 * i : 56 + 16 * i]
            assert len(entry) == 16 and not any(entry[1:8])
            self.entries.append((VERDICTS[entry[0]], entry[8:]))
        self.rest = body[40 + 16 * count :]

    @property
    def verdicts(self):
        return [verdict for verdict, _ in self.entries]


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

    def open(self):
        opening = Opening(self.server, self.kiosk)
        self.session = opening.finish(self.exchange(opening.frame))
        return self

    def ask(self, digests, **how):
        frame = self.session.ask(digests, **how)
        return self.session.open_answer(self.exchange(frame), frame)

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

    def ask(self, digests, **how):
        frame = self.session.ask(digests, **how)
        answer = self.exchange(frame)
        while answer[4] == ANSWER and answer[8:20] != frame[96:108]:
            answer = self.sock.recv(65536)  # that one was late, to a question before
        return self.session.open_answer(answer, frame)

    def open(self):
        opening = Opening(self.server, self.kiosk)
        cookie = self.exchange(opening.frame)
        if cookie[4] == REFUSE:
            raise Refused(cookie[5])
        self.session = opening.finish(self.exchange(opening.with_cookie(cookie)))
        return self


# --- answers from a database ----------------------------------------------------------------------


def proof_entry(database, i):
    levels, path, at = database.levels, b"", i
    for level in levels[:-1]:
        if at ^ 1 < len(level):
            path += level[at ^ 1]
        at //= 2
    return struct.pack("<Q", i) + database.key(i) + database.raw_attributes(i) + bytes([len(path) // 32]) + path


def answer_body(database, digests, at, flags, now):
    """What a server says to records' digests, from a dbformat.Database, plain."""
    body = struct.pack("<qQqqiBBBB", now, database.sequence, database.created, database.valid_until,
                       database.utc_offset, 0, len(digests), flags & (NAMES | PROOFS), 0)
    day = (at if flags & DAY else at + database.utc_offset) // 86400 + 719162
    proofs = b""
    for digest in digests:
        place = database.place(digest)
        is_found = place < database.count and database.key(place) == digest
        verdict = database.verdict(place, "record", day) if is_found else "UNKNOWN"
        body += bytes([VERDICTS.index(verdict)]) + bytes(7) + \
            (database.raw_attributes(place) if verdict != "UNKNOWN" else bytes(8))
        around = [place] if is_found else [i for i in (place - 1, place) if 0 <= i < database.count]
        proofs += bytes([len(around)]) + b"".join(proof_entry(database, i) for i in around)
    if flags & NAMES:
        body += database.page[64:96] + database.page[352:608]
    return body + (database.page + proofs if flags & PROOFS else b"")


# --- the server -----------------------------------------------------------------------------------


class Core:
    """Answers frames from a table of digests: what dlv's client is tested against."""

    def __init__(self, key, table, kiosks=(), is_anonymous_allowed=True, sequence=7):
        self.key, self.table, self.sequence = key, table, sequence
        self.kiosks = {key_id(k): k for k in kiosks}
        self.is_anonymous_allowed = is_anonymous_allowed
        self.sessions = {}
        self.clock_skew = 0
        self.valid_until = 0
        self.bend = lambda frame: frame  # of an answer, on its way out
        self.bend_body = lambda body: body
        self.names = sha256(b"authority") + b"LMV".ljust(16, b"\0") + bytes(240)
        self.opened = self.asked = 0

    def now(self):
        return int(time.time()) + self.clock_skew

    def answer(self, frame):
        if frame[3] != 1:
            return refusal(VERSION)
        return {OPEN: self.accept, ASK: self.answer_ask}[frame[4]](frame)

    def check_identity(self, identity, t0):
        if not any(identity):
            return self.is_anonymous_allowed
        kind, zero, length = struct.unpack_from("<BBH", identity)
        kiosk = self.kiosks.get(identity[4:36])
        if kind != 1 or zero != 0 or kiosk is None or length != kiosk.key_size // 8:
            return False
        kiosk.verify(identity[36 : 36 + length], b"dlv session 1 kiosk" + t0, padding.PKCS1v15(),
                     hashes.SHA256())
        return not any(identity[36 + length :])

    def accept(self, frame):
        n = self.key.key_size // 8
        if len(frame) != 624 + n:
            return refusal(OPENING)
        try:
            secret = self.key.decrypt(frame[60 : 60 + n], oaep(b"dlv session 1 open"))
            t0 = transcript(key_id(self.key.public_key()), frame, n)
            identity_key = hkdf(t0, secret, b"dlv session 1 identity", 32)
            identity = ChaCha20Poly1305(identity_key).decrypt(ZERO_NONCE, frame[60 + n :], b"")
            if not self.check_identity(identity, t0):
                return refusal(OPENING)
        except (ValueError, InvalidTag, InvalidSignature):
            return refusal(OPENING)
        exponent = X25519PrivateKey.generate()
        common = exponent.exchange(X25519PublicKey.from_public_bytes(frame[28:60]))
        start = header(ACCEPT, 156) + raw(exponent.public_key())
        accept_key, session_key = session_keys(t0, frame, n, start, secret, common)
        ticket = os.urandom(88)  # whatever the server likes
        self.sessions[ticket] = session_key
        self.opened += 1
        sealed = ticket + struct.pack("<Iq", 3600, self.now())
        return start + ChaCha20Poly1305(accept_key).encrypt(ZERO_NONCE, sealed, b"")

    def answer_ask(self, frame):
        key = self.sessions.get(frame[8:96])
        if key is None or frame[96] != 1:
            return refusal(SESSION)
        try:
            body = ChaCha20Poly1305(key).decrypt(frame[96:108], frame[108:], frame[:108])
        except InvalidTag:
            return refusal(SESSION)
        at, flags, kind, count = struct.unpack_from("<qBBB", body)
        digests = [body[16 + 32 * i : 48 + 32 * i] for i in range(count)]
        self.asked += count
        answer = struct.pack("<qQqqiBBBB", self.now(), self.sequence, int(time.time()) - 100000, self.valid_until, 0,
                             int(0 < self.valid_until < self.now()), count, flags & NAMES, 0)
        for digest in digests:
            verdict, attributes = self.table.get(digest, (0, bytes(8)))
            answer += bytes([verdict]) + bytes(7) + attributes
        if flags & NAMES:
            answer += self.names
        answer = self.bend_body(answer)
        session = Session(key, None, None, None)
        return self.bend(session.seal_answer(answer, frame, b"\2" + os.urandom(11)))


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
                if frame[4] == OPEN and frame[8:28] != cookie:
                    answer = header(COOKIE, 28) + cookie
                else:
                    answer = core.answer(frame[:8] + bytes(20) + frame[28:] if frame[4] == OPEN else frame)
                assert len(answer) <= len(frame)
                sock.sendto(answer, handler.client_address)

        self.server = socketserver.UDPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
