"""The matching form of lib/text against tools/matching.py, which was written from MATCHING.md alone."""

import pathlib
import random
import subprocess
import sys
import unicodedata

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import matching  # noqa: E402

FORMS = {"number": matching.number, "name": matching.name, "joined": lambda t: matching.name(t, "joined"),
         "plain": lambda t: matching.name(t, "plain"), "senior": lambda t: matching.name(t, drops_senior=True),
         "phone": matching.phone, "phone91": lambda t: matching.phone(t, "91", (10, 10)),
         "birth-date": matching.birth_date}
UNIT = ROOT / "build/unit/text"

# Python's tables may be older than those of lib/text, never newer; new characters are not compared.
OLDER = tuple(map(int, unicodedata.unidata_version.split("."))) < (15, 0, 0)


def forms_of_dlv(asked):
    text = "".join(f"{kind} {value.encode('utf-8', 'surrogatepass').hex()}\n" for kind, value in asked)
    lines = subprocess.run([UNIT, "--forms"], input=text.encode(), capture_output=True, check=True).stdout.decode()
    return [None if line.startswith("-") else bytes.fromhex(line).decode() for line in lines.splitlines()]


def form_of_python(kind, value):
    try:
        return FORMS[kind](value)
    except matching.Refused:
        return None


def compare(asked):
    got = forms_of_dlv(asked)
    assert len(got) == len(asked)
    wrong = [(kind, value, form, form_of_python(kind, value)) for (kind, value), form in zip(asked, got)
             if form != form_of_python(kind, value)]
    if OLDER:
        wrong = [row for row in wrong if all(unicodedata.category(c) != "Cn" for c in row[1])]
    assert not wrong, (len(wrong), wrong[:5])
    return got


def test_every_character():
    """Each character of Unicode by itself, and between two letters; of those that are none, every 16th."""
    characters = [chr(c) for c in range(0x20, 0x110000) if not 0xD800 <= c < 0xE000
                  and (c % 16 == 0 or unicodedata.category(chr(c)) not in ("Cn", "Co"))]
    compare([("number", c) for c in characters])
    compare([("name", f"b{c}a e") for c in characters])


def random_text(source):
    parts = ["aeo", "AEIOU ", " -'’.", "jr ii SR IV ", "ÄÖÜäöüßæœøłđ", "éèñçžşİı", "0123456789", "+()/ ", "e+.",
             "राकुमाी ं", "اأإآبةىیكک", "北京ｶﾞ", "가각한글가", "́̈̂", "\u200d\u00ad", "O'"]
    return "".join(source.choice(source.choice(parts)) for _ in range(source.randrange(1, 24)))


def test_random_texts():
    source = random.Random(13)
    asked = [(kind, random_text(source)) for _ in range(8_000) for kind in FORMS]
    got = compare(asked)
    assert sum(form is not None for form in got) > len(got) // 3


PHONES = ["098980 00417", "+91 98980-00417", "0091 9898000417", "919898000417", "9898000417", "+49 (0)170 1234567",
          "2.34E+09", "12", "1" * 21, "+91", "00", "(512) 555-0142", "९८९८०००४१७", "98980 00417 ext 3"]


def test_phones():
    got = compare([(kind, phone) for phone in PHONES for kind in ("phone", "phone91")])
    assert got[1:10:2] == ["9898000417"] * 5


SAME = [("name", "O'Brien Anne", "OBRIEN ANNE"), ("name", "O’Brien Anne", "ANNE O BRIEN"),
        ("name", "Müller Jörg", "MUELLER JOERG"), ("name", "Ødegård", "OEDEGAARD"), ("name", "José Núñez", "NUNEZ,JOSE"),
        ("name", "İpek Işık", "IPEK ISIK"), ("name", "S. Venkata Ramana", "VENKATARAMANA S"),
        ("name", "Maria Elena", "MARIAELENA"), ("name", "WINTERBOURNE JR", "Winterbourne"),
        ("number", "AB-12/345", "ab 12 345"), ("number", "ＡＢ１２", "AB12"), ("number", "१२३", "123")]
DIFFERENT = [("name", "Anna Lee", "Anne Lee"), ("name", "J Smith", "John Smith"), ("name", "राम", "रोम"),
             ("number", "0012345", "12345"), ("number", "O12", "012")]


@pytest.mark.parametrize("kind, one, other", SAME)
def test_same(kind, one, other):
    for stored, asked in ((one, other), (other, one)):
        readings = (kind,) if kind == "number" else ("name", "joined", "plain")
        assert forms_of_dlv([(kind, stored)])[0] in forms_of_dlv([(reading, asked) for reading in readings])


@pytest.mark.parametrize("kind, one, other", DIFFERENT)
def test_different(kind, one, other):
    readings = (kind,) if kind == "number" else ("name", "joined", "plain")
    assert forms_of_dlv([(kind, one)])[0] not in forms_of_dlv([(reading, other) for reading in readings])


@pytest.mark.parametrize("kind, text", [
    ("name", "NULL"), ("name", "\\N"), ("number", "#REF!"), ("number", "2.34E+09"), ("phone", "2.34E+09"),
    ("name", "Ren\uFFFDe"), ("name", "12345"), ("name", "..."), ("number", "--"), ("number", " null "), ("name", "n/a")])
def test_no_value(kind, text):
    assert compare([(kind, text)]) == [None]


def test_tables():
    subprocess.run([ROOT / "tools/unicode.py", "--check"], check=True)
