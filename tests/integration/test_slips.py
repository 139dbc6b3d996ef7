"""What a tired admin or a script with an empty variable does: nothing is lost, and nothing false is said."""

import fcntl
import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest
from conftest import HEADER, RELEASE, VECTORS, kiosk_line, one_line

GOOD = HEADER + "Asha,9800000098,GJ01,valid,2020-01-01,2030-01-01\n"
BAD = GOOD + "Ravi,9800000099,GJ02,broken,2020-01-01,2030-01-01\n"


def snapshot(path):
    """What must stay: bytes, owner, mode and inode, of the file itself or of what a link leads to."""
    status = path.lstat()
    content = path.read_bytes() if path.is_file() else sorted(os.listdir(path)) if path.is_dir() else None
    return status.st_ino, status.st_mode, status.st_uid, content


@pytest.fixture
def files(keys, tmp_path, release):
    """A folder with what an admin has lying about."""
    for name in "authority.key", "server.key", "authority.pub", "server.pub":
        (tmp_path / name).write_bytes((keys.folder / name).read_bytes())
    (tmp_path / "lookup.key").write_bytes((VECTORS / "golden_lookup.key").read_bytes())
    (tmp_path / "registry.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_text(BAD)
    (tmp_path / "nightly.import").write_text("delimiter = ,\n")
    (tmp_path / "notes.txt").write_text("line,reason,row\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("authority.key")
    (tmp_path / "nowhere").symlink_to("missing/file")
    os.mkfifo(tmp_path / "pipe")
    release("dbgen", "--sign", "authority.key", "-o", "l.db", "registry.csv", cwd=tmp_path, status=0)
    return tmp_path


PRECIOUS = ["authority.key", "authority.pub", "server.key", "lookup.key", "registry.csv", "bad.csv", "nightly.import", "notes.txt",
            "folder", "link", "pipe", "l.db"]


def keeps_all(files, run):
    """Runs a command that must be refused in one line; whatever lies about stays as it is."""
    before = {name: snapshot(files / name) for name in PRECIOUS}
    done = run()
    after = {name: snapshot(files / name) for name in PRECIOUS}
    assert after == before and done.returncode == 2, done
    one_line(done)
    assert not [name for name in os.listdir(files) if name.endswith(".tmp")]
    return done


@pytest.mark.parametrize("target", [*PRECIOUS, "nowhere", "/dev/null", "", "folder/"])
@pytest.mark.parametrize("registry", ["registry.csv", "bad.csv"])
def test_rejects_replace_nothing_else(release, files, target, registry):
    done = keeps_all(files, lambda: release(
        "dbgen", "--sign", "authority.key", "--lookup-key", "lookup.key", "--import", "nightly.import", "-o", "other.db",
        "--rejects", target, "--skip-bad", registry, cwd=files))
    assert (target or '""') in done.err and not (files / "other.db").exists()


@pytest.mark.parametrize("target", [name for name in PRECIOUS if name != "l.db"] + ["nowhere", "/dev/null", ""])
def test_databases_replace_nothing_else(release, files, target):
    keeps_all(files, lambda: release("dbgen", "--sign", "authority.key", "-o", target, "registry.csv", cwd=files))


@pytest.mark.parametrize("target", [*PRECIOUS, "nowhere", "/dev/null", ""])
def test_evidence_replaces_nothing_else(release, files, target):
    keeps_all(files, lambda: release("client", "--db", "l.db", "--authority", "authority.pub", "--evidence", target, "--number",
                                     "GJ01", cwd=files))


@pytest.mark.parametrize("target", [*PRECIOUS, "nowhere", "/dev/null", ""])
def test_metrics_replace_nothing_else(release, files, target):
    keeps_all(files, lambda: release("server", "--db", "l.db", "--authority", "authority.pub", "--key", "server.key", "--anonymous",
                                     "--listen", "127.0.0.1:0", "--stats", target, cwd=files))


@pytest.mark.parametrize("target", ["folder", "/dev/null", "pipe"])
def test_keys_replace_no_folder_and_no_device(release, files, target):
    name = files / "k"
    (files / "k.key").symlink_to(target)
    keeps_all(files, lambda: release("keygen", "--type", "kiosk", "-o", name, "--force", cwd=files))


def test_force(release, files):
    """It replaces a file that is not dlv's own, but nothing that the command reads, no folder, no device."""
    make = ["dbgen", "--sign", "authority.key", "-o", "other.db", "--force", "--rejects"]
    for target in "authority.key", "bad.csv", "link", "folder", "/dev/null", "other.db":
        keeps_all(files, lambda: release(*make, target, "bad.csv", cwd=files))
    release(*make, "notes.txt", "bad.csv", cwd=files, status=2)
    assert (files / "notes.txt").read_text().startswith("dlv rejects: line,reason,row\n3,")
    ask = ["client", "--db", "l.db", "--authority", "authority.pub", "--force", "--number", "GJ01", "--evidence"]
    for target in "l.db", "authority.pub", "folder", "/dev/null":
        keeps_all(files, lambda: release(*ask, target, cwd=files))
    release(*ask, "notes.txt", cwd=files, status=0)
    assert (files / "notes.txt").read_text().startswith("dlv evidence 2\n")
    # From then on it is known.
    release(*[word for word in ask if word != "--force"], "notes.txt", cwd=files, status=0)


def test_own_files_are_replaced_and_removed(release, files):
    """Owner, mode and symbolic link of what is replaced are kept; rejects stay private."""
    (files / "stable").mkdir()
    (files / "stable/current.db").symlink_to("../l.db")
    os.chmod(files / "l.db", 0o640)
    os.chown(files / "l.db", 65534, 65534)
    make = ["dbgen", "--sign", "authority.key", "-o", "stable/current.db"]
    release(*make, "registry.csv", cwd=files, status=0)
    status = (files / "l.db").stat()
    assert (files / "stable/current.db").is_symlink() and (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o640, 65534, 65534)
    assert "l.db#2 " in release("client", "--db", "l.db", "--authority", "authority.pub", "--number", "GJ01", cwd=files, status=0).out
    rejects = files / "stable/current.db.rejects"
    release(*make, "bad.csv", cwd=files, status=2)
    assert rejects.stat().st_mode & 0o777 == 0o600
    os.chmod(rejects, 0o644)
    release(*make, "bad.csv", cwd=files, status=2)
    assert rejects.stat().st_mode & 0o777 == 0o600
    release(*make, "registry.csv", cwd=files, status=0)
    assert not rejects.exists()
    # A file of another's by that name stays, also where there is nothing to reject.
    rejects.write_text("mine\n")
    done = release(*make, "registry.csv", cwd=files, status=2)
    assert "is not a rejects file of dlv" in one_line(done) and rejects.read_text() == "mine\n"


@pytest.mark.parametrize("hidden", [(), ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")],
                         ids=["", "without /proc"])
def test_leftovers_of_killed_runs(release, files, hidden):
    if hidden and os.getuid() != 0:
        pytest.skip("needs root")
    for name in ".l.db.77.tmp", ".l.db.rejects.78.tmp":
        (files / name).write_text("half")
    (files / ".l.db.other.tmp").write_text("not ours")
    done = subprocess.run([*hidden, release.path, "dbgen", "--sign", "authority.key", "-o", "l.db", "bad.csv"], cwd=files,
                          capture_output=True, text=True)
    assert done.returncode == 2 and "bad rows" in done.stderr
    assert sorted(name for name in os.listdir(files) if name.startswith(".")) == [".l.db.other.tmp"]
    assert (files / "l.db.rejects").exists()


# --- descriptors that are closed --------------------------------------------------------------------


def run_closed(path, closed, *args, cwd=None):
    """Runs dlv with these descriptors closed. The others of 0 to 2 lead to pipes."""
    read_out, write_out = os.pipe()
    read_err, write_err = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(write_out, 1)
            os.dup2(write_err, 2)
            os.closerange(3, 100)
            for fd in closed:
                os.close(fd)
            if cwd:
                os.chdir(cwd)
            os.execv(path, [path, *map(str, args)])
        finally:
            os._exit(99)
    os.close(write_out)
    os.close(write_err)
    out, err = (open(fd, "rb").read().decode() for fd in (read_out, read_err))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), out, err


ALL_CLOSED = [closed for n in (1, 2, 3) for closed in itertools.combinations((0, 1, 2), n)]


@pytest.mark.parametrize("closed", ALL_CLOSED, ids=lambda closed: "".join(map(str, closed)))
def test_closed_descriptors(release, files, closed):
    """Whatever is closed, what cannot be said is no success, and nothing is read or written in its place."""
    before = {name: snapshot(files / name) for name in PRECIOUS}
    offline = ["client", "--db", "l.db", "--authority", "authority.pub", "--number", "GJ01"]
    status, out, err = run_closed(release.path, closed, *offline, cwd=files)
    assert status == (2 if 1 in closed else 0) and out.startswith("VALID") == (1 not in closed)
    if 1 in closed and 2 not in closed:
        assert "standard output cannot be written" in err
    for args in (["help"], ["--list"], ["--version"], ["help", "--man", "client"], ["selftest"], ["verify", "--authority",
                                                                                                "authority.pub", "l.db"]):
        status, out, _ = run_closed(release.path, closed, *args, cwd=files)
        assert status == (2 if 1 in closed else 0) and bool(out) == (1 not in closed), args
    if 0 in closed:
        status, _, err = run_closed(release.path, closed, *offline[:-1], "-", cwd=files)
        assert status == 2 and (2 in closed or "standard input: Bad file descriptor" in err)
        status, _, err = run_closed(release.path, closed, "dbgen", "--sign", "authority.key", "-o", "l.db", "-", cwd=files)
        assert status == 2 and (2 in closed or "standard input: Bad file descriptor" in err)
    assert {name: snapshot(files / name) for name in PRECIOUS} == before


def test_no_verdict_on_the_network(release, files, serve):
    """With standard output closed the socket is not taken for it."""
    listener = socket.create_server(("127.0.0.1", 0))
    received = []

    def take():
        connection, _ = listener.accept()
        connection.settimeout(10)
        try:
            while piece := connection.recv(65536):
                received.append(piece)
        except OSError:
            pass

    import threading
    thread = threading.Thread(target=take)
    thread.start()
    online = ["client", "--server-key", "server.pub", "--timeout", "2", "--number", "GJ01", "--server"]
    status, _, _ = run_closed(release.path, (1,), *online, f"127.0.0.1:{listener.getsockname()[1]}", cwd=files)
    thread.join()
    assert status == 2 and b"".join(received).startswith(b"dlv\2")
    server = serve(release, files / "l.db", who=("--anonymous",))
    for closed in ALL_CLOSED:
        status, out, _ = run_closed(release.path, closed, *online, server.address, cwd=files)
        assert status == (2 if 1 in closed else 0) and out.startswith("VALID") == (1 not in closed)


def test_a_server_with_closed_descriptors(release, files):
    """Its database is not its log."""
    before = snapshot(files / "l.db")
    port = socket.create_server(("127.0.0.1", 0)).getsockname()[1]
    pid = os.fork()
    if pid == 0:
        os.chdir(files)
        os.closerange(0, 100)
        os.execv(release.path, [release.path, "server", "--db", "l.db", "--authority", "authority.pub", "--key", "server.key",
                                "--anonymous", "--listen", f"127.0.0.1:{port}"])
    try:
        for _ in range(100):
            done = release("client", "--server", f"127.0.0.1:{port}", "--server-key", "server.pub", "--number", "GJ01", cwd=files)
            if done.returncode == 0:
                break
            time.sleep(0.1)
        assert done.out.startswith("VALID")
        assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)] == ["/", "/", "/"]
    finally:
        os.kill(pid, 15)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert snapshot(files / "l.db") == before


