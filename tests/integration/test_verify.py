"""A database that is damaged anywhere is refused by verify, client and server."""

import os
import random
import struct

import pytest
from conftest import GOLDEN, VECTORS, one_line

GOOD = (VECTORS / "golden.db").read_bytes()
SERVER = ["server", "--demo", "--key", VECTORS / "golden_kiosk.key", "--legacy", "--anonymous", "--listen",
          "127.0.0.1:0", *GOLDEN]

# Name, offset, length of everything in the header page and in that of signatures.
FIELDS = [("magic", 0, 8), ("version", 8, 4), ("flags", 12, 4), ("count", 16, 8), ("sequence", 24, 8), ("created", 32, 8),
          ("valid_until", 40, 8), ("utc_offset", 48, 4), ("fanout_bits", 52, 4), ("history", 56, 4), ("matching", 60, 4),
          ("authority", 64, 32), ("lookup_key", 96, 32), ("merkle_root", 128, 32), ("predecessor", 160, 32),
          ("dictionary_root", 192, 32), ("chunks", 224, 32), ("fields", 256, 4), ("phones", 260, 6), ("longest", 266, 2),
          ("sets", 268, 4), ("sections", 272, 96), ("name", 368, 64), ("zero", 432, 592), ("coverage", 1024, 1024),
          ("patterns", 2048, 1024), ("reserved", 3072, 1024), ("signature_count", 4096, 64), ("signer", 4160, 64),
          ("signature", 4224, 256), ("after_signature", 4480, 3712)]


def refused_by_all(dlv, path, is_signed=False):
    """Each names the file in one line; none serves. A client, which proves each answer, need not notice what the answer
    does not rest on."""
    reasons = [one_line(dlv("verify", *GOLDEN, path))]
    done = dlv("client", "--db", path, *GOLDEN, "--number", "GJ05-1234")
    if done.returncode == 2:
        reasons.append(one_line(done))
    else:
        assert done.out.startswith("VALID ") or is_signed
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
    assert "golden.db: verified" in out and "entries      9" in out and "sequence     7" in out
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


@pytest.mark.parametrize("section", range(6))
def test_bit_in_sections(release, tmp_path, section):
    offset, length = struct.unpack_from("<QQ", GOOD, 272 + 16 * section)
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
    lengths = {0, 1, 7, 8, 100, 4095, 4096, 4097, 8191, 8192, 8193, len(GOOD) - 1, len(GOOD) - 4096}
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
        places = [struct.unpack_from("<QQ", data, 272 + 16 * i) for i in range(6)]
        body = bytes(data[8192:places[5][0]])
        digests = b"".join(hashlib.sha256(body[i:i + (1 << 20)]).digest() for i in range(0, len(body), 1 << 20))
        data[places[5][0]:places[5][0] + len(digests)] = digests
        data[224:256] = hashlib.sha256(digests).digest()
        data[4224:4480] = pkcs1_15.new(authority).sign(SHA256.new(bytes(data[:4096])))
        return bytes(data)

    offsets = [struct.unpack_from("<Q", GOOD, 272 + 16 * i)[0] for i in range(6)]
    entries, kinds = offsets[0], [GOOD[offsets[0] + 54 * i + 38] & 3 for i in range(9)]
    plain = entries + 54 * next(i for i in range(9) if kinds[i] == 0 and not GOOD[entries + 54 * i + 40] & 0x80)
    former = entries + 54 * kinds.index(2)

    def swap_keys(data):
        data[entries:entries + 32], data[entries + 54:entries + 86] = data[entries + 54:entries + 86], data[entries:entries + 32]

    def twin_keys(data):
        data[entries + 54:entries + 86] = data[entries:entries + 32]

    def flip(at, bits=1):
        def change(data):
            data[at] ^= bits
        return change

    def no_status(data):
        data[plain + 38] &= 0xE3

    path = tmp_path / "bad.db"
    for change, complaint in (
            (swap_keys, "fan-out"), (twin_keys, "not in order"), (flip(offsets[1] + 4), "fan-out"), (no_status, "terms"),
            (flip(former + 38, 4), "no licence"), (flip(former + 45), "no licence"), (flip(offsets[2] + 3), "Merkle"),
            (flip(128), "Merkle root"), (flip(offsets[3]), "terms"), (flip(offsets[3] + 2), "terms"),
            (flip(offsets[4] + 30), "dictionary"), (flip(192), "dictionary"), (flip(266), "further terms"),
            (flip(entries + 33), "Merkle")):
        path.write_bytes(resign(change))
        assert complaint in refused_by_all(dlv, path, is_signed=True)[0], (change, complaint)
