"""What scanners deliver: samples with their quirks (tests/cards), generated ones, and what holds no licence."""

import json
import random
import re

import pytest
from conftest import HEADER, ROOT, build, one_line

CARDS = ROOT / "tests/cards"
SAMPLES = [(folder, sample) for folder in ("aamva", "other")
           for sample in json.loads((CARDS / folder / "manifest.json").read_text())["samples"]]


def scan(dlv, text, status=0):
    return json.loads(dlv("scan", "--json", "-", stdin=text, status=status).out)


def first_word(text):
    """The value of a manifest, without its remark in brackets."""
    return text and re.sub(r" \(.*", "", text)


@pytest.mark.parametrize("folder,sample", SAMPLES, ids=[sample["file"] for _, sample in SAMPLES])
def test_samples(dlv, folder, sample):
    text = (CARDS / folder / sample["file"]).read_bytes()
    if sample["licence"] is None:
        found = scan(dlv, text, status=2)
        assert found["number"] is None and "holds no licence" in found["error"]
        return
    found = scan(dlv, text)
    given = " ".join(part for part in (sample["given"], sample.get("middle")) if part) or None
    wanted = {"number": first_word(sample["licence"]), "surname": first_word(sample["surname"]), "given": given,
              "birth_date": sample["birth_date"], "expiry": sample["expiry"], "error": None}
    assert {key: found[key] for key in wanted} == wanted
    kind = {"aamva": "pdf417"}.get(folder) or {"MRZ": "mrz", "Digi": "digilocker", "magn": "magstripe", "fiel": "typed"}[
        sample["kind"][:3] if sample["kind"].startswith("MRZ") else sample["kind"][:4]]
    assert found["kind"] == kind


def code(rng, year_first=False):
    """Elements of an invented licence, in any order, and what must be read from them."""
    word = lambda: "".join(rng.choice("ABEGIKLNOPRSTU") for _ in range(rng.randrange(3, 9)))
    day = lambda first, last: (rng.randrange(first, last), rng.randrange(1, 13), rng.randrange(1, 29))
    write = lambda d: (f"{d[0]}{d[1]:02}{d[2]:02}" if year_first else f"{d[1]:02}{d[2]:02}{d[0]}")
    birth, expiry = day(1930, 2009), day(2027, 2040)
    number, surname, first, middle = f"{rng.choice('ABC')}{rng.randrange(10**7, 10**8)}", word(), word(), word()
    elements = [f"DAQ{number}", f"DCS{surname}", f"DAC{first}", f"DAD{middle}", f"DBB{write(birth)}", f"DBA{write(expiry)}",
                f"DBD{write(day(2020, 2026))}", "DBC1", "DAJCA", "DCGCAN" if year_first else "DCGUSA", f"DAG{rng.randrange(999)} {word()} ST",
                f"DAI{word()}", "DCAC", "DCBNONE", "DAU070 IN", "DDEN"]
    rng.shuffle(elements)
    wanted = {"number": number, "surname": surname, "given": f"{first} {middle}", "error": None,
              "birth_date": "{}-{:02}-{:02}".format(*birth), "expiry": "{}-{:02}-{:02}".format(*expiry)}
    return elements, wanted


QUIRKS = {"as written": ("@\n\x1e\r", "\n", "\r"), "CR": ("@\r\x1e\r", "\r", ""), "CRLF": ("@\r\n", "\r\n", ""),
          "pipes": ("@||", "|", "|"), "C1": ("@\u0090\n", "\u0090\n\u0090", ""), "TAB": ("@\t", "\t", "\t"),
          "Enter": ("@Enter", "Enter", "Enter"), "letters": ("@J6M", "J", "M"), "no file separator": ("@\n", "\n", "6M"),
          "another keyboard": ("\"\n", "\n", "")}