# --- nothing asked -----------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [["-"], ["--number", "-"], ["--json", "--number", "-"], ["--prove", "-"]])
def test_nothing_asked_is_no_success(release, files, serve, question):
    server = serve(release, files / "l.db", who=("--anonymous",))
    for way in (["--db", "l.db"], ["--server", server.address, "--server-key", "server.pub"]):
        authority = ["--authority", "authority.pub"] if way[0] == "--db" or "--prove" in question else []
        done = release("client", *way, *authority, *question, cwd=files, stdin="", status=2)
        assert "no question came" in one_line(done) and done.out == ""
        assert release("client", *way, *authority, *question, cwd=files, stdin="\n").returncode == 2


@pytest.mark.parametrize("typed", ["-", "--help", "--json", "", " ", "--", "-n", "GJ01"])
def test_what_was_typed_is_never_special(release, files, typed):
    """A program passes on what an officer typed; its own standard input says "all are VALID"."""
    ask = ["client", "--db", "l.db", "--authority", "authority.pub", "--literal"]
    record = f"Asha 9800000098 {typed}"
    for words in (["--number", typed], ["--", typed], ["--", record]):
        done = release(*ask, *words, cwd=files, stdin="GJ01\n")
        good = typed == "GJ01" and words != ["--", typed]
        assert (done.returncode == 0) == good and done.out.startswith("VALID") == good, (words, done)
    assert pathlib.Path(files / "l.db").exists()




