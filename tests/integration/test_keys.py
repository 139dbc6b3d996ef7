"""A file that is no key that dlv takes is named as what it is, with the command that helps; and that command does."""

import hashlib
import os
import re
import shlex
import subprocess

import pytest
from conftest import HEADER, ROOT, VECTORS, one_line
from Cryptodome.PublicKey import RSA

ROW = "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01\n"
MADE = {
    "EC": ("openssl ecparam -genkey -name prime256v1 -out f", "key of elliptic curves|not one of RSA", None),
    "EC, PKCS 8": ("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out f", "not one of RSA", None),
    "Ed25519": ("openssl genpkey -algorithm ed25519 -out f", "not one of RSA", None),
    "DER": ("openssl rsa -in key -outform DER -out f", "DER, and PEM is wanted", "private"),
    "encrypted": ("openssl pkey -in key -aes128 -passout pass:x -out f", "an encrypted private key", "private"),
    "encrypted, as of old": ("openssl rsa -in key -traditional -aes128 -passout pass:x -out f", "an encrypted private key", "private"),
    "a public key": ("openssl pkey -in key -pubout -out f", "a public key, and the private one is wanted", None),
    "a certificate": ("openssl req -x509 -key key -subj /CN=x -out f", "a certificate", "public"),
    "a request": ("openssl req -new -key key -subj /CN=x -out f", "a request for a certificate", "public"),
}
PUBLIC = {
    "DER": ("openssl pkey -in key -pubout -outform DER -out f", "DER, and PEM is wanted", "public"),
    "a private key": ("cp key f", "a private key, and the public one is wanted", "public"),
    "a certificate": MADE["a certificate"],
    "EC": ("sh -c 'openssl ecparam -genkey -name prime256v1 | openssl ec -pubout -out f'", "not one of RSA", None),
}


@pytest.fixture
def folder(keys, tmp_path):
    (tmp_path / "key").write_bytes(keys.authority.read_bytes())
    (tmp_path / "r.csv").write_text(HEADER + ROW)
    return tmp_path


def follow(folder, line):
    """Runs the command in the message; returns the file that it makes."""
    command = re.search(r"\((openssl [^)]*?)( decrypts it| changes it| shows it| shows its public key)\)", line).group(1)
    words = ["PLAIN" if word == "PLAIN" else "f" if word == "FILE" else word for word in shlex.split(command)]
    if "encrypted" in line:
        words += ["-passin", "pass:x"]
    made = subprocess.run(words, cwd=folder, check=True, capture_output=True).stdout
    path = folder / "PLAIN"
    if made:
        path.write_bytes(made)
    return path


@pytest.mark.parametrize("kind", MADE)
def test_private_keys(release, folder, kind):
    make, told, helps = MADE[kind]
    subprocess.run(shlex.split(make), cwd=folder, check=True, capture_output=True)
    line = one_line(release("dbgen", "--sign", "f", "-o", "l.db", "r.csv", cwd=folder))
    assert line.startswith("dlv dbgen: f: ") and re.search(told, line) and not (folder / "l.db").exists()
    if helps == "private":
        release("dbgen", "--sign", follow(folder, line), "-o", "l.db", "r.csv", cwd=folder, status=0)


@pytest.mark.parametrize("kind", PUBLIC)
def test_public_keys(release, folder, kind):
    make, told, helps = PUBLIC[kind]
    subprocess.run(shlex.split(make), cwd=folder, check=True, capture_output=True)
    release("dbgen", "--sign", "key", "-o", "l.db", "r.csv", cwd=folder, status=0)
    line = one_line(release("verify", "--authority", "f", "l.db", cwd=folder))
    assert line.startswith("dlv verify: f: ") and re.search(told, line)
    if helps == "public":
        release("verify", "--authority", follow(folder, line), "l.db", cwd=folder, status=0)


@pytest.mark.parametrize("content, told", [(b"", "an empty file"), (b"ssh-rsa AAAAB3 me", "a public key of OpenSSH"),
                                           (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "a key of OpenSSH"), (b"x" * 9, "want -----BEGIN"),
                                           (b"\x30", "want -----BEGIN"), (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "an OpenPGP file")])
