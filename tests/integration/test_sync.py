"""dlv sync: a kiosk's file becomes the newest release, from a server or a folder, as changes or as a whole, whatever goes wrong."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import RELEASE, ROOT, SMALL, build, kiosk_line, one_line
from test_deadlines import Between

sys.path.insert(0, str(ROOT / "tools"))
import dbformat  # noqa: E402
import session_peer  # noqa: E402
from session_peer import CHANGES, HEAD, MALFORMED, NO_RIGHT, OTHER_RELEASE, OVER_QUOTA  # noqa: E402
from session_peer import RELEASE as WHOLE  # noqa: E402

COLUMNS = "name,phone,licence,status,status_since,valid_from,valid_to,classes,card\n"
PEOPLE = 40000


def person(i, status="valid", classes="LMV", card=""):
    return f"Person N{i},98{i:08},AB{i:06},{status},2020-01-01,2020-01-01,2040-01-01,{classes},{card}\n"


def rows(step):
    """A register, and what became of it: each step changes a hundredth, adds some, and drops some."""
    out = [COLUMNS]
    for i in range(PEOPLE + 50 * step):
        if step > 0 and i % 1000 == 500 + step:
            continue
        changed = i % 100 < step
        out.append(person(i, "suspended" if changed and i % 3 == 0 else "valid",
                          f"C{step};LMV" if changed and i % 3 == 1 else "MCWG" if i % 2 else "LMV", f"K{i}"))
        if i % 50 == step:  # three groups: more than an entry holds
            for n, classes in enumerate((f"H{step}", "LMV-TR", "TRANS")):
                out.append(f"Person N{i},98{i:08},AB{i:06},valid,2020-01-01,20{20 + n}-01-01,2041-01-01,{classes},K{i}\n")
    return "".join(out)


@pytest.fixture(scope="module")
def releases(release, keys, tmp_path_factory):
    """A folder with three releases and two lists of changes."""
    folder = tmp_path_factory.mktemp("releases")
    for step in range(3):
        done = release("dbgen", "--sign", keys.authority, "--into", folder, *([] if step else ["--first"]), "--fields",
                       "name,card", "--accept-drop", "100%", "--accept-change", "100%", "--accept-vanished", "-", stdin=rows(step))
        assert done.returncode == 0, done.err
        assert (folder / f"{step + 1}.changes").exists() == (step > 0)
    return folder


@pytest.fixture
def home(tmp_path):
    """The file of a kiosk, and what it looks like."""
    return tmp_path / "licences.db"


def same(home, path):
    assert home.read_bytes() == path.read_bytes()
    assert [p.name for p in home.parent.iterdir() if p.name.startswith(home.name)] == [home.name], "nothing is left over"


@pytest.fixture
def server(dlv, keys, serve, tmp_path, releases):
    """One that lets the kiosk fetch, of the newest release."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000") + kiosk_line(keys.other_pub, "o"))
    return serve(dlv, releases / "current", who=("--kiosks", str(tmp_path / "kiosks")))


def options(keys, address, home, key=None):
    return ["--from", address, "--server-key", keys.server_pub, "--key", key or keys.kiosk, "--authority", keys.authority_pub, "--db", home]


@pytest.mark.parametrize("before", ["none", 1, 2, 3])
def test_from_a_folder(dlv, keys, releases, home, before):
    if before != "none":
        shutil.copy(releases / f"{before}.db", home)
        home.chmod(0o640)
    done = dlv("sync", "--from", releases, "--authority", keys.authority_pub, "--db", home, status=0)
    same(home, releases / "3.db")
    assert ("newest already" in done.out) == (before == 3)
    assert home.stat().st_mode & 0o777 == (0o644 if before == "none" else 0o640)


@pytest.mark.parametrize("before", [1, 2])
def test_from_lists_alone(dlv, keys, releases, home, tmp_path, before):
    lists = tmp_path / "lists"
    lists.mkdir()
    for number in (2, 3):
        shutil.copy(releases / f"{number}.changes", lists)
        assert (releases / f"{number}.changes").stat().st_size < (releases / f"{number}.db").stat().st_size / 20
    shutil.copy(releases / f"{before}.db", home)
    dlv("sync", "--from", lists, "--authority", keys.authority_pub, "--db", home, status=0)
    same(home, releases / "3.db")


