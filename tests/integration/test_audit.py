"""The audit log: what was answered is recorded, and what was recorded cannot be changed unseen.

The logs are read by tools/audit_file.py, which was written from lib/audit/AUDIT.md.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import audit_file
import dbformat
import original_client
import pytest
import session_peer as peer
from conftest import DOCUMENT, SMALL, Server, build, kiosk_line, one_line
from session_peer import Refused, TcpClient, UdpClient

NUMBER = dbformat.number_digest("GJ05-1234")
NOBODY = dbformat.number_digest("XX1")
FAST = ("--openings-per-source", "0", "--openings", "0", "--anonymous-quota", "0")


@pytest.fixture(scope="module")
def audit_keys(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit-keys")
    release("keygen", "--type", "log", "-o", folder / "log")
    release("keygen", "--type", "audit", "-o", folder / "audit")
    return folder


@pytest.fixture(scope="module")
def log_pub(audit_keys):
    return peer.load_public(audit_keys / "log.pub")


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "log")


def make_folder(path):
    path.mkdir()
    if os.geteuid() == 0:
        shutil.chown(path, "nobody")
    return path


@pytest.fixture
def start(release, serve, small_db, audit_keys, folder, keys, tmp_path):
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "van-7", "quota=1000000/1000000/1000000"))

    def begin(*options, where=folder, binary=release, db=small_db):
        return serve(binary, db, *FAST, "--audit", where, "--log-key", audit_keys / "log.key", "--audit-key", audit_keys / "audit",
                     "--kiosks", tmp_path / "kiosks", *options, who=("--anonymous",))
    return begin


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def verify(dlv, folder, audit_keys, *options, status=0):
    done = dlv("verify", "--audit", folder, "--key", audit_keys / "log.pub", "--json", *options, status=status)
    return json.loads(done.out) if status == 0 else one_line(done)


def test_what_is_recorded(dlv, start, folder, audit_keys, log_pub, server_pub, keys):
    """Each question as it was, by whom, in order; only under the audit key about whom."""
    server = start("--workers", "1", "--legacy", binary=dlv)
    kiosk = peer.load_private(keys.kiosk)
    before = time.time() * 1000
    client = TcpClient(server.port, server_pub, kiosk).open()
    forms = [(1, dbformat.field_digest(1, NUMBER, "x")), (2, dbformat.field_digest(2, NUMBER, "2344567890"))]
    client.ask([peer.item(NUMBER, forms=forms), peer.item(NOBODY)])
    client.ask([peer.item(NUMBER), peer.item(NOBODY)], what=peer.PROOFS, padded=4096)
    client.ask([peer.item(hashlib.sha256(DOCUMENT).digest(), peer.DOCUMENT)])
    client.fetch(peer.HEAD)  # is about nobody
    assert client.ask([peer.item(NUMBER)], release=bytes(31) + b"\1").status == peer.OTHER_RELEASE
    stranger = UdpClient(server.port, server_pub).open()
    frame = stranger.session.ask([peer.item(NUMBER)])
    for _ in range(2):
        stranger.exchange(frame)
    stranger.ask(body=peer.question([peer.item(NOBODY)], slips=1) + bytes(40))
    assert original_client.ask("127.0.0.1", server.port, "Ramesh 2344567890 GJ05-1234")[0] == "Server: This person has valid license"
    wait_for(lambda: len(audit_file.records(folder)) == 9)
    server.stop()
    records = audit_file.records(folder, log_pub)
    key, van = (audit_keys / "audit").read_bytes(), peer.key_id(kiosk.public_key())[:16]
    record = hashlib.sha256(b"Ramesh 2344567890 GJ05-1234").digest()
    assert [(r.kiosk == van, r.tag, r.by, r.found, r.is_proved, r.is_repeated, r.is_slip) for r in records] == [
        (who, audit_file.tag(key, digest), by, found, proved, repeated, slip) for who, digest, by, found, proved, repeated, slip in (
            (True, NUMBER, 1, "licence", False, False, False), (True, NOBODY, 1, "nothing", False, False, False),
            (True, NUMBER, 1, "licence", True, False, False), (True, NOBODY, 1, "nothing", True, False, False),
            (True, hashlib.sha256(DOCUMENT).digest(), 2, "document", False, False, False),
            (False, NUMBER, 1, "licence", False, False, False), (False, NUMBER, 1, "licence", False, True, False),
            (False, NOBODY, 1, "nothing", False, False, True), (False, record, 3, "legacy record", False, False, False))]
    assert records[0].matches == {"name": "differs", "phone": "not kept"} and records[1].matches == {}
    assert all(r.release == 1 and before <= r.time <= time.time() * 1000 for r in records)
    assert [r.status for r in records] == [1, 0, 1, 0, 1, 1, 1, 0, 1]
    blocks = audit_file.read(folder, log_pub)
    assert blocks[0].kind == audit_file.START and blocks[-1].kind == audit_file.CHECKPOINT
    assert blocks[0].content[:64] == peer.key_id(log_pub) + peer.key_id(server_pub)
    # No digest, and nothing of a number, is in it.
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    assert all(text not in data for text in (NUMBER[:8], NOBODY[:8], b"GJ05", b"1234"))
    said = verify(dlv, folder, audit_keys)
    assert (said["questions"], said["unsigned_questions"], said["last_block"]) == (9, 0, blocks[-1].number)
    assert said["checkpoint"] == f"{blocks[-1].number}:{blocks[-1].digest.hex()}"


# --- what is seen ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(release, keys, audit_keys, tmp_path_factory):
    """A log of three files, of two runs of a server, with checkpoints between."""
    path = tmp_path_factory.mktemp("written")
    folder = make_folder(path / "log")
    build(release, keys, path / "l.db", SMALL)
    server_pub = peer.load_public(keys.server_pub)
    for run in range(2):
        server = Server(release, "--db", path / "l.db", "--authority", keys.authority_pub, "--key", keys.server, *FAST, "--workers", "2",
                        "--audit", folder, "--log-key", audit_keys / "log.key", "--audit-key", audit_keys / "audit", who=("--anonymous",))
        for turn in range(2 - run):
            for _ in range(4):
                client = TcpClient(server.port, server_pub).open()
                assert client.ask([peer.item(NUMBER)] * 5).status == peer.GOOD
                time.sleep(0.03)
                assert client.ask([peer.item(NOBODY)]).status == peer.GOOD
                client.close()
            wait_for(lambda: len(audit_file.records(folder)) == 24 * (2 * run + turn + 1))
            if turn == 0 and run == 0:
                server.process.send_signal(signal.SIGHUP)
                server.wait_for(rb"event=database_unchanged")
                time.sleep(0.2)
        server.stop()
    assert len(list(folder.iterdir())) == 2 and len(audit_file.records(folder)) == 72
    return folder


@pytest.fixture
def copy(written, tmp_path):
    return pathlib.Path(shutil.copytree(written, tmp_path / "copy"))


def files(folder):
    return sorted(folder.glob("*.audit"))


def test_every_byte(release, copy, audit_keys, log_pub):
    """Whatever is changed in a whole log, the check finds it, and so does the independent one."""
    sizes = [path.stat().st_size for path in files(copy)]
    for path, size in zip(files(copy), sizes):
        data = path.read_bytes()
        for at in list(range(0, 220)) + list(range(220, size, 61)) + list(range(size - 70, size)):
            changed = bytearray(data)
            changed[at] ^= 0x10
            path.write_bytes(changed)
            said = release("verify", "--audit", copy, "--key", audit_keys / "log.pub", status=None)
            if said.returncode == 0:  # lengths and kinds may make the end look as if it was being written
                assert "cut:" in said.out and path == files(copy)[-1], at
            else:
                assert said.returncode == 2 and path.name in said.err, (at, said.err)
        path.write_bytes(data)
    assert verify(release, copy, audit_keys)["questions"] == 72


def rewrite(path, blocks):
    path.write_bytes(b"".join(block.data for block in blocks))


def test_blocks_removed_doubled_and_moved(release, copy, audit_keys):
    for path in files(copy):
        blocks = list(audit_file.split(path.read_bytes()))
        for i in range(len(blocks)):
            rewrite(path, blocks[:i] + [blocks[i]] + blocks[i:])
            verify(release, copy, audit_keys, status=2)
            if i + 1 < len(blocks):
                rewrite(path, blocks[:i] + blocks[i + 1:])
                verify(release, copy, audit_keys, status=2)
                rewrite(path, blocks[:i] + [blocks[i + 1], blocks[i]] + blocks[i + 2:])
                verify(release, copy, audit_keys, status=2)
        rewrite(path, blocks)
    files(copy)[0].unlink()  # was taken elsewhere
    assert verify(release, copy, audit_keys)["first_block"] > 1


def chain(blocks, change):
    """The blocks with their contents changed, and the chain made to fit: by who can write the files, but has no key."""
    before, made = bytes(32), []
    for block in blocks:
        content = change(block)
        header = bytearray(block.data[:64])
        header[12:16], header[32:64] = len(content).to_bytes(4, "little"), before
        data = bytes(header) + content
        before = hashlib.sha256(data).digest()
        made.append(data)
    return b"".join(made)


def test_a_chain_that_was_made_to_fit(release, copy, audit_keys):
    """Records removed, doubled, moved and changed, in blocks that fit each other: a checkpoint does not."""
    path = files(copy)[0]
    blocks = list(audit_file.split(path.read_bytes()))
    files(copy)[1].unlink()
    at = next(i for i, block in enumerate(blocks) if block.kind == audit_file.QUESTIONS and len(block.content) > 64)

    def only(change):
        return lambda block: change(block.content) if block is blocks[at] else block.content
    for change, what in ((lambda c: c[64:], "lacks"), (lambda c: c[:64] + c, "twice"),
                         (lambda c: c[64:128] + c[:64] + c[128:], ""), (lambda c: c[:-64], "lacks"),
                         (lambda c: c[:58] + bytes([c[58] ^ 1]) + c[59:], "signed")):
        path.write_bytes(chain(blocks, only(change)))
        assert what in verify(release, copy, audit_keys, status=2)
    path.write_bytes(chain(blocks, lambda block: block.content))
    assert verify(release, copy, audit_keys)["questions"] == 24


def forged(number, before, content, kind=audit_file.QUESTIONS):
    """A block as the text says it is, of whoever can write the files."""
    return b"dlvaudit" + bytes([1, kind, 0, 0]) + struct.pack("<IQq", len(content), number, 1_700_000_000_000) + before + content


def record_of(**values):
    fields = {"time": 1_700_000_000_000, "count": 0, "by": 1, "flags": 0, "found": 1, "status": 1, "card": 0, "zero": 0, "matches": 0} | values
    return struct.pack("<qQ16s16sQBBBBBBH", fields["time"], fields["count"], bytes(16), bytes(16), 1, fields["by"], fields["flags"],
                       fields["found"], fields["status"], fields["card"], fields["zero"], fields["matches"])


def test_blocks_put_before(release, copy, audit_keys):
    """In a file of their own, with numbers at which counting could begin anew."""
    for path in reversed(files(copy)):
        path.rename(copy / f"{int(path.stem) + 2:08}.audit")
    for name in ("00000001.audit", "00000002.audit"):
        for number in (0, 1, 2, (1 << 63) - 1, (1 << 64) - 1):
            (copy / name).write_bytes(forged(number, bytes(32), record_of() * 3))
            verify(release, copy, audit_keys, status=2)
        (copy / name).unlink()
    verify(release, copy, audit_keys, status=2)  # block 1 is in file 1


def test_values_without_meaning(release, keys, tmp_path, audit_keys, log_pub):
    """Refused, and never shown: by the check, the list and the independent reader."""
    start = forged(1, bytes(32), peer.key_id(log_pub) + bytes(48), audit_file.START)
    path = tmp_path / "00000001.audit"
    for good, values in ((True, {}), (True, {"flags": 7, "found": 4, "status": 7, "card": 3, "by": 3, "matches": 0x4321}),
                         *((False, {name: value}) for name, value in (("time", -1), ("time", 1 << 60), ("by", 0), ("by", 4), ("by", 5), ("flags", 8),
                           ("found", 5), ("status", 8), ("card", 4), ("zero", 1), ("matches", 5), ("matches", 0xf000), ("count", 1),
                           ("count", 64 << 48)))):
        path.write_bytes(start + forged(2, hashlib.sha256(start).digest(), record_of(**values)))
        done = release("audit", tmp_path, status=0 if good else 2)
        assert bool(done.out) == good, values
        # Nothing of it is signed, and that long ago.
        assert release("verify", "--audit", tmp_path, "--key", audit_keys / "log.pub", status=1 if good else 2)
        if good:
            assert len(audit_file.records(tmp_path, log_pub)) == 1
        else:
            with pytest.raises(audit_file.Damaged):
                audit_file.records(tmp_path, log_pub)


def test_the_end(release, written, copy, audit_keys):
    """What comes after the last checkpoint can be cut; a checkpoint that was kept elsewhere shows it."""
    kept = verify(release, copy, audit_keys)["checkpoint"]
    assert verify(release, copy, audit_keys, "--checkpoint", kept)["checkpoint"] == kept
    blocks = list(audit_file.split(files(copy)[-1].read_bytes()))
    rewrite(files(copy)[-1], blocks[:-1])
    assert verify(release, copy, audit_keys)["unsigned_questions"] > 0
    assert "is not in it" in verify(release, copy, audit_keys, "--checkpoint", kept, status=2)
    files(copy)[-1].unlink()
    first = verify(release, copy, audit_keys)
    assert "is not in it" in verify(release, copy, audit_keys, "--checkpoint", kept, status=2)
    assert verify(release, copy, audit_keys, "--checkpoint", first["checkpoint"])
    # It is also good where what it signs was taken elsewhere, and what is left begins behind it.
    other = pathlib.Path(shutil.copytree(written, copy.parent / "other"))
    files(other)[0].unlink()
    assert verify(release, other, audit_keys, "--checkpoint", first["checkpoint"])["first_block"] > 1
    for bad in ("", "7", "7:", "7:00", "0:" + "0" * 64, "x:" + "0" * 64, kept + "0"):
        assert "--checkpoint" in verify(release, copy, audit_keys, "--checkpoint", bad, status=2)


def test_another_key(release, copy, audit_keys, keys, tmp_path):
    release("keygen", "--type", "log", "-o", tmp_path / "other")
    done = release("verify", "--audit", copy, "--key", tmp_path / "other.pub", status=2)
    assert "another key signs the log" in one_line(done)
    # Both, while it is rolled.
    release("verify", "--audit", copy, "--key", tmp_path / "other.pub", "--key", audit_keys / "log.pub")
    for options in (("--audit", copy), ("--key", audit_keys / "log.pub"), ("--checkpoint", "1:00"),
                    ("--audit", copy, "--key", audit_keys / "log.pub", "--authority", keys.authority_pub)):
        assert one_line(release("verify", *options, status=2))
    assert "no audit log" in one_line(release("verify", "--audit", tmp_path, "--key", audit_keys / "log.pub", status=2))


def test_cut_off_while_it_was_written(release, start, copy, audit_keys, log_pub, server_pub, folder):
    """A block that has no end is none; the server that goes on cuts it off."""
    for path in files(copy):
        shutil.copy(path, folder / path.name)
        if os.geteuid() == 0:
            shutil.chown(folder / path.name, "nobody")
    last = files(folder)[-1]
    whole = last.read_bytes()
    blocks = list(audit_file.split(whole))
    for cut in (1, 60, 100, len(blocks[-1].data) - 1, "zeros"):
        kept = len(whole) - (len(blocks[-1].data) if cut == "zeros" else cut)
        last.write_bytes(whole[:kept] + (bytes(5000) if cut == "zeros" else b""))
        assert verify(release, folder, audit_keys)["last_block"] == blocks[-2].number
        assert audit_file.read(folder, log_pub)[-1].number == blocks[-2].number
    server = start()
    TcpClient(server.port, server_pub).open().ask([peer.item(NUMBER)])
    server.stop()
    assert (verify(release, folder, audit_keys)["questions"], verify(release, folder, audit_keys)["cut"]) == (73, 0)
    assert audit_file.read(folder, log_pub)[-1].number > blocks[-2].number


# --- failures -------------------------------------------------------------------------------------


class Load:
    """Clients that ask until they are stopped, and count their answers."""

    def __init__(self, port, server_pub, count=3):
        self.answered, self.over, self.lock = 0, False, threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(port, server_pub)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, port, server_pub):
        while not self.over:
            with contextlib.suppress(OSError, EOFError, Refused):
                client = TcpClient(port, server_pub).open()
                while not self.over:
                    answer = client.ask([peer.item(NUMBER)] * 8)
                    if answer.status == peer.UNRECORDED:
                        time.sleep(0.05)
                        continue
                    assert answer.status == peer.GOOD
                    with self.lock:
                        self.answered += 8

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        return self.answered


def recorder_of(server):
    """The child that has the log's folder open."""
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split()
    for pid in children:
        with contextlib.suppress(OSError):
            if any(os.readlink(fd).endswith(".audit") for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()):
                return int(pid)
    return None


