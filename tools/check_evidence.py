#!/usr/bin/python3
"""Checks an evidence file from lib/db/EVIDENCE.md and FORMAT.md alone; shares no code with dlv.

    tools/check_evidence.py AUTHORITY.pub EVIDENCE [LOOKUP-KEY]

Prints the verdict and what was proved; exit status 0 VALID, 1 another verdict, 2 proves nothing.
"""

import datetime
import hashlib
import hmac
import re
import struct
import sys

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

KINDS = {"record": 1, "number": 2, "document": 3}


class Refused(Exception):
    pass


def demand(condition, reason):
    if not condition:
        raise Refused(reason)


def read(text):
    """The fields, exactly as EVIDENCE.md orders them."""
    shape = re.compile(
        r"dlv evidence 1\n"
        r"digest = ([0-9a-f]{64})\nkind = (record|number|document)\n"
        r"at = (\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?)\nheader = ([0-9a-f]{8192})\n"
        r"((?:entry = (?:0|[1-9]\d*) [0-9a-f]{64} [0-9a-f]{16}\n(?:path = [0-9a-f]{64}\n){0,32}){1,2})",
        re.ASCII)
    match = shape.fullmatch(text)
    demand(match, "not an evidence file")
    digest, kind, at, header, rest = match.groups()
    entries = []
    for line in rest.splitlines():
        name, value = line.split(" = ")
        if name == "entry":
            index, key, attributes = value.split(" ")
            entries.append((int(index), bytes.fromhex(key), bytes.fromhex(attributes), []))
        else:
            entries[-1][3].append(bytes.fromhex(value))
    return bytes.fromhex(digest), kind, at, bytes.fromhex(header), entries


def read_header(page, authority):
    magic, version, flags, count, sequence, created, until, offset, bits, siglen, zero = \
        struct.unpack_from("<8sIIQQqqiIII", page)
    demand(magic == b"dlv-db\r\n" and version == 1 and flags in (0, 1) and zero == 0, "no header")
    demand(1 <= count < 1 << 32 and 1 <= sequence < 1 << 63 and bits <= 32, "header out of range")
    demand(siglen == authority.size_in_bytes(), "signature of another length")
    demand(not any(page[3072 + siglen :]) and not any(page[608:3072]), "bytes that must be zero")
    own = hashlib.sha256(authority.public_key().export_key("DER")).digest()
    demand(page[64:96] == own, "another authority")
    try:
        pkcs1_15.new(authority).verify(SHA256.new(page[:3072]), page[3072 : 3072 + siglen])
    except ValueError:
        raise Refused("the signature does not match") from None
    return flags, count, offset, page[96:128], page[128:160]


def root_from(count, index, key, attributes, path):
    demand(index < count, "index beyond the count")
    node, path = hashlib.sha256(b"\0" + key + attributes).digest(), list(path)
    while count > 1:
        if index ^ 1 < count:
            demand(path, "path too short")
            sibling = path.pop(0)
            pair = sibling + node if index & 1 else node + sibling
            node = hashlib.sha256(b"\1" + pair).digest()
        index, count = index // 2, (count + 1) // 2
    demand(not path, "path too long")
    return node


def day_of(at, offset):
    if "T" not in at:
        return datetime.date.fromisoformat(at).toordinal() - 1
    moment = datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ")
    return (moment + datetime.timedelta(seconds=offset)).date().toordinal() - 1


def check(text, authority, lookup_key=None):
    """(verdict, "presence" or "absence"); raises Refused where nothing is proved."""
    digest, kind, at, page, entries = read(text)
    flags, count, offset, key_id, root = read_header(page, authority)
    demand((flags == 1) == (lookup_key is not None), "lookup key wanted, or not")
    key = digest
    if lookup_key:
        demand(hmac.digest(lookup_key, b"dlv:lookup-key-id", "sha256") == key_id, "other lookup key")
        key = hmac.digest(lookup_key, digest, "sha256")
    for entry in entries:
        demand(root_from(count, *entry) == root, "a path leads elsewhere")
    try:
        day = day_of(at, offset)
    except (ValueError, OverflowError):
        raise Refused("no such time") from None
    if len(entries) == 1 and entries[0][1] == key:
        (word,) = struct.unpack("<Q", entries[0][2])
        start, end, status = word & 0x3FFFFF, word >> 22 & 0x3FFFFF, word >> 60 & 3
        demand(start <= end <= 3652058 and status and word >> 62, "impossible attributes")
        if word >> 62 != KINDS[kind]:
            return "UNKNOWN", "absence"
        dated = "NOT_YET_VALID" if day < start else "EXPIRED" if day > end else "VALID"
        return {1: dated, 2: "SUSPENDED", 3: "REVOKED"}[status], "presence"
    first, last = entries[0], entries[-1]
    if len(entries) == 2:
        demand(first[1] < key < last[1] and last[0] == first[0] + 1, "no neighbours")
    else:
        demand((key < first[1] and first[0] == 0) or (key > first[1] and first[0] == count - 1),
               "neither first nor last")
    return "UNKNOWN", "absence"


def main():
    authority = RSA.import_key(open(sys.argv[1], "rb").read())
    lookup_key = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else None
    try:
        verdict, proved = check(open(sys.argv[2], encoding="ascii", newline="").read(), authority, lookup_key)
    except (Refused, UnicodeDecodeError) as reason:
        print(f"proves nothing: {reason}", file=sys.stderr)
        return 2
    print(verdict, f"(proof of {proved})")
    return 0 if verdict == "VALID" else 1


if __name__ == "__main__":
    sys.exit(main())