@pytest.mark.parametrize("option", ["--number", "--name", "--phone", "--birth-date", "--card", "--class"])
@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_field_is_none(release, files, option, text):
    """An unset variable would be compared with nothing, and the answer would still be VALID."""
    question = [] if option == "--number" else ["--number", "GJ01"]
    done = release("client", "--db", "l.db", "--authority", "authority.pub", *question, option, text, cwd=files)
    assert f"{option} is empty (an unset variable?)" in one_line(done)


@pytest.mark.parametrize("args", [["verify", "--authority", "", "l.db"], ["verify", "--authority", "authority.pub", ""], ["info", ""],
                                  ["client", "--db", "", "--authority", "authority.pub", "--number", "GJ01"],
                                  ["dbgen", "--sign", "", "-o", "x.db", "registry.csv"], ["keygen", "--type", "kiosk", "-o", ""],
                                  ["dbgen", "--sign", "authority.key", "--into", "", "registry.csv"],
                                  ["dbgen", "--sign", "authority.key", "-o", "-", "registry.csv"]])
def test_an_unset_variable_is_named(release, files, args):
    done = keeps_all(files, lambda: release(*args, cwd=files))
    assert ": : " not in done.err and any(word in done.err for word in ("empty", "not the name of a file", '""', "standard output"))


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_no_key_takes_the_place_of_another_kind(release, files, force):
    for kind, target in (("lookup", "authority.key"), ("ticket", "authority.pub"), ("lookup", "registry.csv"), ("ticket", "l.db")):
        keeps_all(files, lambda: release("keygen", "--type", kind, "-o", target, *force, cwd=files))
    (files / "k.key").write_bytes((files / "lookup.key").read_bytes())
    keeps_all(files, lambda: release("keygen", "--type", "kiosk", "-o", "k", *force, cwd=files))
    if force:
        release("keygen", "--type", "lookup", "-o", "lookup.key", *force, cwd=files, status=0)
        release("keygen", "--type", "authority", "-o", "authority", *force, cwd=files, status=0)