def test_a_recorder_that_is_killed(release, start, folder, log_pub, server_pub):
    """Again and again, while questions come: nothing is lost, nothing is there twice."""
    server = start()
    load = Load(server.port, server_pub)
    kills = 0
    deadline = time.monotonic() + 60
    while kills < 6 and time.monotonic() < deadline:
        pid = recorder_of(server)
        if pid is not None:
            time.sleep(0.02 * (kills % 5))
            os.kill(pid, signal.SIGKILL)
            kills += 1
        time.sleep(0.1)
    answered = load.stop()
    wait_for(lambda: recorder_of(server) is not None, 40)
    server.stop()
    assert kills == 6 and answered > 0
    # Those whose answer was on its way when the load was stopped, or came too late, are recorded as well.
    assert 0 <= len(audit_file.records(folder, log_pub)) - answered <= 3 * 8 * 2


def test_a_recorder_that_is_killed_behind_a_turn(release, start, folder, audit_keys, log_pub, server_pub):
    """In a file that it has begun on SIGHUP, twice: the counts go on."""
    server = start()
    client = TcpClient(server.port, server_pub).open()

    def ask_and_kill():
        before = len(audit_file.records(folder))
        wait_for(lambda: client.ask([peer.item(NUMBER)] * 3).status == peer.GOOD)
        wait_for(lambda: len(audit_file.records(folder)) > before)
        os.kill(recorder_of(server), signal.SIGKILL)
        wait_for(lambda: recorder_of(server) is not None)
    ask_and_kill()
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    for _ in range(3):
        ask_and_kill()
    server.stop()
    assert len(files(folder)) == 2 and len(audit_file.records(folder, log_pub)) == 12
    files(folder)[0].unlink()
    assert len(audit_file.records(folder, log_pub)) == 9
    assert verify(release, folder, audit_keys)["questions"] == 9


