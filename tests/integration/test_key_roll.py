"""An old key is replaced by a new one while everybody goes on working: the server's, and the authority's."""

import os
import re
import signal
import subprocess
import threading
import time

import pytest
import session_peer as peer
from conftest import ACCEPT, HEADER, SMALL, build, kiosk_line, one_line

TRANSPORTS = {"tcp": peer.TcpClient, "udp": peer.UdpClient}
NUMBER = ("--number", "GJ05-1234")
WHOLE = HEADER + "".join(f"Asha,98000000{i:02},GJ0{i % 7}{i:04},valid,2020-01-01,2040-01-01\n" for i in range(50))


class Roll:
    """A server whose keys are in two files that the test writes anew."""

    def __init__(self, serve, dlv, db, keys, folder, *options, **how):
        self.keys, self.folder = keys, folder
        self.own("server")
        self.trusted("authority")
        self.db = folder / "served.db"
        self.db.write_bytes(db.read_bytes())
        self.server = serve(dlv, self.db, *options, key=folder / "own.key", authority=folder / "trusted.pub", **how)

    def own(self, *names):
        (self.folder / "own.key").write_text("".join((self.keys.folder / f"{name}.key").read_text() for name in names))

    def trusted(self, *names):
        (self.folder / "trusted.pub").write_text("".join((self.keys.folder / f"{name}.pub").read_text() for name in names))

    def hang_up(self, expected):
        self.server.log = b""
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_for(expected)
        self.server.wait_for(rb"event=(reloaded|reload_refused|database_unchanged)")


@pytest.fixture
def roll(serve, dlv, small_db, keys, tmp_path):
    return Roll(serve, dlv, small_db, keys, tmp_path)


def ask(dlv, roll, *keys, status=0, options=()):
    pins = [word for key in keys for word in ("--server-key", roll.keys.folder / f"{key}.pub")]
    return dlv("client", "--server", roll.server.address, *pins, *options, *NUMBER, status=status)


@pytest.mark.parametrize("way", [(), ("--udp",)], ids=["tcp", "udp"])
def test_server_key(dlv, roll, way):
    ask(dlv, roll, "server", options=way)
    done = ask(dlv, roll, "other", status=2, options=(*way, "--json"))
    assert '"error":"wrong_key"' in done.out
    ask(dlv, roll, "other", "server", options=way)
    roll.own("server", "other")
    roll.hang_up(rb"event=keys_reloaded server_keys=2 authorities=1")
    for pinned in (["server"], ["other"], ["server", "other"], ["other", "server"], ["kiosk", "other"]):
        ask(dlv, roll, *pinned, options=way)
    ask(dlv, roll, "kiosk", status=2, options=way)
    roll.own("other")
    roll.hang_up(rb"event=keys_reloaded server_keys=1 authorities=1")
    ask(dlv, roll, "server", status=2, options=way)
    for pinned in (["other"], ["server", "other"], ["other", "server"]):
        ask(dlv, roll, *pinned, options=way)


@pytest.mark.parametrize("way", TRANSPORTS)
def test_sessions_stay_as_long_as_their_key(dlv, roll, keys, way):
    """A roll is no storm of openings: who is in a session stays in it until the old key is taken out."""
    server_pub = peer.load_public(keys.server_pub)
    client = TRANSPORTS[way](roll.server.port, server_pub).open()
    item = peer.item(peer.sha256(b"nobody"))
    assert client.ask([item]).status == peer.GOOD
    roll.own("other", "server")
    roll.trusted("kiosk", "authority")
    roll.hang_up(rb"event=keys_reloaded server_keys=2 authorities=2")
    assert client.ask([item]).status == peer.GOOD
    again = TRANSPORTS[way](roll.server.port, server_pub).open()
    again.session = client.session
    assert again.ask([item]).status == peer.GOOD
    roll.own("other")
    roll.hang_up(rb"event=keys_reloaded server_keys=1")
    again = TRANSPORTS[way](roll.server.port, server_pub)
    again.session = client.session
    with pytest.raises(peer.Refused):
        again.ask([item])