@pytest.mark.parametrize("quirk", QUIRKS)
@pytest.mark.parametrize("year_first", [False, True])
def test_generated(dlv, quirk, year_first):
    rng = random.Random(f"{quirk}{year_first}")
    before, between, after = QUIRKS[quirk]
    for _ in range(12):
        elements, wanted = code(rng, year_first)
        # Offsets and lengths are declared wrong, or not at all.
        header = f"ANSI 6360{rng.randrange(10, 99)}{rng.choice(['08', '10', '03'])}0001DL{rng.choice(['00310255', 'abac', '00000000'])}"
        found = scan(dlv, before + header + "DL" + between.join(elements) + between + after)
        assert {key: found[key] for key in wanted} == wanted, (quirk, elements, found)
        assert bool(found["doubts"]) == (quirk == "another keyboard"), found


def test_lost_separators_are_doubted(dlv):
    rng = random.Random(5)
    for separator, doubt in ((" ", "blanks stand where lines ended"), ("", "the ends of lines were lost")):
        elements, wanted = code(rng)
        found = scan(dlv, "@ANSI 636014080001DL00310255DL" + separator.join(elements))
        assert found["number"] == wanted["number"] and any(doubt in text for text in found["doubts"]), found


def test_a_french_keyboard(dlv):
    """The header proves it; everything is translated, and said."""
    elements, wanted = code(random.Random(9))
    keys = {"A": "Q", "Q": "A", "W": "Z", "Z": "W", "M": "?", "1": "&", "2": "é", "3": '"', "4": "'", "5": "(",
                              "6": "-", "7": "è", "8": "_", "9": "ç", "0": "à"}
    typed = "".join(keys.get(c, c) for c in "ANSI 636014080001DL00310255DL" + "\n".join(elements) + "\n")
    found = scan(dlv, typed)
    assert {key: found[key] for key in wanted} == wanted and "French keyboard" in found["doubts"][0]


def check_digit(text):
    return str(sum((0 if c == "<" else int(c, 36)) * (7, 3, 1)[i % 3] for i, c in enumerate(text)) % 10)


def french(number="13AB00042", expiry="310228", name="DUBOIS<<"):
    line = f"D1FRA{number}"
    line += check_digit(line) + expiry + name
    return line + check_digit(line)


def test_machine_readable_lines(dlv):
    found = scan(dlv, french() + "\n")
    assert (found["number"], found["surname"], found["expiry"], found["issuer"]) == ("13AB00042", "DUBOIS", "2031-02-28", "FR")
    assert found["doubts"] == []
    # A letter where a digit stands is put right, or refused; another number is never made of it.
    line = french()
    for at, good in enumerate(line):
        for bad in "O0I1S5B8XQ7":
            if bad == good or at < 5:
                continue
            done = dlv("scan", "--json", line[:at] + bad + line[at + 1:])
            found = json.loads(done.out)
            assert found["number"] in (None, "13AB00042") or at in (7, 8), (at, bad, found)
    body = "D1NLD15094962111659VW87Z78NB8"
    assert scan(dlv, body + check_digit(body))["number"] == "5094962111"
    assert scan(dlv, (body + check_digit(body)).replace("1115", "IIIS5"[:4]))["number"] == "5094962111"
    assert "check digit" in scan(dlv, body.replace("5094", "5194") + check_digit(body), status=2)["error"]
    swiss = "AAA001D<<\nFACHE305142128097<<800126<<<<<\nMUSTER<<MARIE<JOSEPHINE<<<<<<<"
    found = scan(dlv, swiss)
    assert (found["number"], found["surname"], found["given"], found["birth_date"]) == (
        "305142128097", "MUSTER", "MARIE JOSEPHINE", "1980-01-26")
    for text in ("D1FRA", "D1BEL" + "0" * 25, french()[:-1]):
        assert scan(dlv, text, status=2)["number"] is None


