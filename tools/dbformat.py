"""Database format 2, read and written from lib/db/FORMAT.md alone.

An implementation that shares no code with dlv: tests compare the two, and make_vectors.py produces
the golden database with it. Cryptography is PyCryptodome's.
"""

import dataclasses
import datetime
import hashlib
import hmac
import struct

import matching

from Cryptodome.Hash import SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

PAGE, HEAD, CHUNK = 4096, 8192, 1 << 20
MAGIC = b"dlv-db\r\n"
STATUS = ["", "valid", "suspended", "disqualified", "revoked", "surrendered", "deceased", "withheld"]
KINDS = ["licence", "document", "former", "legacy"]
FIELDS = ["", "name", "phone", "birth_date", "card"]
TAGS = ["", "name", "phone", "birth", "card"]
CARDS = ["", "former", "lost", "stolen"]
NO_START, NO_END, UNKNOWN = 262141, 262142, 262143
NO_GROUP = (UNKNOWN, UNKNOWN, 0)


def sha256(data):
    return hashlib.sha256(data).digest()


# --- digests --------------------------------------------------------------------------------------


def canonical_record(text):
    return " ".join(part for part in text.replace("\t", " ").split(" ") if part)


def record_digest(text):
    return sha256(canonical_record(text).encode())


def number_digest(text):
    return sha256(b"dlv:number:" + matching.number(text).encode())


def field_digest(field, digest, form):
    """The digest of a field in matching form, under the digest of a number."""
    return sha256(f"dlv:{TAGS[field]}:".encode() + digest[:16] + form.encode())[:16]


def keyed(lookup_key, data):
    return hmac.digest(lookup_key, data, "sha256") if lookup_key else data


def lookup_key_id(lookup_key):
    return hmac.digest(lookup_key, b"dlv:lookup-key-id", "sha256")


# --- days and sets of classes ----------------------------------------------------------------------


def stored_day(text):
    """Of "YYYY-MM-DD", or of NO_START, NO_END, UNKNOWN, which stay as they are."""
    if isinstance(text, int):
        return text
    return datetime.date.fromisoformat(text).toordinal() - datetime.date(1900, 1, 1).toordinal()


def day_text(stored):
    if stored >= NO_START:
        return {NO_START: "no start", NO_END: "no end", UNKNOWN: "unknown"}[stored]
    return datetime.date.fromordinal(stored + datetime.date(1900, 1, 1).toordinal()).isoformat()


def class_set(classes):
    """The text of {name: (is_provisional, {code, ...})}."""
    return b"\x1e".join(name + (b"\x02" if provisional else b"") + b"".join(b"\x1f" + c for c in sorted(codes))
                        for name, (provisional, codes) in sorted(classes.items()))


def read_class_set(text):
    out = {}
    for item in text.split(b"\x1e") if text else []:
        name, *codes = item.split(b"\x1f")
        out[name.rstrip(b"\x02")] = (name.endswith(b"\x02"), set(codes))
    return out


# --- licences ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Licence:
    """What is said about a licence. Days are stored days; sets are texts; statuses are numbers."""

    status: int = 1
    since: int = UNKNOWN
    until: int = NO_END
    groups: list = dataclasses.field(default_factory=list)         # (from, to, set)
    class_statuses: list = dataclasses.field(default_factory=list)  # (status, from, to, set)
    statuses: list = dataclasses.field(default_factory=list)        # (status, from, to)
    codes: list = dataclasses.field(default_factory=list)           # texts
    cards: list = dataclasses.field(default_factory=list)           # (state, check code)

    def sort(self):
        # Within the entry "no start" is the earliest and "no end" the latest day.
        def order(day):
            return -1 if day == NO_START else day
        self.groups = sorted(set(self.groups), key=lambda g: (g[2], order(g[0]), order(g[1])))
        self.class_statuses = sorted(set(self.class_statuses), key=lambda s: (order(s[1]), order(s[2]), s[0], s[3]))
        self.statuses = sorted(set(self.statuses), key=lambda s: (order(s[1]), order(s[2]), s[0]))
        self.codes = sorted(set(self.codes))
        self.cards = sorted(set(self.cards), key=lambda c: (c[1], c[0]))