def test_kiosks_say_who_they_are_under_either_key(dlv, serve, small_db, keys, tmp_path):
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    roll = Roll(serve, dlv, small_db, keys, tmp_path, who=("--kiosks", tmp_path / "kiosks"))
    roll.own("other", "server")
    roll.hang_up(rb"event=keys_reloaded")
    for pinned in ("server", "other"):
        ask(dlv, roll, pinned, options=("--key", keys.kiosk))
        client = peer.TcpClient(roll.server.port, peer.load_public(keys.folder / f"{pinned}.pub"), peer.load_private(keys.kiosk)).open()
        assert client.ask([peer.item(bytes(32))]).status == peer.GOOD


@pytest.mark.parametrize("text, told", [("", "no PEM private key"), ("-----BEGIN PRIVATE KEY-----\n" + 4 * (60 * "A" + "\n") + "-----END PRIVATE KEY-----\n", "not one of RSA"),
                                        (None, "No such file"), ("public", "is a public key")])
def test_bad_key_files_change_nothing(dlv, roll, keys, text, told):
    path = roll.folder / "own.key"
    if text is None:
        path.unlink()
    else:
        path.write_text(keys.server_pub.read_text() if text == "public" else text)
    roll.hang_up(rb'event=keys_refused reason="[^"]*%s' % told.encode() if told != "is a public key" else rb"event=keys_refused")
    ask(dlv, roll, "server")
    # A key-holder that fails now is replaced all the same, at once and only once.
    children = roll.server.children()
    roll.server.log = b""
    for pid in children:
        subprocess.run(["kill", "-9", str(pid)], check=False)
    roll.server.wait_for(rb"(?s)(event=child_restarted role=key_holder.*?){2}")
    deadline = time.monotonic() + 20
    while dlv("client", "--server", roll.server.address, "--server-key", keys.server_pub, *NUMBER).returncode != 0:
        assert time.monotonic() < deadline
    assert b"restart_failed" not in roll.server.log


def test_bad_authority_files_change_nothing(dlv, roll, keys):
    for text in ("", "-----BEGIN PUBLIC KEY-----\nMIIB", keys.server.read_text(), keys.server_pub.read_text()):
        (roll.folder / "trusted.pub").write_text(text)
        roll.hang_up(rb"event=authorities_refused")
        ask(dlv, roll, "server")
    # What is wrong with one file does not keep the other from being read.
    roll.own("other")
    roll.hang_up(rb"event=keys_reloaded server_keys=1 authorities=1")
    assert b"event=key_removed id=SHA256:" in roll.server.log and b"event=key_added id=SHA256:" in roll.server.log
    ask(dlv, roll, "other")


def test_an_authority_that_is_taken_out_too_early(dlv, roll, keys):
    """What it has signed is served until another database takes its place; the server is never stuck."""
    roll.trusted("kiosk")
    roll.hang_up(rb"event=authority_kept id=SHA256:")
    ask(dlv, roll, "server")
    for pid in roll.server.children()[-2:]:  # a worker that is started now serves it, too
        os.kill(pid, signal.SIGKILL)
    roll.server.wait_for(rb"event=child_restarted role=worker")
    deadline = time.monotonic() + 20
    while dlv("client", "--server", roll.server.address, "--server-key", keys.server_pub, *NUMBER).returncode != 0:
        assert time.monotonic() < deadline
    build(dlv, keys, roll.db, SMALL, "--legacy", "--sequence", "5")
    assert "event=reload_refused" in roll.server.reload()  # of the one that is believed no more
    # Key and database change together, in one step.
    dlv("dbgen", "--sign", keys.folder / "other.key", "--authority", keys.authority_pub, *ACCEPT, "--legacy", "--sequence", "9",
        "-o", roll.db, "-", stdin=SMALL, status=0)
    roll.trusted("other")
    roll.hang_up(rb"event=reloaded sequence=9")
    ask(dlv, roll, "server", options=("--prove", "--authority", keys.folder / "other.pub"))


def damaged(keys):
    new, old = keys.folder.joinpath("other.key").read_text(), keys.server.read_text()
    return {"cut off behind": new + old[:900], "cut off before": old[:900] + "\n" + new, "a bit": new + old.replace("A", "B", 1),
            "a public key behind": new + keys.server_pub.read_text(), "a public key before": keys.server_pub.read_text() + new,
            "nothing but the beginning": new + "-----BEGIN PRIVATE KEY-----\n"}


