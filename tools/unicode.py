#!/usr/bin/python3
"""Writes lib/text/tables.c and tables_sizes.h from the Unicode character database (Debian's package unicode-data).

    tools/unicode.py [--check]

--check writes nothing and fails where the file is not what would be written.

What each character becomes is computed here, once and for all: canonical decomposition, marks dropped, full case
folding, decomposed again, and the few letters of lib/text/MATCHING.md. So the program needs one look-up a character.
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
UCD = pathlib.Path("/usr/share/unicode")
TARGET = ROOT / "lib/text"

# --- the database ---------------------------------------------------------------------------------


def fields(name):
    for line in (UCD / name).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            yield [field.strip() for field in line.split(";")]


def code_points(text):
    first, _, last = text.partition("..")
    return range(int(first, 16), int(last or first, 16) + 1)


def read_property(name, wanted):
    return {c for row in fields(name) if row[1] == wanted for c in code_points(row[0])}


class Database:
    def __init__(self):
        self.category, self.ccc, self.decomposition, self.digit, self.wide = {}, {}, {}, {}, {}
        first = None
        for row in fields("UnicodeData.txt"):
            c = int(row[0], 16)
            points = range(first, c + 1) if row[1].endswith(", Last>") else [c]
            first = c
            for point in points:
                self.category[point] = row[2]
                if row[3] != "0":
                    self.ccc[point] = int(row[3])
                if row[2] == "Nd":
                    self.digit[point] = int(row[6])
            if row[5] and not row[5].startswith("<"):
                self.decomposition[c] = [int(part, 16) for part in row[5].split()]
            if row[5].startswith("<wide>") or row[5].startswith("<narrow>"):
                self.wide[c] = [int(part, 16) for part in row[5].split()[1:]]
        self.folding = {int(row[0], 16): [int(part, 16) for part in row[2].split()]
                        for row in fields("CaseFolding.txt") if row[1] in "CF"}
        self.ignorable = read_property("DerivedCoreProperties.txt", "Default_Ignorable_Code_Point")
        self.version = re.search(r"DerivedAge-([0-9.]+)\.txt", (UCD / "DerivedAge.txt").read_text()).group(1)


# --- the rule -------------------------------------------------------------------------------------

HANGUL = range(0xAC00, 0xD7A4)
COMBINING = set(range(0x0300, 0x0370))
POINTS = {c for first, last in [
    (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7),  # Hebrew
    (0x0610, 0x061A), (0x0640, 0x0640), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC),  # Arabic, and tatweel
    (0x06DF, 0x06E4), (0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x08D3, 0x08E1), (0x08E3, 0x08FF)]
    for c in range(first, last + 1)}
APOSTROPHES = {0x0027, 0x0060, 0x00B4, 0x02B9, 0x02BB, 0x02BC, 0x02BD, 0x02BE, 0x02BF, 0x02C8, 0x02CA, 0x02CB, 0x055A,
               0x05F3, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032, 0x2035, 0xA78B, 0xA78C, 0xFF07}
ONE_FORM = {0x0131: 0x69, 0x06A9: 0x0643, 0x06CC: 0x064A, 0x0649: 0x064A, 0x0629: 0x0647}


class Rule:
    def __init__(self, database):
        self.database = database

    def decompose(self, c):
        if c in HANGUL:
            index = c - 0xAC00
            tail = index % 28
            return [0x1100 + index // 588, 0x1161 + index % 588 // 28] + ([0x11A7 + tail] if tail else [])
        parts = self.database.decomposition.get(c)
        return [c] if parts is None else [d for part in parts for d in self.decompose(part)]

    def is_dropped(self, c):
        return c in COMBINING or c in POINTS or c in APOSTROPHES or c in self.database.ignorable

    def fold(self, c):
        """What one character becomes: a list of code points, before canonical ordering."""
        database, out = self.database, []
        for part in self.decompose(c):
            if self.is_dropped(part):
                continue
            for wide in database.wide.get(part, [part]):
                for folded in database.folding.get(wide, [wide]):
                    out += self.decompose(folded)
        out = [ONE_FORM.get(d, 0x30 + database.digit[d] if d in database.digit else d) for d in out]
        return [d for d in out if not self.is_dropped(d)]

    def stays(self, c):
        """Letters, their marks, and decimal digits; all else sets words apart."""
        return self.database.category.get(c, "Cn")[0] in "LM" or c in self.database.digit


# --- the tables -----------------------------------------------------------------------------------

OTHER, LETTER, MARK, UNASSIGNED = range(4)
SEQUENCE = 1 << 23  # a target with this bit is an index into the sequences
SEQUENCE_LEN = 20   # ... and its length is in the bits from here on


def class_of(database, c):
    category = database.category.get(c, "Cn")
    if category in ("Cn", "Cs", "Co"):
        return UNASSIGNED
    return {"L": LETTER, "M": MARK}.get(category[0], LETTER if category == "Nd" else OTHER)


def runs_of(value_of, last=0x110000):
    """(first, value) wherever the value changes."""
    runs = []
    for c in range(last):
        value = value_of(c)
        if not runs or runs[-1][1] != value:
            runs.append((c, value))
    return runs


class Mapping:
    """Ranges of characters that change. A range is all one offset, or has its own targets."""

    def __init__(self, rule):
        self.sequences, self.places = [], {}
        self.ranges, self.targets = [], []
        changed = [(c, self.target(rule.fold(c))) for c in range(0x110000)
                   if c not in HANGUL and c in rule.database.category and rule.fold(c) != [c]
                   and not (0xE0000 <= c < 0xE1000)]
        at = 0
        while at < len(changed):
            at = self.take(changed, at)

    def target(self, out):
        if len(out) == 1:
            return out[0]
        key = tuple(out)
        if key not in self.places:
            self.places[key] = len(self.sequences)
            self.sequences += out
        assert self.places[key] < 1 << SEQUENCE_LEN and len(out) < 8
        return SEQUENCE | len(out) << SEQUENCE_LEN | self.places[key]

    def take(self, changed, at):
        """The longest range with one offset where that is at least three long, else a range of targets."""
        best = 0
        for step in (1, 2):
            end = self.offset_end(changed, at, step)
            if end - at > best:
                best, best_step = end - at, step
        if best >= 3:
            c, target = changed[at]
            self.ranges.append((c, changed[at + best - 1][0], best_step, target - c))
            return at + best
        end = at + 1
        while (end < len(changed) and changed[end][0] <= changed[end - 1][0] + 3
               and max(self.offset_end(changed, end, s) for s in (1, 2)) - end < 6):
            end += 1
        first, last = changed[at][0], changed[end - 1][0]
        own = dict(changed[at:end])
        self.ranges.append((first, last, 0, len(self.targets)))
        self.targets += [own.get(c, c) for c in range(first, last + 1)]
        return end

    @staticmethod
    def offset_end(changed, at, step):
        end = at + 1
        if changed[at][1] >= SEQUENCE:
            return end
        while (end < len(changed) and changed[end][0] == changed[end - 1][0] + step
               and changed[end][1] < SEQUENCE and changed[end][1] - changed[end][0] == changed[at][1] - changed[at][0]):
            end += 1
        return end


def planes(words):
    """The lowest bytes of all words, then the second lowest ones, and so on, each as its difference from the one before:
    a third of the size when it is compressed. lib/text/tables_unpack.c puts the words together."""
    data = bytes(word >> 8 * plane & 255 for plane in range(4) for word in words)
    return [(byte - before) & 255 for before, byte in zip(b"\0" + data, data)]


def lines_of(values, columns):
    lines, line = [], "   "
    for value in values:
        text = f" {value},"
        if len(line) + len(text) > columns:
            lines.append(line)
            line = "   "
        line += text
    return "\n".join([*lines, line]) + "\n"


def write(database, rule):
    mapping = Mapping(rule)
    classes = runs_of(lambda c: class_of(database, c))
    orders = runs_of(lambda c: 0 if rule.is_dropped(c) or rule.fold(c) != [c] else database.ccc.get(c, 0), 0x20000)
    major, minor, patch = (database.version.split(".") + ["0", "0"])[:3]
    head = f"""/* Written by tools/unicode.py from the Unicode character database {major}.{minor}.{patch}.
 * Copyright of the data: 1991-2022 Unicode, Inc. (Unicode License, www.unicode.org/terms_of_use). */