def days(*values):
    return b"".join(value.to_bytes(3, "little") for value in values)


def item(kind, value):
    return struct.pack("<BH", kind, len(value)) + value


def encode_licence(licence, number_of):
    """The 16 bytes of terms, with the place of further terms zero, and the items."""
    licence.sort()
    numbered = [g for g in licence.groups if not g[2] or number_of(g[2])]
    texts = [g for g in licence.groups if g[2] and not number_of(g[2])]
    rest = b"".join(item(2, days(f, t) + s) for f, t, s in texts)
    rest += item(3, days(licence.until)) if licence.until != NO_END else b""
    rest += b"".join(item(4, bytes([s]) + days(f, t) + c) for s, f, t, c in licence.class_statuses)
    rest += b"".join(item(5, bytes([s]) + days(f, t)) for s, f, t in licence.statuses)
    rest += b"".join(item(6, c) for c in licence.codes)
    rest += b"".join(item(7, bytes([state]) + code) for state, code in licence.cards)
    more = bool(rest) or len(licence.groups) > 2
    in_entry = 1 if more else 2
    items = b"".join(item(1, days(f, t) + struct.pack("<H", number_of(s) if s else 0))
                     for f, t, s in numbered[in_entry:]) + rest
    value = licence.status << 2 | licence.since << 5 | more << 23
    for i in range(in_entry):
        group = numbered[i] if i < len(numbered) else None
        start, end, number = (group[0], group[1], number_of(group[2]) if group[2] else 0) if group else NO_GROUP
        value |= (start | end << 18 | number << 36) << (24 + 52 * i)
    return value.to_bytes(16, "little"), items


def decode_licence(terms, items, sets):
    value = int.from_bytes(terms, "little")
    out = Licence(value >> 2 & 7, value >> 5 & 0x3FFFF)
    more = value >> 23 & 1
    for i in range(1 if more else 2):
        group = value >> (24 + 52 * i)
        parts = (group & 0x3FFFF, group >> 18 & 0x3FFFF, group >> 36 & 0xFFFF)
        if parts != NO_GROUP:
            out.groups.append((parts[0], parts[1], sets[parts[2] - 1] if parts[2] else b""))
    while items:
        kind, length = struct.unpack_from("<BH", items)
        value, items = items[3:3 + length], items[3 + length:]
        day = lambda at: int.from_bytes(value[at:at + 3], "little")
        if kind == 1:
            number = struct.unpack_from("<H", value, 6)[0]
            out.groups.append((day(0), day(3), sets[number - 1] if number else b""))
        elif kind == 2:
            out.groups.append((day(0), day(3), value[6:]))
        elif kind == 3:
            out.until = day(0)
        elif kind == 4:
            out.class_statuses.append((value[0], day(1), day(4), value[7:]))
        elif kind == 5:
            out.statuses.append((value[0], day(1), day(4)))
        elif kind == 6:
            out.codes.append(value)
        elif kind == 7:
            out.cards.append((value[0], value[1:]))
        else:
            raise ValueError(kind)
    return out


# --- verdicts -----------------------------------------------------------------------------------------

SEVERITY = {"REVOKED": 3, "SUSPENDED": 2, "VALID": 1}


def status_verdict(status):
    return {"valid": "VALID", "suspended": "SUSPENDED", "disqualified": "SUSPENDED"}.get(STATUS[status], "REVOKED")


def order_of(day):
    return -1 if day == NO_START else day


def holds(start, end, day):
    return order_of(start) <= day <= end