def test_lists_in_python(releases, keys):
    """The written format, by code that shares nothing with dlv."""
    authority = dbformat.load_key(keys.authority_pub)
    for number in (2, 3):
        before, after = (dbformat.Database(releases / f"{n}.db", authority) for n in (number - 1, number))
        data = (releases / f"{number}.changes").read_bytes()
        assert dbformat.read_changes(data)[2] == after.head
        assert dbformat.apply_changes(before, data) == dbformat.loose(after)


@pytest.mark.parametrize("before", ["none", 1, 2, 3])
def test_from_a_server(dlv, keys, releases, server, home, before):
    if before != "none":
        shutil.copy(releases / f"{before}.db", home)
    done = dlv("sync", *options(keys, server.address, home), status=0)
    same(home, releases / "3.db")
    how = {"none": "as a whole", 3: "newest already"}.get(before, "as changes")
    assert how in done.out
    dlv("client", "--db", home, "--authority", keys.authority_pub, "--number", "AB000001", "--name", "Person N1", status=0)


def test_a_server_as_it_is_written(keys, server, releases):
    """By the peer that shares no code: pieces, rights, and what is not there."""
    public, kiosk, other = (session_peer.load_public(keys.server_pub), session_peer.load_private(keys.kiosk),
                            session_peer.load_private(keys.other))
    client = session_peer.TcpClient(server.port, public, kiosk).open()
    head, release = client.fetch(HEAD)
    assert head == (releases / "3.db").read_bytes()[:8192]
    assert client.sync(WHOLE, release) == (releases / "3.db").read_bytes()
    for number in (2, 3):
        data = (releases / f"{number}.changes").read_bytes()
        assert client.sync(CHANGES, dbformat.read_changes(data)[0]) == data
    assert client.ask(what=CHANGES, release=release).status == OTHER_RELEASE
    assert client.ask(what=WHOLE, release=bytes(32)).status == OTHER_RELEASE
    assert client.ask(what=WHOLE, release=release, offset=2**32 - 1).status == OTHER_RELEASE
    assert client.ask([session_peer.item(bytes(32))], what=WHOLE, release=release).status == MALFORMED
    frame = client.session.ask(what=WHOLE, release=release)
    first = client.session.open_answer(client.exchange(frame), frame)
    again = client.session.open_answer(client.exchange(frame), frame)
    assert len(first.rest) == 4000 and again.status == OVER_QUOTA and again.total == 1 and not any(again.rest)
    stranger = session_peer.TcpClient(server.port, public, other).open()
    assert stranger.ask(what=WHOLE, release=release).status == NO_RIGHT
    assert stranger.ask(what=CHANGES, release=release).status == NO_RIGHT


def test_never_over_udp_or_for_nobody(dlv, keys, releases, serve, tmp_path):
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000"))
    server = serve(dlv, releases / "current", who=("--kiosks", str(tmp_path / "kiosks"), "--anonymous"))
    public = session_peer.load_public(keys.server_pub)
    nobody = session_peer.TcpClient(server.port, public).open()
    _, release = nobody.fetch(HEAD)
    assert nobody.ask(what=WHOLE, release=release).status == NO_RIGHT
    kiosk = session_peer.UdpClient(server.port, public, session_peer.load_private(keys.kiosk)).open()
    assert kiosk.ask(what=WHOLE, release=release, padded=1232).status == MALFORMED


def test_no_right(dlv, keys, server, home):
    line = one_line(dlv("sync", *options(keys, server.address, home, keys.other)))
    assert "may not fetch releases" in line
    assert not home.exists()


