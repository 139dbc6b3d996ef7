#!/usr/bin/python3
"""Checks an evidence file from lib/db/EVIDENCE.md and FORMAT.md alone; shares no code with dlv.

    tools/check_evidence.py AUTHORITY.pub EVIDENCE [LOOKUP-KEY] [--at MOMENT]

Prints the verdict and what was proved; exit status 0 VALID, 1 another verdict, 2 proves nothing.
"""

import datetime
import re
import struct
import sys
import time

import dbformat
import matching
from Cryptodome.PublicKey import RSA

UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]')
ANSWERING = {"number": ("licence", "former"), "document": ("document",), "legacy": ("legacy",)}
FIELD = {"name": 1, "phone": 2, "birth-date": 3, "card": 4}
HEX = "(?:[0-9a-f]{2})"
SHAPE = re.compile(
    r"dlv evidence 2\n"
    r"kind = (number|document|legacy)\ndigest = ([0-9a-f]{64})\n((?:number = [^\n]{1,512}\n)?)"
    r"((?:field = (?:name|phone|birth-date|card) [0-9a-f]{32}\n){0,6})((?:class = [^\n]{1,48}\n){0,16})"
    r"at = (\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?)\nheader = ([0-9a-f]{8192})\nsignatures = ([0-9a-f]{8192})\n"
    rf"((?:entry = (?:0|[1-9][0-9]*) [0-9a-f]{{108}} (?:-|{HEX}{{1,2040}})\n){{1,2}})((?:node = [0-9a-f]{{64}}\n){{0,64}})"
    rf"((?:set = (?:0|[1-9][0-9]*) {HEX}{{1,4096}}\n(?:set-node = [0-9a-f]{{64}}\n){{0,16}}){{0,48}})")


class Refused(Exception):
    pass


def demand(condition, reason):
    if not condition:
        raise Refused(reason)


def words(lines):
    """The values of "name = value" lines, in words."""
    return [line.split(" = ", 1)[1].split(" ") for line in lines.split("\n")[:-1]]


def ascend(nodes, count, beside):
    """From {index: node} of a level to the level above it, with the next nodes of `beside`."""
    for index in sorted(nodes):
        if index ^ 1 < count and index ^ 1 not in nodes:
            demand(beside, "a path is too short")
            nodes = {**nodes, index ^ 1: beside.pop(0)}
    return {index // 2: dbformat.sha256(b"\1" + nodes[index] + nodes[index + 1]) if index + 1 in nodes else nodes[index]
            for index in sorted(nodes) if index % 2 == 0}


def root_of(leaves, count, beside):
    demand(all(index < count for index in leaves), "an index beyond the count")
    beside = list(beside)
    while count > 1:
        leaves, count = ascend(leaves, count, beside), (count + 1) // 2
    demand(not beside, "a path is too long")
    return leaves[0]


def read_header(page, signatures, authority):
    try:
        facts = dbformat.read_header(page + signatures, authority)
    except (AssertionError, ValueError, UnicodeDecodeError):
        raise Refused("no header that this authority signed") from None
    zeros = page[259:260] + page[432:1024] + page[3072:]
    count, = struct.unpack_from("<I", signatures)
    zeros += signatures[4:64] + signatures[64 + 576 * count:]
    for at in range(64, 64 + 576 * min(count, 7), 576):
        length, = struct.unpack_from("<I", signatures, at + 32)
        zeros += signatures[at + 36:at + 64] + signatures[at + 64 + length:at + 576]
    demand(not any(zeros) and 1 <= count <= 7, "bytes that must be zero")
    return facts


def read_sets(lines, page):
    """{number: text}, each proved."""
    sets, count = {}, struct.unpack_from("<I", page, 268)[0]
    for number, text, path in re.findall(r"set = (\d+) ([0-9a-f]+)\n((?:set-node = [0-9a-f]{64}\n)*)", lines):
        number, text = int(number), bytes.fromhex(text)
        demand(1 <= number <= count, "a set beyond the dictionary")
        nodes = [bytes.fromhex(node) for node, in words(path)]
        demand(root_of({number - 1: dbformat.sha256(b"\0" + text)}, count, nodes) == page[192:224], "a set elsewhere")
        sets[number] = text
    return sets


def day_of(at, offset):
    try:
        if "T" not in at:
            return dbformat.stored_day(at)
        moment = datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ") + datetime.timedelta(seconds=offset)
        return dbformat.stored_day(moment.date().isoformat())
    except (ValueError, OverflowError):
        raise Refused("no such time") from None


def find(entries, key, count):
    """The entry that has the key, and its licence; None where the key is proved to be absent."""
    (index, entry, items), *others = entries
    if entry[:32] == key:
        is_licence = entry[38] & 3 == 0
        demand(is_licence != bool(others), "too many entries, or too few")
        if is_licence:
            return entry, entry, items
        demand(others[0][1][:15] == entry[39:54] and others[0][1][38] & 3 == 0, "another licence than its own")
        return entry, others[0][1], others[0][2]
    if others:
        demand(entry[:32] < key < others[0][1][:32] and others[0][0] == index + 1, "no neighbours")
    else:
        demand((key < entry[:32] and index == 0) or (key > entry[:32] and index == count - 1), "neither first nor last")
    return None