def test_an_end_without_a_recorder(release, start, folder, log_pub, server_pub):
    """It was killed so often that the next one has to wait: what was answered is recorded all the same."""
    server = start()
    client = TcpClient(server.port, server_pub).open()
    answered = 0
    for _ in range(5):
        pid = recorder_of(server)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        for _ in range(3):
            answered += client.ask([peer.item(NUMBER)]).status == peer.GOOD
        time.sleep(0.3)
    client.close()
    server.stop()
    assert answered > 3 and len(audit_file.records(folder, log_pub)) == answered


def test_a_file_that_is_removed(release, start, folder, audit_keys, server_pub):
    """It goes on in another one, and says so; the check says which is missing."""
    server = start()
    client = TcpClient(server.port, server_pub).open()
    for change in (lambda path: path.unlink(), lambda path: path.rename(folder / "elsewhere"), lambda path: os.truncate(path, 100)):
        assert client.ask([peer.item(NUMBER)]).status == peer.GOOD
        time.sleep(0.1)
        server.log = b""
        change(files(folder)[-1])
        server.wait_for(rb"event=audit_file_lost file=\d{8}.audit")
    client.ask([peer.item(NUMBER)])
    server.stop()
    assert [path.name for path in files(folder)] == ["00000003.audit", "00000004.audit"]
    assert "00000003.audit" in verify(release, folder, audit_keys, status=2)