def test_a_quota(dlv, keys, releases, serve, tmp_path, home):
    """Of a MiB a day, a list fits, and the whole does not; what has come stays, and counts."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1"))
    server = serve(dlv, releases / "current", who=("--kiosks", str(tmp_path / "kiosks")))
    line = one_line(dlv("sync", *options(keys, server.address, home), "--timeout", "5"))
    assert "the quota is spent; ask again in" in line and not home.exists()
    assert (tmp_path / "licences.db.sync").stat().st_size == (releases / "3.db").stat().st_size


def has_come(path):
    """Whether the first chunk is there."""
    if not path.exists():
        return False
    with open(path, "rb") as file:
        return any(file.read(1 << 20)[8192:])


def test_killed_again_and_again(dlv, keys, releases, server, home, tmp_path):
    """At any moment: what is here is the old release or the new one, and what has come is not fetched twice."""
    rng = random.Random(7)
    size = (releases / "3.db").stat().st_size
    for before, rate in (("none", "3M"), (1, "150K")):
        if before != "none":
            shutil.copy(releases / f"{before}.db", home)
        for run in range(60):
            process = subprocess.Popen([dlv.path, "sync", *map(str, options(keys, server.address, home)), "--rate", rate],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while before == "none" and run == 0 and process.poll() is None and not has_come(home.with_name("licences.db.sync")):
                time.sleep(0.005)
            try:
                process.wait(0 if run == 0 else rng.random() * (4 if dlv.is_sanitized else 1.2))
            except subprocess.TimeoutExpired:
                process.kill()
            output = process.communicate()[0].decode()
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL
            if home.exists():
                assert home.read_bytes() in [(releases / f"{n}.db").read_bytes() for n in (1, 2, 3)]
        same(home, releases / "3.db")
        if "bytes" in output:
            assert int(output.split("entries, ")[1].split(" bytes")[0]) < size  # not what had come before the first end
        home.unlink()


def test_a_list_that_was_altered(dlv, keys, releases, home, tmp_path):
    rng = random.Random(5)
    lists = tmp_path / "lists"
    lists.mkdir()
    shutil.copy(releases / "1.db", home)
    data = (releases / "2.changes").read_bytes()
    places = [*range(8, 16), 17, 48, 56, 64, 70, 72, 104, 4095, 4096, 4100, 8192, 8300, 12288, len(data) - 1]
    for place in places + [rng.randrange(len(data)) for _ in range(20)]:
        bent = bytearray(data)
        bent[place] ^= 1 << rng.randrange(8)
        (lists / "2.changes").write_bytes(bent)
        done = dlv("sync", "--from", lists, "--authority", keys.authority_pub, "--db", home)
        if not 16 <= place < 48 and place not in range(8) and place not in range(8, 16) and not 104 <= place < 4096 \
                and not 48 <= place < 72:
            one_line(done)  # else it is no list that leads on from here
        assert home.read_bytes() == (releases / "1.db").read_bytes()
    for cut in (0, 100, 4096, 12287, 12288, len(data) - 1):
        (lists / "2.changes").write_bytes(data[:cut])
        dlv("sync", "--from", lists, "--authority", keys.authority_pub, "--db", home)
        assert home.read_bytes() == (releases / "1.db").read_bytes()


def test_a_list_that_was_made_to_fit(dlv, keys, releases, home, tmp_path):
    """Whoever changes records and their digest comes to something that the authority has not signed."""
    lists = tmp_path / "lists"
    lists.mkdir()
    rng = random.Random(6)
    shutil.copy(releases / "1.db", home)
    data = (releases / "2.changes").read_bytes()
    records = len(data) - int.from_bytes(data[64:72], "little")
    for _ in range(40):
        bent = bytearray(data)
        bent[rng.randrange(records, len(data))] ^= 1 << rng.randrange(8)
        bent[72:104] = dbformat.sha256(bytes(bent[4096:]))
        (lists / "2.changes").write_bytes(bent)
        done = dlv("sync", "--from", lists, "--authority", keys.authority_pub, "--db", home)
        if done.returncode == 0:  # a place of further terms, which means nothing in a list
            assert home.read_bytes() == (releases / "2.db").read_bytes()
            shutil.copy(releases / "1.db", home)
        else:
            one_line(done)
            assert home.read_bytes() == (releases / "1.db").read_bytes()


@pytest.fixture(scope="module")
def small(release, keys, tmp_path_factory):
    """Three releases of a small register, and one of another."""
    folder = tmp_path_factory.mktemp("small")
    for number, more in ((1, []), (2, []), (3, []), (4, ["--name", "elsewhere"]), (5, ["--test"])):
        text = SMALL.replace("revoked", "valid") if number == 1 else SMALL
        build(release, keys, folder / f"{number}.db", text + f"P{number},9{number:09},ZZ{number},valid,2020-01-01,2020-01-01,2040-01-01,LMV,\n",
              "--sequence", str(number), *more)
    authority = dbformat.load_key(keys.authority_pub)
    return folder, {number: dbformat.Database(folder / f"{number}.db", authority) for number in range(1, 6)}


@pytest.mark.parametrize("to, says", [(1, "not on from"), (4, "not on from"), (5, "not on from"), (2, "not on from")])
def test_a_list_that_leads_back(dlv, keys, small, home, tmp_path, to, says):
    """What the authority has signed, too: an older release, another register, test data, the same once more."""
    folder, databases = small
    shutil.copy(folder / "2.db", home)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "3.changes").write_bytes(dbformat.make_changes(databases[2], databases[to]))
    assert says in one_line(dlv("sync", "--from", tmp_path / "lists", "--authority", keys.authority_pub, "--db", home))
    assert home.read_bytes() == (folder / "2.db").read_bytes()
    (tmp_path / "lists" / "3.changes").write_bytes(dbformat.make_changes(databases[2], databases[3]))
    dlv("sync", "--from", tmp_path / "lists", "--authority", keys.authority_pub, "--db", home, status=0)
    same(home, folder / "3.db")


def test_a_list_with_impossible_items(dlv, keys, small, home, tmp_path):
    """An item of a group that is cut short, at the very end of what an entry may have."""
    folder, databases = small
    shutil.copy(folder / "2.db", home)
    (tmp_path / "lists").mkdir()
    for items in (b"\x06" + (2031).to_bytes(2, "little") + bytes(2031) + b"\1\3\0abc", b"\1\3\0abc", b"\1\0\0", b"\1\xff\xff", b"\1"):
        (tmp_path / "lists" / "3.changes").write_bytes(dbformat.make_changes(databases[2], databases[3], lambda _: items))
        assert "does not fit" in one_line(dlv("sync", "--from", tmp_path / "lists", "--authority", keys.authority_pub, "--db", home))
        assert home.read_bytes() == (folder / "2.db").read_bytes()


@pytest.mark.parametrize("spoil", ["flipped", "cut", "cut and newest"])
def test_a_file_that_is_damaged(dlv, keys, releases, server, home, spoil):
    """No list leads on from it; the whole heals it."""
    data = bytearray((releases / ("3.db" if "newest" in spoil else "2.db")).read_bytes())
    if spoil == "flipped":
        data[9000] ^= 1
    home.write_bytes(data[:-5000] if "cut" in spoil else data)
    home.chmod(0o640)
    assert "as a whole" in dlv("sync", *options(keys, server.address, home), status=0).out
    same(home, releases / "3.db")
    assert home.stat().st_mode & 0o777 == 0o640


def test_lists_that_are_of_no_use(dlv, keys, releases, serve, home, tmp_path):
    """A server with a damaged list, and what an earlier run has left: the whole is fetched."""
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(releases / "3.db", folder)
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000"))
    data = bytearray((releases / "3.changes").read_bytes())
    data[-1] ^= 1
    (folder / "3.changes").write_bytes(data)
    server = serve(dlv, folder / "3.db", who=("--kiosks", str(tmp_path / "kiosks")))
    for left in (b"", b"rubbish", bytes(data), bytes(data[:20000])):
        shutil.copy(releases / "2.db", home)
        home.with_name("licences.db.sync-changes").write_bytes(left)
        assert "as a whole" in dlv("sync", *options(keys, server.address, home), status=0).out
        same(home, releases / "3.db")


@pytest.mark.parametrize("how", ["link", "symlink", "fifo"])
def test_parts_that_are_not_ours(dlv, keys, releases, server, home, tmp_path, how):
    """What somebody else has put there is not written to."""
    victim = tmp_path / "victim"
    for part in ("licences.db.sync", "licences.db.sync-changes"):
        victim.write_text("mine")
        shutil.copy(releases / "2.db", home)
        {"link": os.link, "symlink": os.symlink, "fifo": lambda _, path: os.mkfifo(path)}[how](victim, tmp_path / part)
        dlv("sync", *options(keys, server.address, home), status=0)
        same(home, releases / "3.db")
        assert victim.read_text() == "mine" and not home.is_symlink() and home.stat().st_nlink == 1


def test_a_folder_of_several_registers(dlv, keys, small, home):
    folder, _ = small
    command = ("sync", "--from", folder, "--authority", keys.authority_pub, "--db", home)
    assert "--db-name says which" in one_line(dlv(*command)) and not home.exists()
    dlv(*command, "--db-name", "elsewhere", status=0)
    same(home, folder / "4.db")
    dlv(*command, status=0)  # what is here says which
    same(home, folder / "4.db")


@pytest.mark.parametrize("what", ["empty", "foreign", "parent"])
def test_a_folder_of_nothing(dlv, keys, releases, home, tmp_path, what):
    """A mirror that has failed is no success."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    if what == "foreign":
        shutil.copy(ROOT / "vectors/golden.db", folder / "9.db")
    shutil.copy(releases / "3.db", home)
    source = releases.parent if what == "parent" else folder
    assert "holds no release" in one_line(dlv("sync", "--from", source, "--authority", keys.authority_pub, "--db", home))
    assert "no folder" in one_line(dlv("sync", "--from", tmp_path / "none", "--authority", keys.authority_pub, "--db", home))
    same(home, releases / "3.db")


