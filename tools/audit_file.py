"""Reads and checks an audit log, from lib/audit/AUDIT.md alone, over python3-cryptography."""

import hmac
import hashlib
import pathlib
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

START, QUESTIONS, CHECKPOINT = 1, 2, 3
FOUND = ["nothing", "licence", "document", "former number", "legacy record"]
FIELDS, MATCHES = ["name", "phone", "birth_date", "card"], [None, "same", "differs", "not on file", "not kept"]


class Damaged(Exception):
    pass


@dataclass
class Record:
    time: int
    count: int
    worker: int
    kiosk: bytes
    tag: bytes
    release: int
    by: int
    is_proved: bool
    is_repeated: bool
    is_slip: bool
    found: str
    status: int
    card: int
    matches: dict

    def __init__(self, data):
        self.time, count, self.kiosk, self.tag, self.release, self.by, flags, found, self.status, self.card, zero, bits = \
            struct.unpack("<qQ16s16sQBBBBBBH", data)
        if self.by == 4 and any(data[57:]):
            raise Damaged("a receipt with values of a question")
        if zero != 0 or flags > 7 or self.by not in (1, 2, 3, 4) or found > 4 or self.status > 7 or self.card > 3 or \
                any(bits >> 4 * i & 15 > 4 for i in range(4)) or not 0 <= self.time <= 253402300799999:
            raise Damaged("a record with a value that means nothing")
        self.count, self.worker = count & (1 << 48) - 1, count >> 48
        self.is_proved, self.is_repeated, self.is_slip = (bool(flags & bit) for bit in (1, 2, 4))
        if self.worker > 63:
            raise Damaged("a record of a worker that cannot be")
        self.found = FOUND[found]
        self.matches = {name: MATCHES[bits >> 4 * i & 15] for i, name in enumerate(FIELDS) if bits >> 4 * i & 15}


@dataclass
class Block:
    kind: int
    number: int
    time: int
    before: bytes
    content: bytes
    data: bytes

    @property
    def digest(self):
        return hashlib.sha256(self.data).digest()

    @property
    def records(self):
        return [Record(self.content[i:i + 64]) for i in range(0, len(self.content), 64)] if self.kind == QUESTIONS else []


LENGTHS = {START: lambda n: n == 80, QUESTIONS: lambda n: 0 < n <= 4096 * 64 and n % 64 == 0, CHECKPOINT: lambda n: 256 <= n <= 512}


def split(data, is_last=True):
    """The blocks of a file; what is left of one at the end of the last is dropped."""
    at = 0
    while len(data) - at >= 64:
        mark, version, kind, zeros, length, number, time, before = struct.unpack_from("<8sBBHIQq32s", data, at)
        if is_last and not any(data[at:]):
            return
        if mark != b"dlvaudit" or version != 1 or zeros != 0 or not LENGTHS.get(kind, lambda n: False)(length) or number == 0:
            raise Damaged(f"no block at {at}")
        if len(data) - at < 64 + length:
            break
        yield Block(kind, number, time, before, data[at + 64:at + 64 + length], data[at:at + 64 + length])
        at += 64 + length
    if at < len(data) and not is_last:
        raise Damaged("a file that is cut off")


def read(folder, key=None):
    """All blocks; Damaged where something is wrong. With the log's public key, checkpoints are verified."""
    blocks, counts = [], {}
    names = sorted(pathlib.Path(folder).glob("*.audit"))
    for i, name in enumerate(names):
        if i > 0 and int(name.stem) != int(names[i - 1].stem) + 1:
            raise Damaged(f"{name} does not follow")
        blocks += split(name.read_bytes(), i == len(names) - 1)
    if blocks and (blocks[0].number == 1) != (int(names[0].stem) == 1):
        raise Damaged("the first block is in the first file")
    for i, block in enumerate(blocks):
        if i > 0 and (block.number != blocks[i - 1].number + 1 or block.before != blocks[i - 1].digest):
            raise Damaged(f"block {block.number}")
        if block.number == 1 and any(block.before):
            raise Damaged("the first")
        if block.kind == START and block.content[64:] != counts.get("run"):
            is_known = "run" in counts or blocks[0].number == 1
            counts = {"run": block.content[64:], "known": is_known}
        if block.kind == CHECKPOINT and key is not None:
            try:
                key.verify(block.content, b"dlv audit checkpoint" + block.data[:64], padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                raise Damaged(f"checkpoint {block.number}") from None
        for record in block.records:
            if record.count != counts.get(record.worker, 0) and (counts.get("known") or record.worker in counts):
                raise Damaged(f"record {record.count} of worker {record.worker} in block {block.number}")
            counts[record.worker] = record.count + 1
    return blocks


def records(folder, key=None):
    return [record for block in read(folder, key) for record in block.records]


def tag(audit_key, digest):
    return hmac.digest(audit_key, digest, "sha256")[:16]
