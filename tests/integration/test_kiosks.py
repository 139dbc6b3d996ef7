"""The list of kiosks, read again: who is revoked is out at once, whatever else is wrong; who is merely missing need not be."""

import base64
import hashlib
import os
import signal
import subprocess
import time

import pytest
import session_peer as peer
from conftest import kiosk_line, one_line

NUMBER = ("--number", "GJ05-1234")


def fingerprint(public):
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"], capture_output=True, check=True).stdout
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


class Listed:
    def __init__(self, release, serve, small_db, keys, folder):
        self.dlv, self.keys, self.path = release, keys, folder / "kiosks"
        self.one, self.two = kiosk_line(keys.kiosk_pub, "surat-1"), kiosk_line(keys.other_pub, "surat-2")
        self.path.write_text(self.one + self.two + "# end 2\n")
        self.server = serve(release, small_db, "--kiosks", self.path, who=())

    def reload(self, text, event):
        self.path.write_text(text)
        self.server.log = b""
        self.server.process.send_signal(signal.SIGHUP)
        return self.server.wait_for(rb"event=kiosks_" + event + rb"[^\n]*").group(0).decode()

    def admitted(self):
        """Who of both is answered."""
        done = [self.dlv("client", "--server", self.server.address, "--server-key", self.keys.server_pub, "--key", key, *NUMBER)
                for key in (self.keys.kiosk, self.keys.other)]
        return [one.returncode == 0 for one in done]


@pytest.fixture
def listed(release, serve, small_db, keys, tmp_path):
    return Listed(release, serve, small_db, keys, tmp_path)


def test_who_is_taken_out(listed):
    assert listed.admitted() == [True, True]
    line = listed.reload(listed.two + "# end 1\n", b"reloaded")
    assert line.endswith("kiosks=1 added=0 removed=1 revoked=0") and listed.admitted() == [False, True]
    line = listed.reload(listed.one + listed.two + "# end 2\n", b"reloaded")
    assert line.endswith("kiosks=2 added=1 removed=0 revoked=0") and listed.admitted() == [True, True]


@pytest.mark.parametrize("end, reason", [("", "no last line"), ("# end 2\n", "says 2 kiosks, and there are 1"), ("# end\n", "no last line"),
                                         ("# end 1\n" + "{two}", None)])
def test_a_list_that_may_be_cut_off(listed, end, reason):
    """Nobody is removed by it, and that is said; who is new in it is enrolled."""
    line = listed.reload(listed.one + end.replace("{two}", listed.two), b"kept" if reason else b"reloaded")
    assert reason is None or (reason in line and "unlisted=1" in line)
    assert listed.admitted() == [True, True]


@pytest.mark.parametrize("rest", ["", "broken\n", "x AAAA\n", "# end 7\n", "a" * 5000 + "\n", "surat-3 {key} quota=1/2\n", "surat-3 {key} soon\n"])
@pytest.mark.parametrize("by", ["name", "id", "both lines"])
def test_who_is_revoked_is_out(listed, keys, rest, by):
    """Also where the rest of the file is wrong, before it or behind it, and where the kiosk's own line is still there."""
    word = fingerprint(keys.kiosk_pub) if by == "id" else "surat-1"
    bad = rest.replace("{key}", listed.one.split()[1])
    own = listed.one if by == "both lines" else ""
    session = peer.TcpClient(listed.server.port, peer.load_public(keys.server_pub), peer.load_private(keys.kiosk)).open()
    assert session.ask([peer.item(bytes(32))]).status == peer.GOOD
    line = listed.reload(f"{own}{bad}{listed.two}revoke {word}\n", b"(reloaded|refused)")
    assert "revoked=1" in line and ("refused" in line) == (rest not in ("", "# end 7\n"))
    assert listed.admitted() == [False, True]
    with pytest.raises((peer.Refused, EOFError)):  # an open session, too
        session.ask([peer.item(bytes(32))])


def test_a_list_that_is_cut_anywhere(release, serve, small_db, keys, tmp_path):
    """Wherever it is cut, nobody is removed by it, nobody gets in, and the wrong one is not revoked."""
    text = kiosk_line(keys.kiosk_pub, "surat-1", "2020-01-01 quota=9000/9000/200000") + kiosk_line(keys.other_pub, "surat-12") + "revoke surat-123\n# end 2\n"
    path = tmp_path / "kiosks"
    path.write_text(text)
    server = serve(release, small_db, "--kiosks", path, who=())
    first, second = text.index("\n") + 1, text.index("revoke")
    for cut in (1, 7, 50, first - 35, first - 28, first - 20, first - 6, first - 3, first - 1, first, first + 20, second - 3, second - 1, second, second + 9,
                second + 14, second + 15, second + 16, len(text) - 2, len(text) - 1):
        path.write_text(text[:cut])
        server.log = b""
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(rb"event=database_unchanged")
        done = [release("client", "--server", server.address, "--server-key", keys.server_pub, "--key", key, *NUMBER).returncode == 0
                for key in (keys.kiosk, keys.other)]
        assert done == [False, True], (cut, server.log.decode())
    path.write_text("# end 0\n")
    server.log = b""
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(rb"event=kiosks_kept")