def test_what_a_worker_can_reach(release, start):
    """Its own ring, and of what the recorder says a copy to read."""
    server = start("--workers", "3")
    recorder = recorder_of(server)
    writable = {}
    for pid in subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split():
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        progress = [line.split()[1] for line in maps if "memfd:dlv audit" in line]
        writable[int(pid)] = progress
    assert writable.pop(recorder) == ["rw-s"]
    assert sorted(writable.values()) == [[]] * (len(writable) - 3) + [["r--s"]] * 3


def test_workers_that_are_killed(release, start, folder, log_pub, server_pub):
    """What they have answered is recorded, though they are gone; the next one's counts go on."""
    server = start("--workers", "2")
    load = Load(server.port, server_pub)
    recorder = recorder_of(server)
    for _ in range(6):
        time.sleep(0.2)
        for pid in subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True).stdout.split():
            if int(pid) != recorder:
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
    answered = load.stop()
    server.stop()
    records = audit_file.records(folder, log_pub)
    assert answered > 0 and 0 <= len(records) - answered <= 6 * 3 * 8 + 24


def test_a_server_that_is_killed(release, start, folder, audit_keys, log_pub, server_pub):
    """The next one goes on where the log ends; all but the last moment is there."""
    answered = 0
    for _ in range(3):
        server = start()
        load = Load(server.port, server_pub)
        time.sleep(0.6)
        server.process.kill()
        server.process.wait()
        answered += load.stop()
        time.sleep(0.3)  # its children end with it
    server = start()
    server.stop()
    recorded = verify(release, folder, audit_keys)["questions"]
    assert recorded == len(audit_file.records(folder, log_pub))
    assert 0 < recorded and answered - recorded <= 3 * 2 * 32768  # rings of the workers, where the recorder was behind
    assert len([b for b in audit_file.read(folder) if b.kind == audit_file.START]) == 4


