"""Offline questions: verdicts, fields, classes, days, hints, formats, exit status."""

import json

import pytest
from conftest import DOCUMENT, GOLDEN, HEADER, SMALL, VECTORS, build, one_line

DB = ["client", "--db", VECTORS / "golden.db", *GOLDEN]
KEYED = ["client", "--db", VECTORS / "golden_keyed.db", *GOLDEN, "--lookup-key", VECTORS / "golden_lookup.key"]
AT = ["--at", "2026-11-24"]
SOURCE = "(for 2026-11-24; golden.db#7 of 2026-11-24)\n"


@pytest.fixture(scope="module")
def gujarat(release, keys, tmp_path_factory):
    """A register that says what its numbers look like."""
    path = tmp_path_factory.mktemp("gj") / "gj.db"
    rows = "Asha Patel,9800000001,GJ05-2034567,valid,2020-01-01,2090-01-01\nRavi,9800000002,GJ06-0000042,valid,2020-01-01,2090-01-01\n"
    build(release, keys, path, HEADER + rows, "--covers", "GJ", "--number-pattern", "@@##-#{7}", "--name", "gujarat")
    return ["client", "--db", path, "--authority", keys.authority_pub]


@pytest.mark.parametrize("base", [DB, KEYED], ids=["plain", "keyed"])
def test_verdicts(dlv, base, tmp_path):
    for number, word in (("gj05 1234", "VALID"), ("GJ01-20110012345", "NOT_YET_VALID"),
                         ("mh1220190054321", "SUSPENDED"), ("DL03-2008-7654321", "REVOKED"), ("PB 10/7", "REVOKED"),
                         ("KA05 1999 1", "EXPIRED"), ("GJ9", "UNKNOWN"), ("4 9417 KOCHI", "VALID")):
        done = dlv(*base, *AT, "--number", number, status=0 if word == "VALID" else 1)
        assert done.out.split()[0] == word and done.out.count("\n") == 1 and done.err == ""
    document = tmp_path / "licence.pdf"
    document.write_bytes(DOCUMENT)
    assert dlv(*base, *AT, "--document", document, status=0).out.startswith("VALID ")
    assert dlv(*base, *AT, "--document", "-", stdin=document.read_bytes(), status=0).out
    assert dlv(*base, *AT, "--document", "-", stdin=b"x", status=1).out.startswith("UNKNOWN ")


@pytest.mark.parametrize("number, options, word, says", [
    ("GJ05-1234", ["--name", "PATEL, Ramesh"], "VALID", "the name is the same"),
    ("GJ05-1234", ["--name", "Rames Patel"], "MISMATCH", "the licence itself is VALID; LMV, MCWG from"),
    ("GJ05-1234", ["--phone", "+91 23445 67890", "--name", "patel ramesh"], "VALID", "the phone is the same"),
    ("GJ05-1234", ["--phone", "9344567890"], "MISMATCH", "the phone differs"),
    ("GJ05-1234", ["--birth-date", "1990-01-31"], "VALID", "the birth date is not one that this register keeps"),
    ("GJ01 20110012345", ["--card", "X1"], "NOT_YET_VALID", "the card is not on file"),
    ("GJ05-1234", ["--card", "c1"], "VALID", "the card is the same"),
    ("KL0720200000042", ["--card", "K1"], "REPLACED", "the card is a lost one"),
    ("KL0720200000042", ["--class", "LMV"], "VALID", "C1E from 2024-01-01"),
    ("KL0720200000042", ["--class", "LMV,C1E"], "VALID", "D (provisional) from 2025-01-01"),
    ("KL0720200000042", ["--class", "LMV,D"], "NOT_ENTITLED", "class D is only provisionally held; the licence itself is VALID"),
    ("KL0720200000042", ["--class", "HMV"], "NOT_ENTITLED", "class HMV is never held"),
    ("KL0720200000042", ["--class", "TRANS"], "SUSPENDED", "disqualified since 2026-01-01 until 2026-12-31 for class TRANS"),
    ("GJ05-1234", ["--class", "HMV", "--name", "x"], "NOT_ENTITLED", "the name differs"),
    ("4/9417/kochi", ["--name", "Nair Meera"], "VALID", "asked by a former number; "),
    ("MH12 20190054321", [], "SUSPENDED", "suspended since 2024-05-01 until 2027-04-30"),
    ("PB10-7", [], "REVOKED", "surrendered"),
])
def test_fields_and_classes(dlv, number, options, word, says):
    done = dlv(*KEYED, *AT, "--number", number, *options, status=0 if word == "VALID" else 1)
    assert done.out.startswith(word + " ") and says in done.out, done.out