def test_a_revocation_that_means_nobody_is_told(listed):
    listed.reload(listed.one + listed.two + "revoke surat-11\nrevoke nobody\n# end 2\n", b"reloaded")
    assert b'event=kiosks_unknown revoked=2 first="surat-11"' in listed.server.log or \
        listed.server.wait_for(rb'event=kiosks_unknown revoked=2 first="surat-11"')


def test_a_file_that_is_gone(listed):
    text = listed.path.read_text()
    listed.path.unlink()
    listed.server.log = b""
    listed.server.process.send_signal(signal.SIGHUP)
    listed.server.wait_for(rb"event=kiosks_refused kiosks=2")
    assert listed.admitted() == [True, True]
    listed.path.write_text(text)


def made_up(keys, count):
    """Lines of so many kiosks. A key needs no owner to be on the list."""
    der = bytearray(base64.b64decode(kiosk_line(keys.kiosk_pub).split()[1]))
    for i in range(count):
        der[40:44] = i.to_bytes(4, "big")
        yield f"k{i} {base64.b64encode(bytes(der)).decode()}\n"


def test_many_at_once(release, serve, small_db, keys, tmp_path):
    """More than ten and more than one in a hundred go only where their number is written there."""
    lines = [kiosk_line(keys.kiosk_pub, "own"), *made_up(keys, 30)]
    path = tmp_path / "kiosks"
    path.write_text("".join(lines) + "# end 31\n")
    server = serve(release, small_db, "--kiosks", path, who=())
    assert b"kiosks=31" in server.log

    def reload(count, more=""):
        path.write_text("".join(lines[:count]) + f"# end {count}{more}\n")
        server.log = b""
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(rb"event=kiosks_(reloaded|refused)")
        return server.wait_for(rb"event=database_unchanged") and server.log.decode()

    assert 'kiosks_kept unlisted=11 reason="so many at once, or all: \'# end 20 removing 11\' accepts it"' in reload(20)
    assert "kiosks=20 added=0 removed=11" in reload(20, " removing 11")
    assert "kiosks=10 added=0 removed=10" in reload(10)
    assert "kiosks_kept unlisted=10" not in reload(10)
    assert "kiosks=31 added=21" in reload(31)


def test_names_are_told_where_two_have_one_key(listed, keys):
    line = listed.reload(listed.one + kiosk_line(keys.kiosk_pub, "surat-9"), b"refused")
    assert "have one key" in line and "surat-1" in line and "surat-9" in line


@pytest.mark.skipif(os.environ.get("KIOSKS") is None, reason="takes long: KIOSKS=262144 in make soak")
def test_a_country(release, serve, small_db, keys, tmp_path):
    """As many as there is room for."""
    count = int(os.environ["KIOSKS"])
    path = tmp_path / "kiosks"
    with open(path, "w") as out:
        out.write(kiosk_line(keys.kiosk_pub, "own"))
        out.writelines(made_up(keys, count - 1))
        out.write(f"# end {count}\n")
    server = serve(release, small_db, "--kiosks", path, who=())
    assert f"kiosks={count}".encode() in server.log
    release("client", "--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, *NUMBER, status=0)


def test_the_outcome_of_a_reload_is_told(release, serve, small_db, keys, tmp_path):
    """`dlv reload` sends SIGHUP, waits, and says what was taken and what was not."""
    kiosks, stats, db = tmp_path / "kiosks", tmp_path / "stats", tmp_path / "l.db"
    kiosks.write_text(kiosk_line(keys.kiosk_pub))
    db.write_bytes(small_db.read_bytes())
    server = serve(release, db, "--kiosks", kiosks, "--stats", stats, who=())
    server.wait_for(rb"event=ready")
    deadline = time.monotonic() + 10
    while not stats.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    reload = ["reload", "--stats", stats]
    assert release(*reload, status=0).out == "kiosks\n"
    kiosks.write_text("no kiosk\n")
    done = release(*reload, status=2)
    assert done.out == "kiosks_refused\n" and "not everything was taken" in done.err
    kiosks.write_text(kiosk_line(keys.kiosk_pub))
    (tmp_path / "new.db").write_text("no database")
    os.replace(tmp_path / "new.db", db)
    assert release(*reload, status=2).out.splitlines() == ["database_refused", "kiosks"]
    server.stop()
    assert "has ended" in one_line(release(*reload))
    stats.write_text("# HELP dlv_x y\n")
    assert str(stats) in one_line(release(*reload))
    stats.unlink()
    assert "no server writes it" in one_line(release(*reload))
