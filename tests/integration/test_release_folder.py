"""A folder of releases: each appears whole, `current` leads to the one in force, and one can go back."""

import json
import os
import random
import subprocess
import time

import dbformat
import pytest
from conftest import HEADER, build, one_line

NUMBERS = [f"GJ{i:06}" for i in range(400)]


def registry(status=lambda i: "valid", numbers=NUMBERS):
    return HEADER + "".join(f"Asha,9800000098,{number},{status(i)},2015-01-01,2040-01-01\n" for i, number in enumerate(numbers))


@pytest.fixture
def folder(release, keys, tmp_path):
    """Builds into a folder."""
    into = tmp_path / "releases"
    into.mkdir()

    def make(text=None, *options, status=None):
        (tmp_path / "r.csv").write_text(text or "")
        return release("dbgen", "--sign", keys.authority, "--into", into, *options, *([tmp_path / "r.csv"] if text else []), status=status)
    make.path, make.current = into, into / "current"
    make.sequence = lambda: json.loads(release("info", "--json", make.current, status=0).out)["sequence"]
    make.names = lambda: sorted(name for name in os.listdir(into) if name != ".lock" and not name.endswith(".changes"))
    make.lists = lambda: sorted(name for name in os.listdir(into) if name.endswith(".changes"))
    make.verdict = lambda number: release("client", "--db", make.current, "--authority", keys.authority_pub, "--number", number).out.split()[0]
    return make


def test_releases_follow_each_other(folder):
    """The first must have been meant; the link moves; the last N stay."""
    assert "holds no release yet (--first begins one)" in one_line(folder(registry())) and folder.names() == []
    folder(registry(), "--first", status=0)
    assert os.readlink(folder.current) == "1.db" and folder.names() == ["1.db", "current"]
    assert "holds releases already (leave out --first)" in one_line(folder(registry(), "--first"))
    for number in range(2, 12):
        folder(registry(), "--keep", "3", status=0)
        assert os.readlink(folder.current) == f"{number}.db" and folder.sequence() == number
    assert folder.names() == ["10.db", "11.db", "9.db", "current"]
    assert folder.lists() == ["10.changes", "11.changes", "9.changes"]
    folder(registry(), "--sequence", "50", status=0)
    assert folder.sequence() == 50
    assert "is behind 50" in one_line(folder(registry(), "--sequence", "20"))


def test_a_refused_release_leaves_all_as_it_is(folder):
    folder(registry(), "--first", status=0)
    before = (folder.path / "1.db").read_bytes()
    assert "are dropped" in folder(registry(numbers=NUMBERS[:200])).err
    assert "bad rows" in folder(registry(lambda i: "broken")).err
    assert os.readlink(folder.current) == "1.db" and (folder.path / "1.db").read_bytes() == before
    assert folder.names() == ["1.db", "current"]
    folder(registry(), status=0)
    assert folder.names() == ["1.db", "2.db", "current"]


def test_going_back(folder, release, keys):
    """What an earlier release said, under a new number; those that it makes valid again must be accepted by number."""
    folder(registry(), "--first", status=0)
    folder(registry(lambda i: "suspended" if i < 5 else "valid"), status=0)
    folder(registry(lambda i: "suspended" if i < 5 else "valid", numbers=NUMBERS[:-2]), status=0)
    assert folder.verdict("GJ000001") == "SUSPENDED" and folder.verdict("GJ000399") == "UNKNOWN"
    done = folder(None, "--republish", "1")
    assert "5 licences would be valid again" in one_line(done) and "--accept-milder 5" in done.err
    assert folder(None, "--republish", "1", "--accept-milder", "4").returncode == 2 and folder.sequence() == 3
    folder(None, "--republish", "1", "--accept-milder", "5", status=0)
    assert folder.sequence() == 4 and folder.verdict("GJ000001") == "VALID" and folder.verdict("GJ000399") == "VALID"
    assert "added" not in release("diff", "--authority", keys.authority_pub, folder.path / "1.db", folder.current, status=0).out
    # Its file is a release like any other: for the independent reader, too; and it comes after the one before.
    authority = dbformat.load_key(keys.authority)
    old, new = (dbformat.Database(folder.path / name, authority) for name in ("1.db", "4.db"))
    assert new.root == old.root and new.facts.predecessor == dbformat.Database(folder.path / "3.db", authority).id
    assert new.facts.created >= old.facts.created and new.facts.valid_until > new.facts.created
    folder(None, "--republish", "3", status=0)  # stricter: nothing to accept
    assert folder.sequence() == 5 and folder(None, "--republish", "77").returncode == 2


