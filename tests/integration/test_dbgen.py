"""dbgen: exact, atomic, deterministic; bad rows are named and lose nothing else."""

import csv
import hashlib
import io
import os
import random
import subprocess
import sys
import time

import dbformat
import pytest
import registry_rows
from conftest import ACCEPT, HEADER, RELEASE, ROOT, VECTORS, build, one_line
from Cryptodome.PublicKey import RSA

ROW = "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01\n"
GOLDEN_OPTIONS = ["--sequence", "7", "--created", "2026-11-24T06:00:00Z", "--valid-days", "0", "--utc-offset",
                  "+05:30", "--name", "golden", "--covers", "GJ,MH,DL,KA,KL,PB,4", "--calling-code", "91",
                  "--national-digits", "10", "--provisional", "P"]
CLASSES = ["LMV", "MCWG", "MCWOG", "TRANS", "HMV", "LMV-TR", "3W-NT", "É/ä", "大型"]


def load(path, keys, lookup_key=None):
    return dbformat.Database(path, RSA.import_key(keys.authority.read_bytes()), lookup_key)


def built_by_peer(rows, keys, created, lookup_key=None, has_legacy=False, **facts):
    """The bytes that the independent implementation makes of rows."""
    facts = dbformat.Facts(created=created, has_legacy=has_legacy, **facts)
    return dbformat.build(registry_rows.entries(rows, facts.fields, lookup_key, has_legacy),
                          RSA.import_key(keys.authority.read_bytes()), facts, lookup_key)


def ask(dlv, keys, db, *question):
    return dlv("client", "--db", db, "--authority", keys.authority_pub, *question)


def registry(count, seed=1):
    """A registry of `count` rows, as dicts: names in several scripts, every status."""
    rng = random.Random(seed)
    names = ["Asha", "रमेश पटेल", "Zoë", "O'Brien, Pat", 'The "Fox" Singh', "Nguyễn Văn A", "李雷"]
    for i in range(count):
        start = f"{rng.randint(1960, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        end = f"{rng.randint(2027, 2600)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        yield {
            "name": f"{rng.choice(names)} {i}", "phone": str(9800000000 + i),
            "licence": f"GJ{i % 38:02}-{2000 + i % 26}{i:07}",
            "status": rng.choice(["valid"] * 8 + dbformat.STATUS[2:7]),
            "status_since": rng.choice(["", start, f"{rng.randint(1960, 2026)}-06-01"]),
            "valid_from": start, "valid_to": end,
            "classes": ";".join(sorted(rng.sample(CLASSES, rng.randint(0, 4)))),
            "document": hashlib.sha256(b"%d" % i).hexdigest() if i % 3 == 0 else "",
        }


def as_csv(rows, **format):
    out = io.StringIO()
    rows = list(rows)
    writer = csv.DictWriter(out, rows[0].keys(), **{"lineterminator": "\n", **format})
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


# --- exactness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name,options", [
    ("golden", []), ("golden_keyed", ["--lookup-key", VECTORS / "golden_lookup.key", "--fields", "name,phone,card"])])
def test_golden(dlv, tmp_path, name, options):
    out = tmp_path / "g.db"
    dlv("dbgen", *ACCEPT, "--demo", "--sign", VECTORS / "golden_authority.key", "-o", out, *GOLDEN_OPTIONS, *options,
        VECTORS / "golden.csv", status=0)
    assert out.read_bytes() == (VECTORS / f"{name}.db").read_bytes()


@pytest.mark.parametrize("is_keyed", [False, True])
def test_ten_thousand_rows(dlv, keys, tmp_path, is_keyed):
    """Every licence as its row has it; and the whole file, byte for byte, from the independent implementation."""
    rows = list(registry(10000))
    db, path, lookup = tmp_path / "l.db", tmp_path / "registry.csv", tmp_path / "lookup.key"
    path.write_text(as_csv(rows))
    lookup.write_bytes(bytes(range(32)))
    keyed = ["--lookup-key", lookup, "--fields", "name,phone,birth_date"] if is_keyed else []
    done = dlv("dbgen", *ACCEPT, "--sign", keys.authority, "-o", db, "--legacy", "--created", "2026-01-01", "--valid-days", "0",
               *keyed, path, status=0)
    assert "10000 rows, 23334 entries" in done.out
    read = load(db, keys, lookup.read_bytes() if is_keyed else None)
    assert read.count == 23334
    for row in rows:
        at = read.find(dbformat.number_digest(row["licence"]))
        licence = read.licence(at)
        assert dbformat.STATUS[licence.status] == row["status"]
        classes = sorted(name.encode() for name in row["classes"].split(";") if name)
        assert [(dbformat.day_text(f), dbformat.day_text(t), sorted(dbformat.read_class_set(s)))
                for f, t, s in licence.groups] == [(row["valid_from"], row["valid_to"], classes)]
        legacy = read.find(dbformat.record_digest(f"{row['name']} {row['phone']} {row['licence']}"))
        assert read.kind(legacy) == "legacy" and read.licence_of(legacy) == at
        if row["document"]:
            assert read.licence_of(read.find(bytes.fromhex(row["document"]))) == at
    assert read.find(dbformat.number_digest("nobody 1")) is None
    assert db.read_bytes() == built_by_peer(rows, keys, 1767225600, read.lookup_key, has_legacy=True,
                                            fields=(1, 2, 3) if is_keyed else (1,))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127, 129])