@pytest.fixture
def small_disk(tmp_path):
    """A disk that can be filled and emptied."""
    if os.geteuid() != 0:
        pytest.skip("mounts")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def ask_once(release, keys, server, *options, status=0):
    return release("client", "--server", f"127.0.0.1:{server.port}", "--server-key", keys.server_pub, "--timeout", "1", *options,
                   "--number", "GJ05-1234", status=status)


def test_a_full_disk(release, start, audit_keys, server_pub, keys, small_disk):
    """Nobody is answered, and clients are told why; it goes on by itself when there is room again."""
    folder = make_folder(small_disk / "log")
    server = start(where=folder)
    client = TcpClient(server.port, server_pub).open()
    assert client.ask([peer.item(NUMBER)]).status == peer.GOOD
    (small_disk / "filler").write_bytes(b"x" * 150_000)

    def is_refused():
        return client.ask([peer.item(NUMBER)] * 60).status == peer.UNRECORDED
    wait_for(is_refused, 20)
    server.wait_for(rb"event=audit_failing reason=")
    assert client.ask(what=peer.HEAD).status == peer.GOOD  # is about nobody
    assert "cannot record" in ask_once(release, keys, server, status=2).err
    (small_disk / "filler").unlink()
    wait_for(lambda: not is_refused(), 20)
    server.wait_for(rb"event=audit_goes_on")
    server.stop()
    assert verify(release, folder, audit_keys)["questions"] == len(audit_file.records(folder))


