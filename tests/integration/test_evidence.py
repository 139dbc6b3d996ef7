"""Evidence: answers that prove themselves, and what is no proof; the checker in tools/ as the peer."""

import json
import os
import random
import re
import subprocess
import sys

import check_evidence
import pytest
from conftest import GOLDEN, HEADER, ROOT, VECTORS, build, one_line
from Cryptodome.PublicKey import RSA
from test_dbgen import as_csv, registry

AUTHORITY = RSA.import_key((VECTORS / "golden_authority.pub").read_bytes())
LOOKUP = VECTORS / "golden_lookup.key"
DATABASES = {"golden": [], "golden_keyed": ["--lookup-key", LOOKUP]}


def make(dlv, path, name, *question, at="2026-11-24"):
    return dlv("client", "--db", VECTORS / f"{name}.db", *GOLDEN, *DATABASES[name], "--evidence", path,
               "--at", at, *question)


def verdict_of(done):
    """After what was signed, the last line says what it comes to."""
    return done.out.splitlines()[-1].split()[0] if done.out else None


def lookup_key(name):
    return LOOKUP.read_bytes() if DATABASES[name] else None


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize("question,verdict", [
    (["--number", "gj05 1234"], "VALID"), (["Patel, Ramesh 2344567890 GJ05-1234"], "VALID"),
    (["--number", "gj05 1234", "--name", "Ravi"], "MISMATCH"), (["--number", "gj05 1234", "--class", "LMV,HMV"], "NOT_ENTITLED"),
    (["--number", "gj05 1234", "--class", "LMV,MCWG", "--name", "ramesh PATÉL"], "VALID"),
    (["--number", "4/9417/kochi"], "VALID"), (["--number", "KL07 20200000042", "--class", "TRANS"], "SUSPENDED"),
    (["--number", "KL07 20200000042", "--class", "D"], "NOT_ENTITLED"), (["--number", "KL07 20200000042", "--class", "C1E"], "VALID"),
    (["--number", "GJ01 20110012345"], "NOT_YET_VALID"), (["--number", "KA05-1999-1"], "EXPIRED"),
    (["--number", "mh12 20190054321"], "SUSPENDED"), (["--number", "DL03-2008-7654321"], "REVOKED"),
    *((["--number", f"GJ nobody {i}"], "UNKNOWN") for i in range(12))])
def test_answers_prove_themselves(dlv, tmp_path, name, question, verdict):
    path = tmp_path / "e"
    status = 0 if verdict == "VALID" else 1
    assert make(dlv, path, name, *question).returncode == status
    verify = ["verify", *GOLDEN, *DATABASES[name], "--evidence", path]
    done = dlv(*verify, *question, status=status)
    assert verdict_of(done) == verdict
    found = json.loads(dlv(*verify, "--json", status=status).out)
    proves = "absence" if verdict == "UNKNOWN" else "presence"
    assert (found["verdict"], found["found"] is not None, found["db_sequence"]) == (verdict, proves == "presence", 7)
    assert check_evidence.check(path.read_text(), AUTHORITY, lookup_key(name)) == (verdict, proves)
    assert "another question" in one_line(dlv(*verify, "--number", "other"))
    assert "another question" in one_line(dlv(*verify, "Patel, Suresh 2344567890 GJ05-1234"))