def test_every_shape_of_tree(dlv, keys, tmp_path, count):
    text = "".join(f"person 98{i:05} x{i}\n" for i in range(count))
    db = tmp_path / "l.db"
    build(dlv, keys, db, text, "--lines", "--created", "2026-01-01", "--valid-days", "0", "--legacy")
    rows = [{"name": "person", "phone": f"98{i:05}", "licence": f"x{i}", "status": "valid", "valid_from": "",
             "valid_to": "no end"} for i in range(count)]
    assert db.read_bytes() == built_by_peer(rows, keys, 1767225600, has_legacy=True)
    dlv("verify", "--authority", keys.authority_pub, db, status=0)


def test_names_without_a_folder(release, keys, tmp_path):
    for name in ("d", "licences.db", "./x"):
        build(release, keys, name, HEADER + "Ramesh,2344567890,GJ05-1234,valid,2020-01-01,2090-01-01\n", cwd=tmp_path)
    for name in ("d", "licences.db", "x"):
        release("verify", "--authority", keys.authority_pub, name, cwd=tmp_path, status=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "licences.db", "x"]


def test_same_input_same_bytes(release, keys, tmp_path):
    rows = list(registry(500))
    options = ["--created", "2026-11-24T10:00:00+05:30", "--sequence", "3"]
    build(release, keys, tmp_path / "a", as_csv(rows), *options)
    random.Random(5).shuffle(rows)
    shuffled = as_csv([dict(reversed(row.items())) for row in rows], lineterminator="\r\n",
                      quoting=csv.QUOTE_ALL)
    build(release, keys, tmp_path / "b", "\ufeff" + shuffled, *options)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_rows_given_twice_leave_no_trace(release, keys, tmp_path):
    """With fewer entries than rows promise, every section ends up nearer to the file's start."""
    rows = list(registry(5000))
    options = ["--created", "2026-01-01"]
    build(release, keys, tmp_path / "once.db", as_csv(rows), *options)
    for times, threads in ((2, 2), (9, 1)):
        db = tmp_path / f"{times}.db"
        build(release, keys, db, as_csv(rows * times), *options, "--threads", threads)
        assert db.read_bytes() == (tmp_path / "once.db").read_bytes()


def test_memory_and_threads_do_not_show(release, keys, tmp_path):
    """Sorted in pieces on disk or at once in memory, by one thread or several: the same bytes."""
    text = "".join(f"person 98{i % 390000:06} x{i % 390000}\n" for i in range(400000))
    results = set()
    for memory, threads in (("1G", 1), ("16M", 1), ("16M", 4), ("20M", 2)):
        db = tmp_path / f"{memory}-{threads}.db"
        done = build(release, keys, db, text, "--lines", "--memory", memory, "--threads", threads,
                     "--created", "2026-01-01", "--valid-days", "0", "--tmp", tmp_path)
        assert "390000 entries (10000 rows about a licence that another row is about)" in done.out
        results.add(hashlib.sha256(db.read_bytes()).hexdigest())
    assert len(results) == 1
    assert all(p.suffix == ".db" for p in tmp_path.iterdir())
    release("verify", "--authority", keys.authority_pub, db, status=0)
    # A contradiction is found across pieces too, and by the same lines.
    text = "".join(f"{'PQ'[i // 200000]},,N{i % 200000},valid,2020-01-01,2030-01-01\n" for i in range(200003))
    for memory in ("16M", "1G"):
        done = build(release, keys, tmp_path / "x.db", HEADER + text, "--memory", memory, status=2)
        assert "standard input:200002: line 2: the same licence, but another name" in done.err
        assert "3 contradictions; nothing was written" in done.err and done.err.count("\n") == 4