def test_never_backwards(dlv, keys, releases, serve, tmp_path, home):
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000"))
    server = serve(dlv, releases / "2.db", who=("--kiosks", str(tmp_path / "kiosks")))
    shutil.copy(releases / "3.db", home)
    assert "not later" in one_line(dlv("sync", *options(keys, server.address, home)))
    old = tmp_path / "old"
    old.mkdir()
    shutil.copy(releases / "1.db", old)
    assert "newest already" in dlv("sync", "--from", old, "--authority", keys.authority_pub, "--db", home, status=0).out
    same(home, releases / "3.db")


def test_another_register(dlv, keys, releases, server, home, tmp_path):
    build(dlv, keys, home, SMALL, "--name", "other")
    before = home.read_bytes()
    assert "another register" in one_line(dlv("sync", *options(keys, server.address, home)))
    assert home.read_bytes() == before
    dlv("sync", "--from", releases, "--authority", keys.authority_pub, "--db", home)
    assert home.read_bytes() == before


def test_what_is_no_database(dlv, keys, releases, server, home):
    home.write_text("a letter\n")
    one_line(dlv("sync", *options(keys, server.address, home)))
    assert home.read_text() == "a letter\n"
    one_line(dlv("sync", "--from", releases, "--authority", keys.authority_pub, "--db", home))
    assert home.read_text() == "a letter\n"