def test_changes_in_a_folder(folder, release, keys, tmp_path):
    folder(registry(), "--first", status=0)
    changes = tmp_path / "changes.csv"
    changes.write_text("op,licence,status_since\nsuspend,GJ000007,2026-01-01\n")
    release("dbgen", "--sign", keys.authority, "--into", folder.path, "--base", folder.current, changes, status=0)
    assert folder.sequence() == 2 and folder.verdict("GJ000007") == "SUSPENDED" and folder.verdict("GJ000008") == "VALID"


def test_a_server_follows(folder, release, keys, serve):
    folder(registry(), "--first", status=0)
    server = serve(release, folder.current, who=("--anonymous",))
    folder(registry(lambda i: "revoked" if i == 3 else "valid"), status=0)
    assert "event=reloaded sequence=2" in server.reload()
    done = release("client", "--server", server.address, "--server-key", keys.server_pub, "--number", "GJ000003", status=1)
    assert done.out.startswith("REVOKED")


def test_what_is_not_ours_stays(folder):
    """Names that are no releases, files that are none, and a `current` that somebody made."""
    folder(registry(), "--first", status=0)
    for name in ("0.db", "01.db", "x.db", "-1.db", "99999999999999999999.db", "1.db.bak"):
        (folder.path / name).write_text("mine")
    (folder.path / "2.db").write_text("mine")  # its number is not taken
    for _ in range(4):
        folder(registry(), "--keep", "1", status=0)
    assert folder.names() == sorted(["0.db", "01.db", "x.db", "-1.db", "99999999999999999999.db", "1.db.bak", "2.db", "6.db", "current"])
    assert (folder.path / "2.db").read_text() == "mine"
    folder.current.unlink()
    folder.current.write_text("mine")
    assert "is no symbolic link" in one_line(folder(registry())) and folder.current.read_text() == "mine"
    folder.current.unlink()
    folder.current.symlink_to("../elsewhere.db")
    assert "no release of this folder" in one_line(folder(registry()))


def test_two_at_once(folder, release, keys, tmp_path):
    folder(registry(), "--first", status=0)
    command = [release.path, "dbgen", "--sign", keys.authority, "--into", folder.path, "-"]
    waiting = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not any("/.lock" in os.readlink(f"/proc/{waiting.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{waiting.pid}/fd")):
        time.sleep(0.01)
    assert "another dbgen is at work in it" in one_line(folder(registry()))
    waiting.communicate(registry().encode())
    assert waiting.returncode == 0 and folder.sequence() == 2