def test_text(dlv):
    assert dlv(*DB, *AT, "Ramesh Patel", "2344567890", "GJ05-1234").out == (
        "VALID LMV, MCWG from 2015-04-02 to 2035-04-01; the name is the same; the phone is not one that this register keeps "
        + SOURCE)
    assert dlv(*DB, *AT, "--number", "GJ7").out == "UNKNOWN not in the database " + SOURCE
    assert " asked about number GJ051234, name, class LMV; " in dlv(
        *DB, *AT, "--number", "gj 05 1234", "--name", "x", "--class", "LMV", "--show-question").out


def test_json(dlv):
    found = json.loads(dlv(*KEYED, "--json", "--at", "2026-11-24T10:00:00+05:30", "--class", "HMV", "--phone", "2344567890",
                           "--number", "GJ05-1234", status=1).out)
    assert found == {
        "verdict": "NOT_ENTITLED", "error": None, "kind": "number", "number": "GJ051234", "found": "licence",
        "standing": "VALID", "status": "valid", "status_since": "2010-01-01", "status_until": None, "class": "HMV",
        "entitlement": "never held", "held": [{"valid_from": "2015-04-02", "valid_to": "2035-04-01", "classes": [
            {"class": "LMV", "provisional": False, "codes": []}, {"class": "MCWG", "provisional": False, "codes": []}]}],
        "fields": {"phone": "same"}, "hint": None, "hint_check": None, "day": "2026-11-24", "server_time": None, "db": "golden",
        "db_sequence": 7, "db_created": "2026-11-24T11:30:00+05:30", "db_valid_until": None, "db_age_days": found["db_age_days"], "stale": False,
        "test": False, "source": "golden_keyed.db#7", "offline": True}
    unknown = json.loads(dlv(*DB, "--json", *AT, "--number", "GJ9", status=1).out)
    assert unknown["verdict"] == "UNKNOWN" and unknown["found"] is unknown["status"] is unknown["held"] is None
    silent = json.loads(dlv(*DB, "--json", "--number", "TN01", status=2).out)
    assert silent["verdict"] is None and silent["error"] == "not_covered" and "not that of this number" in silent["reason"]
    codes = json.loads(dlv(*DB, "--json", "--number", "MH1220190054321").out)["held"][0]["classes"]
    assert codes == [{"class": "LMV", "provisional": False, "codes": ["01.06", "78"]},
                     {"class": "MCWG", "provisional": False, "codes": []}]


def test_days_begin_at_the_authority(dlv):
    for at, word in (("2015-04-01T18:29:59Z", "NOT_YET_VALID"), ("2015-04-01T18:30:00Z", "VALID"),
                     ("2015-04-02T00:00:00+05:30", "VALID"), ("2035-04-01T23:59:59+05:30", "VALID"),
                     ("2035-04-02T00:00:00+05:30", "EXPIRED"), ("2035-04-01t13:30:00-05:00", "EXPIRED"),
                     ("2035-04-01", "VALID"), ("2035-04-02", "EXPIRED"), ("9999-12-31", "EXPIRED"),
                     ("0001-01-01", "NOT_COVERED"), ("2009-12-31", "NOT_COVERED"), ("2010-01-01", "NOT_YET_VALID"),
                     ("2016-12-31T23:59:60Z", "VALID"), ("2016-12-31T23:59:59.25Z", "VALID")):
        assert dlv(*DB, "--at", at, "--number", "GJ05-1234").out.split()[0] == word, at
    for at in ("2026", "2026-13-01", "2026-11-24T25:00:00Z", "2026-11-24T10:00:00", "now", "",
               "2026-11-24T10:00:00+5", "2026-11-24Z", "2026-11-24T10:00:00.Z"):
        assert "--at" in one_line(dlv(*DB, "--at", at, "--number", "x"))


