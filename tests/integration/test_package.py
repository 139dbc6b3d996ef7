"""What leaves the house: the package, its pages, completions, units and rules, each read by the tool that it is for."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import RELEASE, ROOT, alone

PACKAGE = ROOT / "tools/package"


def needs(*tools):
    return pytest.mark.skipif(not all(map(shutil.which, tools)), reason=f"no {' and '.join(tools)} here")


def run(*command, **how):
    return subprocess.run(command, capture_output=True, text=True, **how)


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """What `make dist` makes, twice."""
    if not (ROOT / ".git").exists() or not shutil.which("dpkg-deb"):
        pytest.skip("no git or dpkg here")
    digests = []
    folder = tmp_path_factory.mktemp("dist") / "dist"
    with alone():
        for _ in range(2):
            done = run("make", "-s", "-C", ROOT, "dist", f"DIST={folder}")
            assert done.returncode == 0, done.stdout + done.stderr
            digests.append((folder / "SHA256SUMS").read_text())
    assert digests[0] == digests[1], "it is not the same the second time"
    return folder


@needs("mandoc")
@pytest.mark.parametrize("page", ["dlv", *run(RELEASE, "--list").stdout.split()])
def test_man_pages(page, tmp_path):
    text = run(PACKAGE / "man_page", RELEASE, page).stdout
    (tmp_path / "page.1").write_text(text)
    done = run("mandoc", "-T", "lint", "-W", "warning", tmp_path / "page.1")
    assert done.returncode == 0, done.stdout + done.stderr
    if page != "dlv":
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
            assert f".SH {section}" in text, section
        assert text.index(".SH EXAMPLES") < text.index(".SH SEE ALSO")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    done = run(PACKAGE / "completion", shell, RELEASE)
    assert done.returncode == 0 and not done.stderr, done.stderr
    file = tmp_path / "completion"
    file.write_text(done.stdout)
    assert run(shell, "-n", file).returncode == 0
    if shell == "bash":
        script = f"source {file}; COMP_WORDS=(dlv client --serv); COMP_CWORD=2; _dlv; echo ${{COMPREPLY[@]}}; COMP_WORDS=(dlv kio); COMP_CWORD=1; _dlv; echo ${{COMPREPLY[@]}}"
        assert run("bash", "-c", script).stdout == "--server --server-key\nkiosk\n"
    if shell == "fish":
        assert "--server-key\t" in run("fish", "-c", f"source {file}; complete -C 'dlv client --serv'", env={**os.environ, "HOME": str(tmp_path)}).stdout


@needs("systemd-analyze")
@pytest.mark.parametrize("unit", sorted(path.name for path in PACKAGE.glob("*.service")))
def test_units(unit, tmp_path):
    """They are understood, as little exposed as is said, and the command in them is one that dlv takes."""
    done = run("systemd-analyze", "verify", "--man=no", PACKAGE / unit)
    assert "Unknown" not in done.stderr and "Failed to parse" not in done.stderr, done.stderr
    exposure = run("systemd-analyze", "security", "--offline=yes", PACKAGE / unit).stdout
    assert float(exposure.rsplit(": ", 1)[1].split()[0]) <= 2.7, exposure
    text = (PACKAGE / unit).read_text().replace("\\\n", " ")
    words = next(line for line in text.splitlines() if line.startswith("ExecStart=")).split()[1:]
    words = [word for word in words if not word.startswith("$")]
    done = run(RELEASE, *words, "--help")
    assert done.returncode == 0 and done.stdout.startswith(words[0]), done.stderr


@needs("promtool")
def test_rules(release, serve, small_db, tmp_path):
    """Prometheus takes them, and every metric in them is one that a server writes."""
    done = run("promtool", "check", "rules", PACKAGE / "dlv.rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    server = serve(release, small_db, "--stats", tmp_path / "s.prom")
    server.stop()
    metrics = (tmp_path / "s.prom").read_text()
    done = run("promtool", "check", "metrics", input=metrics)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in re.findall(r"\bdlv_\w+", (PACKAGE / "dlv.rules.yml").read_text()):
        assert f"\n{name}" in "\n" + metrics, name


def check_package(dist, tmp_path):
    """Unpacked into an empty root it is the binary whose digest was published, with all that belongs to it."""
    run("dpkg-deb", "-x", next(dist.glob("*.deb")), tmp_path, check=True)
    published = dict(reversed(line.split("  ")) for line in (dist / "SHA256SUMS").read_text().splitlines())
    installed = (tmp_path / "usr/bin/dlv").read_bytes()
    assert hashlib.sha256(installed).hexdigest() == published["dlv"]
    assert b".debug_info" not in installed and len(installed) <= 524288
    for path in ("lib/systemd/system/dlv-server.service", "lib/sysusers.d/dlv.conf", "share/man/man1/dlv-server.1",
                 "share/bash-completion/completions/dlv", "share/doc/dlv/OPERATIONS.md", "share/doc/dlv/dlv.rules.yml"):
        assert (tmp_path / "usr" / path).stat().st_size > 0, path
    done = run(tmp_path / "usr/bin/dlv-verify", "--help")
    assert done.returncode == 0 and done.stdout.startswith("verify")
    control = run("dpkg-deb", "-f", next(dist.glob("*.deb"))).stdout
    assert "Depends" not in control and "Package: dlv\n" in control


def check_tarball(dist, tmp_path):
    run("tar", "-xzf", next(dist.glob("*.tar.gz")), "-C", tmp_path, check=True)
    top = next(tmp_path.glob("dlv-*"))
    epoch, commit = (top / "tools/commit").read_text().split()
    version = run(RELEASE, "--version").stdout
    assert epoch.isdigit() and commit in version and not (top / "build").exists()


def check_sbom(dist):
    document = json.loads(next(dist.glob("*.spdx.json")).read_text())
    names = {package["name"]: package for package in document["packages"]}
    assert document["spdxVersion"] == "SPDX-2.3" and {"dlv", "musl", "BearSSL", "compiler"} <= set(names)
    version = run(RELEASE, "--version").stdout
    assert names["BearSSL"]["checksums"][0]["checksumValue"] in version and names["musl"]["versionInfo"] in version
    assert names["dlv"]["checksums"][0]["checksumValue"] in (dist / "SHA256SUMS").read_text()
    known = {package["SPDXID"] for package in document["packages"]} | {"SPDXRef-DOCUMENT"}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known


def test_what_is_published(dist, tmp_path):
    """In one, as it is made once."""
    (tmp_path / "package").mkdir()
    check_package(dist, tmp_path / "package")
    check_tarball(dist, tmp_path)
    check_sbom(dist)
