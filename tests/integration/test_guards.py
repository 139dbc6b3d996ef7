"""Guards: a registry that came half, a column that got lost or an option that was forgotten replaces nothing."""

import json
import os
import re

import pytest
from conftest import VECTORS, one_line

COLUMNS = "licence,name,phone,status,valid_from,valid_to,classes,former\n"
COUNT = 3000


def rows(change=lambda i, row: row, count=COUNT):
    made = []
    for i in range(count):
        row = {"licence": f"GJ{i:06}", "name": f"Asha {chr(65 + i % 26)}{chr(65 + i // 26 % 26)}", "phone": f"98{i:08}",
               "status": "suspended" if i % 20 == 0 else "valid", "valid_from": "2015-01-01", "valid_to": "2040-01-01",
               "classes": "HMV" if i % 50 == 3 else "LMV", "former": f"OLD{i}" if i % 100 == 7 else ""}
        row = change(i, dict(row))
        if row is not None:
            made.append(",".join(row.values()) + "\n")
    return COLUMNS + "".join(made)


@pytest.fixture(scope="module")
def base(release, keys, tmp_path_factory):
    """Bytes of the release before."""
    folder = tmp_path_factory.mktemp("guards")
    (folder / "r.csv").write_text(rows())
    release("dbgen", "--sign", keys.authority, "-o", folder / "l.db", "--created", "2026-10-01", "--valid-days", "300", "--covers",
            "GJ", "--utc-offset", "+05:30", "--number-pattern", "@@#{6},OLD#{1-6}", "--calling-code", "91", folder / "r.csv",
            status=0)
    return (folder / "l.db").read_bytes()


@pytest.fixture
def make(release, keys, tmp_path, base):
    """Builds over the release before; returns what was said. The file is whole whatever happens."""
    db = tmp_path / "l.db"
    db.write_bytes(base)

    def run(text, *options, status=None):
        (tmp_path / "r.csv").write_text(text)
        return release("dbgen", "--sign", keys.authority, "-o", db, *options, tmp_path / "r.csv", status=status)
    run.db = db
    return run


def half(i, row):
    return row if i < COUNT // 2 else None


def without(*names):
    return lambda i, row: {**row, **{name: "" for name in names}}


def with_status(i, row):
    return {**row, "status": "valid"}


def other_names(i, row):
    return {**row, "name": "Ravi Rao"} if i % 10 == 0 else row


