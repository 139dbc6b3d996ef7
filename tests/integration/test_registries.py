"""Registers in the styles that public bodies publish, each read with an import file and nothing between."""

import bz2
import gzip
import json
import lzma
import zipfile

import pytest
from conftest import HEADER, ROOT, one_line

REGISTRIES = ROOT / "tests/registries"
FIXED = ["--created", "2026-11-01", "--valid-days", "0"]


@pytest.fixture
def register(dlv, keys, tmp_path):
    """Builds a database of a register; returns a function that asks it."""

    def build(name, *options, source=None, status=0):
        db = tmp_path / f"{name}.db"
        done = dlv("dbgen", "--sign", keys.authority, "-o", db, *FIXED, "--import", REGISTRIES / f"{name}.import", *options,
                   source or REGISTRIES / f"{name}.csv", status=status)

        def ask(number, *question):
            at = [] if "--at" in question else ["--at", "2026-11-28"]
            return json.loads(dlv("client", "--db", db, "--authority", keys.authority_pub, *at, "--json", "--number", number,
                                  *question).out)
        ask.done = done
        return ask
    return build


def held(answer):
    """{class: (from, to, provisional, codes)}"""
    return {one["class"]: (group["valid_from"], group["valid_to"], one["provisional"], one["codes"])
            for group in answer["held"] for one in group["classes"]}


def test_new_york(register):
    ask = register("nyc-tlc-medallion-drivers")
    assert "3 rows, 3 entries" in ask.done.out
    answer = ask("5909017", "--name", "Quentin M. Abendroth")
    assert answer["verdict"] == "VALID" and answer["fields"] == {"name": "same"}
    assert held(answer) == {"MEDALLION TAXI DRIVER": (None, "2027-08-14", False, [])}
    assert ask("450117", "--name", "D’Arbanville Yseult")["verdict"] == "EXPIRED"
    assert ask("6001204", "--name", "Okwuosa")["verdict"] == "MISMATCH"


def test_chicago(register):
    ask = register("chicago-public-chauffeurs")
    assert held(ask("112233"))["TAXI"] == ("1999-03-05", None, False, []) and ask("112233")["verdict"] == "VALID"
    surrendered = ask("112234")
    assert (surrendered["verdict"], surrendered["status"], surrendered["status_since"]) == ("REVOKED", "surrendered", "2015-01-31")
    assert ask("112235", "--name", "Ixchel St Claire Nuñez")["verdict"] == "SUSPENDED"  # by the mapping given


def test_pilots(register):
    """Rows about one person are united; the header's blanks and its empty last column do not matter."""
    ask = register("faa-pilot-cert")
    assert "3 rows, 2 entries (1 rows about a licence" in ask.done.out
    answer = ask("a9900001", "--name", "Winterbourne, Horatio James")
    assert answer["verdict"] == "VALID" and answer["fields"] == {"name": "same"}
    assert {name: one[:2] for name, one in held(answer).items()} == {
        "A/AMEL": (None, None), "A/ASEL": (None, None), "A/B-737": (None, None),
        "F/ASE": (None, "2026-05-31"), "F/INSTA": (None, "2026-05-31")}
    assert ask("A9900001", "--class", "F/ASE")["verdict"] == "NOT_ENTITLED"
    assert list(held(ask("A9900002", "--name", "Xiomara de la Vega Pryce"))) == ["P/ASEL"]


def test_illinois(register):
    """A word without a meaning is told once, with its count, and its row refused until it has one."""
    done = register("illinois-idfpr", status=2).done
    assert done.err.count('status "NOT RENEWED" in 1 rows has no meaning (see --status)') == 1
    assert ':4: status "NOT RENEWED" is not a status' in done.err
    ask = register("illinois-idfpr", "--status", "ACTIVE=valid,SUSPENDED=suspended,NOT RENEWED=valid")
    suspended = ask("041900018", "--name", "Tadeusz J. Wegrzyn Jr.")
    assert (suspended["fields"], suspended["status"], suspended["status_since"]) == ({"name": "same"}, "valid", "2024-09-23")
    assert suspended["verdict"] == "EXPIRED"  # the suspension is over, and so is the licence
    assert ask("041900018", "--at", "2024-03-22")["verdict"] == "SUSPENDED"
    assert ask("041900019")["verdict"] == "EXPIRED" and ask("041900017")["verdict"] == "EXPIRED"