def test_other_files(release, folder, content, told):
    (folder / "f").write_bytes(content)
    for args in (["dbgen", "--sign", "f", "-o", "l.db", "r.csv"], ["verify", "--authority", "f", "r.csv"]):
        assert told in one_line(release(*args, cwd=folder))


# --- who else can read a secret --------------------------------------------------------------------------------------


def uses_of_secrets(keys, small_db, folder):
    """(command, the secret it reads), for every kind of secret."""
    (folder / "ticket").write_bytes(bytes(range(32)))
    (folder / "lookup").write_bytes(bytes(range(32)))
    (folder / "r.csv").write_text(HEADER)
    offline = ["--db", small_db, "--authority", keys.authority_pub]
    server = ["server", "--listen", "127.0.0.1:0", "--anonymous", *offline, "--key", keys.server]
    return {"authority": (["dbgen", "--sign", keys.authority, "-o", folder / "o.db", folder / "r.csv"], keys.authority),
            "server": (server, keys.server), "ticket": ([*server, "--ticket-key", folder / "ticket"], folder / "ticket"),
            "kiosk": (["client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--key", keys.kiosk, "--number",
                       "X1"], keys.kiosk),
            "lookup": (["client", *offline, "--lookup-key", folder / "lookup", "--number", "X1"], folder / "lookup"),
            "lookup of a server": ([*server, "--lookup-key", folder / "lookup"], folder / "lookup")}


@pytest.mark.parametrize("kind", ["authority", "server", "ticket", "kiosk", "lookup", "lookup of a server"])
def test_secrets_that_others_can_read(dlv, keys, small_db, tmp_path, kind):
    command, secret = uses_of_secrets(keys, small_db, tmp_path)[kind]
    copy, link = tmp_path / "copy.key", tmp_path / "link.key"
    copy.write_bytes(secret.read_bytes())
    link.symlink_to(copy)

    def run(path, **how):
        done = dlv(*[path if word == secret else word for word in command], **how)
        assert done.returncode == 2
        return done.err
    for mode in (0o644, 0o640, 0o604, 0o660, 0o602, 0o610):
        copy.chmod(mode)
        assert f"{copy}: a secret that other users can read or change: chmod 600 it" in run(copy)
        assert f"{link}: a secret that other users" in run(link)
    copy.chmod(0o600)
    os.chown(copy, 12345, 0)
    assert "belongs to another user (number 12345)" in run(copy)
    os.chown(copy, 0, 0)
    if kind in ("authority", "kiosk", "lookup of a server"):  # commands that end by themselves
        for mode in (0o600, 0o400):
            copy.chmod(mode)
            assert "a secret" not in run(copy)
        copy.chmod(0o440)  # as systemd leaves it, with an access list
        assert "a secret" not in run(copy, env={"CREDENTIALS_DIRECTORY": str(tmp_path)})
        assert "a secret" in run(copy, env={"CREDENTIALS_DIRECTORY": str(tmp_path.parent)})


def test_keys_that_everybody_has(dlv, keys, small_db, tmp_path):
    """Those in vectors/ sign nothing, serve nobody and enrol nowhere, unless that is meant."""
    source = (ROOT / "lib/crypto/known_key.c").read_text()
    (tmp_path / "r.csv").write_text(HEADER + ROW)
    for name in ("golden_authority", "golden_kiosk"):
        key = RSA.import_key((VECTORS / f"{name}.key").read_bytes())
        digest = hashlib.sha256(key.public_key().export_key("DER")).digest()
        assert ", ".join(f"0x{byte:02x}" for byte in digest[:8]) + "}, /* vectors/" + name in source
        for command in (["dbgen", "--sign", VECTORS / f"{name}.key", "-o", tmp_path / "o.db", tmp_path / "r.csv"],
                        ["server", "--db", small_db, "--authority", keys.authority_pub, "--key", VECTORS / f"{name}.key",
                         "--anonymous", "--check"],
                        ["client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--key",
                         VECTORS / f"{name}.key", "--number", "X1"]):
            done = dlv(*command)
            assert done.returncode == 2 and "a key that everybody has" in done.err and "--demo" in done.err
            assert "everybody has" not in dlv(*command, "--demo").err