# --- the state folder ----------------------------------------------------------------------------------


@pytest.fixture
def stateful(release, files, serve):
    """Asks two servers with --state, and says how long it took."""
    servers = [serve(release, files / "l.db", who=("--anonymous",)) for _ in range(2)]
    (files / "state").mkdir(mode=0o755)

    def ask(*args, status=None):
        start = time.monotonic()
        done = release("client", "--server", ",".join(server.address for server in servers), "--server-key", "server.pub", "--authority",
                       "authority.pub", "--state", "state", *args, "--number", "GJ01", cwd=files, status=status)
        return done, time.monotonic() - start
    ask(status=0)
    ask.state = files / "state"
    ask.addresses = [server.address for server in servers]
    return ask


def test_a_state_folder_that_others_lock(stateful):
    """Whoever may read the folder may lock it; that holds up nobody."""
    fd = os.open(stateful.state, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    done, seconds = stateful(status=0)
    assert done.out.startswith("VALID") and seconds < 4
    os.close(fd)


@pytest.mark.parametrize("spoil", ["a lock that is held", "a pipe", "a folder", "a link as lock", "another's lock", "an open lock",
                                   "junk"])
def test_a_spoilt_state_folder(stateful, spoil):
    """It is this machine's own trouble: told as that, soon, and no further server is asked."""
    lock, seen = stateful.state / ".lock", next(path for path in stateful.state.iterdir() if path.suffix == ".seen")
    fd = None
    if spoil == "a lock that is held":
        fd = os.open(lock, os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
    elif spoil == "another's lock":
        os.chown(lock, 65534, 65534)
    elif spoil == "an open lock":
        os.chmod(lock, 0o666)
    elif spoil == "a link as lock":
        lock.unlink()
        lock.symlink_to("../authority.key")
    else:
        seen.unlink()
        {"a pipe": os.mkfifo, "a folder": os.mkdir, "junk": lambda path: path.write_text("junk")}[spoil](seen)
    done, seconds = stateful()
    line = one_line(done)
    assert "--state: state" in line and not any(address in line for address in stateful.addresses) and seconds < 9
    answer = json.loads(stateful("--json")[0].out)
    assert answer["error"] == "system" and len(answer["servers"]) == 1
    if fd is not None:
        os.close(fd)
        stateful(status=0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("user, ids", [("nobody", (65534, 65534)), ("65534", (65534, 65534)), ("23456", (23456, 23456)), ("0", None),
                                       ("root", None), ("nosuch", None), ("-1", None), ("", None)])
def test_users(release, files, serve, user, ids):
    """By name or by number, with or without a name; one that would give up nothing is none."""
    if ids is None:
        line = one_line(release("server", "--db", "l.db", "--authority", "authority.pub", "--key", "server.key", "--anonymous",
                                "--listen", "127.0.0.1:0", "--user", user, cwd=files))
        assert line.startswith("dlv server: --user: ")
        return
    server = serve(release, files / "l.db", "--user", user, who=("--anonymous",))
    wanted = [f"{name}:\t" + "\t".join([str(number)] * 4) for name, number in zip(("Uid", "Gid"), ids)]

    def status_of(pid):
        return open(f"/proc/{pid}/status").read()
    deadline = time.monotonic() + 10
    while not all(line in status_of(pid) for pid in server.children() for line in wanted):
        assert time.monotonic() < deadline, [status_of(pid) for pid in server.children()]
        time.sleep(0.05)


@pytest.mark.parametrize("args, told", [
    (["--key", "authority.key"], "the server's key is the authority's"),
    (["--key", "server.key", "--listen", ""], "--listen is empty"),
    (["--key", "server.key", "--listen", "18080"], 'a port has a colon: ":18080"')])
def test_a_server_that_was_started_wrongly(release, files, args, told):
    line = one_line(release("server", "--db", "l.db", "--authority", "authority.pub", "--anonymous", *args, cwd=files, timeout=10))
    assert told in line


def test_a_list_of_kiosks_that_was_cut_off(release, files, keys, serve):
    """A script that fails while it writes the list does not end every kiosk's session."""
    kiosks = files / "kiosks"
    kiosks.write_text(kiosk_line(keys.kiosk_pub))
    server = serve(release, files / "l.db", "--kiosks", kiosks, who=())
    assert b"kiosks=1" in server.log
    for text in ("", "# of 2026\n", kiosk_line(keys.kiosk_pub)[:200]):
        kiosks.write_text(text)
        server.log = b""
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(rb"event=kiosks_(refused|kept)")
        release("client", "--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, "--number", "GJ01", status=0)


def test_new_files_have_no_more_rights_than_the_umask_gives(release, files):
    for mask, mode in ((0o077, 0o600), (0o027, 0o640), (0o022, 0o644)):
        release("dbgen", "--sign", "authority.key", "-o", f"n{mask}.db", "registry.csv", cwd=files, umask=mask, status=0)
        assert (files / f"n{mask}.db").stat().st_mode & 0o777 == mode


def test_a_sequence_number_leaves_room(release, files):
    run = ["dbgen", "--sign", "authority.key", "-o", "l.db", "registry.csv", "--sequence"]
    assert "not a number from 1 to" in one_line(release(*run, "9223372036854775807", cwd=files))
    release(*run, "20261128120000", cwd=files, status=0)


@pytest.mark.skipif(os.getuid() != 0, reason="only root has capabilities to be without")
@pytest.mark.parametrize("name", ["setuid", "setgid", "kill"])
def test_a_missing_capability_is_named(files, name):
    """Before anything is started, with what to do."""
    done = subprocess.run(["setpriv", f"--bounding-set=-{name}", f"--inh-caps=-{name}", RELEASE, "server", "--db", "l.db", "--authority", "authority.pub",
                           "--key", "server.key", "--anonymous", "--listen", "127.0.0.1:0"], cwd=files, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"without the capability CAP_{name.upper()}" in done.stderr and "start it as another user" in done.stderr