SLIPS = {
    "half of it": (half, [], r"1515 of 3030 entries are dropped, with the keys [0-9a-f]{16}(, [0-9a-f]{16}){9}, \.\.\.", ["--accept-drop", "50%"]),
    "one row": (lambda i, row: row if i == 0 else None, [], "3029 of 3030 entries are dropped", ["--accept-drop", "100%", "--accept-vanished"]),
    "another tenth of names": (other_names, [], "300 of 3030 entries are changed|303 of 3030 entries are changed", ["--accept-change", "10.1%"]),
    "no status column": (with_status, [], "no licence is suspended any more; 150 were", ["--accept-vanished"]),
    "no names": (without("name"), [], "no licence has a name on file any more; 3000 had", ["--accept-vanished", "--accept-change", "100%"]),
    "no former numbers": (without("former"), [], "there is no former number any more; there were 30", ["--accept-vanished"]),
    "a class that is gone": (lambda i, row: {**row, "classes": "LMV"}, [], "nobody holds class HMV any more", ["--accept-vanished"]),
    "another coverage": (None, ["--covers", "GJ,KA"], "another coverage", ["--accept-facts"]),
    "another offset": (None, ["--utc-offset", "Z"], "another UTC offset", ["--accept-facts"]),
    "other patterns": (None, ["--number-pattern", "GJ#{6}"], "it has other number patterns", ["--accept-facts"]),
    "marked as a test": (None, ["--test"], "it is marked as test data", ["--accept-facts"]),
    "all of it forgotten": (None, ["--no-inherit"], "another UTC offset", ["--accept-facts"]),
    "an older date": (None, ["--created", "2026-09-30"], "it was made before the release before", ["--accept-facts"]),
    "other fields": (None, ["--fields", "name,card"], "it keeps other fields", ["--accept-rekey"]),
    "a lookup key": (None, ["--lookup-key", VECTORS / "golden_lookup.key", "--fields", "name"], "it has another lookup key", ["--accept-rekey"]),
    "the same number": (lambda i, row: {**row, "status": "revoked"} if i == 1 else row, ["--sequence", "1"],
                        "release 1 is there already, with other content", ["--accept-same-sequence"]),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips(make, base, slip):
    """Refused in one line, which says how it is accepted; accepted, it goes through."""
    change, options, reason, accepts = SLIPS[slip]
    text = rows(change) if change else rows()
    done = make(text, *options)
    line = done.err.splitlines()[-1]
    assert done.returncode == 2 and re.search(reason, line) and "nothing was replaced" in line, done
    assert accepts[0] in line and make.db.read_bytes() == base
    for missing in range(len(accepts) if not any("%" in word for word in accepts) else 0):
        assert make(text, *options, *accepts[:missing], *accepts[missing + 1:]).returncode == 2
    make(text, *options, *accepts, status=0)
    assert make.db.read_bytes() != base


def test_the_share_that_is_told_is_enough(make, base):
    """And a tenth of a percent less is not."""
    text = rows(lambda i, row: row if i % 31 else None)
    told = re.search(r"--accept-drop (\d+)\.(\d)%", make(text).err)
    tenths = int(told.group(1)) * 10 + int(told.group(2))
    less = f"{(tenths - 1) // 10}.{(tenths - 1) % 10}%"
    assert make(text, "--accept-drop", less).returncode == 2 and make.db.read_bytes() == base
    make(text, "--accept-drop", f"{tenths // 10}.{tenths % 10}%", status=0)


def test_bad_rows(make, base):
    """--skip-bad does not mean any number of them."""
    text = rows(lambda i, row: {**row, "valid_to": "never"} if i % 20 == 1 else row)
    done = make(text, "--skip-bad")
    assert "150 of 3000 rows are bad" in done.err and "--accept-rejects 5.0%" in done.err and make.db.read_bytes() == base
    make(text, "--skip-bad", "--accept-rejects", "5%", "--accept-change", "6%", status=0)
    make(rows(lambda i, row: {**row, "valid_to": "never"} if i == 1 else row), "--skip-bad", "--accept-change", "6%", status=0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cut_off(make, base, end):
    text = rows().replace("\n", end)
    for cut in (len(end), 5, 20):
        done = make(text[:-cut])
        assert done.returncode == 2 and "its last line has no end, as if it had been cut off (--accept-cut" in done.err
        assert make.db.read_bytes() == base
    make(text[:-len(end)], "--accept-cut", status=0)
    make(text, status=0)


def test_what_was_said_is_inherited(make, release, keys, base):
    """A nightly job that names no more than the files goes on as before."""
    make(rows(lambda i, row: row if i != 5 else None), status=0)
    info = json.loads(release("info", "--json", make.db, status=0).out)
    assert (info["sequence"], info["covers"], info["utc_offset_minutes"]) == (2, ["GJ"], 330)
    assert info["number_patterns"] == ["@@#{6}", "OLD#{1-6}"] and info["calling_code"] == "91" and not info["keyed"]


def test_a_keyed_one_stays_keyed(release, keys, tmp_path):
    registry, db = tmp_path / "r.csv", tmp_path / "l.db"
    registry.write_text(rows(count=50))
    make = ["dbgen", "--sign", keys.authority, "-o", db, registry]
    release(*make, "--lookup-key", VECTORS / "golden_lookup.key", status=0)
    before = db.read_bytes()
    assert "is keyed, so --lookup-key is needed" in one_line(release(*make)) and db.read_bytes() == before
    release(*make, "--accept-rekey", status=0)
    info = json.loads(release("info", "--json", db, status=0).out)
    assert info["keyed"] is False and info["fields"] == ["name"]  # a phone number could be guessed in a plain one


def test_another_authority(make, release, keys, base):
    """What another authority has signed is not replaced."""
    done = release("dbgen", "--sign", keys.other, "-o", make.db, make.db.parent / "r.csv") if make(rows(), status=0) else None
    assert done.returncode == 2 and "authority" in done.err


def test_small_registers_are_left_alone(release, keys, tmp_path):
    """A few entries are never an accident, whatever the share."""
    registry, db = tmp_path / "r.csv", tmp_path / "l.db"
    for count in (12, 3, 9):
        registry.write_text(rows(count=count))
        release("dbgen", "--sign", keys.authority, "-o", db, registry, status=0)


def test_changes_are_guarded_against_their_base(make, release, keys, base):
    changes = make.db.parent / "changes.csv"
    out = make.db.parent / "next.db"
    run = ["dbgen", "--sign", keys.authority, "--base", make.db, "-o", out, changes]
    changes.write_text("op,licence\n" + "".join(f"remove,GJ{i:06}\n" for i in range(100)))
    done = release(*run)
    assert done.returncode == 2 and "entries are dropped" in done.err and not out.exists()
    release(*run, "--accept-drop", "4%", status=0)
    changes.write_text("op,licence,status_since\n" + "".join(f"revoke,GJ{i:06},2026-10-01\n" for i in range(200)))
    out.unlink()
    assert "entries are changed" in one_line(release(*run)) and not out.exists()
    release(*run, "--accept-change", "7%", status=0)


def test_dated_outputs_go_on(make, release, keys, base):
    """--after FILE names the release before, where each goes into a file of its own."""
    folder = make.db.parent
    (folder / "r.csv").write_text(rows())
    run = ["dbgen", "--sign", keys.authority, "--after", make.db]
    release(*run, "-o", folder / "2.db", folder / "r.csv", status=0)
    assert json.loads(release("info", "--json", folder / "2.db", status=0).out)["sequence"] == 2
    (folder / "r.csv").write_text(rows(half))
    assert "are dropped" in release(*run, "-o", folder / "3.db", folder / "r.csv").err and not (folder / "3.db").exists()
    assert "nowhere" in one_line(release("dbgen", "--sign", keys.authority, "--after", "nowhere", "-o", folder / "3.db", folder / "r.csv"))


@pytest.mark.parametrize("share", ["", "3", "%", "3.25%", "101%", "-1%", "100.1%", "x%", "3.%", ".5%"])
def test_shares(make, base, share):
    assert "is not a share such as 3.2%" in one_line(make(rows(), "--accept-drop", share)) and make.db.read_bytes() == base


def test_diff(make, release, keys, base):
    old, new = make.db.parent / "old.db", make.db
    old.write_bytes(base)

    def change(i, row):
        if i < 4:
            return None
        if i == 20:
            return {**row, "status": "valid"}  # was suspended
        if i in (31, 32):
            return {**row, "name": "Ravi Rao"}
        return {**row, "classes": "LMV;MCWG"} if i == 40 else row
    make(rows(change) + "KA000001,Ravi Rao,9800000000,valid,2015-01-01,2040-01-01,LMV,\n", status=0)
    ask = ["diff", "--authority", keys.authority_pub]
    said = json.loads(release(*ask, "--json", old, new, status=1).out)
    assert (said["added_licence"], said["dropped_licence"], said["changed_licence"]) == (1, 4, 4)
    assert (said["changed_in_name"], said["changed_in_status"], said["changed_in_classes"], said["milder"]) == (2, 1, 1, 1)
    assert (said["before_licence"], said["after_licence"], said["before_suspended"], said["after_suspended"]) == (3000, 2997, 150, 148)
    text = release(*ask, old, new, status=1).out
    assert "dropped: 4 licences\n" in text and "  in their name: 2\n" in text and "class MCWG: held by nobody before\n" in text
    listed = release(*ask, "--list", old, new, status=1).out
    assert len(re.findall(r"^(added|dropped|changed) licence [0-9a-f]{32}$", listed, re.M)) == 9
    assert release(*ask, old, old, status=0).out.count("before") and "changed" not in release(*ask, old, old).out
    one_line(release("diff", "--authority", keys.other_pub, old, new))
    one_line(release(*ask, old))


def test_info(release, keys, base, tmp_path):
    """The header at once: nothing but it is read, and nothing is claimed that was not checked."""
    db = tmp_path / "l.db"
    db.write_bytes(base[:8192] + os.urandom(100))
    out = release("info", db, status=0).out
    assert "nothing of it was checked" in out and "covers       GJ" in out
    assert json.loads(release("info", "--json", db, status=0).out)["verified"] is False
    assert "its header is signed, the rest was not checked" in release("info", "--authority", keys.authority_pub, db, status=0).out
    one_line(release("info", "--authority", keys.other_pub, db))
    for junk in (b"", base[:5000], b"x" * 9000):
        db.write_bytes(junk)
        one_line(release("info", db))


def test_days_left(release, keys, base, tmp_path):
    """For monitoring: 1 where a database has run out or soon will, 2 where it is broken."""
    registry, db = tmp_path / "r.csv", tmp_path / "l.db"
    registry.write_text(rows(count=3))
    verify = ["verify", "--authority", keys.authority_pub, db]
    for days, left in ((10, 0), (10, 9), (0, 36525)):
        release("dbgen", "--sign", keys.authority, "-o", db, "--valid-days", days, registry, status=0)
        release(*verify, "--days-left", left, status=0)
    release("dbgen", "--sign", keys.authority, "-o", db, "--valid-days", 10, registry, status=0)
    release(*verify, "--days-left", 11, status=1)
    release("dbgen", "--sign", keys.authority, "-o", tmp_path / "old.db", "--created", "2026-01-01", "--valid-days", 10, registry, status=0)
    release("verify", "--authority", keys.authority_pub, tmp_path / "old.db", status=1)
    db.write_bytes(db.read_bytes()[:-1])
    one_line(release(*verify))


def test_a_stale_base_undoes_nothing(make, release, keys, base, tmp_path):
    """Two lists of changes to the same base: the second would make valid again whom the first revoked."""
    old, changes = tmp_path / "old.db", tmp_path / "changes.csv"
    old.write_bytes(base)
    for number, where in (("GJ000001", 0), ("GJ000002", 2)):
        changes.write_text(f"op,licence,status_since\nrevoke,{number},2026-10-01\n")
        done = release("dbgen", "--sign", keys.authority, "--base", old, "-o", make.db, changes)
        assert done.returncode == where, done
    assert "old.db: is release 1, but " in done.err and "would undo those in between" in done.err
    ask = ["client", "--db", make.db, "--authority", keys.authority_pub, "--number"]
    assert release(*ask, "GJ000001").out.startswith("REVOKED") and release(*ask, "GJ000002").out.startswith("VALID")


def test_licences_that_are_valid_again_are_told(make, base):
    """Yesterday's registry takes back what was changed since: that can be meant, so it is said."""
    make(rows(lambda i, row: {**row, "status": "revoked"} if i in (1, 2, 3) else row), status=0)
    assert "note: 3 licences are valid again that were not before" in make(rows(), status=0).err
    assert "note" not in make(rows(), status=0).err


def test_after_a_release_the_output_is_looked_at_too(make, release, keys, base, tmp_path):
    other = tmp_path / "other.db"
    (tmp_path / "few.csv").write_text(rows(count=20))
    run = ["dbgen", "--after", make.db, "-o", other, tmp_path / "r.csv"]
    (tmp_path / "r.csv").write_text(rows())
    for sign, options, reason in ((keys.other, [], "signed by another authority"), (keys.authority, ["--name", "others"], 'of "others", not of "licences"'),
                                  (keys.authority, ["--sequence", "9"], None)):
        if other.exists():
            other.unlink()
        release("dbgen", "--sign", sign, "-o", other, *options, tmp_path / "few.csv", status=0)
        before = other.read_bytes()
        done = release(*run, "--sign", keys.authority, *([] if reason else ["--accept-facts"]))
        if reason is None:  # the later of the two counts
            assert done.returncode == 0 and "sequence 10," in done.out
        else:
            assert reason in one_line(done) and other.read_bytes() == before


def test_a_damaged_release_before(make, base):
    """It is not the new release that lost entries."""
    damaged = bytearray(base)
    for at in range(8192 + 5000, 8192 + 8000):
        damaged[at] ^= 0x55
    make.db.write_bytes(damaged)
    done = make(rows())
    assert done.returncode == 2 and "are dropped" not in done.err and "--accept" not in done.err and make.db.read_bytes() == bytes(damaged)


@pytest.mark.parametrize("options, reason", [(["--created", "2099-01-01"], "is in the future"), (["--after", "nowhere"], "--after: nowhere"),
                                             (["--after", ""], "name of a file is empty")])
def test_what_can_only_be_a_slip(make, base, options, reason):
    done = make(rows(), *options)
    assert reason in one_line(done) and "remove it" not in done.err and make.db.read_bytes() == base
