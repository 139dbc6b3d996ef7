"""A database that is damaged anywhere is refused by verify, client and server."""

import random
import struct

import pytest
from conftest import GOLDEN, VECTORS, one_line

GOOD = (VECTORS / "golden.db").read_bytes()
SERVER = ["server", "--key", VECTORS / "golden_authority.key", "--legacy", "--anonymous", "--listen",
          "127.0.0.1:0", *GOLDEN]

# Name, offset, length of everything in the header page.
FIELDS = [("magic", 0, 8), ("version", 8, 4), ("flags", 12, 4), ("count", 16, 8), ("sequence", 24, 8),
          ("created", 32, 8), ("valid_until", 40, 8), ("utc_offset", 48, 4), ("fanout_bits", 52, 4),
          ("signature_len", 56, 4), ("zero", 60, 4), ("authority", 64, 32), ("lookup_key", 96, 32),
          ("merkle_root", 128, 32), ("sections", 160, 192), ("class_names", 352, 256),
          ("reserved", 608, 2464), ("signature", 3072, 256), ("after_signature", 3328, 768)]


def refused_by_all(dlv, path):
    """Each names the file in one line; none answers or serves."""
    reasons = [one_line(dlv("verify", *GOLDEN, path)),
               one_line(dlv("client", "--db", path, *GOLDEN, "--number", "GJ05-1234"))]
    done = dlv(*SERVER, "--db", path, timeout=20)
    assert done.returncode == 2 and "event=" not in done.err
    reasons.append(done.err.splitlines()[-1])
    assert all("bad.db" in reason for reason in reasons), reasons
    return reasons


def flipped(bit):
    data = bytearray(GOOD)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def test_good(dlv):
    out = dlv("verify", *GOLDEN, VECTORS / "golden.db", status=0).out
    assert "golden.db: verified" in out and "entries      13" in out and "sequence     7" in out
    assert '"verified":true' in dlv("verify", "--json", *GOLDEN, VECTORS / "golden.db", status=0).out


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f[0])
def test_bit_in_header(release, tmp_path, field):
    _, offset, length = field
    rng = random.Random(offset)
    path = tmp_path / "bad.db"
    for bit in {offset * 8, (offset + length) * 8 - 1,
                *(rng.randrange(offset * 8, (offset + length) * 8) for _ in range(6))}:
        path.write_bytes(flipped(bit))
        refused_by_all(release, path)


@pytest.mark.parametrize("section", range(4))
def test_bit_in_sections(release, tmp_path, section):
    offset, length = struct.unpack_from("<QQ", GOOD, 160 + 48 * section)
    rng = random.Random(section)
    path = tmp_path / "bad.db"
    bits = {rng.randrange(offset * 8, (offset + length) * 8) for _ in range(12)}
    bits |= {offset * 8, (offset + length) * 8, (offset // 4096 + 1) * 4096 * 8 - 1}
    for bit in bits:
        path.write_bytes(flipped(bit))
        refused_by_all(release, path)


def test_bits_sanitized(dlv, tmp_path):
    rng = random.Random(9)
    path = tmp_path / "bad.db"
    for _ in range(60):
        path.write_bytes(flipped(rng.randrange(len(GOOD) * 8)))
        one_line(dlv("verify", *GOLDEN, path))


def test_every_truncation(release, tmp_path):
    path = tmp_path / "bad.db"
    lengths = {0, 1, 7, 8, 100, 3071, 3072, 4095, 4096, 4097, len(GOOD) - 1, len(GOOD) - 4096}
    for length in sorted(lengths):
        path.write_bytes(GOOD[:length])
        refused_by_all(release, path)
    path.write_bytes(GOOD + b"\0")
    refused_by_all(release, path)
    path.write_bytes(GOOD + bytes(4096))
    refused_by_all(release, path)


def test_another_authority(dlv, keys, tmp_path):
    path = tmp_path / "bad.db"
    path.write_bytes(GOOD)
    assert "another authority" in one_line(dlv("verify", "--authority", keys.authority_pub, path))
    one_line(dlv("verify", "--authority", tmp_path / "none.pub", path))
    one_line(dlv("verify", *GOLDEN, tmp_path / "none.db"))
    one_line(dlv("verify", *GOLDEN, tmp_path))
    assert "bits" in one_line(dlv("verify", "--authority", write_small(tmp_path), path))


def write_small(tmp_path):
    from Cryptodome.PublicKey import RSA

    path = tmp_path / "small.pub"
    path.write_bytes(RSA.generate(1024).public_key().export_key())
    return path


def test_signed_but_wrong(dlv, tmp_path):
    """What even the authority must not sign: verify looks at the entries, not only at digests."""
    import hashlib

    import dbformat
    from Cryptodome.Hash import SHA256
    from Cryptodome.Signature import pkcs1_15

    authority = dbformat.load_key(VECTORS / "golden_authority.key")

    def resign(change):
        data = bytearray(GOOD)
        change(data)
        for i in range(4):
            offset, length = struct.unpack_from("<QQ", data, 160 + 48 * i)
            data[176 + 48 * i : 208 + 48 * i] = hashlib.sha256(data[offset : offset + length]).digest()
        data[3072:3328] = pkcs1_15.new(authority).sign(SHA256.new(bytes(data[:3072])))
        return bytes(data)

    def swap_keys(data):
        data[4096:4128], data[4128:4160] = data[4128:4160], data[4096:4128]

    def twin_keys(data):
        data[4128:4160] = data[4096:4128]

    def fanout(data):
        data[3 * 4096 + 4] ^= 1

    def attributes(data):
        data[2 * 4096 : 2 * 4096 + 8] = bytes(8)

    def merkle(data):
        data[4 * 4096 + 3] ^= 1

    def root(data):
        data[128] ^= 1

    path = tmp_path / "bad.db"
    for change, complaint in ((swap_keys, "not in order"), (twin_keys, "not in order"),
                              (fanout, "fan-out"), (attributes, "attributes"), (merkle, "Merkle"),
                              (root, "Merkle root")):
        path.write_bytes(resign(change))
        assert complaint in refused_by_all(dlv, path)[0], change
