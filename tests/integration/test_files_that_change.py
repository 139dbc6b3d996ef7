"""Files that others change while they are in use: what is printed is what was checked."""

import os
import shutil
import subprocess

import pytest
from conftest import HEADER, build, one_line

ROW = HEADER + "Ramesh,2344567890,GJ05-1234,{},2020-01-01,2090-01-01\n"


@pytest.fixture
def two_states(release, keys, tmp_path):
    """Two releases of the same length: in the one the licence is suspended, in the other, older one it is valid."""
    suspended, valid = tmp_path / "suspended.db", tmp_path / "valid.db"
    build(release, keys, valid, ROW.format("valid"), "--sequence", "1")
    build(release, keys, suspended, ROW.format("suspended"), "--sequence", "2")
    assert suspended.stat().st_size == valid.stat().st_size
    return suspended, valid


def overwrite(path, other, offset=0):
    """As cp and rsync --inplace do: the same file, other bytes."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(other.read_bytes()[offset:])


@pytest.mark.parametrize("offset", [0, 8192])  # all of it; all but the signed header
def test_an_offline_answer_is_of_the_file_that_was_opened(dlv, keys, two_states, tmp_path, offset):
    db = tmp_path / "l.db"
    shutil.copy(two_states[0], db)
    client = subprocess.Popen([dlv.path, "client", "--db", db, "--authority", keys.authority_pub, "--number", "-"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)
    client.stdin.write("GJ05-1234\n")
    assert client.stdout.readline().startswith("SUSPENDED")
    overwrite(db, two_states[1], offset)
    client.stdin.write("GJ05-1234\n")
    out, err = client.communicate(timeout=30)
    assert out == "" and client.returncode == 2
    assert str(db) in err and "damaged" in err


def test_an_offline_file_that_is_cut_short(release, keys, two_states, tmp_path):
    db = tmp_path / "l.db"
    shutil.copy(two_states[0], db)
    client = subprocess.Popen([release.path, "client", "--db", db, "--authority", keys.authority_pub, "--number", "-"], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=1)
    client.stdin.write("GJ05-1234\n")
    assert client.stdout.readline().startswith("SUSPENDED")
    os.truncate(db, 0)
    client.stdin.write("GJ05-1234\n")
    out, err = client.communicate(timeout=30)
    assert out == "" and client.returncode == 2
    assert err.splitlines() == [f"dlv client: {db}: was cut short, or cannot be read any more"]