def verdict(licence, day, created, until, today, history=None, classes=(), matches=(), card=""):
    """The table of FORMAT.md. Days are stored days; matches are "same", "differs" and so on; card is "" or a state."""
    if licence.status == 7 or (history is not None and day < history) or (until is not None and day > max(until, today)):
        return "NOT_COVERED"
    since = created if licence.since == UNKNOWN else licence.since
    found = [s for s, f, t in [(licence.status, since, licence.until), *licence.statuses] if holds(f, t, day)]
    if not found and day > licence.until:
        found = [1]
    if not found:
        return "NOT_COVERED"
    of_classes = [s for s, f, t, c in licence.class_statuses if holds(f, t, day) and set(read_class_set(c)) & set(classes)]
    worst = max((status_verdict(s) for s in found + of_classes), key=SEVERITY.get)
    if worst != "VALID":
        return worst
    if not licence.groups:
        return "NOT_COVERED"
    held = [g for g in licence.groups if holds(g[0], g[1], day)]
    if not held:
        return "EXPIRED" if any(day > g[1] for g in licence.groups) else "NOT_YET_VALID"
    if classes and not any(g[2] for g in licence.groups):
        return "NOT_COVERED"
    for name in classes:
        if not any(name in read_class_set(g[2]) and not read_class_set(g[2])[name][0] for g in held):
            return "NOT_ENTITLED"
    return "REPLACED" if card else "MISMATCH" if "differs" in matches else "VALID"


# --- Merkle trees ---------------------------------------------------------------------------------------


def merkle_levels(leaves):
    """All levels, leaves first; an odd last node moves up as it is."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([sha256(b"\x01" + below[i] + below[i + 1]) if i + 1 < len(below) else below[i]
                       for i in range(0, len(below), 2)])
    return levels


def merkle_root_recursive(leaves):
    """RFC 9162, section 2.1.1, by its own definition."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = merkle_root_recursive(leaves[:split]), merkle_root_recursive(leaves[split:])
    return sha256(b"\x01" + left + right)


def leaf(entry, items):
    if items:
        value = int.from_bytes(entry[38:], "little") & ((1 << 76) - 1)
        entry = entry[:38] + value.to_bytes(16, "little")
    return sha256(b"\x00" + entry + items)


def held_level(count):
    """The level of the nodes at which proofs of the protocol end."""
    height = len(merkle_levels([b""] * count)) - 1 if count < 4096 else (count - 1).bit_length()
    return min(max(height - 8, 4), height)


