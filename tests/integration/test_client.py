"""Offline questions: verdicts, days, formats, exit status."""

import json

import pytest
from conftest import GOLDEN, HEADER, VECTORS, build, one_line

DB = ["client", "--db", VECTORS / "golden.db", *GOLDEN]
KEYED = ["client", "--db", VECTORS / "golden_keyed.db", *GOLDEN, "--lookup-key",
         VECTORS / "golden_lookup.key"]
AT = ["--at", "2026-11-24"]


@pytest.mark.parametrize("base", [DB, KEYED], ids=["plain", "keyed"])
def test_verdicts(dlv, base, tmp_path):
    for number, word in (("gj05 1234", "VALID"), ("GJ01-20110012345", "NOT_YET_VALID"),
                         ("mh1220190054321", "SUSPENDED"), ("DL03-2008-7654321", "REVOKED"),
                         ("KA05 1999 1", "EXPIRED"), ("nobody", "UNKNOWN")):
        done = dlv(*base, *AT, "--number", number, status=0 if word == "VALID" else 1)
        assert done.out.split()[0] == word and done.out.count("\n") == 1 and done.err == ""
    document = tmp_path / "licence.pdf"
    document.write_bytes(b"%PDF-1.4 the licence of Meera Nair, as issued\n")
    assert dlv(*base, *AT, "--document", document, status=0).out.startswith("VALID ")
    assert dlv(*base, *AT, "--document", "-", stdin=document.read_bytes(), status=0).out
    assert dlv(*base, *AT, "--document", "-", stdin=b"x", status=1).out.startswith("UNKNOWN ")


def test_text(dlv):
    assert dlv(*DB, *AT, "Ramesh", "2344567890", "GJ05-1234").out == (
        "VALID from 2015-04-02 to 2035-04-01, classes MCWG LMV (golden.db#7)\n")
    assert dlv(*DB, *AT, "x").out == "UNKNOWN not in the database (golden.db#7)\n"


def test_json(dlv):
    found = json.loads(dlv(*DB, "--json", "--at", "2026-11-24T10:00:00+05:30",
                           "Ramesh 2344567890 GJ05-1234", status=0).out)
    assert found == {
        "verdict": "VALID", "kind": "record", "status": "valid", "valid_from": "2015-04-02",
        "digest": "8f90a67a61e983d29562deaf368909a88b6900d1cba785cc0a18703f3dd3295d",
        "valid_to": "2035-04-01", "classes": ["MCWG", "LMV"], "at": "2026-11-24T10:00:00+05:30",
        "server_time": None, "db_sequence": 7, "source": "golden.db#7"}
    unknown = json.loads(dlv(*DB, "--json", *AT, "x", status=1).out)
    assert unknown["verdict"] == "UNKNOWN" and unknown["status"] is None
    assert unknown["at"] == "2026-11-24"


def test_days_begin_at_the_authority(dlv):
    for at, word in (("2015-04-01T18:29:59Z", "NOT_YET_VALID"), ("2015-04-01T18:30:00Z", "VALID"),
                     ("2015-04-02T00:00:00+05:30", "VALID"), ("2035-04-01T23:59:59+05:30", "VALID"),
                     ("2035-04-02T00:00:00+05:30", "EXPIRED"), ("2035-04-01t13:30:00-05:00", "EXPIRED"),
                     ("2035-04-01", "VALID"), ("2035-04-02", "EXPIRED"), ("9999-12-31", "EXPIRED"),
                     ("0001-01-01", "NOT_YET_VALID"), ("2016-12-31T23:59:60Z", "VALID"),
                     ("2016-12-31T23:59:59.25Z", "VALID")):
        assert dlv(*DB, "--at", at, "--number", "GJ05-1234").out.split()[0] == word, at
    for at in ("2026", "2026-13-01", "2026-11-24T25:00:00Z", "2026-11-24T10:00:00", "now", "",
               "2026-11-24T10:00:00+5", "2026-11-24Z", "2026-11-24T10:00:00.Z"):
        assert "--at" in one_line(dlv(*DB, "--at", at, "x"))


def test_lines_from_stdin(dlv):
    text = ("\ufeffRamesh 2344567890 GJ05-1234\r\n\nx\x02y\nnobody\n" + "A" * 20000 +
            "\n" + "B" * 2000 + "\nVikram Singh 9800000002 DL03-2008-7654321")
    done = dlv(*DB, *AT, "-", stdin=text, status=2)
    assert [line.split(":")[0] for line in done.out.splitlines()] == [
        "VALID line 1", "UNKNOWN line 4", "REVOKED line 7"]
    assert [line.split(":")[2] for line in done.err.splitlines()] == ["3", "5", "6"] or \
        [line.split(": ")[1] for line in done.err.splitlines()] == [
            f"standard input:{n}" for n in (3, 5, 6)]
    done = dlv(*DB, *AT, "--json", "--number", "-", stdin="gj05 1234\nnobody\n", status=1)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [(line["line"], line["verdict"]) for line in lines] == [(1, "VALID"), (2, "UNKNOWN")]
    assert dlv(*DB, *AT, "-", stdin="Ramesh 2344567890 GJ05-1234\n" * 2, status=0).out.count("VALID") == 2
    assert dlv(*DB, "-", stdin="", status=0).out == ""


def test_bad_questions(dlv, tmp_path):
    for record in ("", "  ", "a\nb", "dlv:number:X", "A" * 1025, "\x7f"):
        done = dlv(*DB, record)
        assert "record" in one_line(done) and done.out == ""
    assert "number" in one_line(dlv(*DB, "--number", " - "))
    one_line(dlv(*DB, "--document", tmp_path / "none"))
    one_line(dlv(*DB, "--document", tmp_path))
    for args in (["x", "--number", "y"], ["--number", "x", "--document", "y"], []):
        assert "one question" in one_line(dlv(*DB, *args))


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
        assert complaint in one_line(dlv("client", "--db", db, *GOLDEN, *option, "x"))


def test_past_valid_until(dlv, keys, tmp_path):
    db = tmp_path / "old.db"
    row = "A,1,2,valid,2020-01-01,2030-01-01\n"
    build(dlv, keys, db, HEADER + row, "--created", "2026-01-01", "--valid-days", "10")
    line = one_line(dlv("client", "--db", db, "--authority", keys.authority_pub, "--at", "2026-01-02",
                        "A 1 2"))
    assert "was valid until 2026-01-11T00:00:00Z" in line
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "A 1 2", "--stale-ok"]
    done = dlv(*ask, "36500", status=0)
    assert done.out.startswith("VALID ") and "warning" in done.err and "was valid until" in done.err
    assert "was valid until" in one_line(dlv(*ask, "1"))
    assert "--stale-ok" in one_line(dlv(*ask, "x"))
    assert "past" in dlv("verify", "--authority", keys.authority_pub, db, status=0).out