@pytest.mark.parametrize("how", ["cut off behind", "cut off before", "a bit", "a public key behind", "a public key before",
                                 "nothing but the beginning"])
def test_a_file_of_which_a_part_is_wrong_is_wrong(dlv, roll, keys, how):
    """Or the old key would be gone by a slip, and with it every kiosk that knows no other."""
    path = roll.folder / "own.key"
    path.write_text(damaged(keys)[how])
    line = one_line(dlv("server", "--check", "--db", roll.db, "--authority", keys.authority_pub, "--key", path, "--anonymous", "--legacy"))
    assert str(path) in line and "key " in line
    roll.hang_up(rb"event=keys_refused")
    ask(dlv, roll, "server")


def test_how_keys_may_be_put_together(dlv, keys, small_db, tmp_path):
    """As people do it: without a line feed between, with Windows' line ends, with remarks, with a mark of the byte order."""
    old, new = keys.authority_pub.read_text(), keys.folder.joinpath("other.pub").read_text()
    for text in (new.rstrip() + old, (new + old).replace("\n", "\r\n"), "of 2026:\n" + new + "\nand before:\n" + old,
                 "\ufeff" + old, new + new + old, old.rstrip()):
        (tmp_path / "keys.pub").write_text(text, newline="")
        dlv("verify", "--authority", tmp_path / "keys.pub", small_db, status=0)


def test_where_one_key_is_wanted(release, serve, small_db, keys, tmp_path):
    both = tmp_path / "both.key"
    both.write_text(keys.authority.read_text() + keys.server.read_text())
    line = one_line(release("dbgen", "--sign", both, "-o", tmp_path / "l.db", "-", stdin=SMALL))
    assert line == f"dlv dbgen: {both}: more than one key, and one is wanted here\n"
    line = one_line(release("client", "--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--key", both, *NUMBER))
    assert "more than one key" in line


def test_a_pipe_for_a_file_holds_nobody(release, serve, small_db, keys, tmp_path):
    roll = Roll(serve, release, small_db, keys, tmp_path, "--ticket-key", tmp_path / "ticket", "--kiosks", tmp_path / "kiosks") \
        if prepare_files(release, keys, tmp_path) else None
    for name, event in (("ticket", rb"event=ticket_key_refused"), ("own.key", rb"event=keys_refused"), ("kiosks", rb"event=kiosks_(refused|kept)"),
                        ("trusted.pub", rb"event=authorities_refused"), ("served.db", rb"event=reload_refused")):
        path = tmp_path / name
        kept = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        roll.server.log = b""
        roll.server.process.send_signal(signal.SIGHUP)
        roll.server.wait_for(event, 10)
        ask(release, roll, "server")
        path.unlink()
        path.write_bytes(kept)


def prepare_files(release, keys, folder):
    (folder / "kiosks").write_text(kiosk_line(keys.kiosk_pub))
    return release("keygen", "--type", "ticket", "-o", folder / "ticket", status=0)


def test_ticket_keys_are_told(release, serve, small_db, keys, tmp_path):
    release("keygen", "--type", "ticket", "-o", tmp_path / "ticket", status=0)
    roll = Roll(serve, release, small_db, keys, tmp_path, "--ticket-key", tmp_path / "ticket")
    release("keygen", "--type", "ticket", "--force", "-o", tmp_path / "ticket", status=0)
    roll.hang_up(rb"event=ticket_key_reloaded")
    for bad in (bytes(32), b"a" * 32):
        (tmp_path / "ticket").write_bytes(bad)
        roll.hang_up(rb"event=ticket_key_refused [^\n]*not random")