def test_killed_at_any_point(folder, release, keys):
    """Build, read back, sign, rename, move, prune, go back: what `current` leads to is whole at every moment."""
    folder(registry(), "--first", status=0)
    authority = dbformat.load_key(keys.authority)
    registry_path = folder.path.parent / "r.csv"
    registry_path.write_text(registry())
    base = [release.path, "dbgen", "--sign", keys.authority, "--into", folder.path, "--keep", "2"]
    rng, sequence, killed = random.Random(11), 1, 0
    start = time.monotonic()
    subprocess.run([*base, registry_path], check=True, capture_output=True)
    whole = time.monotonic() - start
    for i in range(50):
        back = ["--republish", str(folder.sequence())] if i % 3 == 0 else [registry_path]
        process = subprocess.Popen([*base, *back], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, whole * 1.1))
        process.kill()
        killed += process.wait() == -9
        now = dbformat.Database(folder.current, authority).facts.sequence
        assert now >= sequence
        sequence = now
    assert killed >= 15
    # A release that was complete before its link moved is not in the way of the next one.
    subprocess.run([*base, registry_path], check=True, capture_output=True)
    assert len(folder.names()) == 3
    left = [name for name in folder.names() if not name.endswith(".db") and name != "current"]
    assert left == []


def test_a_published_release_is_not_written_over(folder, release, keys):
    """Through the link, as one would without --into."""
    folder(registry(), "--first", status=0)
    before = (folder.path / "1.db").read_bytes()
    done = release("dbgen", "--sign", keys.authority, "-o", folder.current, folder.path.parent / "r.csv")
    assert "--into makes the next one" in one_line(done) and (folder.path / "1.db").read_bytes() == before


def test_a_link_that_is_gone(folder):
    """The folder is not begun anew: its releases are named, and the command that restores the link."""
    folder(registry(), "--first", status=0)
    folder(registry(), status=0)
    folder.current.unlink()
    for options in ([], ["--first"]):
        line = one_line(folder(registry(), *options))
        assert "there are releases up to 2.db" in line and f"ln -s 2.db {folder.path}/current" in line
    os.symlink("2.db", folder.current)
    folder(registry(), status=0)
    assert folder.sequence() == 3
    folder.path.rename(folder.path.parent / "moved")
    assert "there is no such folder" in one_line(folder(registry()))


# --- dlv install -----------------------------------------------------------------------------------------------------


@pytest.fixture
def two_releases(release, keys, tmp_path):
    paths = []
    for sequence in (1, 2):
        paths.append(tmp_path / f"release{sequence}.db")
        build(release, keys, paths[-1], registry(), "--sequence", str(sequence))
    return paths


def test_install(release, keys, two_releases, tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    command = ["install", "--authority", keys.authority_pub]
    assert "(--first begins one)" in one_line(release(*command, two_releases[0], folder))
    release(*command, "--first", two_releases[0], folder, status=0)
    assert os.readlink(folder / "current") == "1.db"
    done = release(*command, two_releases[1], folder, status=0)
    assert done.out.startswith(f"release 2 of licences, 400 entries, is in force: {folder}/2.db\n{folder}/2.changes: ")
    assert (folder / "current").read_bytes() == two_releases[1].read_bytes()
    assert "is in force already" in release(*command, two_releases[1], folder, status=0).out
    assert "not above 2, in force" in one_line(release(*command, two_releases[0], folder))
    assert "(leave out --first)" in one_line(release(*command, "--first", two_releases[1], folder))
    other = tmp_path / "other.db"
    build(release, keys, other, registry(), "--sequence", "9", "--name", "elsewhere")
    assert '"elsewhere", and "licences" is in force' in one_line(release(*command, other, folder))
    damaged = tmp_path / "damaged.db"
    build(release, keys, damaged, registry(), "--sequence", "3")
    data = bytearray(damaged.read_bytes())
    data[9000] ^= 1
    damaged.write_bytes(data)
    assert str(damaged) in one_line(release(*command, damaged, folder))
    damaged.write_bytes(data[:-4096])
    assert str(damaged) in one_line(release(*command, damaged, folder))
    wrong = ["install", "--authority", keys.other_pub]
    assert "another authority" in one_line(release(*wrong, damaged, folder))
    assert sorted(os.listdir(folder)) == sorted([".lock", "1.db", "2.changes", "2.db", "current"] if (folder / ".lock").exists()
                                                else ["1.db", "2.db", "current"])
    assert os.readlink(folder / "current") == "2.db"