def test_not_covered(dlv, gujarat, keys, tmp_path):
    """No verdict, exit status 2, and said as what it is: by number, day, class, and where the registry contradicts itself."""
    for args, says in ((["--number", "KA05-2034567"], "is not that of this number"),
                       (["--number", "GJ05-2034567", "--at", "2019-01-01"], "does not say what held on that day"),
                       (["--number", "GJ05-2034567", "--at", "2080-01-01"], "cannot say what will hold on that day"),
                       (["--number", "GJ05-2034567", "--class", "B"], "has no classes of this licence")):
        done = dlv(*gujarat, *args, status=2)
        assert done.out.startswith("NOT_COVERED the register " + says) and done.err == "", (done.out, done.err)
    rows = "Asha,9800000001,AB1/23,valid,2020-01-01,2030-01-01\nRavi,9800000002,AB12/3,valid,2020-01-01,2030-01-01\n"
    build(dlv, keys, tmp_path / "l.db", HEADER + rows, "--skip-bad")
    done = dlv("client", "--db", tmp_path / "l.db", "--authority", keys.authority_pub, "--number", "AB123", status=2)
    assert "withholds this licence" in done.out


def test_what_is_no_licence_number(dlv, gujarat):
    for number, says in (("GJ05-203456", "no number of gujarat looks like this"), ("https://parivahan.gov.in/x", "an address"),
                         ("]Q3GJ05-2034567", "symbology"), ("{\"a\":1}", "JSON"), ("ANSI 636014090102DL", "a card's bar code"),
                         ("D1FRA13AA000026181231MARTIN<<9", "a machine-readable line"), ("mdoc:owBjMS4w", "a mobile licence"),
                         ("GJ05-" + "2" * 50, "too long"), ("ПО05-2034567", "another script"), ("%FLX^Y?", "magnetic stripe")):
        done = dlv(*gujarat, "--exact", "--number", number)
        assert says in one_line(done) and done.out == "", (number, done.err)
        done = dlv(*gujarat, "--exact", "--json", "--number", number, status=2)
        assert json.loads(done.out)["error"] == "bad_input" and says in json.loads(done.out)["reason"]
    assert "class \"X\" is none" not in dlv(*gujarat, "--number", "GJ05-2034567", "--class", "X").err


def test_hints(dlv, gujarat, keys, tmp_path):
    """Never a verdict: what is asked for stays unknown, or no number at all."""
    for number, hint, check in (("GJO5-2034567", "GJ05-2034567", "the letter O at place 3"),
                                ("GJ05-Z034567", "GJ05-2034567", "the letter Z at place 5"),
                                ("gj05-2035467", "gj05-2034567", "the order at places 8 and 9"),
                                ("GJ50-2034567", "GJ05-2034567", "the order at places 3 and 4"),
                                ("GJ06-42", "GJ06-0000042", None)):
        done = dlv(*gujarat, "--number", number)
        text = done.out + done.err
        assert (f"but {hint} is known: check {check}" in text) == (check is not None), (number, text)
        assert done.returncode == (1 if done.out else 2) and "VALID" not in text
        assert "is known" not in (lambda d: d.out + d.err)(dlv(*gujarat, "--exact", "--number", number))
    found = json.loads(dlv(*gujarat, "--json", "--number", "GJ05-2035467", status=1).out)
    assert (found["verdict"], found["hint"]) == ("UNKNOWN", "GJ05-2034567")
    out = dlv(*gujarat, "--number", "-", stdin="GJ05-2034567\nGJ05-2035467\nGJ06-0000042\n", status=1).out.splitlines()
    assert [line.split()[0] for line in out] == ["VALID", "UNKNOWN", "VALID"] and "GJ05-2034567 is known" in out[1]


def test_lines_from_stdin(dlv):
    text = ("\ufeffRamesh Patel 2344567890 GJ05-1234\r\n\nx\x02y 9800000000 GJ1\nnobody 9800000000 GJ1\n" + "A" * 20000 +
            "\n" + "B" * 2000 + "\nVikram Singh 9800000002 DL03-2008-7654321\nnobody\n")
    done = dlv(*DB, *AT, "-", stdin=text, status=2)
    assert [line.split(":")[0] for line in done.out.splitlines()] == [
        "VALID line 1", "UNKNOWN line 4", "REVOKED line 7"]
    assert [line.split(": ")[1] for line in done.err.splitlines()] == [f"standard input:{n}" for n in (3, 5, 6, 8)]
    lines = [json.loads(line) for line in dlv(*DB, *AT, "--json", "-", stdin=text, status=2).out.splitlines()]
    assert [(line["line"], line["verdict"], line["error"]) for line in lines] == [
        (1, "VALID", None), (3, None, "bad_input"), (4, "UNKNOWN", None), (5, None, "bad_input"), (6, None, "bad_input"),
        (7, "REVOKED", None), (8, None, "bad_input")]
    done = dlv(*DB, *AT, "--json", "--number", "-", stdin="gj05 1234\nGJ9\nTN1\n", status=2)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [(line["line"], line["verdict"], line["error"]) for line in lines] == [
        (1, "VALID", None), (2, "UNKNOWN", None), (3, None, "not_covered")]
    assert dlv(*DB, *AT, "-", stdin="Ramesh Patel 2344567890 GJ05-1234\n" * 2, status=0).out.count("VALID") == 2
    assert dlv(*DB, "-", stdin="", status=2).out == ""