"""
    counts = {"classes": len(classes), "orders": len(orders), "ranges": len(mapping.ranges), "targets": len(mapping.targets),
              "sequences": len(mapping.sequences)}
    words = [c | value << 24 for c, value in classes + orders]  # in the order of struct text_tables
    words += [first | step << 24 for first, _, step, _ in mapping.ranges]
    words += [last for _, last, _, _ in mapping.ranges]
    words += [offset & 0xFFFFFFFF for _, _, _, offset in mapping.ranges]
    words += mapping.targets + mapping.sequences
    sizes = head + "#ifndef DLV_TEXT_TABLES_SIZES_H\n#define DLV_TEXT_TABLES_SIZES_H\n\n"
    sizes += f"#define TEXT_UNICODE_MAJOR {major}\n#define TEXT_UNICODE_MINOR {minor}\n"
    sizes += "".join(f"#define TEXT_{name.upper()}_COUNT {count}\n" for name, count in counts.items()) + "\n#endif\n"
    text = head + "#include \"text/tables.h\"\n\n/* clang-format off */\nconst uint8_t text_tables_source[sizeof(struct text_tables)] = {\n"
    text += lines_of(planes(words), 98) + "};\n"
    return {"tables.c": text, "tables_sizes.h": sizes}, 4 * len(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    database = Database()
    files, size = write(database, Rule(database))
    for name, text in files.items():
        target = TARGET / name
        if not arguments.check:
            target.write_text(text)
        elif target.read_text() != text:
            sys.exit(f"{target.relative_to(ROOT)} is not what tools/unicode.py writes")
    print(f"{TARGET.relative_to(ROOT)}: Unicode {database.version}, {size} bytes")


if __name__ == "__main__":
    main()