def test_checker_as_a_program(release, tmp_path):
    path = tmp_path / "e"
    make(release, path, "golden_keyed", "--number", "gj05 1234")
    command = [sys.executable, ROOT / "tools/check_evidence.py", VECTORS / "golden_authority.pub", path]
    done = subprocess.run([*command, LOOKUP], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "VALID (proof of presence)\n"
    assert subprocess.run(command, capture_output=True).returncode == 2


def test_moments(dlv, tmp_path):
    """The day begins at the authority, also in evidence."""
    path = tmp_path / "e"
    for at, verdict in (("2035-04-01T18:29:59Z", "VALID"), ("2035-04-02T00:00:00+05:30", "EXPIRED"),
                        ("2035-04-01", "VALID"), ("2035-04-02", "EXPIRED"), ("2015-04-01", "NOT_YET_VALID")):
        make(dlv, path, "golden", "--number", "gj051234", at="2026-11-24")
        assert verdict_of(dlv("verify", *GOLDEN, "--evidence", path, "--at", at)) == verdict
        if at.endswith("Z") or len(at) == 10:
            assert check_evidence.check(path.read_text(), AUTHORITY, at=at)[0] == verdict


def test_the_checker_chooses_the_moment(dlv, release, keys, tmp_path):
    """What the file says about the moment is not signed; a release says nothing about moments after its end."""
    path, db = tmp_path / "e", tmp_path / "l.db"
    build(release, keys, db, HEADER + "Ramesh,2344567890,GJ05-1234,valid,2015-01-01,2026-11-25\n", "--created",
          "2026-11-20T12:00:00Z", "--valid-days", "30")
    key = RSA.import_key(keys.authority_pub.read_bytes())
    ask = ["client", "--db", db, "--authority", keys.authority_pub, "--evidence", path, "--number", "GJ05-1234"]
    verify = ["verify", "--authority", keys.authority_pub, "--evidence", path]
    release(*ask, "--at", "2026-11-24", status=0)
    for claim in ("2026-11-24", "2026-11-24T10:00:00Z", "2040-01-01"):  # an edited one
        path.write_text(re.sub("^at = .*$", f"at = {claim}", path.read_text(), flags=re.M))
        for at, verdict in (("2026-11-24", "VALID"), ("2026-11-26T00:00:00Z", "EXPIRED"), ("2026-12-20", "EXPIRED"),
                            ("2026-12-20T12:00:00Z", "EXPIRED")):
            done = dlv(*verify, "--at", at)
            assert verdict_of(done) == verdict and f"without proof, that it was asked about {claim}" in done.out
            assert "made 2026-11-20T12:00:00Z, valid until 2026-12-20T12:00:00Z, that" in done.out
            assert check_evidence.check(path.read_text(), key, at=at)[0] == verdict
            assert json.loads(dlv(*verify, "--at", at, "--json").out)["db_valid_until"] == "2026-12-20T12:00:00Z"
        for at in ("2026-12-20T12:00:01Z", "2026-12-21", "2030-01-01"):
            assert "was valid until 2026-12-20T12:00:00Z, so it does not speak for" in one_line(dlv(*verify, "--at", at))
            with pytest.raises(check_evidence.Refused):
                check_evidence.check(path.read_text(), key, at=at)
    # Without --at it is about now.
    build(release, keys, db, HEADER + "Ramesh,2344567890,GJ05-1234,valid,2015-01-01,2040-01-01\n", "--created",
          "2020-01-01T00:00:00Z", "--valid-days", "30", "--force")
    release(*ask, "--at", "2020-01-15", "--stale-ok", "36000", "--force", status=0)
    assert "does not speak for" in one_line(dlv(*verify))
    assert verdict_of(dlv(*verify, "--at", "2020-01-15")) == "VALID"


def test_wrong_keys(dlv, keys, tmp_path):
    path = tmp_path / "e"
    make(dlv, path, "golden_keyed", "--number", "gj051234")
    verify = ["verify", "--evidence", path]
    assert "another authority" in one_line(dlv(*verify, "--authority", keys.authority_pub))
    assert "keyed" in one_line(dlv(*verify, *GOLDEN))
    other = tmp_path / "other"
    other.write_bytes(bytes(range(32)))
    assert "another lookup key" in one_line(dlv(*verify, *GOLDEN, "--lookup-key", other))
    make(dlv, path, "golden", "--number", "gj051234")
    assert "not keyed" in one_line(dlv(*verify, *GOLDEN, "--lookup-key", LOOKUP))


def mutated(text, rng):
    lines = text.split("\n")
    way = rng.randrange(8)
    if way == 0:  # a character
        at = rng.randrange(len(text))
        return text[:at] + rng.choice("0123456789abcdefT:-Z =\n\0") + text[at + 1 :]
    if way == 1:  # one of the lines after the header, where most of the meaning is
        at = rng.randrange(text.index("entry"), len(text))
        return text[:at] + rng.choice("0123456789abcdef") + text[at + 1 :]
    if way == 2:
        at = rng.randrange(len(text))
        return text[:at] + text[at + 1 :]
    if way == 3:
        return text[: rng.randrange(len(text))]
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    if way == 4:
        lines[i], lines[j] = lines[j], lines[i]
    elif way == 5:
        lines.insert(i, lines[j])
    elif way == 6:
        del lines[i]
    else:
        return text + rng.choice([text, "\n", "path = " + "0" * 64 + "\n", lines[-2] + "\n"])
    return "\n".join(lines)


MUTATIONS = int(os.environ.get("MUTATIONS", 400))  # `make soak` takes more


@pytest.mark.parametrize("question", [["--number", "KL07 20200000042", "--name", "Meera Nair"], ["--number", "GJ nobody"]], ids=["presence", "absence"])
def test_mutations(release, tmp_path, question):
    """dlv and the checker agree on every one; what changes anything proves nothing."""
    path, changed = tmp_path / "e", tmp_path / "m"
    make(release, path, "golden", *question)
    text = path.read_text()
    rng = random.Random(question[0])
    accepted = 0
    for _ in range(MUTATIONS):
        mutation = mutated(text, rng)
        changed.write_text(mutation)
        done = release("verify", *GOLDEN, "--at", "2026-11-24", "--evidence", changed)
        try:
            verdict, _ = check_evidence.check(mutation, AUTHORITY, at="2026-11-24")
        except check_evidence.Refused:
            verdict = None
        if verdict is None:
            one_line(done)
        else:
            # Only the question's own words may differ without spoiling the proof: kind, fields, day.
            assert verdict_of(done) == verdict, (mutation, done.err)
            assert mutation[mutation.index("header"):] == text[text.index("header"):]
            accepted += mutation != text
    assert accepted < 10 + MUTATIONS / 15


def test_mutations_sanitized(dlv, tmp_path):
    path, changed = tmp_path / "e", tmp_path / "m"
    make(dlv, path, "golden_keyed", "--number", "gj05 1234")
    text = path.read_text()
    rng = random.Random(4)
    for _ in range(150):
        changed.write_text(mutated(text, rng))
        dlv("verify", *GOLDEN, "--lookup-key", LOOKUP, "--evidence", changed)
    changed.write_bytes(b"\xff" * 20000)
    one_line(dlv("verify", *GOLDEN, "--evidence", changed))


def test_forged_by_the_operator(release, keys, tmp_path):
    """Who runs the server but has no key of the authority: every forgery he could try."""
    path = tmp_path / "e"
    make(release, path, "golden", "--number", "mh12 20190054321")
    text = path.read_text()
    entry = next(line for line in text.split("\n") if line.startswith("entry"))
    index, own, further = entry.split(" = ")[1].split(" ")
    raw = bytearray(bytes.fromhex(own))
    raw[38] = raw[38] & 0xE3 | 1 << 2  # valid
    other = [line for line in text.split("\n") if line.startswith("node")]
    for forged in (text.replace(own, raw.hex()), text.replace(f"= {index} ", f"= {int(index) + 1} "),
                   text.replace(entry + "\n", ""), text.replace(further, "-"), text.replace(other[0] + "\n", ""),
                   text.replace(other[0], other[-1]), text.replace("at = 2026-11-24", "at = 2020-02-31")):
        assert forged != text
        path.write_text(forged)
        one_line(release("verify", *GOLDEN, "--evidence", path))


def test_ten_thousand_rows(release, keys, tmp_path):
    db, path = tmp_path / "l.db", tmp_path / "e"
    rows = list(registry(10000, seed=8))
    build(release, keys, db, as_csv(rows))
    authority = RSA.import_key(keys.authority_pub.read_bytes())
    for row in random.Random(1).sample(rows, 40):
        for number, found in ((row["licence"], "presence"), (row["licence"] + "X", "absence")):
            release("client", "--db", db, "--authority", keys.authority_pub, "--evidence", path,
                    "--number", number)
            verdict, proved = check_evidence.check(path.read_text(), authority)
            assert proved == found
            done = release("verify", "--authority", keys.authority_pub, "--evidence", path, "--number", number)
            assert verdict_of(done) == verdict


def test_damage_is_noticed_where_it_matters(release, keys, tmp_path):
    """The whole file is not read; an answer from a damaged part is trouble all the same."""
    data = bytearray((VECTORS / "golden.db").read_bytes())
    db = tmp_path / "bad.db"
    question = ["client", "--db", db, *GOLDEN, "--at", "2026-11-24", "--number"]
    refused = 0
    for bit in [*range(8192 * 8, 8192 * 8 + 5000, 41), *range(8192 * 8, len(data) * 8, 611)]:
        data[bit // 8] ^= 1 << bit % 8
        db.write_bytes(data)
        data[bit // 8] ^= 1 << bit % 8
        for number, verdict in (("gj051234", "VALID"), ("gj nobody", "UNKNOWN")):
            done = release(*question, number)
            if done.returncode == 2:
                one_line(done)
                refused += 1
            else:
                assert done.out.startswith(verdict + " ")
    assert refused > 50


@pytest.mark.parametrize("args", [
    ["--legacy", "--server", "x", "--prove", "y"],
    ["--db", "x", "--authority", "y", "--evidence", "z", "-"],
    ["--db", "x", "--authority", "y", "--evidence", "z", "--number", "-"]])
def test_usage(dlv, args):
    one_line(dlv("client", *args))
    one_line(dlv("verify", *GOLDEN, "--number", "x", "y"))