def test_bad_questions(dlv, tmp_path):
    for record in ("", "  ", "Asha GJ05", "A" * 3000, "2344567890 GJ05-1234"):
        done = dlv(*DB, record)
        assert "record" in one_line(done) or "2048" in done.err, done.err
        assert done.out == ""
    for number in (" - ", "a\x7f", "NULL", "2.34E+09", "a\nb"):
        assert "number" in one_line(dlv(*DB, "--number", number))
    for option, value, says in (("--name", "123", "the name holds no letter"), ("--phone", "12", "the phone has fewer"),
                                ("--birth-date", "31.01.1990", "the birth date is not a date"), ("--card", "-", "the card holds")):
        assert says in one_line(dlv(*KEYED, "--number", "GJ05-1234", option, value))
    assert "none that this register has" in one_line(dlv(*DB, "--number", "GJ05-1234", "--class", "ZZ"))
    assert "--class" in one_line(dlv(*DB, "--number", "GJ05-1234", "--class", "A,,B"))
    one_line(dlv(*DB, "--document", tmp_path / "none"))
    one_line(dlv(*DB, "--document", tmp_path))
    for args in (["x", "--number", "y"], ["--number", "x", "--document", "y"], []):
        assert "one question" in one_line(dlv(*DB, *args))
    assert "--document" in one_line(dlv(*DB, "--document", "x", "--name", "y"))


def test_lookup_keys(dlv, tmp_path):
    plain, keyed = VECTORS / "golden.db", VECTORS / "golden_keyed.db"
    other = tmp_path / "other.key"
    dlv("keygen", "--type", "lookup", "-o", other, status=0)
    short = tmp_path / "short.key"
    short.write_bytes(bytes(31))
    long = tmp_path / "long.key"
    long.write_bytes(bytes(33))
    for db, option, complaint in (
        (keyed, [], "lookup key is needed"), (keyed, ["--lookup-key", other], "another lookup key"),
        (plain, ["--lookup-key", other], "not keyed"), (keyed, ["--lookup-key", short], "32 bytes"),
        (keyed, ["--lookup-key", long], "32 bytes"), (keyed, ["--lookup-key", tmp_path / "no"], "no")):
        assert complaint in one_line(dlv("client", "--db", db, *GOLDEN, *option, "--number", "x"))


def test_names_of_databases(dlv):
    assert dlv(*DB, *AT, "--db-name", "golden", "--number", "GJ05-1234", status=0)
    assert '"golden", not "gujarat"' in one_line(dlv(*DB, "--db-name", "gujarat", "--number", "GJ05-1234"))


def test_past_valid_until(dlv, keys, tmp_path):
    db = tmp_path / "old.db"
    row = "A,9800000001,AB2,valid,2020-01-01,2030-01-01\n"
    build(dlv, keys, db, HEADER + row, "--created", "2026-01-01", "--valid-days", "10")
    line = one_line(dlv("client", "--db", db, "--authority", keys.authority_pub, "--at", "2026-01-02", "--number", "AB2"))
    assert "was valid until 2026-01-11T00:00:00Z" in line
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "--number", "AB2", "--stale-ok"]
    done = dlv(*ask, "36500", status=0)
    assert done.out.startswith("VALID ") and ", STALE)" in done.out
    assert "warning" in done.err and "was valid until" in done.err
    assert json.loads(dlv(*ask, "36500", "--json", status=0).out)["stale"] is True
    assert "was valid until" in one_line(dlv(*ask, "1"))
    assert json.loads(dlv(*ask, "1", "--json", status=2).out)["error"] == "stale"
    assert "--stale-ok" in one_line(dlv(*ask, "x"))
    assert "past" in dlv("verify", "--authority", keys.authority_pub, db, status=1).out


def test_test_data_say_so(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, SMALL, "--test")
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "--number", "GJ051234"]
    assert ", TEST DATA)" in dlv(*ask, status=0).out and json.loads(dlv(*ask, "--json", status=0).out)["test"] is True
    assert "TEST DATA" in dlv("verify", "--authority", keys.authority_pub, db, status=0).out
