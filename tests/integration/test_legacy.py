"""The old protocol, both ways, with the original scripts as peers."""

import concurrent.futures
import os
import socket
import subprocess
import sys
import threading
import time

import original_client
import pytest
from conftest import HERE, VECTORS
from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.PublicKey import RSA

VALID = "Server: This person has valid license"
INVALID = "Server: Invalid : Catch him/her"
GOOD = "Ramesh 2344567890 GJ05-1234"
GOOD_DIGEST = "8f90a67a61e983d29562deaf368909a88b6900d1cba785cc0a18703f3dd3295d"


# --- their client, our server -----------------------------------------------------------------------


def test_original_client(dlv, serve, small_db):
    server = serve(dlv, small_db)
    for record, answer in ((GOOD, VALID), ("nobody 1 2", INVALID),
                           ("Vikram Singh 9800000002 DL03-2008-7654321", INVALID),
                           ("Old Timer 9800000003 KA05-1999-1", INVALID)):
        assert original_client.ask("127.0.0.1", server.port, record) == (answer, "Server stopped\n")


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_key_sizes(release, serve, small_db, tmp_path, bits):
    release("keygen", "--type", "server", "--bits", bits, "-o", tmp_path / "k", status=0)
    server = serve(release, small_db, key=tmp_path / "k.key")
    assert original_client.ask("127.0.0.1", server.port, GOOD)[0] == VALID


def test_the_script_itself(release, serve, small_db):
    server = serve(release, small_db)
    out = subprocess.run([sys.executable, HERE / "original_client.py", "127.0.0.1", str(server.port),
                          GOOD], capture_output=True, text=True, check=True).stdout
    assert out == VALID + "\nServer stopped\n\n"


class Peer:
    """A client by hand, to do wrong what can be done wrong."""

    def __init__(self, server, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout)

    def greet(self):
        self.socket.sendall(b"Client: OK")
        pem = b""
        while b"END PUBLIC KEY-----" not in pem:
            piece = self.socket.recv(4096)
            assert piece
            pem += piece
        assert not pem.endswith(b"\n") and len(pem) <= 1024
        self.key = RSA.import_key(pem)
        return self

    def question(self, text=GOOD_DIGEST):
        return PKCS1_OAEP.new(self.key).encrypt(text.encode())

    def rest(self):
        """All that still comes until the server closes."""
        out = b""
        try:
            while piece := self.socket.recv(4096):
                out += piece
        except ConnectionResetError:
            pass
        return out


def test_one_byte_at_a_time(dlv, serve, small_db):
    peer = Peer(serve(dlv, small_db))
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def trickle(data):
        for byte in data:
            peer.socket.sendall(bytes([byte]))
            time.sleep(0.0005)

    trickle(b"Client: OK")
    pem = peer.socket.recv(1024)
    trickle(PKCS1_OAEP.new(RSA.import_key(pem)).encrypt(GOOD_DIGEST.encode()))
    assert peer.socket.recv(1024).decode() == VALID
    trickle(b"Quit")
    assert peer.rest() == b"Server stopped\n"


def test_everything_at_once(dlv, serve, small_db, keys):
    """A client that knows the key need not wait for it."""
    key = RSA.import_key(keys.server_pub.read_bytes())
    peer = Peer(serve(dlv, small_db))
    peer.socket.sendall(b"Client: OK" + PKCS1_OAEP.new(key).encrypt(GOOD_DIGEST.encode()) + b"Quit")
    peer.socket.shutdown(socket.SHUT_WR)
    out = peer.rest()
    assert out.endswith(VALID.encode() + b"Server stopped\n") and out.startswith(b"-----BEGIN")


@pytest.mark.parametrize("text", ["", "x", GOOD_DIGEST.upper(), GOOD_DIGEST[:-1], GOOD_DIGEST + "0",
                                  "g" * 64, " " * 64])
def test_wrong_questions_get_no_verdict(dlv, serve, small_db, text):
    peer = Peer(serve(dlv, small_db)).greet()
    peer.socket.sendall(peer.question(text))
    assert peer.rest() == b""


def test_wrong_ciphertexts_get_no_verdict(dlv, serve, small_db):
    server = serve(dlv, small_db, "--timeout", "2")
    for change in (lambda c: bytes(256), lambda c: b"\xff" * 256, lambda c: c[:-1] + bytes([c[-1] ^ 1]),
                   lambda c: os.urandom(256), lambda c: c[:100], lambda c: c[:255], lambda c: b""):
        peer = Peer(server).greet()
        peer.socket.sendall(change(peer.question()))
        peer.socket.shutdown(socket.SHUT_WR)
        assert peer.rest() == b""
    # Too long: the first 256 bytes are a question, what follows is not "Quit".
    peer = Peer(server).greet()
    peer.socket.sendall(peer.question() + b"x" * 44)
    assert peer.rest() in (VALID.encode(), b"")
    assert original_client.ask("127.0.0.1", server.port, GOOD)[0] == VALID


def test_garbage_and_silence(dlv, serve, small_db):
    server = serve(dlv, small_db, "--timeout", "1")
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"Client: NO", b"Client: OKK", b"\x16\x03\x01", b"C",
                 os.urandom(5000), b"Client: OK" + b"\n" * 300, b""):
        peer = Peer(server)
        start = time.monotonic()
        try:
            peer.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            pass
        out = peer.rest()
        assert VALID.encode() not in out and INVALID.encode() not in out
        assert time.monotonic() - start < 4  # the deadline, whatever the client does
    assert original_client.ask("127.0.0.1", server.port, GOOD)[0] == VALID