def test_more_keys_than_are_taken(release, keys, tmp_path):
    for i in range(5):
        subprocess.run(["openssl", "genrsa", "-out", tmp_path / f"{i}.key", "2048"], check=True, capture_output=True)
    many = "".join((tmp_path / f"{i}.key").read_text() for i in range(5))
    (tmp_path / "many.key").write_text(many)
    (tmp_path / "twice.key").write_text(2 * (tmp_path / "0.key").read_text())
    line = one_line(release("server", "--db", "x", "--authority", keys.authority_pub, "--key", tmp_path / "many.key", "--anonymous"))
    assert line == f"dlv server: {tmp_path}/many.key: key 5 in it: these are more than 4 keys\n"
    line = one_line(release("server", "--db", "x", "--authority", keys.authority_pub, "--key", tmp_path / "twice.key", "--anonymous"))
    assert line == "dlv server: x: No such file or directory\n"
    given = [word for _ in range(5) for word in ("--authority", keys.authority_pub)]
    line = one_line(release("verify", *given, "x"))
    assert "--authority is given more than 4 times" in line


def test_legacy_clients_get_the_first_key(dlv, roll, keys):
    """Theirs travels with the protocol, so they follow at once."""
    record = "Ramesh 2344567890 GJ05-1234"
    for names in (("server", "other"), ("other", "server")):
        roll.own(*names)
        if names[0] == "other":
            roll.hang_up(rb"event=keys_reloaded")
        else:
            roll.hang_up(rb"event=keys_reloaded server_keys=2")
        dlv("client", "--legacy", "--server", roll.server.address, record, status=0)


