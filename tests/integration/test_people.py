"""Made-up people in seven scripts, each asked about with a spelling of one's own; and near misses.

PEOPLE says how many (make soak: a million). The variants are those that lib/text/MATCHING.md allows.
"""

import csv
import os
import random
import unicodedata

import pytest

COUNT = int(os.environ.get("PEOPLE", "20000"))
LETTERS = {
    "latin": "abcdefghijklmnoprstuvzéèüöäñçåøłšžąțğıőßæœ", "cyrillic": "абвгдежзиклмнопрстуфхцчшщыьэюяёїђ",
    "greek": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ", "devanagari": "अआकखगचजटडतदनपबभमयरलवशसह", "arabic": "ابتثجحخدرزسشصطعغفقكلمنهوي",
    "tamil": "அஆஇஈகஙசஞடணதநபமயரலவழளன", "han": "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"}
VOWELS = {"devanagari": "ािीुूेो", "tamil": "ாிீுூெே"}


def word(rng, script):
    letters, vowels = LETTERS[script], VOWELS.get(script, "")
    if script == "han":
        return "".join(rng.choices(letters, k=rng.randint(1, 2)))
    return "".join(rng.choice(letters) + (rng.choice(vowels) if vowels and rng.random() < 0.4 else "")
                   for _ in range(rng.randint(3, 8))).capitalize()


def person(rng, i):
    script = list(LETTERS)[i % len(LETTERS)]
    return {"name": " ".join(word(rng, script) for _ in range(rng.randint(2, 3))), "phone": f"9{i:09}",
            "birth_date": f"{rng.randint(1930, 2008)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}",
            "licence": f"GJ{i % 99:02}-{1980 + i % 45}{2 * i:07}", "status": "valid", "status_since": "2020-01-01",
            "valid_from": "2020-01-01", "valid_to": "2500-01-01"}


def other_name(rng, name):
    """The same name, written otherwise."""
    words = name.split(" ")
    rng.shuffle(words)
    text = rng.choice([" ", "  ", "-", ", ", ". ", " . "]).join(words)
    text = rng.choice([str.upper, str.lower, str.title, str])(text)
    return unicodedata.normalize(rng.choice(["NFC", "NFD", "NFKC", "NFKD"]), text)


def other_number(rng, number):
    plain = number.replace("-", "")
    cuts = set(rng.sample(range(1, len(plain)), rng.randint(0, 3)))
    text = "".join((rng.choice([" ", "-", "/", ".", "\u2011"]) if i in cuts else "") + c for i, c in enumerate(plain))
    text = text.lower() if rng.random() < 0.3 else text
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text) if rng.random() < 0.1 else text


def other_phone(rng, phone):
    return rng.choice([phone, f"{phone[:5]} {phone[5:]}", f"+91 {phone[:5]} {phone[5:]}", f"0{phone}", f"+91-{phone}"])


def another_name(rng, name):
    """Another name: one letter is another one of the same script, and no accent decides."""
    script = next(script for script, letters in LETTERS.items() if any(c in letters for c in name.lower()))
    plain = [c for c in LETTERS[script] if unicodedata.normalize("NFD", c) == c and c not in "aeouyiııßæœøłђьй"]
    places = [i for i, c in enumerate(name.lower()) if c in plain]
    if not places:
        return None
    i = rng.choice(places)
    return name[:i] + rng.choice([c for c in plain if c != name[i].lower()]) + name[i + 1:]


@pytest.fixture(scope="module")
def register(release, keys, tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    rng, lookup = random.Random(13), folder / "lookup.key"
    people = [person(rng, i) for i in range(COUNT)]
    lookup.write_bytes(bytes(range(32)))
    with open(folder / "people.csv", "w", newline="") as out:
        writer = csv.DictWriter(out, people[0])
        writer.writeheader()
        writer.writerows(people)
    release("dbgen", "--sign", keys.authority, "-o", folder / "l.db", "--lookup-key", lookup, "--fields", "name,phone,birth_date",
            "--calling-code", "91", "--national-digits", "10", folder / "people.csv", status=0, timeout=600)

    def ask(lines, *options):
        done = release("client", "--db", folder / "l.db", "--authority", keys.authority_pub, "--lookup-key", lookup,
                       "--exact", *options, "-", stdin="".join(lines), timeout=1200)
        assert done.err == "", done.err[:1000]
        return [line.split(" ", 1)[0] for line in done.out.splitlines()]
    return people, ask


def test_each_spelled_otherwise(register):
    people, ask = register
    rng = random.Random(1)
    lines = [f"{other_name(rng, p['name'])} {other_phone(rng, p['phone'])} {other_number(rng, p['licence'])}\n" for p in people]
    wrong = [line for line, verdict in zip(lines, ask(lines)) if verdict != "VALID"]
    assert not wrong, (len(wrong), wrong[:5])


def test_near_misses(register):
    """Another number is never VALID; another name only where 16 bits of its code are the same."""
    people, ask = register
    rng = random.Random(2)
    some = rng.sample(people, min(COUNT, 100000))
    numbers = [f"{p['name']} {p['phone']} {p['licence'][:-1]}{(int(p['licence'][-1]) + 1) % 10}\n" for p in some]
    assert set(ask(numbers)) == {"UNKNOWN"}
    names = [(another_name(rng, p["name"]), p) for p in some]
    verdicts = ask([f"{name} {p['phone']} {p['licence']}\n" for name, p in names if name])
    assert verdicts.count("MISMATCH") + verdicts.count("VALID") == len(verdicts) and verdicts.count("VALID") <= 7
