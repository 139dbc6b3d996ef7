"""The first contact: dlv init makes what works, and dlv doctor finds what does not."""

import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from conftest import RELEASE, SHIFTED, Dlv, Server, check_sanitizer, one_line


@pytest.fixture
def made(dlv, tmp_path):
    """A new authority, and what was printed about it."""
    folder = tmp_path / "office"
    return folder, dlv("init", folder, "--listen", "127.0.0.1:0", status=0).out


def doctor(dlv, folder, status=2):
    """By a release: a build with sanitizers has no list of system calls."""
    done = Dlv(RELEASE, False)("doctor", folder, status=status)
    return done.out


def commands(text):
    """Those that were printed."""
    text = re.sub(r"\\\n *", "", text)
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("  dlv ")]


def test_what_is_made_works(dlv, made, tmp_path):
    """The commands that it prints are run as they stand."""
    folder, text = made
    server_line, client_line, doctor_line, build_line = commands(text)
    for name in os.listdir(folder):
        assert (folder / name).stat().st_mode & 0o077 == (0 if name.endswith(".key") else (folder / name).stat().st_mode & 0o055)
    assert server_line[0] == "server" and doctor_line == ["doctor", str(folder)]
    keep = server_line.index("--listen")
    server = Server(dlv, *server_line[1:keep], *server_line[keep + 2:], who=())
    config = (folder / "client.conf").read_text()
    (folder / "client.conf").write_text(config.replace("127.0.0.1:0", server.address))
    done = dlv(*client_line, status=0)
    assert done.out.startswith("VALID") and "Ramesh" not in done.err
    assert "Nothing is wrong" in doctor(dlv, folder, 0)
    server.stop()
    assert "1 thing is wrong" in doctor(dlv, folder)
    # The register's own release, as it says.
    shutil.rmtree(folder / "releases")
    (folder / "releases").mkdir()
    register = tmp_path / "REGISTER.csv"
    shutil.copy(folder / "registry.csv", register)
    dlv(*build_line, cwd=tmp_path, status=0)
    assert "test data" not in doctor(dlv, folder)


def test_nothing_is_overwritten(dlv, made, tmp_path):
    folder, _ = made
    before = sorted((p, p.stat().st_mtime_ns) for p in folder.iterdir())
    assert "is not empty" in one_line(dlv("init", folder))
    file = tmp_path / "file"
    file.write_text("mine")
    assert "is there already" in one_line(dlv("init", file)) and file.read_text() == "mine"
    assert before == sorted((p, p.stat().st_mtime_ns) for p in folder.iterdir())
    (tmp_path / "empty").mkdir()
    dlv("init", tmp_path / "empty", status=0)
    assert "No such file" in one_line(dlv("init", tmp_path / "nowhere" / "office"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "office"], "nothing half made is left"
    assert one_line(dlv("init")) and one_line(dlv("init", ""))


def test_a_relative_name(dlv, tmp_path):
    dlv("init", "office/", "--name", "Gujarat-2", cwd=tmp_path, status=0)
    assert f"{tmp_path}/office/server.pub" in (tmp_path / "office/client.conf").read_text()
    assert "release 1 of Gujarat-2" in doctor(dlv, tmp_path / "office")


def test_a_failure_leaves_nothing(dlv, tmp_path):
    done = dlv("init", "office", "--name", "a name / that is none", cwd=tmp_path)
    assert done.returncode == 2 and "name" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoil, says", [
    (lambda f: (f / "server.key").chmod(0o644), "chmod 600"),
    (lambda f: shutil.copy(f / "kiosk-1.pub", f / "server.pub"), "do not belong together"),
    (lambda f: (f / "server.key").unlink(), "a key is missing"),
    (lambda f: (f / "authority.pub").unlink(), "authority.pub"),
    (lambda f: shutil.copy(f / "server.pub", f / "authority.pub"), "another authority"),
    (lambda f: (f / "releases" / "current").unlink(), "releases/current"),
    (lambda f: (f / "releases" / "1.db").write_bytes((f / "releases" / "1.db").read_bytes()[:-1]), "would not start"),
    (lambda f: (f / "kiosks").write_text("kiosk-1 rubbish\n"), "would not start"),
    (lambda f: (f / "kiosks").unlink(), "would not start"),
])
def test_what_the_doctor_finds(dlv, made, spoil, says):
    folder, _ = made
    (folder / "client.conf").unlink()
    assert "Nothing is wrong" in doctor(dlv, folder, 0)
    spoil(folder)
    done = Dlv(RELEASE, False)("doctor", folder, status=2)
    assert says in done.out + done.err and "wrong." in done.out


def test_an_authority_that_signs_elsewhere(dlv, made):
    folder, _ = made
    (folder / "authority.key").unlink()
    (folder / "client.conf").unlink()
    assert "belongs where there is no network" in doctor(dlv, folder, 0)


def test_a_wrong_clock(made):
    """By a build whose clock is wrong."""
    folder, _ = made
    (folder / "client.conf").unlink()
    for shift, says in (("-40000000", "behind the release"), ("2500000", "valid until"), ("5000000", "Nobody uses it any more")):
        done = subprocess.run([SHIFTED, "doctor", folder], capture_output=True, text=True, env={**os.environ, "DLV_CLOCK_SHIFT": shift})
        check_sanitizer(done.stderr.encode())
        assert done.returncode == 2 and "WRONG" in done.stdout and says in done.stdout, done.stdout


def test_no_folder(dlv, tmp_path):
    assert "dlv init makes one" in one_line(dlv("doctor", tmp_path / "none"))
    assert one_line(dlv("doctor")) and one_line(dlv("doctor", __file__))


def test_quickly(release, tmp_path):
    start = time.monotonic()
    release("init", tmp_path / "office", status=0)
    assert (tmp_path / "office" / "releases" / "current").exists() and time.monotonic() - start < 60
