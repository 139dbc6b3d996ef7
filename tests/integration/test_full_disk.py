"""A disk that is full, a folder that is read-only, a file that is over its limit or quota: whatever writes says so in one
line, and what was there before is whole."""

import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from conftest import HEADER, RELEASE, SMALL, Server, build

ROWS = HEADER + "".join(f"Asha,9800000098,GJ{i:06},valid,2020-01-01,2030-01-01\n" for i in range(20000))
BAD = HEADER + "".join(f"Asha,9800000098,GJ{i:06},broken,2020-01-01,2030-01-01\n" for i in range(3000))
NUMBER = ["--number", "GJ05-1234"]


def has_mounts():
    return subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


# How a folder gives out: a command before the program's, which runs in the folder, or around it.
FAILURES = {
    "full": 'head -c 20000000 /dev/zero >rest 2>/dev/null; "$@"',
    "read-only": 'mount -o remount,ro . 2>/dev/null || mount -o remount,ro "$PWD"; "$@"',
    "limit": 'prlimit --fsize=1000:1000 -- "$@"',
    "quota": 'strace -f -o /dev/null -e trace=pwrite64 -e inject=pwrite64:error=EDQUOT "$@"',
}
REASONS = {"full": "No space left on device|MiB, but only 0 are free", "read-only": "Read-only file system", "limit": "File too large",
           "quota": "Quota exceeded"}

WRITERS = {
    "database": ["dbgen", "--sign", "authority.key", "-o", "l.db", "rows.csv", "--accept-change", "100%", "--accept-drop", "100%"],
    "rejects": ["dbgen", "--sign", "authority.key", "-o", "l.db", "bad.csv"],
    "folder": ["dbgen", "--sign", "authority.key", "--into", "releases", "rows.csv", "--accept-change", "100%", "--accept-drop", "100%"],
    "republish": ["dbgen", "--sign", "authority.key", "--into", "releases", "--republish", "1"],
    "key": ["keygen", "--type", "server", "--force", "-o", "server"],
    "evidence": ["client", "--db", "l.db", "--authority", "authority.pub", "--evidence", "e.txt", *NUMBER],
    "state": ["client", "--db", "l.db", "--authority", "authority.pub", "--state", "state", *NUMBER],
}


# Four bytes are over no limit, and rejects are written by another call.
NEVER = [("state", "limit"), ("rejects", "quota")]


@pytest.fixture(scope="module")
def prepared(release, keys, tmp_path_factory):
    """What lies in the folder before."""
    folder = tmp_path_factory.mktemp("disk")
    for name in "authority.key", "authority.pub":
        shutil.copy(keys.folder / name, folder)
    (folder / "rows.csv").write_text(ROWS)
    (folder / "bad.csv").write_text(BAD)
    build(release, keys, folder / "l.db", SMALL)
    for name in "releases", "state":
        (folder / name).mkdir()
    release("dbgen", "--sign", "authority.key", "--into", "releases", "--first", "-", stdin=SMALL, cwd=folder, status=0)
    release("keygen", "--type", "server", "-o", "server", cwd=folder, status=0)
    release(*WRITERS["evidence"], cwd=folder, status=0)
    return folder


def listing(folder):
    return {str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
            for path in sorted(folder.rglob("*")) if (path.is_file() or path.is_symlink()) and path.name != ".lock"}


@pytest.mark.skipif(not has_mounts(), reason="cannot mount a tmpfs here")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_writes(prepared, tmp_path, writer, failure):
    if (writer, failure) in NEVER:
        pytest.skip("does not come about")
    mount, kept = tmp_path / "disk", tmp_path / "kept"
    mount.mkdir()
    script = f"""mount -t tmpfs -o size=4m none {mount} && cp -a {prepared}/. {mount} && cd {mount} || exit 9
sh -c {shlex.quote(FAILURES[failure])} sh "$@"; status=$?
cp -a {mount} {kept}; exit $status"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", RELEASE, *WRITERS[writer]], capture_output=True, text=True)
    after = listing(kept)
    after.pop("rest", None)
    lines = [line for line in done.stderr.splitlines() if line.startswith("dlv")]
    assert after == listing(prepared), done.stderr
    assert done.returncode == 2 and lines, done
    assert re.search(REASONS[failure], lines[-1]) and (len(lines) == 1 or writer == "rejects"), lines


@pytest.mark.skipif(not has_mounts(), reason="cannot mount a tmpfs here")
def test_a_server_goes_on_answering(release, prepared, keys, tmp_path):
    """Metrics that cannot be written are told in the log, and no question is lost by it."""
    mount = tmp_path / "disk"
    mount.mkdir()
    script = f"""mount -t tmpfs -o size=64k none {mount} && exec "$@\""""
    server = Server(release, "--db", prepared / "l.db", "--authority", keys.authority_pub, "--key", keys.server, "--stats", mount / "m.prom",
                    who=("--anonymous",), prefix=("unshare", "-m", "sh", "-c", script, "sh"))
    root = f"/proc/{server.process.pid}/root{mount}"
    wait_until(lambda: os.path.exists(f"{root}/m.prom"))
    with open(f"{root}/rest", "wb") as rest, pytest.raises(OSError):
        rest.write(bytes(1 << 20))
        rest.flush()
    server.wait_for(rb'event=stats_failed reason="[^"]*No space left on device')
    release("client", "--server", server.address, "--server-key", keys.server_pub, *NUMBER, status=0)
    assert open(f"{root}/m.prom").read().startswith("# HELP dlv_")
    server.stop()


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
