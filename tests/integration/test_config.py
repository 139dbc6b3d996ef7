"""A file with the options of a client: a call adds what is asked, not whom."""

import os
import subprocess

import pytest
from conftest import RELEASE, one_line

NUMBER = ("--number", "GJ05-1234")


@pytest.fixture
def config(tmp_path, keys, small_db):
    path = tmp_path / "client.conf"
    path.write_text(f"# the kiosk of Surat\n\ndb = {small_db}\n  authority = {keys.authority_pub}  \r\nexact\n")
    return path


def test_what_it_says_holds(dlv, config, tmp_path, keys):
    assert dlv("client", "--config", config, *NUMBER, status=0).out.startswith("VALID")
    # The command line holds against it.
    missing = tmp_path / "missing.db"
    assert str(missing) in one_line(dlv("client", "--config", config, "--db", missing, *NUMBER))
    # An option that may be given twice may stand there twice.
    config.write_text(f"authority = {keys.other_pub}\n" + config.read_text())
    assert dlv("client", "--config", config, *NUMBER, status=0).out.startswith("VALID")
    assert "signed" in one_line(dlv("client", "--config", config, "--authority", keys.other_pub, *NUMBER))


@pytest.mark.parametrize("line, complaint", [
    ("servers = a", 'no setting "servers"'), ("name = Ramesh", 'no setting "name"'), ("udp = yes", 'want "udp"'), ("db", 'want "db = VALUE"'),
    ("timeout = soon", "--timeout"), ("db = x", '"db" is set twice'), ("config = x", 'no setting "config"')])
def test_a_line_that_is_wrong(dlv, config, line, complaint):
    config.write_text(config.read_text() + line + "\n")
    told = one_line(dlv("client", "--config", config, *NUMBER))
    assert complaint in told and ("timeout" in line or f"{config}:6:" in told), told


def test_a_file_that_is_not_there(dlv, tmp_path):
    assert str(tmp_path / "none") in one_line(dlv("client", "--config", tmp_path / "none", *NUMBER))


ETC = """mount -t tmpfs none /etc && mkdir /etc/dlv && cp "$CONFIG" /etc/dlv/client.conf || exit 99
"$DLV" client --number GJ05-1234 && "$DLV" client --db /nowhere --authority "$AUTHORITY" --number GJ05-1234"""


def test_where_it_is_found(config, keys):
    """In /etc, and only where the command line names nobody to ask."""
    names = {"DLV": RELEASE, "CONFIG": config, "AUTHORITY": keys.authority_pub}
    done = subprocess.run(["unshare", "-m", "sh", "-c", ETC], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **{name: str(value) for name, value in names.items()}})
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no namespaces here")
    assert done.stdout.startswith("VALID") and done.returncode == 2 and "/nowhere" in done.stderr