@pytest.mark.parametrize("text,says", [
    ("mdoc:owBjMS4w", "ISO/IEC 18013-5"), ("openid4vp://?client_id=x1", "OpenID4VP"), ("mdoc-openid4vp://x1", "OpenID4VP"),
    ("HTTPS://example.org/1", "a web address"), ("in.gov.pan-PANCR-ABCDE1234F", "no driving licence"),
    ('<Certificate type="PANCR" number="1">', "no driving licence"), ("%CALOS ANGELES^DOE$J^?", "second track"),
    ("@\n\x1e\rANSI 636014080001ID00310255IDDAQ1\nDCSX\n", "not of a driving licence"),
    ("@\n\x1e\rANSI 636014080001DL00310255DLDCSX\nDACY\nDBB01011990\nDBA01012030\n", "no licence number"),
    ("hello", "neither"), ("", "nothing was scanned"), (" \r\n\t", "nothing was scanned"), ("x" * 41 + "1", "neither"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgN", "neither"), ("1" * 5000, "longer than")], ids=lambda text: text[:12])
def test_what_holds_no_licence(dlv, text, says):
    found = scan(dlv, text, status=2)
    assert says in found["error"] and found["number"] is None
    assert says in one_line(dlv("scan", "-", stdin=text))


def test_typed(dlv):
    for text, number, issuer in (("GJ05-1234", "GJ05-1234", None), (" 12 345 678\t\r\n", "12 345 678", None),
                                 ("morga 657054 sm9ij 35", "MORGA657054SM9IJ", "GB"), ("MORGA657054SM9IJ", "MORGA657054SM9IJ", "GB"),
                                 ("FOX99607154J99EW12", "FOX99607154J99EW", "GB"), ("12345Enter", "12345", None)):
        found = scan(dlv, text)
        assert (found["number"], found["issuer"], found["kind"]) == (number, issuer, "typed")
    assert "issue number" in scan(dlv, "MORGA657054SM9IJ35")["doubts"][0]


def test_text_and_usage(dlv):
    assert dlv("scan", "GJ05-1234", status=0).out == "card: number GJ05-1234 (typed)\n"
    assert dlv("scan", french(name="DUBOISSE"), status=0).out == (
        "card: number 13AB00042 of FR, DUBOISSE, expires 2031-02-28 (mrz)\ndoubt: the surname is cut after eight letters\n")
    assert "quote it" in one_line(dlv("scan", "GJ05", "1234"))


def test_asking_by_a_scan(dlv, release, keys, tmp_path):
    """The register's verdict and what the card says, side by side; where they differ it is said."""
    db = tmp_path / "l.db"
    build(release, keys, db, HEADER + "Marisol Theodora Quillfeather,,Y4471902,valid,2020-01-01,2030-06-30\n"
          "Somebody Else,,S90217743,valid,2015-01-01,2027-07-07\n", "--fields", "name", "--created", "2026-11-01T00:00:00Z")
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "--at", "2026-11-24"]
    text = (CARDS / "aamva/01-ca-v10-conformant.txt").read_text()
    for done in (dlv(*ask, "--scan", text, status=0), dlv(*ask, "--scan", "-", stdin=text, status=0)):
        lines = done.out.splitlines()
        assert lines[0].startswith("VALID ") and "the name is the same" in lines[0]
        assert lines[1].startswith("card: number Y4471902 of US-CA, MARISOL THEODORA QUILLFEATHER, born 1984-03-09, expires 2028-03-09")
        assert lines[2] == "note: the card expires 2028-03-09, and the register has 2030-06-30 as the last day"
    done = dlv(*ask, "--scan", (CARDS / "aamva/06-ma-pipes.txt").read_text(), status=1)
    assert done.out.startswith("MISMATCH ") and "the name differs" in done.out.splitlines()[0]
    assert "note:" not in done.out
    assert json.loads(dlv(*ask, "--json", "--scan", text, status=0).out)["number"] == "Y4471902"
    assert "holds no licence" in one_line(dlv(*ask, "--scan", "mdoc:abc1"))
    assert "--scan brings" in one_line(dlv(*ask, "--scan", text, "--number", "X1"))
    assert dlv(*ask, "--scan", "Y4471902", status=0).out.startswith("VALID ")