def test_washington(register):
    ask = register("washington-doh")
    assert held(ask("RN60990017"))["Registered Nurse License"] == ("2011-05-03", "2026-04-12", False, ["ACTIVE"])
    assert ask("MC90000881")["verdict"] == "EXPIRED"
    assert held(ask("VA90000882"))["Nursing Assistant Registration"][3] == ["ACTIVE ON PROBATION"]


def test_doctors(register):
    """One date style is named, not guessed; an apostrophe is an apostrophe."""
    ask = register("gmc-lrmp")
    assert ask("9900417")["held"][0]["valid_from"] == "2004-08-04"
    gone = ask("9900418", "--name", "Cuthbert O'Malley")
    assert (gone["verdict"], gone["fields"], gone["status"]) == ("REVOKED", {"name": "same"}, "surrendered")
    wrong = register("gmc-lrmp", "--date-format", "DDMMYYYY", status=2).done
    assert 'valid_from "4082004" is not a date in the formats given' in wrong.err


def test_texas(register):
    ask = register("texas-tdhca-bool-classes")
    assert sorted(held(ask("MHD00099017", "--name", "larkspur homes inc"))) == ["Installer", "Retailer"]
    gone = ask("MHD00099018", "--name", "Adelita Gutierrez Pena")
    assert (gone["verdict"], gone["fields"]) == ("REVOKED", {"name": "same"})


def test_german(register):
    """One licence of two rows; the header and the names are in Windows-1252."""
    ask = register("german-excel-per-class", "--fields", "name,phone,birth_date", "--allow-guessing")
    answer = ask("B072RRE2I55", "--name", "Käthe Mueller-Luedenscheidt", "--birth-date", "1979-03-14",
                 "--phone", "+49 170 1234567")
    assert set(answer["fields"].values()) == {"same"} and answer["verdict"] == "VALID"
    assert held(answer) == {"B": ("1998-07-01", None, False, ["01.06"]),
                            "C1E": ("1998-07-01", "2029-03-13", False, ["01.06", "79"])}
    assert ask("J430A1RZN11", "--name", "GROSSBAUER Sirin")["verdict"] == "SUSPENDED"
    assert held(ask("J430A1RZN11"))["AM"] == ("2017-05-12", None, False, [])


def test_dvla(register):
    ask = register("dvla-entitlements")
    answer = ask("OAKEN857114P99JX")
    assert held(answer) == {"B": ("1992-09-03", "2044-07-10", False, ["01", "79(03)"]),
                            "f": ("1992-09-03", "2044-07-10", False, []), "C": ("2024-02-01", None, True, ["102"])}
    assert ask("OAKEN857114P99JX", "--class", "C")["verdict"] == "NOT_ENTITLED"
    assert ask("OAKEN857114P99JX", "--class", "f")["verdict"] == "VALID"
    gone = ask("WREND602290K99AB", "--name", "Kit Wren Dayle")
    assert (gone["verdict"], gone["status"], gone["held"]) == ("SUSPENDED", "disqualified", [])


def test_india(register):
    done = register("india-sarathi", status=2).done
    assert ':3: phone "2.34E+09" is a number that a spreadsheet has rounded' in done.err and done.err.count("\n") == 2
    ask = register("india-sarathi", "--skip-bad")
    answer = ask("4/9417/DEESA/2012", "--name", "MEHULKUMAR RAMESHBHAI P")
    assert (answer["verdict"], answer["found"], answer["fields"]) == ("VALID", "former number", {"name": "same"})
    assert held(answer) == {"LMV": ("2012-03-07", "2032-03-06", False, []), "MCWG": ("2012-03-07", "2032-03-06", False, []),
                            "TRANS": ("2019-08-10", "2022-08-09", False, [])}
    assert ask("GJ0420120099417", "--class", "TRANS")["verdict"] == "NOT_ENTITLED"
    assert ask("MH-1420110062821")["error"] == "not_covered"  # its row was refused
    assert ask("DL 0420150346099")["error"] == "not_covered"  # what Inactive means is not known


# --- encodings, delimiters, line ends, what is no text ------------------------------------------------