def compare(facts, entry, licence, forms, lookup_key):
    """What the fields that were given come to: (matches, state of the card)."""
    database = dbformat.Database.__new__(dbformat.Database)
    database.facts, database.lookup_key = facts, lookup_key
    database.entry, database.licence = (lambda i: entry), (lambda i: licence)
    return database.matches(0, forms).values(), database.card_state(0, forms)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def check_moment(at, facts):
    """The day of the moment, which the release must speak for."""
    day = day_of(at, facts.utc_offset)
    if facts.valid_until and "T" in at:
        seconds = datetime.datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        demand(seconds <= facts.valid_until, "a moment after the release's end")
    elif facts.valid_until:
        until = (facts.valid_until + facts.utc_offset) // 86400 + dbformat.stored_day("1970-01-01")
        demand(day <= until, "a day after the release's end")
    demand(day >= (facts.history or 0), "a day before the release's history")
    return day


def check(text, authority, lookup_key=None, at=None):
    """(verdict at the moment, now by default; "presence" or "absence"); raises Refused where nothing is proved."""
    match = SHAPE.fullmatch(text)
    demand(match, "not an evidence file")
    kind, digest, number, fields, classes, claimed, page, signatures, entries, nodes, sets = match.groups()
    digest, page, signatures = (bytes.fromhex(part) for part in (digest, page, signatures))
    facts = read_header(page, signatures, authority)
    demand((struct.unpack_from("<I", page, 12)[0] & 1) == (lookup_key is not None), "lookup key wanted, or not")
    demand(not lookup_key or dbformat.lookup_key_id(lookup_key) == page[96:128], "another lookup key")
    given = [line.split(" ")[2] for line in fields.split("\n")[:-1]]
    demand(all(len(" ".join(name).encode()) <= 48 and not UNSAFE.search(" ".join(name)) for name in words(classes)), "no such class")
    demand(all(given.count(field) <= (3 if field == "name" else 1) for field in FIELD), "a field more than once")
    demand((kind == "number") == bool(number), "a number where there is none, or the other way round")
    if number:
        form = number[len("number = "):-1]
        try:
            demand(matching.number(form) == form and dbformat.number_digest(form) == digest, "not the number's digest")
        except matching.Refused:
            raise Refused("no number") from None
    count, = struct.unpack_from("<Q", page, 16)
    entries = [(int(i), bytes.fromhex(e), b"" if f == "-" else bytes.fromhex(f)) for i, e, f in words(entries)]
    demand(len({i for i, _, _ in entries}) == len(entries), "an entry twice")
    demand(all(not items or int.from_bytes(entry[38:], "little") >> 76 == 0 for _, entry, items in entries), "a place")
    leaves = {i: dbformat.leaf(entry, items) for i, entry, items in entries}
    demand(root_of(leaves, count, [bytes.fromhex(n) for n, in words(nodes)]) == page[128:160], "a path leads elsewhere")
    day_of(claimed, facts.utc_offset)  # only that it is one
    day = check_moment(at or now(), facts)
    sets = read_sets(sets, page)
    found = find(entries, dbformat.keyed(lookup_key, digest), count)
    if found is None or dbformat.KINDS[found[0][38] & 3] not in ANSWERING[kind]:
        return "UNKNOWN", "absence"
    entry, licence, items = found
    try:
        licence = dbformat.decode_licence(licence[38:], items, Numbered(sets))
    except KeyError:
        raise Refused("a set of classes is missing") from None
    forms = [(FIELD[field], bytes.fromhex(form)) for field, form in words(fields)]
    matches, card = compare(facts, entry, licence, forms, lookup_key)
    own_day = lambda seconds: (seconds + facts.utc_offset) // 86400 + dbformat.stored_day("1970-01-01")
    verdict = dbformat.verdict(licence, day, own_day(facts.created), own_day(facts.valid_until) if facts.valid_until else None,
                               day, facts.history, [" ".join(c).encode() for c in words(classes)],
                               matches, dbformat.CARDS[card])
    return verdict, "presence"


class Numbered:
    """Sets by number, where dbformat wants a list from 1."""

    def __init__(self, sets):
        self.sets = sets

    def __getitem__(self, index):
        return self.sets[index + 1]


def main():
    authority = RSA.import_key(open(sys.argv[1], "rb").read())
    more = sys.argv[3:]
    at = more.pop(more.index("--at") + 1) if "--at" in more else None
    more = [word for word in more if word != "--at"]
    lookup_key = open(more[0], "rb").read() if more else None
    try:
        verdict, proved = check(open(sys.argv[2], encoding="utf-8", newline="").read(), authority, lookup_key, at)
    except (Refused, ValueError) as reason:
        print(f"proves nothing: {reason}", file=sys.stderr)
        return 2
    print(verdict, f"(proof of {proved})")
    return 0 if verdict == "VALID" else 1


if __name__ == "__main__":
    sys.exit(main())
