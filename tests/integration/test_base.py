"""dbgen --base: the next release from the last one and a list of changes."""

import csv
import fcntl
import io
import os
import random
import subprocess
import termios
import time

import pytest
from conftest import HEADER, build, one_line
from test_dbgen import as_csv, load, registry

COLUMNS = ["op", "name", "phone", "licence", "status", "valid_from", "valid_to", "classes",
           "document", "old_document"]
NO_DOCUMENTS = "op," + HEADER
ROWS = HEADER + "Asha,98,GJ01,valid,2020-01-01,2030-01-01\nRavi,99,GJ02,valid,2020-01-01,2030-01-01\n"


def change(dlv, keys, base, out, text, *options, status=0):
    return dlv("dbgen", "--sign", keys.authority, "--base", base, "-o", out, *options, "-",
               stdin=text, status=status)


def changes_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def some_changes(rows, rng):
    """Changes to a registry: (the list, the registry that results)."""
    result, changes = {}, []
    for row in rows:
        record = (row["name"], row["phone"], row["licence"])
        what = rng.random()
        if what < 0.1:
            changes.append({"op": "delete", **dict(zip(("name", "phone", "licence"), record)),
                            rng.choice(["document", "old_document"]): row["document"]})
        elif what < 0.3:
            new = {**row, "status": rng.choice(["valid", "suspended", "revoked"]), "valid_to": "2999-01-01"}
            if rng.random() < 0.5:
                new["document"] = rng.choice(["", rng.randbytes(32).hex()])
            changes.append({**new, "op": "set", "old_document": row["document"]})
            result[record] = new
        elif what < 0.35:  # another telephone: the record goes, its number comes back
            new = {**row, "phone": row["phone"] + "1", "status": "suspended"}
            changes.append({"op": "delete", **dict(zip(("name", "phone", "licence"), record)),
                            "old_document": row["document"]})
            changes.append({**new, "op": "set"})
            result[new["name"], new["phone"], new["licence"]] = new
        else:
            result[record] = row
    tag = rng.randrange(10**9)
    for i, row in enumerate(registry(200, seed=77)):
        row = {**row, "name": "New " + row["name"], "licence": f"NEW-{tag}-{i}",
               "document": rng.randbytes(32).hex() if i % 2 else ""}
        changes.append({**row, "op": "set"})
        result[row["name"], row["phone"], row["licence"]] = row
    rng.shuffle(changes)
    return changes, list(result.values())


@pytest.mark.parametrize("is_keyed", [False, True])
@pytest.mark.parametrize("memory", ["16M", "1G"])
def test_equals_a_full_build(dlv, keys, tmp_path, is_keyed, memory):
    options = ["--memory", memory, "--utc-offset", "+05:30"]
    keyed = []
    if is_keyed:
        dlv("keygen", "--type", "lookup", "-o", tmp_path / "lookup.key", status=0)
        keyed = ["--lookup-key", tmp_path / "lookup.key"]
    rng, rows = random.Random(9), list(registry(3000))
    db = tmp_path / "l.db"
    build(dlv, keys, db, as_csv(rows), *options, *keyed)
    for sequence in (2, 3, 4):
        changes, rows = some_changes(rows, rng)
        time = f"203{sequence}-01-01T00:00:00Z"
        change(dlv, keys, db, db, changes_csv(changes), "--created", time, *keyed)
        build(dlv, keys, tmp_path / "full.db", as_csv(rows), "--created", time, "--sequence",
              str(sequence), *options, *keyed)
        assert db.read_bytes() == (tmp_path / "full.db").read_bytes()
    dlv("verify", "--authority", keys.authority_pub, db, status=0)


