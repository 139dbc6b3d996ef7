"""Database format 1, read and written from lib/db/FORMAT.md alone.

An implementation that shares no code with dlv: tests compare the two, and make_vectors.py produces
the golden database with it. Cryptography is PyCryptodome's.
"""

import datetime
import hashlib
import hmac
import struct

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

PAGE = 4096
SIGNED = 3072
MAGIC = b"dlv-db\r\n"
STATUS = {"valid": 1, "suspended": 2, "revoked": 3}
KIND = {"record": 1, "number": 2, "document": 3}
CLASSES = (
    "MCWOG MCWG LMV LMV-TR TRANS HMV HGMV HPMV HTV 3W-NT 3W-TR E-RICKSHAW TRACTOR ROAD-ROLLER "
    "INVALID-CARR LOADER"
).split()


def canonical_record(text):
    return " ".join(part for part in text.replace("\t", " ").split(" ") if part)


def canonical_number(text):
    kept = "".join(c for c in text if c not in " \t-")
    return "".join(c.upper() if c.isascii() else c for c in kept)


def record_digest(text):
    return hashlib.sha256(canonical_record(text).encode()).digest()


def number_digest(text):
    return hashlib.sha256(b"dlv:number:" + canonical_number(text).encode()).digest()


def day_number(text):
    """Days since 0001-01-01."""
    return datetime.date.fromisoformat(text).toordinal() - 1


def attributes(kind, status, valid_from, valid_to, classes=()):
    bits = sum(1 << CLASSES.index(name) for name in classes)
    word = (
        day_number(valid_from)
        | day_number(valid_to) << 22
        | bits << 44
        | STATUS[status] << 60
        | KIND[kind] << 62
    )
    return struct.pack("<Q", word)


def decode_attributes(raw):
    (word,) = struct.unpack("<Q", raw)
    day = lambda n: datetime.date.fromordinal(n + 1).isoformat()
    return {
        "valid_from": day(word & 0x3FFFFF),
        "valid_to": day(word >> 22 & 0x3FFFFF),
        "classes": [name for i, name in enumerate(CLASSES) if word >> 44 + i & 1],
        "status": {v: k for k, v in STATUS.items()}[word >> 60 & 3],
        "kind": {v: k for k, v in KIND.items()}[word >> 62],
    }


def row_entries(row):
    """(digest, attributes) of a registry row, given as a dict of its columns."""
    facts = (row["status"], row["valid_from"], row["valid_to"])
    classes = [c for c in row.get("classes", "").replace(";", " ").split(" ") if c]
    record = f'{row["name"]} {row["phone"]} {row["licence"]}'
    yield record_digest(record), attributes("record", *facts, classes)
    yield number_digest(row["licence"]), attributes("number", *facts, classes)
    if row.get("document"):
        yield bytes.fromhex(row["document"]), attributes("document", *facts, classes)


def merkle_levels(leaves):
    """All levels, leaves first; an odd last node moves up as it is."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [
            hashlib.sha256(b"\x01" + below[i] + below[i + 1]).digest() if i + 1 < len(below) else below[i]
            for i in range(0, len(below), 2)
        ]
        levels.append(above)
    return levels


def merkle_root_recursive(leaves):
    """RFC 9162, section 2.1.1, by its own definition."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = merkle_root_recursive(leaves[:split]), merkle_root_recursive(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def lookup_key_id(lookup_key):
    return hmac.digest(lookup_key, b"dlv:lookup-key-id", "sha256")


