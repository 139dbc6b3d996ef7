"""What is shipped: a static PIE, one binary, links, help."""

import os
import platform
import re
import shutil
import subprocess

import pytest
from conftest import RELEASE, ROOT, Dlv, alone, one_line


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args, RELEASE], check=True, capture_output=True,
                          text=True).stdout


def test_static_pie_and_hardened():
    assert "static-pie linked" in subprocess.run(["file", RELEASE], capture_output=True,
                                                 text=True).stdout
    program, dynamic = readelf("-l"), readelf("-d")
    assert "INTERP" not in program and "GNU_RELRO" in program
    assert re.search(r"GNU_STACK\s.*\sRW\s", program)
    assert "(NEEDED)" not in dynamic and "BIND_NOW" in dynamic and "PIE" in dynamic
    assert "__stack_chk_fail" in readelf("-s")


def test_size(release, tmp_path):
    """What a kiosk carries, with all applets: the README says so."""
    if platform.machine() != "x86_64" or shutil.which("ld.lld") is None:
        pytest.skip("the figure is for x86-64 and LLVM's linker")
    subprocess.run(["strip", "-o", tmp_path / "dlv", release.path], check=True)
    assert (tmp_path / "dlv").stat().st_size <= 524288


@pytest.fixture(scope="module")
def kiosk_build():
    """What `make kiosk` makes."""
    return Dlv(os.environ.get("DLV_KIOSK", str(ROOT / "build/kiosk/dlv")), False)


def test_a_kiosk_build(kiosk_build, keys, small_db, tmp_path):
    """What is not named is not there; what is there works."""
    applets = kiosk_build("--list", status=0).out.split()
    assert applets == ["client", "kiosk", "scan", "selftest", "verify"]
    assert 'there is no applet "server"' in one_line(kiosk_build("server"))
    assert "dbgen" not in kiosk_build("help", status=0).out
    kiosk_build("selftest", *sorted((ROOT / "vectors").glob("[a-qs-vx-z]*.rsp")), status=0)
    kiosk_build("verify", "--authority", keys.authority_pub, small_db, status=0)
    done = kiosk_build("client", "--db", small_db, "--authority", keys.authority_pub, "--number", "GJ05-1234", status=0)
    assert done.out.startswith("VALID")
    if platform.machine() == "x86_64" and shutil.which("ld.lld"):
        subprocess.run(["strip", "-o", tmp_path / "dlv", kiosk_build.path], check=True)
        assert (tmp_path / "dlv").stat().st_size <= 294912


@pytest.mark.parametrize("words, meant", [(["clinet"], '"client"'), (["help", "vreify"], '"verify"'), (["servr"], '"server"'),
                                          (["client", "--serer", "x"], "--server"), (["client", "--authorty=x"], "--authority"),
                                          (["dbgen", "--skip-bda"], "--skip-bad"), (["zzz"], None), (["client", "--zzz"], None)])
def test_what_may_be_meant(dlv, words, meant):
    line = one_line(dlv(*words))
    assert (f"{meant} may be meant" in line) if meant else "meant" not in line


def test_list_help_and_version(dlv):
    applets = dlv("--list", status=0).out.split()
    assert applets == sorted(applets) and {"client", "dbgen", "keygen", "selftest", "server",
                                           "verify"} <= set(applets)
    for applet in applets:
        text = dlv("help", applet, status=0).out
        assert text == dlv(applet, "--help", status=0).out
        assert f"dlv {applet}" in text
        assert applet in dlv("help", status=0).out
        options = re.findall(r"^  (?:-\w, )?--[^ ]+.*$", text, re.M)
        assert options and text.count("\n\n") >= 3
        for option in options:  # each says what it does, and nothing is explained that is not there
            assert len(re.split(r"  +", option.strip(), maxsplit=1)[-1].split()) > 1, option
        explained = (ROOT / f"cmd/help/{applet}.txt").read_text().split("\n= options\n")[1]
        assert len(explained.splitlines()) == len(options) - 1  # --help needs no line
    version = dlv("--version", status=0).out
    assert "BearSSL: 0.6" in version and re.search(r"SHA-256 [0-9a-f]{64}", version)


def test_links(dlv, tmp_path):
    assert dlv("--install", tmp_path, status=0).err == ""
    link = tmp_path / "dlv-selftest"
    done = subprocess.run([link], capture_output=True, text=True)
    assert done.returncode == 0 and "built-in" in done.stdout
    dlv("--install", tmp_path, status=0)
    (tmp_path / "dlv-client").unlink()
    (tmp_path / "dlv-client").write_text("mine")
    assert "dlv-client" in one_line(dlv("--install", tmp_path))
    assert (tmp_path / "dlv-client").read_text() == "mine"
    assert "dlv" in one_line(dlv("--install", tmp_path / "nowhere"))


@pytest.mark.parametrize("args", [
    ["frobnicate"], ["--frobnicate"], ["help", "frobnicate"], ["keygen"], ["keygen", "--typ"],
    ["keygen", "--type"], ["keygen", "--type", "x", "-o", "y"], ["keygen", "--force=1"],
    ["keygen", "--type", "server", "--type", "server"], ["client"], ["client", "x"],
    ["client", "--db", "x", "y"], ["client", "--db", "x", "--authority", "y"],
    ["client", "--db", "x", "--authority", "y", "--at", "soon", "z"],
    ["client", "--server", "x", "y"], ["server"], ["server", "extra"], ["verify"], ["dbgen"],
    ["dbgen", "a", "b"], ["selftest", "--x"], ["verify", "--authority", "x"],
    ["server", "--db", "x", "--authority", "y", "--key", "z", "--legacy"],
    ["server", "--db", "x", "--authority", "y", "--key", "z"],
    ["server", "--db", "x", "--authority", "y", "--key", "z", "--anonymous", "--no-sandbox", "x"],
    ["client", "--db", "x", "--authority", "y", "--udp", "z"], ["keygen", "--bits", "9", "--type", "kiosk", "-o", "x"],
])
def test_wrong_command_lines(dlv, args):
    assert "help" in one_line(dlv(*args)) and dlv(*args).out == ""


def test_no_arguments(dlv):
    done = dlv(status=2)
    assert done.out == "" and "keygen" in done.err


def test_man_pages(release, tmp_path):
    for applet in ["dlv", *release("--list").out.split()]:
        page = tmp_path / f"{applet}.1"
        page.write_text(release("help", "--man", applet, status=0).out)
        shown = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True,
                               env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        assert shown.returncode == 0 and shown.stderr == "", shown.stderr
        if applet == "dlv":
            continue
        for option in re.findall(r"--[a-z-]+(?= )", release("help", applet).out):
            if option != "--help":
                assert option in shown.stdout, (applet, option)


def test_full_disk_is_trouble(release):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([RELEASE, "--version"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"standard output" in done.stderr


def test_install(tmp_path):
    with alone():
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"], check=True, capture_output=True)
    assert b".debug_info" not in (tmp_path / "usr/bin/dlv").read_bytes(), "it is not what is published"
    done = subprocess.run([tmp_path / "usr/bin/dlv-verify", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "verify" in done.stdout
    assert (tmp_path / "usr/share/man/man1/dlv-verify.1").exists()