def proof_nodes(levels, indices, top):
    """The nodes beside the paths of some leaves, up to below a level."""
    nodes, indices = [], sorted(set(indices))
    for level in levels[:top]:
        nodes += [level[i ^ 1] for i in indices if i ^ 1 < len(level) and i ^ 1 not in indices]
        indices = sorted({i // 2 for i in indices})
    return nodes


# --- writing --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Entry:
    """An entry before it is written: `digest` is what is looked up; a dependent one names its licence's digest."""

    digest: bytes
    licence: Licence = None
    kind: str = "licence"
    of: bytes = b""
    forms: dict = dataclasses.field(default_factory=dict)  # {number of the field: matching form}


def check_codes(fields, digest, forms, lookup_key):
    length = 6 // len(fields) if fields else 0
    out = b""
    for field in fields:
        code = bytes(length)
        if field in forms:
            code = keyed(lookup_key, field_digest(field, digest, forms[field]))[:length]
            code = code if any(code) else bytes(length - 1) + b"\x01"
        out += code
    return out.ljust(6, b"\0")


@dataclasses.dataclass
class Facts:
    sequence: int = 1
    created: int = 0
    valid_until: int = 0
    utc_offset: int = 0
    name: str = "licences"
    fields: tuple = (1,)
    history: int = None
    coverage: str = ""
    patterns: str = ""
    calling_code: str = ""
    national: tuple = (0, 0)
    predecessor: bytes = bytes(32)
    is_test: bool = False
    has_legacy: bool = False
    drops_senior: bool = False


def dictionary_of(entries):
    """The sets in use, as the dictionary has them; those beyond 65,535 in the order of entries stay out."""
    met = {}
    for _, entry in entries:
        for *_, text in sorted(entry.licence.groups, key=lambda g: g[2]) if entry.licence else ():
            if text and len(met) < 65535:
                met.setdefault(text)
    return sorted(met)


def build(entries, authority, facts, lookup_key=None):
    """The bytes of a database, signed with a PyCryptodome RSA key."""
    entries = sorted(((keyed(lookup_key, e.digest), e) for e in entries), key=lambda pair: pair[0])
    count = len(entries)
    assert len({key for key, _ in entries}) == count
    sets = dictionary_of(entries)
    numbers = {text: i + 1 for i, text in enumerate(sets)}
    raw, leaves, further, longest = [], [], b"", 0
    for key, entry in entries:
        codes = check_codes(facts.fields, entry.digest, entry.forms, lookup_key)
        items = b""
        if entry.kind == "licence":
            terms, items = encode_licence(entry.licence, lambda text: numbers.get(text, 0))
            if items:
                value = int.from_bytes(terms, "little") | len(further) // 8 << 76
                terms = value.to_bytes(16, "little")
                record = struct.pack("<H", len(items)) + items
                further += record + bytes(-len(record) % 8)
                longest = max(longest, len(items))
        else:
            terms = bytes([KINDS.index(entry.kind)]) + keyed(lookup_key, entry.of)[:15]
        raw.append(key + codes + terms)
        leaves.append(leaf(raw[-1], items))
    bits = 0
    while 2 << bits < count:
        bits += 1
    fanout, at = [], 0
    for bucket in range(1 << bits):
        while at < count and int.from_bytes(raw[at][:4], "big") >> (32 - bits) < bucket:
            at += 1
        fanout.append(at)
    fanout.append(count)
    levels = merkle_levels(leaves)
    assert levels[-1][0] == merkle_root_recursive(leaves)
    # Levels 4 and up; a tree lower than that has its root there all the same.
    stored = levels[4:] or [levels[-1]]
    ends = [0]
    for text in sets:
        ends.append(ends[-1] + len(text))
    dictionary = struct.pack("<I", len(sets)) + b"".join(struct.pack("<I", end) for end in ends) + b"".join(sets)
    sections = [b"".join(raw), b"".join(struct.pack("<I", f) for f in fanout),
                b"".join(node for level in stored for node in level), further, dictionary]
    body = b"".join(section + bytes(-len(section) % PAGE) for section in sections)
    sections.append(b"".join(sha256(body[i:i + CHUNK]) for i in range(0, len(body), CHUNK)))
    body += sections[-1] + bytes(-len(sections[-1]) % PAGE)

    header = bytearray(PAGE)
    flags = bool(lookup_key) | facts.is_test << 1 | facts.has_legacy << 2 | facts.drops_senior << 3
    struct.pack_into("<8sIIQQqqiII", header, 0, MAGIC, 2, flags, count, facts.sequence, facts.created,
                     facts.valid_until, facts.utc_offset, bits, 0xFFFFFFFF if facts.history is None else facts.history)
    struct.pack_into("<HBB", header, 60, 1, 15, 0)
    authority_id = sha256(authority.public_key().export_key("DER"))
    dictionary_root = merkle_levels([sha256(b"\0" + text) for text in sets])[-1][0] if sets else sha256(b"")
    for place, value in ((64, authority_id), (96, lookup_key_id(lookup_key) if lookup_key else bytes(32)),
                         (128, levels[-1][0]), (160, facts.predecessor), (192, dictionary_root),
                         (224, sha256(sections[-1])), (256, bytes(facts.fields)), (260, facts.calling_code.encode()),
                         (264, bytes(facts.national)), (368, facts.name.encode()), (1024, facts.coverage.encode()),
                         (2048, facts.patterns.encode())):
        header[place:place + len(value)] = value
    struct.pack_into("<HI", header, 266, longest, len(sets))
    offset = HEAD
    for i, section in enumerate(sections):
        struct.pack_into("<QQ", header, 272 + 16 * i, offset, len(section))
        offset += len(section) + -len(section) % PAGE
    signature = pkcs1_15.new(authority).sign(SHA256.new(bytes(header)))
    signatures = bytearray(PAGE)
    struct.pack_into("<I", signatures, 0, 1)
    struct.pack_into("<32sI", signatures, 64, authority_id, len(signature))
    signatures[128:128 + len(signature)] = signature
    return bytes(header) + bytes(signatures) + body


# --- reading ----------------------------------------------------------------------------------------------


def read_header(data, authority=None):
    """The facts of a header page; checks the signature where the authority's key is given."""
    fields = struct.unpack_from("<8sIIQQqqiII", data, 0)
    assert fields[0] == MAGIC and fields[1] == 2 and data[60:64] == b"\x01\0\x0f\0"
    text = lambda at, size: data[at:at + size].rstrip(b"\0").decode()
    facts = Facts(sequence=fields[4], created=fields[5], valid_until=fields[6], utc_offset=fields[7],
                  name=text(368, 64), fields=tuple(f for f in data[256:259] if f),
                  history=None if fields[9] == 0xFFFFFFFF else fields[9], coverage=text(1024, 1024),
                  patterns=text(2048, 1024), calling_code=text(260, 4), national=tuple(data[264:266]),
                  predecessor=data[160:192], is_test=bool(fields[2] & 2), has_legacy=bool(fields[2] & 4),
                  drops_senior=bool(fields[2] & 8))
    if authority is not None:
        assert data[64:96] == sha256(authority.public_key().export_key("DER"))
        count, = struct.unpack_from("<I", data, PAGE)
        for i in range(count):
            key, length = struct.unpack_from("<32sI", data, PAGE + 64 + 576 * i)
            if key == data[64:96]:
                start = PAGE + 64 + 576 * i + 64
                pkcs1_15.new(authority).verify(SHA256.new(data[:PAGE]), data[start:start + length])
                break
        else:
            raise ValueError("no signature of the authority")
    return facts


def read_dictionary(data):
    count, = struct.unpack_from("<I", data)
    ends = struct.unpack_from(f"<{count + 1}I", data, 4)
    texts = data[4 + 4 * (count + 1):]
    return [texts[ends[i]:ends[i + 1]] for i in range(count)]


class Database:
    """A reader: checks the signature and every digest, then finds entries by plain binary search."""

    def __init__(self, path, authority, lookup_key=None):
        data = open(path, "rb").read()
        self.data, self.lookup_key = data, lookup_key
        self.facts = read_header(data, authority)
        self.count, = struct.unpack_from("<Q", data, 16)
        self.places = [struct.unpack_from("<QQ", data, 272 + 16 * i) for i in range(6)]
        self.sections = [data[offset:offset + length] for offset, length in self.places]
        self.chunk_digests = [sha256(data[i:min(i + CHUNK, self.places[5][0])])
                              for i in range(HEAD, self.places[5][0], CHUNK)]
        assert b"".join(self.chunk_digests) == self.sections[5] and sha256(self.sections[5]) == data[224:256]
        self.sets = read_dictionary(self.sections[4])
        self.root, self.head, self.id = data[128:160], data[:HEAD], sha256(data[:PAGE])
        self.levels = merkle_levels([leaf(self.entry(i), self.items(i)) for i in range(self.count)])
        assert self.levels[-1][0] == self.root

    def entry(self, i):
        return self.sections[0][54 * i:54 * i + 54]

    def key(self, i):
        return self.entry(i)[:32]

    def kind(self, i):
        return KINDS[self.entry(i)[38] & 3]

    def items(self, i):
        value = int.from_bytes(self.entry(i)[38:], "little")
        if value & 3 or not value >> 23 & 1:
            return b""
        at = (value >> 76) * 8
        length, = struct.unpack_from("<H", self.sections[3], at)
        return self.sections[3][at + 2:at + 2 + length]

    def licence(self, i):
        return decode_licence(self.entry(i)[38:], self.items(i), self.sets)

    def place(self, stored_key):
        """Where it stands, or would stand."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.key(middle) < stored_key else (low, middle)
        return low

    def find(self, digest):
        """The index of the entry of a digest, or None."""
        stored = keyed(self.lookup_key, digest)
        at = self.place(stored)
        return at if at < self.count and self.key(at) == stored else None

    def licence_of(self, i):
        """The index of the licence that an entry depends on; of a licence itself."""
        return i if self.kind(i) == "licence" else self.place(self.entry(i)[39:54])

    def matches(self, i, forms):
        """What comparing field digests [(field, digest), ...] with the codes of an entry comes to, by field."""
        out, length = {}, 6 // len(self.facts.fields) if self.facts.fields else 0
        for field, digest in forms:
            if field not in self.facts.fields:
                out[field] = "not kept"
                continue
            at = 32 + length * self.facts.fields.index(field)
            own = self.entry(i)[at:at + length]
            code = keyed(self.lookup_key, digest)[:length]
            code = code if any(code) else bytes(length - 1) + b"\x01"
            if not any(own):
                out[field] = "not on file"
            elif out.get(field) != "same":
                out[field] = "same" if own == code else "differs"
        return out

    def card_state(self, i, forms):
        codes = [keyed(self.lookup_key, digest) for field, digest in forms if field == 4]
        return max((state for state, code in self.licence(i).cards if codes and codes[0].startswith(code)), default=0)


def loose(database):
    """(key, codes, terms, items) of each entry, the place of its further terms cleared."""
    out = []
    for i in range(database.count):
        entry, items = database.entry(i), database.items(i)
        value = int.from_bytes(entry[38:], "little")
        out.append((entry[:32], entry[32:38], value & (1 << 76) - 1 if items else value, items))
    return out


def renumber(terms, items, numbers):
    """The terms and items of an entry with other numbers of sets."""
    if terms & 3:
        return terms, items
    for at in (60, 112) if not terms >> 23 & 1 else (60,):
        terms = terms & ~(0xFFFF << at) | numbers[terms >> at & 0xFFFF] << at
    out, at = b"", 0
    while at < len(items):
        length, = struct.unpack_from("<H", items, at + 1)
        value = items[at + 3:at + 3 + length]
        if items[at] == 1:
            value = value[:6] + struct.pack("<H", numbers[struct.unpack_from("<H", value, 6)[0]])
        out += items[at:at + 3] + value
        at += 3 + length
    return terms, out


def read_changes(data):
    """(id and number of the release before, head of the one after, its dictionary or None, records) of a list."""
    magic, version, zero, before, number, dictionary, records, digest = struct.unpack_from("<8sII32sQQQ32s", data)
    assert magic == b"dlv-ch\r\n" and version == 1 and zero == 0 and not any(data[104:PAGE])
    assert len(data) == PAGE + HEAD + dictionary + records and digest == sha256(data[PAGE:])
    at = PAGE + HEAD + dictionary
    return before, number, data[PAGE:PAGE + HEAD], data[PAGE + HEAD:at] if dictionary else None, data[at:]


def make_changes(before, after, items_of=lambda items: items):
    """A list that leads from one release to another, whatever these are: all entries go, and all others come."""
    records = b"\0\1" * before.count
    for key, codes, terms, items in loose(after):
        items = items_of(items)
        terms |= bool(items) << 23 if not terms & 3 else 0
        records += b"\0\3" + key + codes + terms.to_bytes(16, "little") + (struct.pack("<H", len(items)) + items if items else b"")
    rest = after.head + after.sections[4] + records
    page = struct.pack("<8sII32sQQQ32s", b"dlv-ch\r\n", 1, 0, before.id, before.facts.sequence, len(after.sections[4]), len(records),
                       sha256(rest))
    return page.ljust(PAGE, b"\0") + rest


def apply_changes(database, data):
    """The entries, as `loose` gives them, of the release that a list leads to."""
    before, number, _, dictionary, records = read_changes(data)
    assert before == database.id and number == database.facts.sequence
    sets = read_dictionary(dictionary) if dictionary else database.sets
    numbers = [0] + [sets.index(text) + 1 if text in sets else 0 for text in database.sets]
    old = [(key, codes, *renumber(terms, items, numbers)) for key, codes, terms, items in loose(database)]
    out, next_old, at = [], 0, 0
    while at < len(records):
        kept = shift = 0
        while True:
            byte = records[at]
            kept |= (byte & 0x7f) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        kind, at = records[at], at + 1
        out += old[next_old:next_old + kept]
        next_old += kept
        key = old[next_old][0] if kind == 2 else b""
        next_old += kind != 3
        if kind == 1:
            continue
        if kind == 3:
            key, at = records[at:at + 32], at + 32
        codes, terms, at, items = records[at:at + 6], int.from_bytes(records[at + 6:at + 22], "little"), at + 22, b""
        if not terms & 3 and terms >> 23 & 1:
            length, = struct.unpack_from("<H", records, at)
            items, at = records[at + 2:at + 2 + length], at + 2 + length
        out.append((key, codes, terms, items))
    return out + old[next_old:]


def load_key(path):
    return RSA.import_key(open(path, "rb").read())