def test_no_data_races(threads, release, keys, tmp_path):
    """On several threads, in memory and in pieces on disk, from scratch and from a base; verified."""
    registry_csv = as_csv(registry(150000))
    changes = HEADER.strip() + ",op,document\n" + "".join(
        f"New {i},98{i:05},GJ99-{i},valid,2020-01-01,2030-01-01,set,\n" for i in range(20000))
    options = ["--created", "2026-01-01", "--valid-days", "0"]
    for path, how in (("memory.db", []), ("disk.db", ["--memory", "16M"])):
        build(threads, keys, tmp_path / path, registry_csv, *options, *how, "--threads", "3")
    build(release, keys, tmp_path / "one.db", registry_csv, *options, "--threads", "1")
    for path in ("memory.db", "disk.db"):
        assert (tmp_path / path).read_bytes() == (tmp_path / "one.db").read_bytes()
    build(threads, keys, tmp_path / "next.db", changes, "--base", tmp_path / "one.db", "--threads", "3")
    threads("verify", "--authority", keys.authority_pub, tmp_path / "next.db", status=0)


@pytest.mark.parametrize("option,value", [("--memory", "1M"), ("--memory", "x"), ("--memory", "16MB"),
                                          ("--memory", ""), ("--threads", "0"), ("--threads", "999"),
                                          ("--memory", "99999999999999999999G")])
def test_bad_resources(dlv, keys, tmp_path, option, value):
    assert option in one_line(build(dlv, keys, tmp_path / "l.db", HEADER + ROW, option, value, status=2))
    assert not list(tmp_path.iterdir())


def test_progress_on_a_terminal(release, keys, tmp_path):
    import pty
    path = tmp_path / "registry.csv"
    path.write_text("".join(f"person 98{i:06} x{i}\n" for i in range(300000)))
    main, child = pty.openpty()
    process = subprocess.Popen([release.path, "dbgen", "--lines", "--sign", keys.authority, "-o",
                                tmp_path / "l.db", path], stderr=child, stdout=subprocess.DEVNULL)
    os.close(child)
    shown = b""
    try:
        while piece := os.read(main, 65536):
            shown += piece
    except OSError:
        pass  # the terminal's other end is closed
    assert process.wait() == 0
    for phase in (b"reading: 131072 rows,", b"sorting:", b"writing:", b"finishing:", b"%", b" left"):
        assert phase in shown
    shown, note = shown.rsplit(b"\r\x1b[K", 1)  # nothing of it stays
    assert b"\n" not in shown and note.count(b"\n") == 1 and b"a first release" in note


def test_temporary_folder(release, keys, tmp_path):
    text = "".join(f"person 98{i:06} x{i}\n" for i in range(200000))
    for tmp in (tmp_path / "none", "/proc"):
        line = one_line(build(release, keys, tmp_path / "l.db", text, "--lines", "--memory", "16M",
                              "--tmp", tmp, status=2))
        assert str(tmp) in line and "temporary" in line
    assert not list(tmp_path.iterdir())


def test_openssl_verifies_the_signature(release, keys, tmp_path):
    db = tmp_path / "l.db"
    build(release, keys, db, HEADER + ROW)
    data = db.read_bytes()
    (tmp_path / "signed").write_bytes(data[:4096])
    (tmp_path / "signature").write_bytes(data[4224 : 4224 + 256])
    done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", keys.authority_pub, "-signature",
                           tmp_path / "signature", tmp_path / "signed"], capture_output=True)
    assert done.stdout == b"Verified OK\n"


# --- rows -----------------------------------------------------------------------------------------