def test_a_full_disk_that_does_not_matter(release, start, audit_keys, server_pub, keys, small_disk):
    """By --audit-optional, answers go on, and say that they are not recorded."""
    folder = make_folder(small_disk / "log")
    server = start("--audit-optional", where=folder)
    client = TcpClient(server.port, server_pub).open()
    assert client.ask([peer.item(NUMBER)]).is_recorded
    (small_disk / "filler").write_bytes(b"x" * 150_000)

    def is_recorded():
        answer = client.ask([peer.item(NUMBER)] * 60)
        assert answer.status == peer.GOOD and answer.kinds == ["licence"] * 60
        return answer.is_recorded
    wait_for(lambda: not is_recorded(), 20)
    assert json.loads(ask_once(release, keys, server, "--json").out)["recorded"] is False
    assert "not recorded" in ask_once(release, keys, server).out
    (small_disk / "filler").unlink()
    wait_for(is_recorded, 20)
    assert "recorded" not in json.loads(ask_once(release, keys, server, "--json").out)
    server.stop()
    assert verify(release, folder, audit_keys)["questions"] == len(audit_file.records(folder))


def test_a_recorder_that_hangs(release, start, server_pub):
    """Stopped, it records nothing: then nobody is answered for long."""
    server = start()
    client = TcpClient(server.port, server_pub).open()
    recorder = recorder_of(server)
    os.kill(recorder, signal.SIGSTOP)
    try:
        wait_for(lambda: client.ask([peer.item(NUMBER)]).status == peer.UNRECORDED)
    finally:
        os.kill(recorder, signal.SIGCONT)
    wait_for(lambda: client.ask([peer.item(NUMBER)]).status == peer.GOOD)