def test_two_hundred_at_once(release, serve, small_db):
    server = serve(release, small_db, "--openings-per-source", "0")
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        records = [GOOD if i % 2 else f"nobody {i} 1" for i in range(200)]
        answers = list(pool.map(lambda r: original_client.ask("127.0.0.1", server.port, r), records))
    for record, (answer, stopped) in zip(records, answers):
        assert answer == (VALID if record == GOOD else INVALID) and stopped == "Server stopped\n"


def test_once(dlv, serve, small_db):
    server = serve(dlv, small_db, "--once")
    assert original_client.ask("127.0.0.1", server.port, GOOD)[0] == VALID
    assert server.process.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        Peer(server)


# --- our client, their server -----------------------------------------------------------------------


class Original:
    def __init__(self, bits, digests=(GOOD_DIGEST,), host="127.0.0.1"):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "original_server.py", host, str(bits), *digests],
            stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
@pytest.mark.parametrize("record,word,status", [(GOOD, "VALID", 0), ("nobody", "UNKNOWN", 1)])
def test_original_server(dlv, bits, record, word, status):
    original = Original(bits)
    done = dlv("client", "--legacy", "--server", f"127.0.0.1:{original.port}", "--timeout", "60",
               record, status=status)
    assert done.out.split()[0] == word and done.out.count("\n") == 1
    assert "does not prove who the server is" in done.err
    assert ("only 1024 bits" in done.err) == (bits == 1024)
    assert original.process.wait(10) == 0


@pytest.mark.parametrize("host,name", [("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1"),
                                       ("::1", "[::1]")])
def test_names_and_addresses(release, host, name):
    try:
        original = Original(1024, host=host)
    except ValueError:
        pytest.skip("no IPv6 here")
    out = release("client", "--legacy", "--server", f"{name}:{original.port}", GOOD, status=0).out
    assert out == f"VALID ({name}:{original.port}, legacy)\n"


def test_next_server_where_one_fails(dlv, serve, small_db):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    server = serve(dlv, small_db)
    done = dlv("client", "--legacy", "--json", "--server", f"127.0.0.1:{closed},{server.address}", "-",
               stdin=f"{GOOD}\nnobody\n", status=1)
    assert done.out.count('"verdict":"VALID"') == 1 and done.out.count('"verdict":"UNKNOWN"') == 1
    assert f'"source":"{server.address}, legacy"' in done.out and '"kind":"legacy"' in done.out
    one_line_of_last(dlv("client", "--legacy", "--server", f"127.0.0.1:{closed}", GOOD))


def one_line_of_last(done):
    """The warning, then one line of trouble."""
    assert done.returncode == 2 and done.out == "" and done.err.count("\n") == 2, done.err
    return done.err.splitlines()[1]


class Fake:
    """A server that says what a test wants, to one client."""

    def __init__(self, script):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, args=(script,), daemon=True)
        self.thread.start()

    def run(self, script):
        client, _ = self.listener.accept()
        with client:
            try:
                script(client)
            except OSError:
                pass


KEY = RSA.import_key((VECTORS / "golden_authority.key").read_bytes())
PEM = KEY.public_key().export_key()


def answer_with(*pieces, key=PEM, delay=0.0):
    def script(client):
        assert client.recv(10) == b"Client: OK"
        for i in range(0, len(key), 100):
            client.sendall(key[i : i + 100])
            time.sleep(delay)
        client.recv(4096)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.05)

    return script


def ask_fake(dlv, script, *options, timeout=20):
    fake = Fake(script)
    return dlv("client", "--legacy", "--timeout", timeout, "--server", f"127.0.0.1:{fake.port}", *options,
               GOOD)


def test_answers_in_pieces(dlv):
    done = ask_fake(dlv, answer_with(*(bytes([b]) for b in VALID.encode()), delay=0.01))
    assert done.returncode == 0 and done.out.startswith("VALID ")
    done = ask_fake(dlv, answer_with(INVALID[:20].encode(), INVALID[20:].encode(), key=PEM + b"\n"))
    assert done.returncode == 1 and done.out.startswith("UNKNOWN ")


@pytest.mark.parametrize("pieces", [
    (), (VALID[:-1].encode(),), (INVALID[:-1].encode(),), (b"Server: ",), (b"x",), (VALID.encode() + b"!",),
    (VALID.lower().encode(),), (b"\0" * 5000,), (INVALID.encode() + VALID.encode(),)])
def test_half_or_other_answers_are_trouble(dlv, pieces):
    one_line_of_last(ask_fake(dlv, answer_with(*pieces)))


@pytest.mark.parametrize("key", [
    b"", b"x" * 5000, PEM[:-1], PEM.replace(b"PUBLIC", b"SECRET"), PEM[:100] + b"!" + PEM[101:],
    KEY.export_key(), PEM[: len(PEM) // 2] + b"\n-----END PUBLIC KEY-----",
    b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"], ids=lambda key: len(key))
def test_bad_keys_are_trouble(dlv, key):
    def script(client):
        client.recv(10)
        client.sendall(key)

    one_line_of_last(ask_fake(dlv, script))


def test_silent_server(release):
    start = time.monotonic()
    line = one_line_of_last(ask_fake(release, lambda client: time.sleep(30), timeout=2))
    assert "within the time allowed" in line and time.monotonic() - start < 10


@pytest.mark.parametrize("address", ["", "x:y", "[::1", "::1", "1.2.3.4:99999", "a:1:2", "[::1]x"])
def test_bad_addresses(dlv, address):
    done = dlv("client", "--legacy", "--server", address, "--timeout", "2", GOOD)
    assert done.returncode == 2 and done.out == ""