ROWS = HEADER + "Zoë Ångström,9800000098,GJ01,valid,2020-01-01,2090-01-01\nRavi,9800000099,GJ02,valid,2020-01-01,2090-01-01\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ways_to_write_a_file(release, keys, tmp_path, encoding, delimiter, end):
    path, db = tmp_path / "r.csv", tmp_path / "r.db"
    path.write_bytes(ROWS.replace(",", delimiter).replace("\n", end).encode(encoding))
    name = {"cp1252": "windows-1252", "latin-1": "latin-1"}.get(encoding, encoding[:6].rstrip("-"))
    release("dbgen", "--sign", keys.authority, "-o", db, "--encoding", name, "--delimiter",
            "tab" if delimiter == "\t" else delimiter, path, status=0)
    done = release("client", "--db", db, "--authority", keys.authority_pub, "--number", "gj01", "--name", "Zoe Angstrom",
                   status=0)
    assert "the name is the same" in done.out


@pytest.mark.parametrize("data, options, complaint", [
    (ROWS.encode("utf-16"), [], "is UTF-16 (see --encoding)"), (ROWS.encode("utf-16-le"), [], "is UTF-16 (see --encoding)"),
    (ROWS.encode(), ["--encoding", "utf-16"], "is not UTF-16 (see --encoding)"),
    (ROWS.encode(), ["--encoding", "windows-1252"], "is in UTF-8 (see --encoding)"),
    (ROWS.replace("Å", "A").encode(), ["--encoding", "latin-1"], "is in UTF-8 (see --encoding)"),
    (ROWS.encode("utf-8-sig"), ["--encoding", "latin-1"], "byte order mark of UTF-8 (see --encoding)"),
    (ROWS.replace("name", "näme").encode("cp1252"), [], ":1: the header row is not in UTF-8 (see --encoding)"),
    (ROWS.replace(",", ";").encode(), [], "(see --delimiter)"), (ROWS.replace(",", "\t").encode(), [], "(see --delimiter)"),
    (gzip.compress(ROWS.encode()), [], "is compressed by gzip: unpack it first"),
    (bz2.compress(ROWS.encode()), [], "is compressed by bzip2"), (lzma.compress(ROWS.encode()), [], "is compressed by xz"),
    (b"\x28\xb5\x2f\xfd" + bytes(50), [], "is compressed by zstd"), (b"%PDF-1.7\n", [], "is a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), [], "is a spreadsheet or a document"),
    (b"SQLite format 3\0" + bytes(600), [], "is an SQLite database"), (b"dlv-db\r\n" + bytes(99), [], "not a registry"),
], ids=lambda value: value.split(" (")[0] if isinstance(value, str) else "")
def test_what_a_file_is(dlv, keys, tmp_path, data, options, complaint):
    path, db = tmp_path / "r.csv", tmp_path / "r.db"
    path.write_bytes(data)
    line = one_line(dlv("dbgen", "--sign", keys.authority, "-o", db, *options, path))
    assert complaint in line and str(path) in line and not db.exists()


def test_a_spreadsheet(dlv, keys, tmp_path):
    path = tmp_path / "r.xlsx"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("xl/workbook.xml", "<workbook/>")
    assert "save it as CSV" in one_line(dlv("dbgen", "--sign", keys.authority, "-o", tmp_path / "r.db", path))


def test_rows_in_another_encoding(dlv, keys, tmp_path):
    """They are bad rows, by their line; characters that an encoding does not have are, too."""
    for data, options in ((ROWS.encode("cp1252"), []), (ROWS.encode("cp1252").replace(b"\xeb", b"\x81"),
                                                        ["--encoding", "windows-1252"])):
        done = dlv("dbgen", "--sign", keys.authority, "-o", tmp_path / "r.db", *options, "-", stdin=data, status=2)
        assert "standard input:2: name " in done.err and "1 bad rows" in done.err


def test_without_a_header(dlv, keys, tmp_path):
    dlv("dbgen", "--sign", keys.authority, "-o", tmp_path / "r.db", "--columns", "name,phone,licence,status,valid_from,valid_to",
        "-", stdin=ROWS.split("\n", 1)[1], status=0)
    assert dlv("client", "--db", tmp_path / "r.db", "--authority", keys.authority_pub, "--number", "gj02", status=0)