def test_files_by_size_and_on_sighup(release, start, folder, audit_keys, server_pub):
    server = start("--audit-size", "1M")
    client = TcpClient(server.port, server_pub).open()
    for _ in range(600):
        client.ask([peer.item(NUMBER)] * 64)
    wait_for(lambda: len(audit_file.records(folder)) == 600 * 64)
    assert len(files(folder)) == 3 and all((1 << 20) <= path.stat().st_size < 1.5 * (1 << 20) for path in files(folder)[:2])
    for _ in range(3):
        client.ask([peer.item(NUMBER)])
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.4)
    assert len(files(folder)) == 5  # nothing was asked after the last one
    server.stop()
    assert verify(release, folder, audit_keys)["files"] == 5


def refused(release, start, pattern, *options, **how):
    with pytest.raises(AssertionError) as wrong:
        start(*options, **how)
    assert re.search(pattern, str(wrong.value)) and "could not be recorded" not in str(wrong.value), str(wrong.value)


def test_what_it_does_not_start_with(release, start, folder, audit_keys, keys, small_db, copy, tmp_path):
    refused(release, start, "no-such: No such file", where=tmp_path / "no-such")
    if os.geteuid() == 0:
        (tmp_path / "roots").mkdir()
        refused(release, start, "Permission denied", where=tmp_path / "roots")
    path = files(copy)[-1]
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    if os.geteuid() == 0:
        for one in [copy, *files(copy)]:
            shutil.chown(one, "nobody")
    refused(release, start, r"00000002.audit: block \d+ (does not follow|is a checkpoint)|restart", where=copy) \
        if len(list(audit_file.split(bytes(data)))) > 1 else None
    one = start()
    refused(release, start, "another server writes its audit log there")
    one.stop()
    for options in (("--audit", folder), ("--log-key", audit_keys / "log.key"), ("--audit-key", audit_keys / "audit")):
        done = release("server", "--db", small_db, "--authority", keys.authority_pub, "--key", keys.server, "--anonymous", *options, status=2)
        assert "go together" in one_line(done)