def test_two_at_once(dlv, keys, server, home):
    first = subprocess.Popen([dlv.path, "sync", *map(str, options(keys, server.address, home)), "--rate", "1M"])
    deadline = time.monotonic() + 10
    while not home.with_name("licences.db.sync").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert "another dlv sync is at work" in one_line(dlv("sync", *options(keys, server.address, home)))
    first.kill()
    first.wait()


def test_the_link_of_a_folder(dlv, keys, releases):
    assert "dlv install" in one_line(dlv("sync", "--from", releases, "--authority", keys.authority_pub, "--db", releases / "current"))


def test_a_full_disk(dlv, keys, server, releases, tmp_path):
    """Known before anything is fetched, and nothing is lost."""
    small = tmp_path / "small"
    small.mkdir()
    arguments = " ".join(map(str, options(keys, server.address, small / "licences.db")))
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size=1m tmpfs {small} && {dlv.path} sync {arguments}"],
                          capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no namespaces here")
    assert done.returncode == 2 and "no room for the release" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("before", ["none", 2])
def test_without_proc(release, keys, server, releases, home, before):
    """As on a root file system that has next to nothing."""
    if before != "none":
        shutil.copy(releases / f"{before}.db", home)
    arguments = " ".join(map(str, options(keys, server.address, home)))
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /proc && {release.path} sync {arguments}"],
                          capture_output=True, text=True)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip("no namespaces here")
    assert done.returncode == 0, done.stderr
    same(home, releases / "3.db")