def test_no_changes_and_everything_removed(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    assert "sequence 2," in change(dlv, keys, db, db, NO_DOCUMENTS).out  # a longer life
    assert load(db, keys).count == 4
    line = one_line(change(dlv, keys, db, db, NO_DOCUMENTS + "delete,Asha,98,GJ01,,,\n"
                           "delete,Ravi,99,GJ02,,,\n", status=2))
    assert "no licences to write" in line and load(db, keys).sequence == 2
    change(dlv, keys, db, tmp_path / "next.db", NO_DOCUMENTS + "delete,Asha,98,GJ01,,,\n")
    assert load(tmp_path / "next.db", keys).count == 2 and load(db, keys).count == 4
    assert load(tmp_path / "next.db", keys).sequence == 3


BAD = {
    "delete,Nobody,1,X,,,": "(2 such entries; nothing was written)",
    "delete,Asha,98,gj02,,,": "to be removed is not in",
    "delete,Asha,98,GJ01,,,\nset,Asha,98,GJ01,valid,2020-01-01,2031-01-01": "operation, status",
    "set,Asha,98,GJ01,valid,2020-01-01,2031-01-01\nset,Asha,98,GJ01,valid,2020-01-01,2032-01-01":
        ":3: the record is that of line 2",
}


@pytest.mark.parametrize("rows", BAD)
def test_changes_that_cannot_be(dlv, keys, tmp_path, rows):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    before = db.read_bytes()
    line = one_line(change(dlv, keys, db, db, NO_DOCUMENTS + rows + "\n", status=2))
    assert BAD[rows] in line and db.read_bytes() == before


def test_bad_operations(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    for op in ("", "Set", "remove", "delete "):
        done = change(dlv, keys, db, db, NO_DOCUMENTS + f"{op},Asha,98,GJ01,valid,2020-01-01,2031-01-01\n",
                      status=2)
        assert f'op "{op}" is not an operation (want set or delete)' in done.err
    assert 'column "op" is missing' in one_line(change(dlv, keys, db, db, HEADER, status=2))
    assert 'unknown column "op"' in one_line(build(dlv, keys, db, NO_DOCUMENTS, status=2))
    for option in (["--lines"], ["--classes", "A"], ["--utc-offset", "Z"]):
        assert "--base" in one_line(change(dlv, keys, db, db, NO_DOCUMENTS, *option, status=2))


def test_documents_must_be_named(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, HEADER.strip() + f",document\nAsha,98,GJ01,valid,2020-01-01,2030-01-01,{'ab' * 32}\n")
    line = one_line(change(dlv, keys, db, db, NO_DOCUMENTS, status=2))
    assert "has documents" in line and "old_document" in line
    full = NO_DOCUMENTS.strip() + ",document,old_document\n"
    line = one_line(change(dlv, keys, db, db, full + f"delete,Asha,98,GJ01,,,,{'cd' * 32},\n", status=2))
    assert "the document to be removed is not in" in line
    change(dlv, keys, db, db, full + f"set,Asha,98,GJ01,valid,2020-01-01,2031-01-01,{'cd' * 32},{'ab' * 32}\n")
    assert load(db, keys).find(bytes.fromhex("ab" * 32)) is None
    assert load(db, keys).find(bytes.fromhex("cd" * 32))["kind"] == "document"


def test_another_base(dlv, keys, tmp_path):
    db, out = tmp_path / "l.db", tmp_path / "out.db"
    build(dlv, keys, db, ROWS)
    data = db.read_bytes()
    line = one_line(dlv("dbgen", "--sign", keys.other, "--base", db, "-o", out, "-", stdin=NO_DOCUMENTS))
    assert "l.db" in line and "authority" in line
    dlv("keygen", "--type", "lookup", "-o", tmp_path / "one.key", status=0)
    dlv("keygen", "--type", "lookup", "-o", tmp_path / "two.key", status=0)
    assert "not keyed" in one_line(change(dlv, keys, db, out, NO_DOCUMENTS, "--lookup-key",
                                          tmp_path / "one.key", status=2))
    build(dlv, keys, db, ROWS, "--lookup-key", tmp_path / "one.key")
    assert "keyed" in one_line(change(dlv, keys, db, out, NO_DOCUMENTS, status=2))
    assert "another lookup key" in one_line(change(dlv, keys, db, out, NO_DOCUMENTS, "--lookup-key",
                                                   tmp_path / "two.key", status=2))
    # A damaged base is not signed again, whatever was damaged.
    for at in (0, 100, 4096, 4096 + 31, 8192, 8192 + 5, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        (tmp_path / "bad.db").write_bytes(damaged)
        if at < len(data) - 1:
            assert "bad.db" in one_line(change(dlv, keys, tmp_path / "bad.db", out, NO_DOCUMENTS, status=2))
    (tmp_path / "bad.db").write_bytes(data[:-1])
    assert "bad.db" in one_line(change(dlv, keys, tmp_path / "bad.db", out, NO_DOCUMENTS, status=2))
    one_line(change(dlv, keys, tmp_path / "none.db", out, NO_DOCUMENTS, status=2))
    assert not out.exists()


def test_releases_go_forward(dlv, keys, tmp_path):
    db, out = tmp_path / "l.db", tmp_path / "out.db"
    build(dlv, keys, db, ROWS, "--sequence", "10", "--created", "2030-01-01", "--valid-days", "0")
    for sequence in ("9", "10"):
        assert "is behind 10 of" in one_line(change(dlv, keys, db, out, NO_DOCUMENTS, "--sequence",
                                                    sequence, "--created", "2030-01-02", status=2))
    # A clock that was set back: of the base, and of the file that would be replaced.
    line = one_line(change(dlv, keys, db, out, NO_DOCUMENTS, status=2))
    assert "the clock is behind" in line and "2030-01-01" in line
    before = db.read_bytes()
    assert "the clock is behind" in one_line(build(dlv, keys, db, ROWS, status=2))
    assert db.read_bytes() == before and not out.exists()
    build(dlv, keys, out, ROWS, "--sequence", "20")
    assert "sequence 21," in change(dlv, keys, db, out, NO_DOCUMENTS, "--created", "2030-01-02").out


# --- one at a time, whole or not at all -----------------------------------------------------------


def test_two_dbgens_on_one_output(release, keys, tmp_path):
    db = tmp_path / "l.db"

    def start():
        process = subprocess.Popen([release.path, "dbgen", "--sign", keys.authority, "-o", db, "-"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        process.stdin.write(ROWS)
        process.stdin.flush()
        return process

    build(release, keys, db, ROWS)
    first = start()
    while not any("FLOCK" in line and str(first.pid) in line for line in open("/proc/locks")):
        assert first.poll() is None
    assert "another dbgen is at work on it" in one_line(build(release, keys, db, ROWS, status=2))
    assert "sequence 2," in first.communicate()[0]
    assert "sequence 3," in build(release, keys, db, ROWS).out


def test_two_first_builds_of_one_output(release, keys, tmp_path):
    """Nothing is there to be locked: who comes second finds a file that was not there when it began."""
    db = tmp_path / "l.db"
    processes = [subprocess.Popen([release.path, "dbgen", "--sign", keys.authority, "-o", db, "-"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                 for _ in range(2)]
    for process in processes:  # both have begun, and read
        process.stdin.write(ROWS)
        process.stdin.flush()
    deadline = time.monotonic() + 20
    for process in processes:
        while any(fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
    out, err = processes[0].communicate()
    assert processes[0].returncode == 0 and "sequence 1," in out, err
    first = db.read_bytes()
    out, err = processes[1].communicate()
    assert processes[1].returncode == 2 and err.count("\n") == 1 and str(db) in err, (out, err)
    assert db.read_bytes() == first and os.listdir(tmp_path) == ["l.db"]


def test_input_that_changes_while_it_is_read(release, keys, tmp_path):
    path, db = tmp_path / "registry.csv", tmp_path / "l.db"
    path.write_text(as_csv(registry(20000)))
    build(release, keys, db, ROWS)
    before = db.read_bytes()
    script = f"""strace -o /dev/null -e trace=read -e inject=read:delay_enter=2000000:when=5 \
        {release.path} dbgen --sign {keys.authority} -o {db} {path} & sleep 0.7; echo >> {path}; wait $!"""
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert "changed while it was read" in done.stderr and done.stderr.count("\n") == 1
    assert done.returncode == 2 and db.read_bytes() == before


def count_calls(command, call):
    done = subprocess.run(["strace", "-f", "-c", "-e", f"trace={call}", *map(str, command)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(int(line.split()[3]) for line in done.stderr.splitlines() if line.endswith(call))


@pytest.mark.parametrize("call", ["pwrite64", "fsync", "linkat", "rename"])
@pytest.mark.parametrize("failure", ["error=EIO", "error=ENOSPC", "signal=KILL"])
def test_failure_at_every_write(release, keys, tmp_path, call, failure):
    """Each write of a build in turn fails, or the machine dies there: the old file stays whole."""
    path, db, tmp = tmp_path / "registry.csv", tmp_path / "l.db", tmp_path / "tmp"
    tmp.mkdir()
    path.write_text("".join(f"person {i} x\n" for i in range(420000)))
    command = [release.path, "dbgen", "--lines", "--threads", "1", "--memory", "16M", "--tmp", tmp, "--sign",
               keys.authority, "-o", db, path]
    build(release, keys, db, ROWS)
    count = count_calls(command, call)
    build(release, keys, db, ROWS)
    before = db.read_bytes()
    points = sorted(random.Random(1).sample(range(1, count + 1), min(count, 12)))
    for point in points:
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:{failure}:when={point}", *map(str, command)],
                              capture_output=True, text=True)
        if call == "fsync" and point == count:  # of the folder: the new file has its name already
            assert done.returncode != 0
        else:
            assert db.read_bytes() == before, (call, point)
        if "signal" in failure:
            assert done.returncode not in (0, 2)
        else:
            assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert not list(tmp.iterdir())
        for left in tmp_path.glob(".l.db.*"):
            assert "signal" in failure and call in ("rename", "linkat")
            left.unlink()
        if db.read_bytes() != before:
            build(release, keys, db, ROWS)
            before = db.read_bytes()