def test_a_roll_under_load_loses_nothing(release, serve, small_db, keys, tmp_path):
    roll = Roll(serve, release, small_db, keys, tmp_path, "--openings-per-source", "0")
    stop, failed, asked = threading.Event(), [], [0]

    def work(pins):
        while not stop.is_set():
            done = release("client", "--server", roll.server.address, *pins, *NUMBER)
            asked[0] += 1
            if done.returncode != 0:
                failed.append(done.err)

    both = [word for key in ("server", "other") for word in ("--server-key", keys.folder / f"{key}.pub")]
    workers = [threading.Thread(target=work, args=(both,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for names in (("server", "other"), ("other", "server"), ("other",), ("other", "server"), ("server",)):
            roll.own(*names)
            roll.hang_up(rb"event=keys_reloaded")
            time.sleep(0.5)
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert asked[0] > 20 and failed == []


# --- the authority's ------------------------------------------------------------------------------


def test_authority_key(dlv, roll, keys):
    """The procedure of the man page, step by step."""
    new_key = keys.folder / "other.key"
    new = ("--authority", keys.folder / "other.pub")
    old = ("--authority", keys.authority_pub)
    # A release of a key that nobody was told of is refused everywhere.
    line = one_line(dlv("dbgen", "--sign", new_key, "-o", roll.db, "-", stdin=SMALL))
    assert "is signed by another authority, SHA256:" in line and "where this key takes the place of that one, --authority names" in line
    before = dlv("info", "--json", roll.db).out
    dlv("dbgen", "--sign", new_key, *old, "--legacy", "-o", roll.db, "-", stdin=SMALL, status=0)
    after = dlv("info", "--json", roll.db).out
    assert int(re.search(r'"sequence":(\d+)', after)[1]) == int(re.search(r'"sequence":(\d+)', before)[1]) + 1
    for applet in (("verify",), ("info",), ("client", "--db", *NUMBER)):
        words = [applet[0], *(["--db", roll.db, *NUMBER] if applet[0] == "client" else [roll.db])]
        assert "signed by another authority" in one_line(dlv(*words, *old))
        assert dlv(*words, *old, *new).returncode == 0
        assert dlv(*words, *new).returncode == 0
    roll.server.log = b""
    roll.server.process.send_signal(signal.SIGHUP)
    roll.server.wait_for(rb"event=reload_refused [^\n]*signed by another authority")
    # The server is told of it; both releases can be proved to clients that know both.
    roll.trusted("authority", "other")
    roll.hang_up(rb"event=keys_reloaded server_keys=1 authorities=2")
    roll.server.wait_for(rb"event=reloaded")
    for pins, status in ((old, 2), ((*old, *new), 0), (new, 0)):
        ask(dlv, roll, "server", status=status, options=("--prove", *pins))
    roll.trusted("other")
    roll.hang_up(rb"event=keys_reloaded server_keys=1 authorities=1")
    ask(dlv, roll, "server", options=("--prove", *new))


def test_one_file_of_both_keys(dlv, keys, small_db, tmp_path):
    both = tmp_path / "both.pub"
    both.write_text("# until 2027\n" + (keys.folder / "other.pub").read_text() + keys.authority_pub.read_text())
    dlv("verify", "--authority", both, small_db, status=0)
    both.write_text((keys.folder / "other.pub").read_text() + keys.authority_pub.read_text().replace("MIIBIjA", "MIIBIjB", 1))
    assert "the public key is not one of RSA" in one_line(dlv("verify", "--authority", both, small_db))


def test_changes_and_folders_follow_the_new_key(dlv, keys, tmp_path):
    new, old = keys.folder / "other.key", ("--authority", keys.authority_pub)
    for first in (tmp_path / "l.db",):
        build(dlv, keys, first, WHOLE)
    changes = "op,licence,status_since\nsuspend,GJ000000,2026-01-01\n"
    words = ("dbgen", "--base", tmp_path / "l.db", "--sign", new, "-o", tmp_path / "n.db", "-")
    assert "signed by another authority" in one_line(dlv(*words, stdin=changes))
    done = dlv(*words, *old, stdin=changes)
    assert done.returncode == 0, done.err
    dlv("diff", *old, "--authority", keys.folder / "other.pub", tmp_path / "l.db", tmp_path / "n.db", status=1)
    folder = tmp_path / "releases"
    folder.mkdir()
    dlv("dbgen", "--sign", keys.authority, "--into", folder, "--first", "-", stdin=WHOLE, status=0)
    assert "--authority names" in one_line(dlv("dbgen", "--sign", new, "--into", folder, "-", stdin=WHOLE))
    dlv("dbgen", "--sign", new, *old, "--into", folder, "-", stdin=WHOLE, status=0)
    # Guards hold across the roll, and going back signs the old content with the new key.
    few = "".join(WHOLE.splitlines(True)[:20])
    assert "dropped" in one_line(dlv("dbgen", "--sign", new, *old, "--into", folder, "-", stdin=few))
    assert "--authority names" in one_line(dlv("dbgen", "--sign", new, "--into", folder, "--republish", "1"))
    dlv("dbgen", "--sign", new, *old, "--into", folder, "--republish", "1", status=0)
    dlv("verify", "--authority", keys.folder / "other.pub", folder / "current", status=0)


def test_what_is_checked_beforehand(dlv, keys, tmp_path):
    """A rehearsal that passes is a build that passes; and a release that is to be followed must be there."""
    new, old = keys.folder / "other.key", ("--authority", keys.authority_pub)
    build(dlv, keys, tmp_path / "l.db", WHOLE)
    run = ["dbgen", "--check", "--sign", new, "-o", tmp_path / "l.db", "-"]
    assert "--authority names" in one_line(dlv(*run, stdin=WHOLE))
    dlv(*run, *old, stdin=WHOLE, status=0)
    line = one_line(dlv("dbgen", "--sign", new, *old, "-o", tmp_path / "mistyped.db", "-", stdin=WHOLE))
    assert "names the key of a release before, and there is none in" in line and not (tmp_path / "mistyped.db").exists()


def test_an_old_release_of_the_old_key_does_not_come_back(dlv, keys, tmp_path):
    """Whoever has the old key still, or an old file, cannot undo what clients have seen under the new one."""
    state, pins = tmp_path / "state", ("--authority", keys.authority_pub, "--authority", keys.folder / "other.pub")
    state.mkdir()
    for name, key, sequence in (("old.db", keys.authority, 7), ("new.db", keys.folder / "other.key", 8)):
        dlv("dbgen", "--sign", key, *ACCEPT, "--sequence", sequence, "-o", tmp_path / name, "-", stdin=SMALL, status=0)
    look = lambda name: dlv("client", "--db", tmp_path / name, *pins, "--state", state, *NUMBER)
    assert look("old.db").returncode == 0 and look("new.db").returncode == 0
    assert "sequence number 7, but 8 has been seen before" in one_line(look("old.db"))