def test_a_release_that_comes_meanwhile(dlv, keys, releases, serve, tmp_path, home):
    """While the whole is fetched, the server gets a newer one: that is what is here in the end."""
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(releases / "2.db", folder)
    os.symlink("2.db", folder / "current")
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000"))
    server = serve(dlv, folder / "current", who=("--kiosks", str(tmp_path / "kiosks")))
    process = subprocess.Popen([dlv.path, "sync", *map(str, options(keys, server.address, home)), "--rate", "700K"], stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not has_come(home.with_name("licences.db.sync")) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.copy(releases / "3.db", folder)
    shutil.copy(releases / "3.changes", folder)
    os.symlink("3.db", folder / "next")
    os.rename(folder / "next", folder / "current")
    assert "event=reloaded" in server.reload()
    assert process.wait(60) == 0, process.stdout.read()
    same(home, releases / "3.db")
    # The lists came with the release.
    shutil.copy(releases / "2.db", home)
    assert "as changes" in dlv("sync", *options(keys, server.address, home), status=0).out
    # A worker that takes the place of another has them, too.
    for child in server.children():
        os.kill(child, signal.SIGKILL)
    shutil.copy(releases / "2.db", home)
    assert "as changes" in dlv("sync", *options(keys, server.address, home), status=0).out


def test_install_makes_lists(dlv, keys, releases, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    dlv("install", "--first", "--authority", keys.authority_pub, releases / "1.db", folder, status=0)
    for number in (2, 3):
        dlv("install", "--authority", keys.authority_pub, "--keep", "2", releases / f"{number}.db", folder, status=0)
    assert (folder / "3.changes").read_bytes() == (releases / "3.changes").read_bytes()
    assert sorted(p.name for p in folder.iterdir() if p.name[0] != ".") == ["2.changes", "2.db", "3.changes", "3.db", "current"]


def test_a_configuration(dlv, keys, server, home, tmp_path, releases):
    """The kiosk's own file does, with what other applets read there."""
    config = tmp_path / "client.conf"
    config.write_text(f"server = {server.address}\nserver-key = {keys.server_pub}\nkey = {keys.kiosk}\nudp\nclear-after = 20\n"
                      f"authority = {keys.authority_pub}\ndb = {home}\nrate = 100M\nprove\n")
    dlv("sync", "--config", config, status=0)
    same(home, releases / "3.db")
    dlv("client", "--config", config, "--number", "AB000001", "--db", home, "--timeout", "1")
    assert "no setting" in one_line(dlv("sync", "--config", str(config), "--db", home, env={}) if
                                    config.write_text("rat = 3\n") else None)


def test_with_a_state(dlv, keys, releases, serve, tmp_path, home):
    """What is remembered of the release that the server had is not taken for the one that it has."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "k", "sync=1000"))
    (tmp_path / "state").mkdir()
    for number in (1, 2, 3):
        server = serve(dlv, releases / f"{number}.db", "--ticket-key", ticket_key(dlv, tmp_path), who=("--kiosks", str(tmp_path / "kiosks")))
        dlv("sync", *options(keys, server.address, home), "--state", tmp_path / "state", status=0)
        same(home, releases / f"{number}.db")
        server.stop()


def ticket_key(dlv, folder):
    path = folder / "tickets"
    if not path.exists():
        dlv("keygen", "--type", "ticket", "-o", path, status=0)
    return path


@pytest.mark.parametrize("what", [[], ["--from", "nowhere"], ["--db", "x"]])
def test_usage(dlv, keys, what, home):
    one_line(dlv("sync", *what, "--authority", keys.authority_pub))
