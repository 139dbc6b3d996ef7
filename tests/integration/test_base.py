"""dbgen --base: the next release from the last one and a list of changes."""

import csv
import fcntl
import hashlib
import io
import os
import random
import subprocess
import termios
import time

import dbformat
import pytest
from conftest import ACCEPT, HEADER, build, one_line
from test_dbgen import CLASSES, as_csv, load, registry

COLUMNS = ["op", "name", "phone", "licence", "status", "status_since", "valid_from", "valid_to", "classes", "document"]
PLAIN = "op," + HEADER
ROWS = HEADER + "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01\nRavi,9800000099,GJ02,valid,2020-01-01,2030-01-01\n"


def change(dlv, keys, base, out, text, *options, status=0):
    return dlv("dbgen", "--sign", keys.authority, "--base", base, "-o", out, *ACCEPT, *options, "-",
               stdin=text, status=status)


def changes_csv(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def some_changes(rows, rng, today):
    """Changes to a registry: (the list, the registry that results). Rows of one licence stay together."""
    result, changes = [], []
    for row in rows:
        number = row["licence"]
        what = rng.random()
        if what < 0.1:
            changes.append({"op": "remove", "licence": number})
        elif what < 0.25:
            new = {**row, "status": rng.choice(["valid", "suspended", "revoked"]), "valid_to": "2599-01-01"}
            if rng.random() < 0.5:
                new["document"] = rng.choice(["", rng.randbytes(32).hex()])
            changes.append({**new, "op": "set"})
            result.append(new)
        elif what < 0.35:  # another name and another telephone
            new = {**row, "phone": row["phone"] + "1", "name": row["name"] + " Rao", "document": rng.randbytes(32).hex()}
            changes.append({**new, "op": "replace"})
            result.append(new)
        elif what < 0.45 and not row["status_since"]:  # what was before it is not known, so it is not kept
            op, status = rng.choice([("revoke", "revoked"), ("suspend", "suspended"), ("disqualify", "disqualified"),
                                     ("lift", "valid")])
            since = rng.choice(["", "2026-05-01"])
            changes.append({"op": op, "licence": number, "status_since": since})
            result.append({**row, "status": status, "status_since": since or today})
        else:
            result.append(row)
    tag = rng.randrange(10**9)
    for i, row in enumerate(registry(200, seed=77)):
        row = {**row, "name": "New " + row["name"], "licence": f"NEW-{tag}-{i}",
               "document": rng.randbytes(32).hex() if i % 2 else ""}
        changes.append({**row, "op": "set"})
        result.append(row)
    rng.shuffle(changes)
    return changes, result


@pytest.mark.parametrize("is_keyed", [False, True])
@pytest.mark.parametrize("memory", ["16M", "1G"])
def test_equals_a_full_build(dlv, keys, tmp_path, is_keyed, memory):
    options = ["--memory", memory, "--utc-offset", "+05:30", "--legacy"]
    keyed = []
    if is_keyed:
        dlv("keygen", "--type", "lookup", "-o", tmp_path / "lookup.key", status=0)
        keyed = ["--lookup-key", tmp_path / "lookup.key"]
    rng, rows = random.Random(9), list(registry(3000))
    db = tmp_path / "l.db"
    build(dlv, keys, db, as_csv(rows), *options, *keyed)
    for sequence in (2, 3, 4):
        changes, rows = some_changes(rows, rng, f"203{sequence}-01-01")
        time = f"203{sequence}-01-01T00:00:00Z"
        before = hashlib.sha256(db.read_bytes()[:4096]).digest()
        change(dlv, keys, db, db, changes_csv(changes), "--created", time, "--memory", memory, *keyed)
        build(dlv, keys, tmp_path / "full.db", as_csv(rows), "--created", time, "--sequence",
              str(sequence), *options, *keyed)
        # All but the header's predecessor, and with it the signature.
        next_, full = db.read_bytes(), (tmp_path / "full.db").read_bytes()
        assert next_[:160] == full[:160] and next_[192:4224] == full[192:4224] and next_[8192:] == full[8192:]
        assert next_[160:192] == before
    dlv("verify", "--authority", keys.authority_pub, db, status=0)


def test_no_changes_and_everything_removed(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    assert "sequence 2," in change(dlv, keys, db, db, PLAIN).out  # a longer life
    assert load(db, keys).count == 2
    line = one_line(change(dlv, keys, db, db, "op,licence\nremove,GJ01\nremove,gj-02\n", status=2))
    assert "no licences to write" in line and load(db, keys).facts.sequence == 2
    change(dlv, keys, db, tmp_path / "next.db", "op,licence\nremove,GJ01\n")
    assert load(tmp_path / "next.db", keys).count == 1 and load(db, keys).count == 2
    assert load(tmp_path / "next.db", keys).facts.sequence == 3


BAD = {
    "remove,Nobody,,X,,,": ":2: this licence is not on file",
    "revoke,,,GJ03,,,": ":2: this licence is not on file",
    "remove,,,GJ01,,,\nset,Asha,9800000098,GJ01,valid,2020-01-01,2031-01-01": "two different changes of one licence",
    "revoke,,,GJ01,,,\nsuspend,,,gj 01,,,": "two different changes of one licence",
    "set,Asha,,GJ01,valid,2020-01-01,2031-01-01\nset,Ravi,,GJ01,valid,2020-01-01,2032-01-01":
        ":3: line 2: the same licence, but another name",
    "set,Ravi,,GJ01,valid,2020-01-01,2031-01-01": "none of its fields is on file for this licence: another person?",
}


@pytest.mark.parametrize("rows", BAD)
def test_changes_that_cannot_be(dlv, keys, tmp_path, rows):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    before = db.read_bytes()
    done = change(dlv, keys, db, db, PLAIN + rows + "\n", status=2)
    assert BAD[rows] in done.err and "nothing was written" in done.err and db.read_bytes() == before


def status_on(dlv, keys, db, number, day):
    return dlv("client", "--db", db, "--authority", keys.authority_pub, "--number", number, "--at", day).out.split()[0]


def test_changes_of_status(dlv, keys, tmp_path):
    """What was before is kept: a suspension that is lifted still answers for its own days."""
    db = tmp_path / "l.db"
    build(dlv, keys, db, "licence,status,status_since,valid_from,valid_to\nGJ01,valid,2020-01-01,2020-01-01,2030-01-01\n")
    for text in ("suspend,GJ 01,2026-05-01,\n", "lift,gj01,2026-07-01,\n", "revoke,GJ01,2026-11-01,\n"):
        change(dlv, keys, db, db, "op,licence,status_since,status_until\n" + text)
    for day, verdict in (("2019-12-31", "NOT_COVERED"), ("2020-01-01", "VALID"), ("2026-04-30", "VALID"),
                         ("2026-05-01", "SUSPENDED"), ("2026-06-30", "SUSPENDED"), ("2026-07-01", "VALID"),
                         ("2026-10-31", "VALID"), ("2026-11-01", "REVOKED"), ("2026-11-28", "REVOKED")):
        assert status_on(dlv, keys, db, "GJ01", day) == verdict, day
    # It is the same as a registry with a row for each status.
    rows = "".join(f"GJ01,{status},{since},2020-01-01,2030-01-01\n" for status, since in
                   (("valid", "2020-01-01"), ("suspended", "2026-05-01"), ("valid", "2026-07-01"), ("revoked", "2026-11-01")))
    build(dlv, keys, tmp_path / "full.db", "licence,status,status_since,valid_from,valid_to\n" + rows)
    assert load(db, keys).root == load(tmp_path / "full.db", keys).root


STATUS_OPS = [("revoke", "revoked"), ("suspend", "suspended"), ("disqualify", "disqualified"), ("lift", "valid")]


def some_rows(rng, number, others):
    """The rows of a licence: its classes in one or several, its statuses in order."""
    name = rng.choice(["Asha", "Ravi Kumar", "रमेश", ""])
    starts = sorted(rng.sample(range(1990, 2024), rng.randint(1, 4)))
    rows = []
    for year in starts:
        status = rng.choice(["valid", "valid", "suspended", "revoked", "disqualified", "surrendered"])
        until = f"{year + rng.randint(0, 5)}-12-31" if status in ("suspended", "disqualified") and rng.random() < 0.5 else ""
        rows.append({"licence": number, "name": name, "status": status, "status_since": f"{year}-03-01", "status_until": until,
                     "valid_from": f"{rng.randint(1980, 2020)}-01-01", "valid_to": f"{rng.randint(2021, 2500)}-01-01",
                     "classes": ";".join(rng.sample(CLASSES, rng.randint(0, 3))),
                     "former": f"OLD{others()}" if rng.random() < 0.2 else "",
                     "document": rng.randbytes(32).hex() if rng.random() < 0.2 else ""})
    return rows


def change_rows(rng, registry, number, others, day):
    """A change of one licence: the rows of the change list; `registry` becomes what results."""
    what = rng.random()
    if number not in registry or what < 0.4:
        registry[number] = some_rows(rng, number, others)
        return [{**row, "op": "replace"} for row in registry[number]]
    if what < 0.5:
        del registry[number]
        return [{"op": "remove", "licence": number}]
    op, status = rng.choice(STATUS_OPS)
    since = rng.choice(["", f"{rng.randint(1988, 2026)}-03-01", f"{rng.randint(1988, 2026)}-07-15"])
    rows = registry[number]
    kept = [row for row in rows if row["status_since"] < (since or day)]
    # The classes stay, whatever becomes of the statuses of their rows.
    first = kept[0] if kept else {**rows[0], "status": status, "status_since": since or day, "status_until": ""}
    rest = [{**row, "status": first["status"], "status_since": first["status_since"],
             "status_until": first["status_until"]} for row in rows if row not in kept]
    new = {**rows[0], "status": status, "status_since": since or day, "status_until": ""}
    registry[number] = kept + rest + [new]
    return [{"op": op, "licence": number, "status_since": since}]


@pytest.mark.parametrize("seed", range(int(os.environ.get("HISTORIES", "40"))))
def test_histories(release, keys, tmp_path, seed):
    """Whatever happens to a small registry: each release is the one that a full build would make."""
    rng, registry, numbers = random.Random(seed), {}, [f"GJ{i}" for i in range(8)]
    fresh = iter(range(10**6)).__next__
    columns = ["op", "licence", "name", "status", "status_since", "status_until", "valid_from", "valid_to", "classes", "former",
               "document"]

    def text(rows, names):
        out = io.StringIO()
        writer = csv.DictWriter(out, names, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        return out.getvalue()

    db, full = tmp_path / "l.db", tmp_path / "full.db"
    for number in numbers[:5]:
        registry[number] = some_rows(rng, number, fresh)
    options = ["--valid-days", "0", "--fields", "name", "--created"]
    build(release, keys, db, text(sum(registry.values(), []), columns[1:]), *options, "2026-01-01")
    for month in range(2, 6):
        day = f"2026-{month:02}-01"
        changed = rng.sample(numbers, rng.randint(0, 4))
        changes = [change_rows(rng, registry, number, fresh, day) for number in changed]
        if not registry:
            return
        rng.shuffle(changes)
        change(release, keys, db, db, text(sum(changes, []), columns), "--created", day, "--valid-days", "0")
        build(release, keys, full, text(sum(registry.values(), []), columns[1:]), *options, day, "--sequence", str(month))
        one, other = load(db, keys), load(full, keys)
        assert one.root == other.root and one.sets == other.sets and one.sections == other.sections, (seed, month)


def test_bad_operations(dlv, keys, tmp_path):
    db = tmp_path / "l.db"
    build(dlv, keys, db, ROWS)
    for op in ("", "delete", "removed"):
        done = change(dlv, keys, db, db, PLAIN + f"{op},Asha,9800000098,GJ01,valid,2020-01-01,2031-01-01\n", status=2)
        assert f'op "{op}" is not an operation (want set, replace, remove' in done.err
    assert 'column "op" is missing' in one_line(change(dlv, keys, db, db, HEADER, status=2))
    assert 'unknown columns: "op"' in one_line(build(dlv, keys, db, PLAIN, status=2))
    for option in (["--lines"], ["--utc-offset", "Z"], ["--name", "x"], ["--fields", "name"], ["--covers", "GJ"]):
        assert "--base" in one_line(change(dlv, keys, db, db, PLAIN, *option, status=2))


def test_documents_and_former_numbers_go_with_their_licence(dlv, keys, tmp_path):
    db, header = tmp_path / "l.db", HEADER.strip() + ",document,former\n"
    row = "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01,{},{}\n"
    build(dlv, keys, db, header + row.format("ab" * 32, "OLD-1"))
    change(dlv, keys, db, db, "op," + header + "set," + row.format("cd" * 32, "OLD-2"))
    read = load(db, keys)
    assert read.find(bytes.fromhex("ab" * 32)) is None and read.find(dbformat.number_digest("OLD-1")) is None
    assert read.kind(read.find(bytes.fromhex("cd" * 32))) == "document"
    assert read.kind(read.find(dbformat.number_digest("OLD-2"))) == "former"
    change(dlv, keys, db, db, "op,licence\nrevoke,GJ01\n")  # a change of status leaves them
    assert load(db, keys).count == 3
    change(dlv, keys, db, db, "op,licence,name,status,valid_to\nset,GJ9,X,valid,2030-01-01\nremove,GJ01,,,\n")
    assert load(db, keys).count == 1


def test_another_base(dlv, keys, tmp_path):
    db, out = tmp_path / "l.db", tmp_path / "out.db"
    build(dlv, keys, db, ROWS)
    data = db.read_bytes()
    line = one_line(dlv("dbgen", "--sign", keys.other, "--base", db, "-o", out, "-", stdin=PLAIN))
    assert "l.db" in line and "authority" in line
    dlv("keygen", "--type", "lookup", "-o", tmp_path / "one.key", status=0)
    dlv("keygen", "--type", "lookup", "-o", tmp_path / "two.key", status=0)
    assert "not keyed" in one_line(change(dlv, keys, db, out, PLAIN, "--lookup-key",
                                          tmp_path / "one.key", status=2))
    build(dlv, keys, db, ROWS, "--lookup-key", tmp_path / "one.key")
    assert "keyed" in one_line(change(dlv, keys, db, out, PLAIN, status=2))
    assert "another lookup key" in one_line(change(dlv, keys, db, out, PLAIN, "--lookup-key",
                                                   tmp_path / "two.key", status=2))
    # A damaged base is not signed again, whatever was damaged.
    for at in (0, 100, 4096, 4096 + 64, 4224 + 5, 8192, 8192 + 35, len(data) - 1):
        damaged = bytearray(data)
        damaged[at] ^= 0x10
        (tmp_path / "bad.db").write_bytes(damaged)
        if at < len(data) - 1:
            assert "bad.db" in one_line(change(dlv, keys, tmp_path / "bad.db", out, PLAIN, status=2))
    (tmp_path / "bad.db").write_bytes(data[:-1])
    assert "bad.db" in one_line(change(dlv, keys, tmp_path / "bad.db", out, PLAIN, status=2))
    one_line(change(dlv, keys, tmp_path / "none.db", out, PLAIN, status=2))
    assert not out.exists()


def test_releases_go_forward(dlv, keys, tmp_path):
    db, out = tmp_path / "l.db", tmp_path / "out.db"
    build(dlv, keys, db, ROWS, "--sequence", "10", "--created", "2030-01-01", "--valid-days", "0")
    for sequence in ("9", "10"):
        assert "is behind 10 of" in one_line(change(dlv, keys, db, out, PLAIN, "--sequence",
                                                    sequence, "--created", "2030-01-02", status=2))
    # A clock that was set back: of the base, and of the file that would be replaced.
    line = one_line(change(dlv, keys, db, out, PLAIN, status=2))
    assert "the clock is behind" in line and "2030-01-01" in line
    before = db.read_bytes()
    assert "the clock is behind" in one_line(build(dlv, keys, db, ROWS, status=2))
    assert db.read_bytes() == before and not out.exists()
    build(dlv, keys, out, ROWS, "--sequence", "20")
    # A base that is not the latest: what was changed in between would be undone.
    line = one_line(change(dlv, keys, db, out, PLAIN, "--created", "2030-01-02", status=2))
    assert "l.db: is release 10, but " in line and "out.db is release 20" in line


# --- one at a time, whole or not at all -----------------------------------------------------------


def test_two_dbgens_on_one_output(release, keys, tmp_path):
    db = tmp_path / "l.db"

    def start():
        process = subprocess.Popen([release.path, "dbgen", *ACCEPT, "--sign", keys.authority, "-o", db, "-"],
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
    processes = [subprocess.Popen([release.path, "dbgen", *ACCEPT, "--sign", keys.authority, "-o", db, "-"],
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
    script = f"""strace -o /dev/null -P {path} -e trace=read -e inject=read:delay_enter=2000000:when=2 \
        {release.path} dbgen --sign {keys.authority} -o {db} {path} & sleep 0.7; echo >> {path}; wait $!"""
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert "changed while it was read" in done.stderr and done.stderr.count("\n") == 1
    assert done.returncode == 2 and db.read_bytes() == before


def count_calls(command, call):
    done = subprocess.run(["strace", "-f", "-c", "-e", f"trace={call}", *map(str, command)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(int(line.split()[3]) for line in done.stderr.splitlines() if line.endswith(call))


POINTS = int(os.environ.get("POINTS", 3))  # of each call and failure; `make soak` takes more


@pytest.mark.parametrize("call", ["pwrite64", "fsync", "linkat", "rename"])
@pytest.mark.parametrize("failure", ["error=EIO", "error=ENOSPC", "signal=KILL"])
def test_failure_at_every_write(release, keys, tmp_path, call, failure):
    """Each write of a build in turn fails, or the machine dies there: the old file stays whole."""
    path, db, tmp = tmp_path / "registry.csv", tmp_path / "l.db", tmp_path / "tmp"
    tmp.mkdir()
    path.write_text("".join(f"person 98{i:06} x{i}\n" for i in range(420000)))
    command = [release.path, "dbgen", *ACCEPT, "--lines", "--threads", "1", "--memory", "16M", "--tmp", tmp, "--sign",
               keys.authority, "-o", db, path]
    build(release, keys, db, ROWS)
    count = count_calls(command, call)
    build(release, keys, db, ROWS)
    before = db.read_bytes()
    points = sorted(random.Random(1).sample(range(1, count + 1), min(count, POINTS)))
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
            told = [line for line in done.stderr.splitlines() if not line.endswith(" a second")]  # progress, on a slow machine
            assert done.returncode == 2 and len(told) == 1, done.stderr
        assert not list(tmp.iterdir())
        for left in tmp_path.glob(".l.db.*"):
            assert "signal" in failure and call in ("rename", "linkat")
            left.unlink()
        if db.read_bytes() != before:
            build(release, keys, db, ROWS)
            before = db.read_bytes()


def test_writes_that_the_disk_loses(release, keys, tmp_path):
    """A write that is said to have been done but was not: found when the file is read back, before it is signed."""
    path, db = tmp_path / "registry.csv", tmp_path / "l.db"
    path.write_text(HEADER + "".join(
        f"Asha,9800000098,GJ05-{number},valid,20{10 + group}-01-01,2040-01-01\n" for number in range(1000, 1040) for group in range(3)))
    command = [release.path, "dbgen", *ACCEPT, "--threads", "1", "--sequence", "7", "--created", "2026-10-01", "--sign", keys.authority, "-o",
               db, path]
    trace = tmp_path / "trace"
    build(release, keys, db, ROWS, "--created", "2026-09-01")
    subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=pwrite64", *map(str, command)], check=True, capture_output=True)
    lengths = [int(line.rsplit("= ", 1)[1]) for line in trace.read_text().splitlines() if "pwrite64" in line]
    whole, lost = db.read_bytes(), 0
    assert len(lengths) > 10
    for point, length in enumerate(lengths, 1):
        db.unlink()
        build(release, keys, db, ROWS, "--created", "2026-09-01")
        before = db.read_bytes()
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=pwrite64", "-e",
                               f"inject=pwrite64:retval={length}:when={point}", *map(str, command)], capture_output=True, text=True)
        if done.returncode == 0:  # zeros, which are there anyhow
            assert db.read_bytes() == whole
            continue
        lost += 1
        assert done.returncode == 2 and db.read_bytes() == before and done.stderr.count("\n") == 1, done
        assert str(db) in done.stderr
    assert lost >= 6