def build(entries, authority, sequence, created, valid_until=0, utc_offset=0, lookup_key=None):
    """The bytes of a database of (digest, attributes) pairs, signed with a PyCryptodome RSA key."""
    if lookup_key:
        entries = [(hmac.digest(lookup_key, d, "sha256"), a) for d, a in entries]
    entries = sorted(set(entries))
    count = len(entries)
    assert len({key for key, _ in entries}) == count
    bits = 0
    while 4 << bits < count:
        bits += 1
    fanout, at = [], 0
    for bucket in range(1 << bits):
        while at < count and int.from_bytes(entries[at][0][:4], "big") >> (32 - bits) < bucket:
            at += 1
        fanout.append(at)
    fanout.append(count)
    leaves = [hashlib.sha256(b"\x00" + k + a).digest() for k, a in entries]
    levels = merkle_levels(leaves)
    root = levels[-1][0]
    assert root == merkle_root_recursive(leaves)
    # Levels 4 and up; a tree lower than that has its root there all the same.
    stored = levels[4:] or [levels[-1]]

    sections = [
        b"".join(k for k, _ in entries),
        b"".join(a for _, a in entries),
        b"".join(struct.pack("<I", f) for f in fanout),
        b"".join(node for level in stored for node in level),
    ]
    header = bytearray(SIGNED)
    struct.pack_into(
        "<8sIIQQqqiIII", header, 0, MAGIC, 1, 1 if lookup_key else 0, count, sequence, created,
        valid_until, utc_offset, bits, authority.size_in_bytes(), 0,
    )
    header[64:96] = hashlib.sha256(authority.public_key().export_key("DER")).digest()
    header[96:128] = lookup_key_id(lookup_key) if lookup_key else bytes(32)
    header[128:160] = root
    offset, body = PAGE, b""
    for i, section in enumerate(sections):
        struct.pack_into("<QQ32s", header, 160 + 48 * i, offset, len(section),
                         hashlib.sha256(section).digest())
        padded = section + bytes(-len(section) % PAGE)
        body += padded
        offset += len(padded)
    for i, name in enumerate(CLASSES):
        header[352 + 16 * i : 352 + 16 * i + len(name)] = name.encode()
    signature = pkcs1_15.new(authority).sign(SHA256.new(bytes(header)))
    return bytes(header) + signature + bytes(PAGE - SIGNED - len(signature)) + body


class Database:
    """A reader: checks the signature, then finds entries by plain binary search."""

    def __init__(self, path, authority):
        data = open(path, "rb").read()
        fields = struct.unpack_from("<8sIIQQqqiIII", data, 0)
        magic, version, self.flags, self.count, self.sequence = fields[:5]
        self.created, self.valid_until, self.utc_offset, self.bits, signature_len, zero = fields[5:]
        assert magic == MAGIC and version == 1 and zero == 0
        pkcs1_15.new(authority).verify(
            SHA256.new(data[:SIGNED]), data[SIGNED : SIGNED + signature_len]
        )
        assert data[64:96] == hashlib.sha256(authority.public_key().export_key("DER")).digest()
        self.sections = []
        for i in range(4):
            offset, length, digest = struct.unpack_from("<QQ32s", data, 160 + 48 * i)
            section = data[offset : offset + length]
            assert hashlib.sha256(section).digest() == digest
            self.sections.append(section)
        self.root = data[128:160]
        self.page = data[:PAGE]
        self.levels = merkle_levels([hashlib.sha256(b"\x00" + self.key(i) + self.raw_attributes(i)).digest()
                                     for i in range(self.count)])
        assert self.levels[-1][0] == self.root

    def raw_attributes(self, i):
        return self.sections[1][8 * i : 8 * i + 8]

    def key(self, i):
        return self.sections[0][32 * i : 32 * i + 32]

    def place(self, stored_key):
        """Where it stands, or would stand."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < stored_key:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, stored_key):
        at = self.place(stored_key)
        return decode_attributes(self.raw_attributes(at)) if at < self.count and self.key(at) == stored_key else None

    def verdict(self, i, kind, day):
        """What follows from an entry on a day, if it is of that kind."""
        entry = decode_attributes(self.raw_attributes(i))
        if entry["kind"] != kind:
            return "UNKNOWN"
        if entry["status"] != "valid":
            return entry["status"].upper()
        first, last = day_number(entry["valid_from"]), day_number(entry["valid_to"])
        return "NOT_YET_VALID" if day < first else "EXPIRED" if day > last else "VALID"


def load_key(path):
    return RSA.import_key(open(path, "rb").read())
