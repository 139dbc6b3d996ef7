"""Receipts: what a server signs of when it was asked and by whom.

They are checked by tools/check_receipt.py, which was written from lib/db/EVIDENCE.md, and asked for by an independent
client, too.
"""

import concurrent.futures
import datetime
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import audit_file
import check_evidence
import check_receipt
import dbformat
import pytest
import session_peer as peer
from conftest import ROOT, SHIFTED, SMALL, Dlv, build, kiosk_line, one_line
from Cryptodome.PublicKey import RSA
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from session_peer import Refused, TcpClient, UdpClient

FAST = ("--openings-per-source", "0", "--openings", "0")
DAY = 86400


def certify(keys, path, receipt_pub, since=None, until=None, signer=None):
    """A certificate, by the text alone."""
    now = int(time.time())
    der = RSA.import_key(receipt_pub.read_bytes()).export_key("DER")
    body = struct.pack("<qqH", now if since is None else since, now + DAY if until is None else until, len(der)) + der
    authority = peer.load_private(signer or keys.authority)
    body += authority.sign(b"dlv receipt key 1" + body, padding.PKCS1v15(), hashes.SHA256())
    path.write_text("dlv receipt certificate 1\n" + body.hex() + "\n")
    return path


@pytest.fixture(scope="module")
def signing(release, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("receipt-keys")
    release("keygen", "--type", "receipt", "-o", folder / "receipt", status=0)
    release("keygen", "--certify", folder / "receipt.pub", "--authority-key", keys.authority, "-o",
            folder / "certificate", status=0)
    return folder


@pytest.fixture
def start(release, serve, small_db, signing, keys, kiosks):
    def begin(*options, binary=release, key=signing / "receipt.key", certificate=signing / "certificate"):
        return serve(binary, small_db, *FAST, "--kiosks", kiosks, "--receipt-key", key, "--receipt-certificate", certificate,
                     *options, who=())
    return begin


@pytest.fixture
def recording(release, tmp_path):
    """A server's options for an audit log in a folder of its own."""
    for kind in ("log", "audit"):
        release("keygen", "--type", kind, "-o", tmp_path / kind, status=0)
    folder = tmp_path / "records"
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    return "--audit", folder, "--log-key", tmp_path / "log.key", "--audit-key", tmp_path / "audit"


@pytest.fixture(scope="module")
def authority(keys):
    return RSA.import_key(keys.authority_pub.read_bytes())


def client(dlv, server, keys, *options, key=True, **how):
    return dlv("client", "--server", server.address, "--server-key", keys.server_pub, "--authority", keys.authority_pub,
               *(("--key", keys.kiosk) if key else ()), *options, **how)


def test_a_receipt_is_complete(dlv, start, keys, authority, tmp_path):
    """The question, the register's answer, who asked and when: by dlv and by the text alone."""
    server = start("--anonymous", binary=dlv)
    van = peer.key_id(peer.load_public(keys.kiosk_pub))[:16].hex()
    for number, (question, verdict, has_key, officer) in enumerate([
            (("--number", "GJ05-1234"), "VALID", True, "KA-4711"), (("--number", "GJ05-1234"), "VALID", False, None),
            (("--number", "GJ05-1234", "--name", "Ravi"), "MISMATCH", True, None),
            (("--number", "GJ05-1234", "--class", "HMV"), "NOT_ENTITLED", True, "wachtmeester é"),
            (("--number", "XX1"), "UNKNOWN", True, "x" * 63), (("--number", "MH12 20190054321"), "SUSPENDED", False, "1")]):
        path, before = tmp_path / str(number), time.time()
        status = 0 if verdict == "VALID" else 1
        done = client(dlv, server, keys, *question, "--receipt", path, *(("--officer", officer) if officer else ()),
                      key=has_key, status=status)
        assert done.out.split()[0] == verdict
        kiosk = van if has_key else None
        checked = check_receipt.check(path.read_text(), authority)
        assert checked[:4] == (verdict, "absence" if verdict == "UNKNOWN" else "presence", kiosk, officer)
        assert before - 1 <= checked[4] / 1000 <= time.time() + 1
        verify = ["verify", "--authority", keys.authority_pub, "--receipt", path]
        found = json.loads(dlv(*verify, "--json", status=status).out)
        assert (found["verdict"], found["receipt"]["kiosk"], found["receipt"]["officer"]) == (verdict, kiosk, officer)
        assert found["receipt"]["time"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(checked[4] // 1000))
        told = dlv(*verify, *question[:2], status=status).out
        assert told.splitlines()[-1].split()[0] == verdict and f"{found['receipt']['time']}, while the server" in told
        assert (officer or "no officer") in told or officer is None
        assert "another question" in one_line(dlv(*verify, "--number", "other"))
        assert "give it as --receipt" in one_line(dlv("verify", "--authority", keys.authority_pub, "--evidence", path))


def test_checker_as_a_program(release, start, keys, tmp_path):
    path = tmp_path / "r"
    client(release, start(), keys, "--number", "GJ05-1234", "--receipt", path, status=0)
    command = [sys.executable, ROOT / "tools/check_receipt.py", keys.authority_pub, path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("VALID (proof of presence), asked by kiosk ")
    path.write_text(path.read_text().replace("place = 0 1", "place = 0 2"))
    assert subprocess.run(command, capture_output=True).returncode == 2


def test_on_a_keyed_database(dlv, release, serve, signing, keys, authority, tmp_path):
    release("keygen", "--type", "lookup", "-o", tmp_path / "lookup", status=0)
    build(release, keys, tmp_path / "l.db", SMALL, "--lookup-key", tmp_path / "lookup")
    server = serve(release, tmp_path / "l.db", "--lookup-key", tmp_path / "lookup", "--receipt-key", signing / "receipt.key",
                   "--receipt-certificate", signing / "certificate", who=("--anonymous",))
    path = tmp_path / "r"
    client(dlv, server, keys, "--number", "GJ05-1234", "--lookup-key", tmp_path / "lookup", "--receipt", path, key=False, status=0)
    dlv("verify", "--authority", keys.authority_pub, "--receipt", path, "--lookup-key", tmp_path / "lookup", status=0)
    assert check_receipt.check(path.read_text(), authority, (tmp_path / "lookup").read_bytes())[0] == "VALID"


def mutated(text, rng):
    lines = text.split("\n")
    after = next(i for i, line in enumerate(lines) if line.startswith("nonce"))
    way = rng.randrange(6)
    if way == 0:  # a character of what comes behind the header, where most of the meaning is
        at = rng.randrange(text.index("entry"), len(text))
        return text[:at] + rng.choice("0123456789abcdef =\n") + text[at + 1:]
    if way == 1:
        at = rng.randrange(len(text))
        return text[:at] + rng.choice("0123456789abcdefT:-Z =\n\0") + text[at + 1:]
    if way == 2:
        del lines[rng.randrange(after - 2, len(lines))]
    elif way == 3:
        lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    elif way == 4:
        i, j = rng.randrange(after - 2, len(lines)), rng.randrange(after - 2, len(lines))
        lines[i], lines[j] = lines[j], lines[i]
    else:
        lines[after - 1] = "officer = " + rng.choice(("x", "", "KA-4711 ", "\x1b[2J", "é" * 32, "\x7f"))
    return "\n".join(lines)


def test_nothing_can_be_changed(release, start, keys, authority, tmp_path):
    path, changed = tmp_path / "r", tmp_path / "changed"
    client(release, start(), keys, "--number", "GJ05-1234", "--class", "LMV", "--officer", "KA-4711", "--receipt", path, status=0)
    text, rng = path.read_text(), random.Random(18)
    for _ in range(400):
        other = mutated(text, rng)
        if other == text:
            continue
        changed.write_text(other)
        with pytest.raises((check_evidence.Refused, UnicodeDecodeError)):
            check_receipt.check(other, authority)
        one_line(release("verify", "--authority", keys.authority_pub, "--receipt", changed))


def test_parts_of_two_receipts_do_not_fit(release, start, keys, authority, tmp_path):
    """Neither an earlier question under a later time, nor one kiosk's under another's name."""
    server, texts = start("--anonymous"), []
    for i, has_key in enumerate((True, True, False)):
        client(release, server, keys, "--number", "GJ05-1234", "--receipt", tmp_path / str(i), key=has_key, status=0)
        texts.append((tmp_path / str(i)).read_text())
    names = ("nonce", "kiosk", "time-ms", "signature", "entry", "at")
    for a in texts:
        for b in texts:
            for name in names:
                line = re.search(rf"^{name} = .*$", b, re.M).group(0)
                other = re.sub(rf"^{name} = .*$", line, a, count=1, flags=re.M)
                if other == a:
                    continue
                (tmp_path / "x").write_text(other)
                with pytest.raises(check_evidence.Refused):
                    check_receipt.check(other, authority)
                one_line(release("verify", "--authority", keys.authority_pub, "--receipt", tmp_path / "x"))


def receipt_of(connection, claim, **how):
    frame = connection.session.receipt(claim, **how)
    return connection.session.receipted(connection.exchange(frame), frame)


def check_signed(receipt, kiosk, claim, authority):
    time_ms, release, index, count, nodes, signature, certificate = receipt
    leaf = dbformat.sha256(b"\0dlv receipt 1" + kiosk + struct.pack("<Q", time_ms) + release + claim)
    root = check_evidence.root_of({index: leaf}, count, nodes)
    since, until, key = check_receipt.read_certificate(certificate, authority)
    assert check_receipt.is_signed(key, b"dlv receipts 1" + bytes([count]) + dbformat.sha256(certificate) + root, signature) and since <= time_ms / 1000 <= until


def test_one_signature_serves_many(dlv, start, keys, kiosk, server_pub, authority):
    """Kiosks that ask at the same time: each has its own path to the same root."""
    server = start("--workers", "2", "--key-holders", "1", "--anonymous", binary=dlv)
    own = peer.key_id(kiosk.public_key())[:16]
    seen = []

    def ask(index):
        connection = TcpClient(server.port, server_pub, kiosk if index % 2 else None).open()
        for turn in range(12):
            claim = bytes([index, turn]) * 16
            receipt = receipt_of(connection, claim)
            check_signed(receipt, own if index % 2 else bytes(16), claim, authority)
            seen.append(receipt)
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        list(pool.map(ask, range(24)))
    assert len(seen) == 24 * 12
    together = {}
    for _, _, index, count, nodes, signature, _ in seen:
        assert len(nodes) <= max(count - 1, 0).bit_length()
        together.setdefault(signature, []).append((index, count))
    assert len(together) < len(seen) / 2, "they were signed one by one"
    for places in together.values():
        assert sorted(index for index, _ in places) == list(range(places[0][1]))


def test_who_is_given_none(release, start, keys, kiosks, kiosk, server_pub):
    """Nobody in particular where only kiosks may ask, a kiosk that was removed, and frames that are not what they should be."""
    server = start()
    stranger = TcpClient(server.port, server_pub).open()
    assert receipt_of(stranger, bytes(32)) is None
    van = TcpClient(server.port, server_pub, kiosk).open()
    assert receipt_of(van, b"\1" * 32) is not None
    assert receipt_of(van, b"\2" * 32, bend=lambda body: body[:40] + b"\1" + body[41:]) is None
    broken = bytearray(van.session.receipt(b"\3" * 32))
    broken[200] ^= 1
    reply = TcpClient.exchange(van, bytes(broken))
    assert reply[4:6] == bytes([peer.REFUSE, peer.SESSION]) and van.is_closed()
    van = TcpClient(server.port, server_pub, kiosk).open()
    kiosks.write_text(kiosk_line(keys.other_pub, "van-8") + "# end 1\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"kiosks_reloaded[^\n]* removed=1")
    try:
        assert receipt_of(van, b"\4" * 32) is None
    except Refused as reason:
        assert reason.reason in (peer.SESSION, peer.BUSY)


def test_not_over_udp(start, kiosk, server_pub):
    """What answers is longer than what asks."""
    connection = UdpClient(start().port, server_pub, kiosk).open()
    connection.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        connection.exchange(connection.session.receipt(bytes(32)))


def test_no_receipt(dlv, release, serve, start, small_db, signing, keys, kiosks, tmp_path):
    """The verdict is there all the same, no file is, and the status says so."""
    path = tmp_path / "r"
    server = serve(release, small_db, "--kiosks", kiosks, who=())
    done = client(dlv, server, keys, "--number", "GJ05-1234", "--receipt", path)
    assert done.returncode == 2 and done.out.startswith("VALID") and "it gives no receipts" in done.err and not path.exists()
    other = tmp_path / "other"
    other.write_text("mine")
    assert "--force" in one_line(client(dlv, server, keys, "--number", "GJ05-1234", "--receipt", other))
    assert other.read_text() == "mine"
    for options, word in ((("--udp",), "over TCP"), (("--evidence", "e"), "holds the evidence"), (("--officer", ""), "--officer"),
                          (("--officer", "x" * 64), "63 bytes"), (("--officer", "a\nb"), "control")):
        assert word in one_line(client(dlv, server, keys, "--number", "GJ05-1234", "--receipt", path, *options))
    assert "one question" in one_line(client(dlv, server, keys, "--number", "-", "--receipt", path, stdin="GJ05-1234\n"))
    assert "--receipt" in one_line(client(dlv, server, keys, "--number", "GJ05-1234", "--officer", "x"))
    # Where no server is there, the file answers, and nobody has signed anything.
    done = dlv("client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--authority", keys.authority_pub, "--db",
               small_db, "--number", "GJ05-1234", "--receipt", path, "--timeout", "1")
    assert done.returncode == 2 and done.out.startswith("VALID") and "no server has answered" in done.err and not path.exists()


def test_keys_that_do_not_sign_receipts(dlv, release, small_db, signing, keys, kiosks, tmp_path):
    """Each is refused at the start and by --check, with what is wrong."""
    now, pub = int(time.time()), signing / "receipt.pub"
    certify(keys, tmp_path / "old", pub, since=now - 2 * DAY, until=now - DAY)
    certify(keys, tmp_path / "foreign", pub, signer=keys.other)
    certify(keys, tmp_path / "servers", keys.server_pub)
    certify(keys, tmp_path / "another", keys.other_pub)
    (tmp_path / "cut").write_text((signing / "certificate").read_text()[:-9])
    (tmp_path / "no").write_text("dlv receipt certificate 1\nzz\n")
    readable = tmp_path / "readable.key"
    shutil.copy(signing / "receipt.key", readable)
    readable.chmod(0o644)
    base = ["server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--kiosks", kiosks,
            "--listen", "127.0.0.1:0"]
    for key, certificate, word in ((signing / "receipt.key", "old", "has run out"), (signing / "receipt.key", "foreign", "not signed"),
                                   (keys.server, "servers", "is a key of the server"),
                                   (signing / "receipt.key", "another", "is not of the key"),
                                   (signing / "receipt.key", "cut", "not signed"), (signing / "receipt.key", "no", "is not a certificate"),
                                   (signing / "receipt.key", "absent", "No such file"), (readable, "another", "chmod")):
        given = ["--receipt-key", key, "--receipt-certificate", tmp_path / certificate]
        assert word in one_line(dlv(*base, *given)), certificate
        checked = dlv(*base, *given, "--check")
        assert checked.returncode == 2 and word in checked.err, certificate
    assert "go together" in one_line(dlv(*base, "--receipt-key", signing / "receipt.key"))
    checked = dlv(*base, "--receipt-key", signing / "receipt.key", "--receipt-certificate", signing / "certificate", "--check", status=0)
    assert "signs receipts from" in checked.out


def test_a_key_is_replaced(release, start, signing, keys, kiosk, server_pub, authority, tmp_path):
    """On SIGHUP; what is wrong is refused, and the old key signs on. A key is withdrawn by the end of its certificate."""
    key, certificate = tmp_path / "now.key", tmp_path / "now"
    shutil.copy(signing / "receipt.key", key)
    shutil.copy(signing / "certificate", certificate)
    server = start(key=key, certificate=certificate)
    connection = TcpClient(server.port, server_pub, kiosk).open()
    first = receipt_of(connection, bytes(32))
    release("keygen", "--type", "receipt", "-o", tmp_path / "next", status=0)
    shutil.copy(tmp_path / "next.key", key)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"event=receipt_key_refused reason=[^\n]*is not of the key")
    assert receipt_of(connection, bytes(32))[6] == first[6]
    certify(keys, certificate, tmp_path / "next.pub", until=int(time.time()) + 3)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"event=receipt_key_reloaded")
    second = receipt_of(connection, bytes(32))
    assert second[6] != first[6]
    check_signed(second, peer.key_id(kiosk.public_key())[:16], bytes(32), authority)
    deadline = time.monotonic() + 10
    while receipt_of(connection, os.urandom(32)) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_certificates(dlv, release, keys, signing, tmp_path):
    make = ["keygen", "--certify", signing / "receipt.pub", "--authority-key", keys.authority, "-o", tmp_path / "c"]
    dlv(*make, "--days", "30", status=0)
    text = (tmp_path / "c").read_text().splitlines()
    since, until, key = check_receipt.read_certificate(bytes.fromhex(text[1]), RSA.import_key(keys.authority_pub.read_bytes()))
    assert text[0] == "dlv receipt certificate 1" and until - since == 30 * DAY and abs(since - time.time()) < 60
    assert key == RSA.import_key((signing / "receipt.pub").read_bytes())
    assert "--force replaces it" in one_line(dlv(*make))
    dlv(*make, "--force", status=0)
    (tmp_path / "other").write_text("mine")
    assert "other" in one_line(dlv(*make[:-1], tmp_path / "other", "--force"))
    assert "go together" in one_line(dlv(*make[:3], "-o", tmp_path / "d"))
    assert "private" in one_line(dlv("keygen", "--certify", signing / "receipt.pub", "--authority-key", keys.authority_pub, "-o", tmp_path / "d"))


def test_the_audit_log_knows_of_each(dlv, release, start, recording, keys, kiosk, server_pub, authority, tmp_path):
    """Each receipt has a record, found by the file and the audit key; also one that was given to a question never asked."""
    server, folder = start(*recording, binary=dlv), recording[1]
    client(release, server, keys, "--number", "GJ05-1234", "--receipt", tmp_path / "r", status=0)
    client(release, server, keys, "--number", "GJ05-1234", "--receipt", tmp_path / "r2", status=0)
    assert receipt_of(TcpClient(server.port, server_pub, kiosk).open(), b"\7" * 32) is not None
    server.stop()
    _, _, van, _, time_ms = check_receipt.check((tmp_path / "r").read_text(), authority)
    with_key = ["audit", "--json", "--audit-key", tmp_path / "audit", folder]
    asked = [json.loads(line) for line in dlv(*with_key, "--number", "GJ05-1234", status=0).out.splitlines()]
    assert len(asked) == 2 and all(record["kiosk"] == van and record["proved"] and record["by"] == "number" for record in asked)
    record, = [json.loads(line) for line in dlv(*with_key, "--receipt", tmp_path / "r", status=0).out.splitlines()]
    assert (record["by"], record["kiosk"], record["found"]) == ("receipt", van, None)
    recorded_ms = datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp() * 1000
    assert 0 <= recorded_ms - time_ms < 1000
    everything = dlv("audit", folder, status=0).out
    assert everything.count(" receipt ") == 3 and everything.count(": given; release 1") == 3
    assert "2 questions about 1 numbers" in dlv("audit", "--by-kiosk", folder, status=0).out
    dlv("verify", "--audit", folder, "--key", tmp_path / "log.pub", status=0)
    key = (tmp_path / "audit").read_bytes()
    tags = [audit_file.tag(key, claim) for claim in (b"\7" * 32,)]
    records = [record for record in audit_file.records(folder, peer.load_public(tmp_path / "log.pub")) if record.by == 4]
    assert len(records) == 3 and tags[0] in [record.tag for record in records]
    other = tmp_path / "other"
    other.write_text((tmp_path / "r").read_text().replace("nonce = ", "nonce = 0", 1)[:-1])
    assert "other" in one_line(dlv(*with_key, "--receipt", other))
    assert "go together" in one_line(dlv(*with_key, "--receipt", tmp_path / "r", "--number", "GJ05-1234"))


def test_no_receipt_that_is_not_recorded(start, recording, kiosk, server_pub):
    """While nothing can be recorded, none is given."""
    server = start(*recording)
    connection = TcpClient(server.port, server_pub, kiosk).open()
    assert receipt_of(connection, bytes(32)) is not None
    recorder = [pid for pid in server.children() if os.readlink(f"/proc/{pid}/exe") and
                any("records" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))]
    os.kill(recorder[0], signal.SIGSTOP)
    try:
        time.sleep(3.5)  # a recorder that has not written for so long
        with pytest.raises(Refused) as refusal:
            receipt_of(connection, bytes(32))
        assert refusal.value.reason == peer.BUSY
    finally:
        os.kill(recorder[0], signal.SIGCONT)


def test_under_load(release, start, keys):
    server = start("--anonymous")
    done = subprocess.run([f"{release.path}-load", "--server", server.address, "--server-key", keys.server_pub, "--receipts", "-c", "48",
                           "-t", "1", "--json"], capture_output=True, text=True)
    figures = json.loads(done.stdout)
    assert done.returncode == 0 and figures["answered"] > 100 and figures["refused"] == figures["lost"] == figures["wrong"] == 0


def test_what_time_it_is(dlv, release, serve, small_db, start, signing, keys, kiosks):
    """By the signed word of each server, and the median of them."""
    def shown(*servers, options=(), status=0):
        done = dlv("client", "--time-from", "--server", ",".join(server.address for server in servers), "--server-key", keys.server_pub,
                   "--key", keys.kiosk, "--authority", keys.authority_pub, *options, status=status)
        return done.out.splitlines(), done.err

    def seconds(line):
        text = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line).group(0)
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

    good, other = start(binary=dlv), start(binary=dlv)
    ahead = serve(Dlv(SHIFTED, False), small_db, "--kiosks", kiosks, "--receipt-key", signing / "receipt.key", "--receipt-certificate",
                  signing / "certificate", who=(), env={**os.environ, "DLV_CLOCK_SHIFT": "400"})
    silent = serve(release, small_db, "--kiosks", kiosks, who=())
    lines, _ = shown(good, other)
    assert len(lines) == 3 and all(abs(seconds(line) - time.time()) < 5 for line in lines)
    assert lines[0].startswith(f"{good.address} has signed ") and "the median of 2; they are " in lines[2]
    lines, told = shown(good, ahead, other, status=2)
    assert len(lines) == 3 and re.search(r"the servers disagree by (399|400)\d{3} ms", told) and abs(seconds(lines[1]) - time.time() - 400) < 5
    lines, _ = shown(ahead, good, other, options=("--max-skew", "1000"))
    assert abs(seconds(lines[3]) - time.time()) < 5
    lines, told = shown(silent, good, status=2)
    assert len(lines) == 2 and "it signs no time" in told
    lines, told = shown(silent, status=2)
    assert not lines and "it signs no time" in told
    assert "--authority" in one_line(dlv("client", "--time-from", "--server", good.address, "--server-key", keys.server_pub))
    assert "--time-from" in one_line(dlv("client", "--time-from", "--server", good.address, "--server-key", keys.server_pub, "--json"))


def sign_receipt(text, signing, kiosk, time_ms, release):
    """What a server that was taken over could sign of a claim of anything."""
    claim = dbformat.sha256(b"dlv receipt claim 1" + bytes(32) + text.encode())
    leaf = dbformat.sha256(b"\0dlv receipt 1" + kiosk + struct.pack("<Q", time_ms) + bytes.fromhex(release) + claim)
    key = peer.load_private(signing / "receipt.key")
    certificate = (signing / "certificate").read_text().splitlines()[1]
    signature = key.sign(b"dlv receipts 1\1" + dbformat.sha256(bytes.fromhex(certificate)) + leaf, padding.PKCS1v15(), hashes.SHA256())
    return (f"{text}nonce = {'0' * 64}\nkiosk = {kiosk.hex()}\ntime-ms = {time_ms}\nrelease = {release}\nplace = 0 1\n"
            f"signature = {signature.hex()}\ncertificate = {certificate}\n")


def test_claims_of_a_kiosk_and_a_server_in_one_hand(dlv, release, serve, signing, keys, authority, small_db, tmp_path):
    """Together they can say when and who; not what the register does not say. Both checkers agree on each."""
    build(release, keys, tmp_path / "l.db", SMALL)
    now = int(time.time() * 1000)
    server = serve(release, tmp_path / "l.db", "--receipt-key", signing / "receipt.key", "--receipt-certificate", signing / "certificate",
                   who=("--anonymous",))
    path, forged = tmp_path / "r", tmp_path / "forged"
    client(release, server, keys, "--number", "GJ05-1234", "--name", "Ramesh", "--birth-date", "1980-01-01", "--receipt", path, key=False)
    good = path.read_text()
    text, rest = good.split("nonce = ")
    page = re.search(r"release = (.*)", rest).group(1)
    created = struct.unpack_from("<q", bytes.fromhex(re.search(r"header = (.*)", text).group(1)), 32)[0] * 1000
    birth_date = re.search(r"field = birth-date .*\n", text)
    name = re.search(r"field = name .*\n", text).group(0)
    cases = [("as it was", text, now, True), ("two birth dates", text.replace(birth_date.group(0), 2 * birth_date.group(0)), now, False)
             if birth_date else ("four names", text.replace(name, 4 * name), now, False),
             ("four names", text.replace(name, 4 * name), now, False), ("three names", text.replace(name, 3 * name), now, True),
             ("a spelling that is none", re.sub("number = .*", "number = gj051234", text), now, False),
             ("before the release", text, created - 301_000, False), ("a little before it", text, created - 299_000, None),
             ("another day", text.replace("\nat = ", "\nat = ", 1), now, True),
             ("a steering officer", text + "officer = x\u202ey\n", now, False), ("a quoting one", text + 'officer = a" b\n', now, False),
             ("a plain one", text + "officer = a b\n", now, True), ("an empty one", text + "officer = \n", now, False)]
    for what, claimed, time_ms, is_good in cases:
        forged.write_text(sign_receipt(claimed, signing, bytes(16), time_ms, page))
        done = dlv("verify", "--authority", keys.authority_pub, "--receipt", forged)
        try:
            check_receipt.check(forged.read_text(), authority)
            checked = True
        except check_evidence.Refused:
            checked = False
        assert checked == (done.returncode in (0, 1)), (what, done.err)
        assert is_good is None or checked == is_good, (what, done.err)


def test_which_line_is_wrong(dlv, release, start, keys, tmp_path):
    """The one that is named is the one to look at."""
    path = tmp_path / "r"
    client(release, start(), keys, "--number", "GJ05-1234", "--receipt", path, status=0)
    lines = path.read_text().split("\n")
    for number, bad in ((1, "dlv receipt 1\r"), (2, "dlv evidence 2 "), (4, "digest = zz"), (lines.index("place = 0 1") + 1, "place = 1 1")):
        (tmp_path / "bad").write_text("\n".join([*lines[:number - 1], bad, *lines[number:]]), newline="")
        told = one_line(dlv("verify", "--authority", keys.authority_pub, "--receipt", tmp_path / "bad"))
        assert f"line {number}: want" in told, told


def test_a_moment_of_its_own(dlv, start, keys, tmp_path):
    """A receipt is for the moment of its signature, so it goes with no other one."""
    line = one_line(client(dlv, start(), keys, "--number", "GJ05-1234", "--receipt", tmp_path / "r", "--at", "2020-01-01"))
    assert "--at" in line and not (tmp_path / "r").exists()


def test_several_guesses_in_one_question(start, kiosk, server_pub):
    """Three forms of a name, and one of each other field."""
    server = start()
    connection, number = TcpClient(server.port, server_pub, kiosk).open(), dbformat.number_digest("GJ05-1234")
    for fields, status in (((1, 1, 1, 2, 3, 4), peer.GOOD), ((3, 3), peer.MALFORMED), ((2, 2), peer.MALFORMED), ((4, 4), peer.MALFORMED),
                           ((1, 1, 1, 1), peer.MALFORMED)):
        forms = [(field, bytes([i]) * 16) for i, field in enumerate(fields)]
        assert connection.ask([peer.item(number, forms=forms)]).status == status, fields


def test_the_doctor_looks_at_it(release, tmp_path):
    """Whether the key and its certificate belong together, and for how long that is good."""
    office = tmp_path / "office"
    release("init", office, status=0)
    make = ["keygen", "--certify", office / "receipt.pub", "--authority-key", office / "authority.key", "-f", "-o", office / "receipt.certificate"]
    assert "receipt" not in release("doctor", office).out
    release("keygen", "--type", "receipt", "-o", office / "receipt", status=0)
    assert "WRONG" in release("doctor", office).out.split("receipt.pub")[1] and "--certify" in release("doctor", office).out
    assert "signs receipts until" in release(*make, status=0).out
    assert "ok     receipt.certificate is good until" in release("doctor", office).out
    release(*make, "--days", "10", status=0)
    assert "Have the key certified anew" in release("doctor", office).out
    release("keygen", "--type", "receipt", "-f", "-o", office / "receipt", status=0)
    assert "But not for the key in receipt.pub" in release("doctor", office).out
    assert "is the authority's own key" in one_line(release(*make[:2], office / "authority.pub", *make[3:]))


def test_the_log_says_that_it_runs_out(release, start, signing, keys, tmp_path):
    certify(keys, tmp_path / "short", signing / "receipt.pub", until=int(time.time()) + 2 * DAY)
    start(certificate=tmp_path / "short").wait_for(rb"event=receipt_certificate_runs_out until=\d+ days_left=3")


def test_a_receipt_has_one_form(dlv, start, keys, kiosk, server_pub, authority, signing, tmp_path):
    """Neither its place nor its certificate can be another one that is good, too."""
    certify(keys, tmp_path / "other", signing / "receipt.pub")
    page, text = bytes(32).hex(), "dlv receipt 1\n"
    leaves = [dbformat.sha256(b"\0dlv receipt 1" + bytes(16) + struct.pack("<Q", 1000) + bytes(32) +
                              dbformat.sha256(b"dlv receipt claim 1" + bytes(32) + bytes([i]))) for i in range(3)]
    root = dbformat.sha256(b"\1" + dbformat.sha256(b"\1" + leaves[0] + leaves[1]) + leaves[2])
    own, other = (bytes.fromhex(path.read_text().splitlines()[1]) for path in (signing / "certificate", tmp_path / "other"))
    key = peer.load_private(signing / "receipt.key")
    sign = lambda count, certificate: key.sign(b"dlv receipts 1" + bytes([count]) + dbformat.sha256(certificate) + root,
                                               padding.PKCS1v15(), hashes.SHA256())
    assert check_evidence.root_of({0: leaves[0]}, 3, [leaves[1], leaves[2]]) == check_evidence.root_of({0: leaves[0]}, 4, [leaves[1], leaves[2]])
    assert sign(3, own) != sign(4, own) and sign(3, own) != sign(3, other) and page and text
    path, changed = tmp_path / "r", tmp_path / "changed"
    client(dlv, start(), keys, "--number", "GJ05-1234", "--receipt", path, status=0)
    for name, value in (("place", "0 2"), ("certificate", other.hex())):
        changed.write_text(re.sub(rf"^{name} = .*$", f"{name} = {value}", path.read_text(), flags=re.M))
        assert "not signed" in one_line(dlv("verify", "--authority", keys.authority_pub, "--receipt", changed))
        with pytest.raises(check_evidence.Refused):
            check_receipt.check(changed.read_text(), authority)


def test_files_that_break_readers(release, start, keys, tmp_path):
    """Whatever is in it, the checker by the text says that it proves nothing, as dlv does."""
    path = tmp_path / "r"
    client(release, start(), keys, "--number", "GJ05-1234", "--class", "LMV", "--receipt", path, status=0)
    text = path.read_text()
    for pattern, other in (("time-ms = .*", "time-ms = " + "9" * 20), ("place = .*", "place = " + "1" * 5000 + " 2"), ("time-ms = .*", "time-ms = " + str(1 << 50)),
                           ("header = .", "header = "), ("class = LMV", "class = a\u2028b"), ("class = LMV", "class = \x1b[2J"),
                           ("class = LMV", "class = " + "é" * 30)):
        path.write_text(re.sub(pattern, other, text, count=1))
        one_line(release("verify", "--authority", keys.authority_pub, "--receipt", path))
        assert subprocess.run([sys.executable, ROOT / "tools/check_receipt.py", keys.authority_pub, path], capture_output=True).returncode == 2, other[:40]


def test_a_key_that_everybody_has(release, keys, start, small_db, kiosks, tmp_path):
    known = ROOT / "vectors/golden_kiosk.key"
    subprocess.run(["openssl", "pkey", "-in", known, "-pubout", "-out", tmp_path / "known.pub"], check=True, capture_output=True)
    shutil.copy(known, tmp_path / "known.key")
    (tmp_path / "known.key").chmod(0o600)
    assert "everybody" in one_line(release("keygen", "--certify", tmp_path / "known.pub", "--authority-key", keys.authority, "-o", tmp_path / "c"))
    certify(keys, tmp_path / "c", tmp_path / "known.pub")
    assert "everybody" in one_line(release("server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--kiosks", kiosks,
                                           "--listen", "127.0.0.1:0", "--receipt-key", tmp_path / "known.key", "--receipt-certificate", tmp_path / "c"))