def test_quoting(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    text = ('"name","phone",licence,status,valid_from,valid_to\r\n'
            '"Sharma, Asha",9800000098,"GJ01-1",valid,2020-01-01,2030-01-01\r\n'
            '"The ""Fox""",9800000099,GJ01-2,valid,2020-01-01,2030-01-01\r\n'
            '\r\n'
            '  Two\t words ,98000 00097,GJ01 3,valid,2020-01-01,2030-01-01')
    build(dlv, keys, db, text, "--legacy")
    for record in ["Sharma, Asha 9800000098 GJ01-1", 'The "Fox" 9800000099 GJ01-2', "Two words 98000 00097 GJ01 3"]:
        done = ask(dlv, keys, db, record)
        assert done.out.startswith("VALID ") and "the name is the same" in done.out
        assert load(db, keys).find(dbformat.record_digest(record)) is not None


def test_rows_of_every_length(dlv, keys, tmp_path):
    """Short and long rows, with and without doubled quotation marks, good and bad, in some 20 MB:
    they end anywhere in what is read at a time."""
    rng = random.Random(11)
    rows, lines, bad = [], [HEADER], []
    for i in range(6000):
        blanks = " " * (rng.randint(0, 900) if rng.random() < 0.4 else 1)
        name = rng.choice(["Asha", 'The "Fox"', '""""', "रमेश"]) + blanks + str(i)
        row = dict(zip(HEADER.strip().split(","), [name + "x", "9898", f"GJ{i}", "valid", "2020-01-01", "2030-01-01"]))
        rows.append(row)
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(row.values())
        lines.append(out.getvalue())
        if rng.random() < 0.05:
            bad.append("x" * rng.choice([1, 100, 16000, 40000, 600000]) + f" {i},too few fields")
            lines.append(bad[-1] + "\n")
    db, rejects = tmp_path / "l.db", tmp_path / "l.db.rejects"
    done = build(dlv, keys, db, "".join(lines), "--skip-bad", "--created", "2026-01-01", "--valid-days", "0")
    assert f"6000 rows, 6000 entries, {len(bad)} bad rows left out" in done.out
    csv.field_size_limit(1 << 20)
    kept = [row for _, _, row in list(csv.reader(rejects.read_text().splitlines()))[1:]]
    assert kept == [row[:16384] for row in bad]
    assert db.read_bytes() == built_by_peer(rows, keys, 1767225600)


BAD = {
    "Asha,9800000098,GJ01,valid,2020-01-01,2026-02-30": 'valid_to "2026-02-30" is not a date',
    "Asha,9800000098,GJ01,valid,2020-1-01,2026-02-01": 'valid_from "2020-1-01" is not a date',
    "Asha,9800000098,GJ01,valid,1900-02-29,2026-02-01": 'valid_from "1900-02-29" is not a date',
    "Asha,9800000098,GJ01,valid,0000-01-01,2026-02-01": "is not a date",
    "Asha,9800000098,GJ01,valid,1899-12-31,2026-02-01": "is not a day from 1900-01-01",
    "Asha,9800000098,GJ01,valid,2020-01-01,2617-09-20": "is not a day from 1900-01-01 to 2617-09-19",
    "Asha,9800000098,GJ01,valid,2020-01-01,": "valid_to is empty",
    "Asha,9800000098,GJ01,valid,2027-01-01,2026-02-01": "before valid_from",
    "Asha,9800000098,GJ01,Valid,2020-01-01,2026-02-01": 'status "Valid" is not a status',
    "Asha,9800000098,GJ01,,2020-01-01,2026-02-01": 'status "" is not',
    "Asha,9800000098,,valid,2020-01-01,2026-02-01": "licence is empty",
    "Asha,9800000098,--,valid,2020-01-01,2026-02-01": "licence holds no letter or digit",
    "Asha,98,GJ01,valid,2020-01-01,2026-02-01": "fewer than 3 digits",
    "Asha,98000 x,GJ01,valid,2020-01-01,2026-02-01": "holds a letter",
    "NULL,9800000098,GJ01,valid,2020-01-01,2026-02-01": 'name "NULL" stands for a missing value',
    "12,9800000098,GJ01,valid,2020-01-01,2026-02-01": "holds no letter",
    "Asha,9800000098,2.34E+09,valid,2020-01-01,2026-02-01": "a spreadsheet has rounded",
    "Asha,9800000098,#REF!,valid,2020-01-01,2026-02-01": "stands for a missing value",
    "Asha,9800000098,GJ01,valid,2020-01-01": "5 fields",
    "Asha,9800000098,GJ01,valid,2020-01-01,2026-02-01,x": "7 fields",
    "As\x00ha,9800000098,GJ01,valid,2020-01-01,2026-02-01": "control character U+0000",
    "As\x1b[31mha,9800000098,GJ01,valid,2020-01-01,2026-02-01": "control character U+001B",
    '"As\nha",9800000098,GJ01,valid,2020-01-01,2026-02-01': "control character U+000A",
    'As"ha,9800000098,GJ01,valid,2020-01-01,2026-02-01': "quotation mark",
    '"Asha"x,9800000098,GJ01,valid,2020-01-01,2026-02-01': "closing quotation mark",
    '"Asha,9800000098,GJ01,valid,2020-01-01,2026-02-01': "never closed",
    "," * 300: "more than 256 fields",
}


@pytest.mark.parametrize("row", BAD)
def test_bad_rows(dlv, keys, tmp_path, row):
    db = tmp_path / "l.db"
    good = [ROW, ROW.replace("Asha,9800000098,GJ01", "Ravi,9800000099,GJ02")]
    text = HEADER + good[0] + row + "\n" + good[1]
    done = build(dlv, keys, db, text, status=2)
    lines = done.err.splitlines()
    assert lines[0].startswith("dlv dbgen: standard input:3: ") and BAD[row] in lines[0]
    assert "\x1b" not in done.err and "\x00" not in done.err
    assert "--skip-bad" in lines[-1] and not db.exists() and done.out == ""
    rejects = tmp_path / "l.db.rejects"
    assert rejects.stat().st_mode & 0o777 == 0o600
    raw = rejects.read_bytes()
    assert raw.startswith(b"dlv rejects: line,reason,row\n3,") and row.splitlines()[0].replace('"', '""').encode() in raw

    done = build(dlv, keys, db, text, "--skip-bad")
    # A licence whose row is bad is withheld; one that another row is about, too.
    is_gj01 = ",GJ01," in row and "quot" not in BAD[row] and "fields" not in BAD[row] and "never" not in BAD[row]
    assert "2 rows, 2 entries, 1 bad rows left out" in done.out
    assert ("1 licences withheld" in done.out) == is_gj01
    assert ask(dlv, keys, db, "Ravi 9800000099 GJ02").returncode == 0
    assert ask(dlv, keys, db, "--number", "GJ01").returncode == (2 if is_gj01 else 0)
    build(dlv, keys, db, HEADER + good[0])
    assert not rejects.exists()


def test_invalid_utf8_and_long_rows(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    long_line = b"A" * 10_000_000
    text = (HEADER + ROW).encode() + b"\xff\xfe,9801,3,valid,2020-01-01,2030-01-01\n" + long_line + \
        b"\n" + b'"' + long_line + b'\n' + b"B" * 2000 + b",9801,4,valid,2020-01-01,2030-01-01\n" + \
        b"Last,9801,2,valid,2020-01-01,2030-01-01\n"
    done = dlv("dbgen", *ACCEPT, "--sign", keys.authority, "-o", db, "--skip-bad", "--rejects",
               tmp_path / "bad.csv", "-", stdin=text, status=0)
    told = [line for line in done.err.splitlines() if "note: " not in line]
    assert [line.split(": ")[1] for line in told] == [f"standard input:{n}" for n in (3, 4, 5, 6)]
    assert "invalid UTF-8 at byte 1" in told[0] and "longer than" in told[1]
    assert "2 rows, 4 entries, 4 bad rows" in done.out and "2 licences withheld" in done.out
    assert ask(dlv, keys, db, "--number", "2").returncode == 0
    assert (tmp_path / "bad.csv").stat().st_size < 100_000


def test_many_bad_rows_are_not_all_shown(release, keys, tmp_path):
    text = HEADER + ROW + "x\n" * 1000
    done = build(release, keys, tmp_path / "l.db", text, status=2)
    assert done.err.count("\n") == 102 and "1000 bad rows" in done.err
    assert (tmp_path / "l.db.rejects").read_text().count("\n") == 1001


@pytest.mark.parametrize("header,complaint", [
    ("", "empty"), ("\n\n", "empty"), (HEADER, "no licences"), ("\ufeff" + HEADER, "no licences"),
    ("name,phone,licence,status,valid_from\n" + ROW, 'column "valid_to" is missing'),
    ("name,phone,status,valid_to\n" + ROW, 'column "licence" is missing'),
    (HEADER.replace("name", "Name"), 'unknown columns: "Name"'),
    (HEADER.replace("phone", "name"), 'column "name" is there twice'),
    (HEADER.strip() + ",documnet\n", 'unknown columns: "documnet"'),
    ('"name,phone\n', "header row"), ("\xff\n", "unknown column"),
])
def test_headers(dlv, keys, tmp_path, header, complaint):
    done = build(dlv, keys, tmp_path / "l.db", header, status=2)
    assert complaint in one_line(done) and not (tmp_path / "l.db").exists()


def joined(dlv, keys, db, *rows, options=()):
    """What is on file about GJ01 after these rows."""
    header = "licence,name,phone,status,status_since,status_until,status_of,valid_from,valid_to,classes,codes,former\n"
    build(dlv, keys, db, header + "".join(f"GJ01,{row}\n" for row in rows), *options)
    read = load(db, keys)
    return read.licence(read.find(dbformat.number_digest("GJ01")))


def readable(licence):
    day = lambda stored: dbformat.day_text(stored)
    return ((dbformat.STATUS[licence.status], day(licence.since), day(licence.until)),
            [(dbformat.STATUS[s], day(f), day(t)) for s, f, t in licence.statuses],
            sorted((day(f), day(t), s.decode().replace("\x1e", " ")) for f, t, s in licence.groups))


@pytest.mark.parametrize("rows,expected", [
    # One row a class; those with the same days are put together.
    (("Asha,,valid,2010-01-01,,,2010-01-01,2030-01-01,LMV,,", "Asha,,valid,2010-01-01,,,2010-01-01,2030-01-01,A,,",
      "Asha,,valid,2010-01-01,,,2012-01-01,2022-01-01,HMV,,"),
     (("valid", "2010-01-01", "no end"), [],
      [("2010-01-01", "2030-01-01", "A LMV"), ("2012-01-01", "2022-01-01", "HMV")])),
    # Statuses follow each other; an open one ends where the next begins.
    (("Asha,,valid,2010-01-01,,,2010-01-01,2030-01-01,LMV,,", "Asha,,suspended,2015-01-01,2015-03-01,,,,,,",
      "Asha,,revoked,2020-01-01,,,,,,,", "Asha,,suspended,2018-01-01,,,,,,,"),
     (("revoked", "2020-01-01", "no end"),
      [("valid", "2010-01-01", "2014-12-31"), ("suspended", "2015-01-01", "2015-03-01"),
       ("suspended", "2018-01-01", "2019-12-31")], [("2010-01-01", "2030-01-01", "LMV")])),
    # The same row again says nothing new.
    (("Asha,,valid,2010-01-01,,,2010-01-01,2030-01-01,LMV,,",) * 3,
     (("valid", "2010-01-01", "no end"), [], [("2010-01-01", "2030-01-01", "LMV")])),
])
def test_rows_about_one_licence(dlv, keys, tmp_path, rows, expected):
    for number, order in enumerate((rows, rows[::-1])):
        assert readable(joined(dlv, keys, tmp_path / f"{number}.db", *order)) == expected


GOOD_ROW = "Asha,9800000098,GJ01,valid,2010-01-01,2020-01-01,2030-01-01"
CONTRADICTIONS = {
    GOOD_ROW.replace("Asha", "Ravi"): "line 2: the same licence, but another name",
    GOOD_ROW.replace("valid", "revoked"): "line 2: the same licence, but another status",
    GOOD_ROW.replace("2010-01-01", ""): "line 2: the same licence, but another status",
    GOOD_ROW.replace("Asha", "").replace("GJ01", "G/J01"): "line 2: the same number written otherwise",
}


@pytest.mark.parametrize("row", CONTRADICTIONS)
def test_contradictions(dlv, keys, tmp_path, row):
    """Two people are never made one: the build fails, or nothing is said about the licence."""
    db = tmp_path / "l.db"
    text = "name,phone,licence,status,status_since,valid_from,valid_to\n" + GOOD_ROW + "\n" + \
        GOOD_ROW.replace("GJ01", "GJ02") + "\n" + row + "\n"
    done = build(dlv, keys, db, text, status=2)
    told = done.err.splitlines()
    assert told[0].startswith("dlv dbgen: standard input:4: ") and CONTRADICTIONS[row] in told[0]
    assert "1 contradictions; nothing was written" in told[1] and len(told) == 2 and not db.exists()
    done = build(dlv, keys, db, text, "--skip-bad")
    assert "3 rows, 2 entries" in done.out and "1 licences withheld" in done.out
    answer = ask(dlv, keys, db, "--number", "gj 01", "--name", "Asha")
    assert answer.returncode == 2 and answer.out.startswith("NOT_COVERED") and "Asha" not in answer.out
    assert ask(dlv, keys, db, "--number", "gj 02").returncode == 0


@pytest.mark.parametrize("options,row,complaint", [
    (["--status", "Active=valid"], "Asha,,GJ01,DIS,,no end,", 'status "DIS" is not a status'),
    (["--status", "DIS=disqualified,Active=valid"], "Asha,,GJ01,,,no end,", 'status "" is not a status'),
    (["--status", "Active=valid,Gone=away"], "Asha,,GJ01,Gone,,no end,", "is not mapped to a status"),
    (["--card-status", "S=stolen,L=lost", "--fields", "card"], "Asha,,GJ01,valid,,no end,X",
     'card_status "X" is not current'),
    (["--no-end", "permanent"], "Asha,,GJ01,valid,,forever,", 'valid_to "forever" is not a date'),
    (["--date-format", "DD/MM/YYYY"], "Asha,,GJ01,valid,,2020-01-01,", "is not a date in the formats given"),
    (["--null", "1800-01-01"], "Asha,,GJ01,valid,1800-01-01,0000-00-00,", 'valid_to "0000-00-00" is not'),
])
def test_words_that_are_not_mapped(dlv, keys, tmp_path, options, row, complaint):
    """A word without a meaning is told, and never taken for another."""
    header = HEADER.strip() + ",card_status\n"
    done = build(dlv, keys, tmp_path / "l.db", header + row + "\n", *options, status=2)
    assert complaint in done.err and not (tmp_path / "l.db").exists()


def test_withheld_by_the_registry(dlv, keys, tmp_path):
    """A register can say that it says nothing about a licence."""
    db = tmp_path / "l.db"
    done = build(dlv, keys, db, HEADER + ROW + ROW.replace("GJ01", "GJ02").replace("valid", "pending"),
                 "--status", "pending=withheld")
    assert "2 rows, 2 entries, 1 licences withheld" in done.out and "a first release" in done.err and done.err.count("\n") == 1
    assert ask(dlv, keys, db, "--number", "gj 02").out.startswith("NOT_COVERED")
    dlv("verify", "--authority", keys.authority_pub, db, status=0)


def test_classes(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    header = HEADER.strip() + ",classes\n"
    row = ROW.strip() + ",{}\n"
    for text, classes in (("LMV;MCWG", "LMV, MCWG"), ('"B, BE"', "B, BE"), ("大型|É", "É, 大型"), ("A1 A1", "A1")):
        build(dlv, keys, db, header + row.format(text))
        assert f"VALID {classes} from" in ask(dlv, keys, db, "--number", "gj01").out
    done = build(dlv, keys, db, header + row.format("x" * 49), status=2)
    assert "is not a name of a class" in done.err


def test_lines(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    done = build(dlv, keys, db, "Ramesh 2344567890 GJ05-1234\r\n\nरमेश 9800001 2\nx\x01y\n", "--lines", "--skip-bad")
    assert "2 rows, 2 entries, 1 bad rows" in done.out and "standard input:4:" in done.err
    assert ask(dlv, keys, db, "Ramesh  2344567890 GJ05-1234").returncode == 0
    assert ask(dlv, keys, db, "--at", "2020-01-01", "Ramesh  2344567890 GJ05-1234").out.startswith("NOT_COVERED")


# --- files ----------------------------------------------------------------------------------------


def test_sequence(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    for expected in (1, 2, 3):
        assert f"sequence {expected}," in build(dlv, keys, db, HEADER + ROW).out
    build(dlv, keys, db, HEADER + ROW, "--sequence", "10")
    assert "is behind 10" in one_line(build(dlv, keys, db, HEADER + ROW, "--sequence", "9", status=2))
    assert load(db, keys).facts.sequence == 10
    assert "sequence 11," in build(dlv, keys, db, HEADER + ROW).out


def test_what_is_no_database_is_not_replaced(dlv, keys, tmp_path):
    for text in (b"", b"precious", b"x" * 5000):
        path = tmp_path / "l.db"
        path.write_bytes(text)
        assert "l.db" in one_line(build(dlv, keys, path, HEADER + ROW, status=2))
        assert path.read_bytes() == text
    one_line(build(dlv, keys, tmp_path, HEADER + ROW, status=2))
    one_line(build(dlv, keys, tmp_path / "no" / "l.db", HEADER + ROW, status=2))
    one_line(dlv("dbgen", "--sign", keys.authority, "-o", tmp_path / "x.db", tmp_path / "nowhere.csv"))
    one_line(dlv("dbgen", "--sign", keys.authority, "-o", tmp_path / "x.db", tmp_path))


def test_times(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    out = build(dlv, keys, db, HEADER + ROW, "--created", "2026-11-24", "--utc-offset", "+05:30").out
    assert "created 2026-11-24T00:00:00+05:30, valid until 2026-12-24T00:00:00+05:30" in out
    assert load(db, keys).facts.created == 1795458600
    for option, value in (("--created", "yesterday"), ("--created", "2026-11-24T10:00"),
                          ("--created", "1969-12-31T00:00:00Z"), ("--utc-offset", "5:30"),
                          ("--utc-offset", "+19:00"), ("--valid-days", "-1"), ("--sequence", "0")):
        assert option in one_line(build(dlv, keys, db, HEADER + ROW, option, value, status=2))


def test_killed_at_any_point(release, keys, tmp_path):
    db, path = tmp_path / "l.db", tmp_path / "registry.csv"
    path.write_text(as_csv(registry(30000)))
    command = [RELEASE, "dbgen", *ACCEPT, "--sign", keys.authority, "-o", db, path]
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - start
    rng = random.Random(3)
    killed, sequence = 0, 1
    for _ in range(50):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, whole * 1.1))
        process.kill()
        killed += process.wait() == -9
        read = load(db, keys)  # checks signature and digests
        assert read.count == 40000 and read.facts.sequence in (sequence, sequence + 1)
        sequence = read.facts.sequence
    assert killed >= 20
    release("verify", "--authority", keys.authority_pub, db, status=0)
    left = [p.name for p in tmp_path.iterdir() if p.name not in ("l.db", "registry.csv")]
    assert len(left) <= 1, left  # only between link and rename can a name be left
    build(release, keys, db, HEADER + ROW)


def test_no_space_left(release, keys, tmp_path):
    path, mount = tmp_path / "registry.csv", tmp_path / "small"
    path.write_text(as_csv(registry(20000)))
    mount.mkdir()
    script = f"""set -e
mount -t tmpfs -o size=1m tmpfs {mount}
{RELEASE} dbgen --sign {keys.authority} -o {mount}/l.db {VECTORS}/golden.csv --provisional P 2>&1
cp {mount}/l.db {tmp_path}/before
set +e
{RELEASE} dbgen --sign {keys.authority} -o {mount}/l.db {path}; echo status $?
cmp {mount}/l.db {tmp_path}/before && ls -A {mount}
head -c 2000000 /dev/zero > {mount}/rest 2>/dev/null
{RELEASE} dbgen --sign {keys.authority} -o {mount}/l.db {path} 2>&1; echo status $?
cmp {mount}/l.db {tmp_path}/before && ls -A {mount}"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if "unshare:" in done.stderr or "mount:" in done.stderr:
        pytest.skip("cannot mount a tmpfs here")
    assert "No space left on device" in done.stderr and done.stderr.count("\n") == 1
    first, second = done.stdout.split("status 2\n")[1:]
    assert first.startswith("l.db\n") and second == "l.db\nrest\n"
    assert "small: the release before has 1 MiB, but only 0 are free here" in first  # known before the work


def test_file_too_large(dlv, keys, tmp_path):
    """The other way for a write to fail, which needs no privileges to try."""
    db, path = tmp_path / "l.db", tmp_path / "registry.csv"
    build(dlv, keys, db, HEADER + ROW)
    before = db.read_bytes()
    path.write_text(as_csv(registry(20000)))
    done = subprocess.run(["sh", "-c", f"ulimit -f 1000; exec {dlv.path} dbgen --sign {keys.authority} "
                           f"-o {db} {path}"], capture_output=True, text=True)
    assert done.returncode == 2 and "File too large" in done.stderr and done.stderr.count("\n") == 1
    assert db.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l.db", "registry.csv"]


def test_memory_for_a_million(release, keys, tmp_path):
    """64 bytes a row and some: 10 million rows stay under 1 GiB."""
    path = tmp_path / "registry.csv"
    with open(path, "w") as out:
        out.write(HEADER)
        for i in range(1_000_000):
            out.write(f"P{i},98{i:06},GJ-{i},valid,2020-01-01,2030-01-01\n")
    # In a process of its own: a child's peak includes what its parent had when it was started.
    measure = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)")
    out = subprocess.run([sys.executable, "-c", measure, RELEASE, "dbgen", "--sign", keys.authority,
                          "-o", tmp_path / "l.db", path], check=True, capture_output=True).stdout
    assert b"1000000 rows, 1000000 entries" in out
    assert 64_000_000 < int(out.split()[-1]) < 100_000_000


NUMBERS = HEADER + "".join(f"Asha,9800000098,{number},valid,2020-01-01,2030-01-01\n" for number in ("GJ05-1", "GJ05-2", "KA1-3"))


@pytest.mark.parametrize("options, counts", [
    (["--number-pattern", "@@##-#"], {"patterns": (4, 1)}),
    (["--number-pattern", "@@##-#,@@#-#", "--covers", "GJ,KA"], {}),
    (["--covers", "KA"], {"covered": (2, 2)}),
    (["--covers", "KA", "--number-pattern", "KA??"], {"covered": (2, 2), "patterns": (2, 2)}),
])
def test_numbers_that_a_release_is_wrong_about(release, keys, tmp_path, options, counts):
    """What it says of all its numbers is compared with them: some that differ are told, if all do it is a slip."""
    done = build(release, keys, tmp_path / "l.db", NUMBERS, *options)
    lines = [line for line in done.err.splitlines() if "warning" in line]
    assert len(lines) == len(counts)
    for word, (line, count) in counts.items():
        told, = [text for text in lines if word in text]
        assert f":{line}: number " in told and told.endswith(f"(such rows: {count})")


@pytest.mark.parametrize("options, reason", [(["--number-pattern", "AA99-9"], "no number fits AA99-9 (see --number-pattern"),
                                             (["--covers", "DL,MH"], "no number begins with DL,MH (see --covers)")])
def test_numbers_that_are_all_otherwise(release, keys, tmp_path, options, reason):
    done = build(release, keys, tmp_path / "l.db", NUMBERS, *options, status=2)
    assert reason in done.err and not (tmp_path / "l.db").exists()
