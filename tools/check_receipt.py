#!/usr/bin/python3
"""Checks a receipt file from lib/db/EVIDENCE.md and FORMAT.md alone; shares no code with dlv.

    tools/check_receipt.py AUTHORITY.pub RECEIPT [LOOKUP-KEY]

Prints the verdict, who has asked, and when; exit status 0 VALID, 1 another verdict, 2 proves nothing.
"""

import datetime
import re
import struct
import sys

import check_evidence
import dbformat
from check_evidence import HEX, Refused, demand
from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

BATCH_MAX, SKEW, CREATED = 64, 300, 32
SHAPE = re.compile(
    r"(dlv receipt 1\n(dlv evidence 2\n.*?)((?:officer = [^\n]+\n)?))nonce = ([0-9a-f]{64})\nkiosk = ([0-9a-f]{32})\n"
    r"time-ms = (0|[1-9][0-9]{0,15})\nrelease = ([0-9a-f]{64})\nplace = (0|[1-9][0-9]?) ([1-9][0-9]?)\n"
    rf"((?:receipt-node = [0-9a-f]{{64}}\n){{0,6}})signature = ({HEX}{{1,512}})\ncertificate = ({HEX}{{1,1082}})\n", re.S)


def is_signed(key, message, signature):
    try:
        pkcs1_15.new(key).verify(SHA256.new(message), signature)
    except ValueError:
        return False
    return True


def read_certificate(data, authority):
    """(from, until, key)"""
    demand(len(data) > 18, "the certificate is cut short")
    since, until, length = struct.unpack_from("<qqH", data)
    demand(length <= len(data) - 18, "the certificate is cut short")
    demand(is_signed(authority, b"dlv receipt key 1" + data[:18 + length], data[18 + length:]), "a certificate of nobody")
    try:
        key = RSA.import_key(data[18:18 + length])
    except ValueError:
        raise Refused("no key in the certificate") from None
    demand(key.size_in_bits() >= 2048, "a key that is too short")
    return since, until, key


def check(text, authority, lookup_key=None):
    """(verdict, presence or absence, kiosk or None, officer or None, Unix milliseconds); raises Refused."""
    match = SHAPE.fullmatch(text)
    demand(match, "not a receipt")
    claimed, evidence, officer, nonce, kiosk, time_ms, release, index, count, nodes, signature, certificate = match.groups()
    index, count, time_ms = int(index), int(count), int(time_ms)
    demand(index < count <= BATCH_MAX and time_ms < 1 << 50, "no such place, or time")
    officer = officer[len("officer = "):-1]
    demand(len(officer.encode()) < 64 and not check_evidence.UNSAFE.search(officer) and '"' not in officer, "no such officer")
    since, until, key = read_certificate(bytes.fromhex(certificate), authority)
    claim = dbformat.sha256(b"dlv receipt claim 1" + bytes.fromhex(nonce) + claimed.encode())
    leaf = dbformat.sha256(b"\0dlv receipt 1" + bytes.fromhex(kiosk) + struct.pack("<Q", time_ms) + bytes.fromhex(release) + claim)
    root = check_evidence.root_of({index: leaf}, count, [bytes.fromhex(node) for node, in check_evidence.words(nodes)])
    signed = b"dlv receipts 1" + bytes([count]) + dbformat.sha256(bytes.fromhex(certificate)) + root
    demand(is_signed(key, signed, bytes.fromhex(signature)), "not signed by the certified key")
    demand(since <= time_ms // 1000 <= until, "of a time that the certificate is not for")
    header = re.search(r"^header = ([0-9a-f]{8192})$", evidence, re.M)
    demand(header and dbformat.sha256(bytes.fromhex(header.group(1))) == bytes.fromhex(release), "of another release")
    created, = struct.unpack_from("<q", bytes.fromhex(header.group(1)), CREATED)
    demand(time_ms // 1000 >= created - SKEW, "of a time before its release was made")
    at = datetime.datetime.fromtimestamp(time_ms // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    verdict, proved = check_evidence.check(evidence, authority, lookup_key, at)
    return verdict, proved, kiosk if kiosk != "0" * 32 else None, officer or None, time_ms


def main():
    authority = RSA.import_key(open(sys.argv[1], "rb").read())
    lookup_key = open(sys.argv[3], "rb").read() if len(sys.argv) > 3 else None
    try:
        text = open(sys.argv[2], encoding="utf-8", newline="").read()
        verdict, proved, kiosk, officer, time_ms = check(text, authority, lookup_key)
    except (Refused, ValueError) as reason:
        print(f"proves nothing: {reason}", file=sys.stderr)
        return 2
    when = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.timezone.utc).isoformat(" ", "milliseconds")
    print(f"{verdict} (proof of {proved}), asked by kiosk {kiosk}, officer {officer}, at {when}")
    return 0 if verdict == "VALID" else 1


if __name__ == "__main__":
    sys.exit(main())