# --- dlv audit ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_logs(release, keys, audit_keys, tmp_path_factory):
    """Two servers, two kiosks and a stranger."""
    path = tmp_path_factory.mktemp("two")
    build(release, keys, path / "l.db", SMALL)
    (path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "van-7") + kiosk_line(keys.other_pub, "van-8"))
    server_pub = peer.load_public(keys.server_pub)
    servers = [Server(release, "--db", path / "l.db", "--authority", keys.authority_pub, "--key", keys.server, *FAST, "--kiosks", path / "kiosks",
                      "--audit", make_folder(path / name), "--log-key", audit_keys / "log.key", "--audit-key", audit_keys / "audit",
                      who=("--anonymous",)) for name in "ab"]
    clients = {(kiosk, i): TcpClient(server.port, server_pub, peer.load_private(key) if key else None).open()
               for i, server in enumerate(servers) for kiosk, key in ((7, keys.kiosk), (8, keys.other), (0, None))}
    for kiosk, i, digest in ((7, 0, NUMBER), (8, 1, NOBODY), (7, 1, NUMBER), (0, 0, NUMBER), (7, 0, NOBODY), (8, 0, NUMBER), (7, 1, NUMBER)):
        clients[kiosk, i].ask([peer.item(digest)])
        time.sleep(0.01)
    for server in servers:
        server.stop()
    return path


def listed(dlv, *options):
    return [json.loads(line) for line in dlv("audit", "--json", *options).out.splitlines()]


def test_listing(release, two_logs, audit_keys):
    logs, names = (two_logs / "a", two_logs / "b"), ("--kiosks", two_logs / "kiosks")
    rows = listed(release, *names, *logs)
    assert [row["kiosk"] for row in rows] == ["van-7", "van-8", "van-7", "nobody", "van-7", "van-8", "van-7"]
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert [row["found"] for row in rows] == ["licence", "nothing", "licence", "licence", "nothing", "licence", "licence"]
    about = listed(release, *names, "--number", "gj05 1234", "--audit-key", audit_keys / "audit", *logs)
    assert [row["kiosk"] for row in about] == ["van-7", "van-7", "nobody", "van-8", "van-7"] and {row["status"] for row in about} == {"valid"}
    assert len(listed(release, *names, "--kiosk", "van-8", *logs)) == 2 == len(listed(release, "--kiosk", "nobody", logs[0])) + 1
    by_id = listed(release, logs[1])[0]["kiosk"]
    assert re.fullmatch("[0-9a-f]{32}", by_id) and len(listed(release, "--kiosk", by_id, *logs)) == 2
    middle = rows[3]["time"]
    assert listed(release, *names, "--since", middle[:19] + "Z", *logs) and not listed(release, "--until", "2020-01-01", *logs)
    assert len(listed(release, "--since", "2020-01-01", "--until", "2099-01-01", *logs)) == 7
    sums = {row.pop("kiosk"): row for row in listed(release, "--by-kiosk", *names, *logs)}
    assert sums == {"van-7": {"questions": 4, "numbers": 2, "not_found": 1, "most_about_one": 3, "slips": 0},
                    "van-8": {"questions": 2, "numbers": 2, "not_found": 1, "most_about_one": 1, "slips": 0},
                    "nobody": {"questions": 1, "numbers": 1, "not_found": 0, "most_about_one": 1, "slips": 0}}
    text = release("audit", *names, logs[0]).out.splitlines()
    assert len(text) == 4 and re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z van-7 number [0-9a-f]{32}: licence, valid; release 1$", text[0])
    assert "van-7: 4 questions about 2 numbers, 1 not found, at most 3 about one; 0 slips" in release("audit", "--by-kiosk", *names, *logs).out


def test_listing_what_cannot_be(release, two_logs, audit_keys, tmp_path):
    log = two_logs / "a"
    for options, what in ((("--number", "GJ05-1234", log), "go together"), (("--audit-key", audit_keys / "audit", log), "go together"),
                          ((), "folder"), ((tmp_path / "none",), "none"), ((tmp_path,), "no audit log"), (("--since", "soon", log), "soon"),
                          (("--number", "GJ05-1234", "--audit-key", tmp_path / "none", log), "none")):
        assert what in one_line(release("audit", *options, status=2))
    copy = shutil.copytree(log, tmp_path / "copy")
    path = files(copy)[0]
    data = bytearray(path.read_bytes())
    data[-10 - 256 - 64] ^= 1
    path.write_bytes(data)
    done = release("audit", copy, status=2)
    assert "block" in one_line(done)
