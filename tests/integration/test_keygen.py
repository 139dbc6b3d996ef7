"""Keys: made, read and refused; openssl as the peer."""

import base64
import hashlib
import subprocess

import pytest
from conftest import VECTORS, one_line
from Cryptodome.PublicKey import RSA


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *map(str, args)], input=stdin, check=True,
                          capture_output=True).stdout


@pytest.mark.parametrize("kind,bits,option", [
    ("authority", 3072, []), ("server", 2048, []), ("kiosk", 2048, []),
    ("server", 4096, ["--bits", "4096"]), ("authority", 2056, ["--bits", "2056"]),
])
def test_pair(release, tmp_path, kind, bits, option):
    base = tmp_path / "k"
    printed = release("keygen", "--type", kind, "-o", base, *option, status=0).out.strip()
    key, pub = tmp_path / "k.key", tmp_path / "k.pub"
    assert key.stat().st_mode & 0o777 == 0o600 and pub.stat().st_mode & 0o777 == 0o644
    assert openssl("rsa", "-check", "-noout", "-in", key).strip() == b"RSA key ok"
    assert key.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert openssl("pkey", "-in", key, "-pubout") == pub.read_bytes()
    der = openssl("pkey", "-pubin", "-in", pub, "-outform", "DER")
    digest = base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert printed == f"SHA256:{digest}"
    assert RSA.import_key(key.read_bytes()).size_in_bits() == bits


def test_sanitized_pair(dlv, tmp_path):
    dlv("keygen", "--type", "server", "-o", tmp_path / "k", status=0)
    openssl("rsa", "-check", "-noout", "-in", tmp_path / "k.key")


def test_never_overwrites(release, tmp_path):
    base = tmp_path / "k"
    release("keygen", "--type", "server", "-o", base, status=0)
    before = (tmp_path / "k.key").read_bytes(), (tmp_path / "k.pub").read_bytes()
    assert "--force" in one_line(release("keygen", "--type", "server", "-o", base))
    (tmp_path / "k.key").unlink()
    assert "--force" in one_line(release("keygen", "--type", "server", "-o", base))
    assert not (tmp_path / "k.key").exists() and (tmp_path / "k.pub").read_bytes() == before[1]
    release("keygen", "--type", "server", "-o", base, "--force", status=0)
    assert (tmp_path / "k.key").read_bytes() != before[0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k.key", "k.pub"]


def test_lookup(dlv, tmp_path):
    path = tmp_path / "lookup.key"
    dlv("keygen", "--type", "lookup", "-o", path, status=0)
    first = path.read_bytes()
    assert len(first) == 32 and path.stat().st_mode & 0o777 == 0o600
    assert "--force" in one_line(dlv("keygen", "--type", "lookup", "-o", path))
    dlv("keygen", "--type", "lookup", "-o", path, "--force", status=0)
    assert path.read_bytes() != first
    one_line(dlv("keygen", "--type", "lookup", "--bits", "256", "-o", tmp_path / "x"))


@pytest.mark.parametrize("bits", ["1024", "2047", "2050", "4104", "x", "-1", "99999999999999999999"])
def test_bad_bits(dlv, tmp_path, bits):
    assert "--bits" in one_line(dlv("keygen", "--type", "server", "--bits", bits, "-o", tmp_path / "k"))
    assert not list(tmp_path.iterdir())


def test_reads_other_formats(dlv, keys, tmp_path):
    """PKCS#1, CRLF, text around the PEM, no line feed at the end."""
    pkcs1, odd, pub = tmp_path / "1.key", tmp_path / "odd.key", tmp_path / "1.pub"
    pkcs1.write_bytes(openssl("rsa", "-in", keys.authority, "-traditional"))
    assert b"BEGIN RSA PRIVATE" in pkcs1.read_bytes()
    odd.write_bytes(b"a comment\r\n" + keys.authority.read_bytes().replace(b"\n", b"\r\n").rstrip())
    pub.write_bytes(openssl("rsa", "-in", keys.authority, "-RSAPublicKey_out"))
    for i, key in enumerate((pkcs1, odd, keys.authority)):
        db = tmp_path / f"{i}.db"
        dlv("dbgen", "--sign", key, "-o", db, VECTORS / "golden.csv", status=0)
        dlv("verify", "--authority", keys.authority_pub, db, status=0)
        dlv("verify", "--authority", pub, db, status=0)


def test_refuses_what_is_no_key(dlv, keys, tmp_path):
    good = keys.authority.read_text()
    lines = good.splitlines()
    encrypted = openssl("pkey", "-in", keys.authority, "-aes128", "-passout", "pass:x").decode()
    ec = openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout").decode()
    small = openssl("genrsa", "1024").decode()
    cases = {
        "empty": "", "public": keys.authority_pub.read_text(), "encrypted": encrypted, "ec": ec,
        "small": small, "cut": "\n".join(lines[: len(lines) // 2]), "no end": "\n".join(lines[:-1]),
        "large": "x" * 9000, "swapped": "\n".join([lines[0], *reversed(lines[1:-1]), lines[-1]]),
        "garbage": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    }
    for name, text in cases.items():
        path = tmp_path / "bad.key"
        path.write_text(text)
        done = dlv("dbgen", "--sign", path, "-o", tmp_path / "x.db", VECTORS / "golden.csv")
        assert "bad.key" in one_line(done), name
        assert not (tmp_path / "x.db").exists()
    for i in range(1, len(lines) - 1):  # damaged anywhere: never a crash, never a database
        at = (i * 7) % len(lines[i])
        bad = lines[i][:at] + ("A" if lines[i][at] != "A" else "B") + lines[i][at + 1 :]
        path.write_text("\n".join(lines[:i] + [bad] + lines[i + 1 :]) + "\n")
        done = dlv("dbgen", "--sign", path, "-o", tmp_path / "x.db", VECTORS / "golden.csv")
        if done.returncode == 0:  # only the unused private exponent may differ
            dlv("verify", "--authority", keys.authority_pub, tmp_path / "x.db", status=0)
        else:
            one_line(done)
    one_line(dlv("dbgen", "--sign", tmp_path, "-o", tmp_path / "x.db", VECTORS / "golden.csv"))
    one_line(dlv("dbgen", "--sign", "/nowhere", "-o", tmp_path / "x.db", VECTORS / "golden.csv"))
