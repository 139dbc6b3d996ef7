"""What takes over two seconds says on a terminal how far it has come, and how long it will take; elsewhere nothing."""

import hashlib
import os
import re
import signal
import struct
import subprocess
import tempfile
import time

import pytest
from conftest import RELEASE, ROOT, alone
from test_audit import audit_file, audit_keys, forged, log_pub, peer, record_of  # noqa: F401: fixtures


@pytest.fixture(scope="module")
def large_db(release, keys, tmp_path_factory):
    with alone():
        subprocess.run(["make", "-s", "build/make_registry"], cwd=ROOT, check=True)
    db = tmp_path_factory.mktemp("progress") / "l.db"
    registry = subprocess.run([ROOT / "build/make_registry", "400000"], capture_output=True, check=True).stdout
    release("dbgen", "--sign", keys.authority, "-o", db, "-", stdin=registry, status=0)
    return db


@pytest.fixture(scope="module")
def large_log(log_pub, tmp_path_factory):  # noqa: F811
    """A log of 96 MB, which nobody has signed yet."""
    folder = tmp_path_factory.mktemp("log")
    records, block_records, number, count = 1_500_000, 500, 1, 0
    block = forged(number, bytes(32), peer.key_id(log_pub) + bytes(48), audit_file.START)
    record = record_of()
    with open(folder / "00000001.audit", "wb") as file:
        file.write(block)
        while count < records:
            number += 1
            content = b"".join(record[:8] + struct.pack("<Q", n) + record[16:] for n in range(count, count + block_records))
            block = forged(number, hashlib.sha256(block).digest(), content)
            file.write(block)
            count += block_records
    return folder


def stopped_midway(command, stdout, stderr):
    """The command, stopped for over two seconds soon after its start. Its exit status, and its errors where they are piped."""
    process = subprocess.Popen(["taskset", "-c", "0", RELEASE, *command], stdout=stdout, stderr=stderr)
    time.sleep(0.15)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.2)
    process.send_signal(signal.SIGCONT)
    err = process.communicate(timeout=60)[1]
    return process.returncode if err is None else (process.returncode, err)


def read_to_end(terminal, end):
    """What was shown on the terminal."""
    os.write(end, b"\x04")
    shown = b""
    while not shown.endswith(b"\x04"):
        shown += os.read(terminal, 100000)
    return shown[:-1].decode()


def on_a_terminal(command, stdout):
    """Its exit status, and what it shows."""
    terminal, end = os.openpty()
    code = stopped_midway(command, stdout, end)
    shown = read_to_end(terminal, end)
    os.close(terminal)
    os.close(end)
    return code, shown


def check(command, status, output):
    """Progress is on a terminal, begins before the end, and is taken away at the end."""
    with tempfile.TemporaryFile() as out:
        assert stopped_midway(command, out, subprocess.PIPE) == (status, b"")
        code, shown = on_a_terminal(command, out)
        out.seek(0)
        assert code == status and out.read().count(output) == (2 if output else 1)
    found = re.findall(rf"\r\x1b\[Kdlv {command[0]}: (\d+) %, \d+:\d\d left ", shown)
    assert found and int(found[0]) < 100 and shown.endswith("\r\x1b[K"), shown


def test_of_a_database(keys, large_db):
    check(["verify", "--authority", keys.authority_pub, large_db], 0, b": verified")


def test_of_the_check_before_a_server_starts(keys, large_db):
    check(["server", "--check", "--db", large_db, "--key", keys.server, "--authority", keys.authority_pub, "--anonymous"], 0,
          b" entries, good until")


def test_of_an_audit_log(audit_keys, large_log):  # noqa: F811
    check(["verify", "--audit", large_log, "--key", audit_keys / "log.pub"], 1, b"questions:   1500000")
    check(["audit", "--since", "2020-01-01", "--until", "2020-01-02", large_log], 0, b"")


def test_of_what_a_pager_shows(large_log):
    """Nothing, for the terminal is the pager's."""
    assert on_a_terminal(["audit", "--since", "2020-01-01", "--until", "2020-01-02", large_log], subprocess.PIPE) == (0, "")


def test_of_a_servers_start(keys, large_db):
    """Gone from the terminal before the first event."""
    terminal, end = os.openpty()
    process = subprocess.Popen(["taskset", "-c", "0", RELEASE, "server", "--db", large_db, "--key", keys.server, "--authority",
                                keys.authority_pub, "--anonymous", "--listen", "127.0.0.1:0"], stderr=end)
    time.sleep(0.15)
    process.send_signal(signal.SIGSTOP)
    time.sleep(2.2)
    process.send_signal(signal.SIGCONT)
    shown = ""
    while "event=ready" not in shown:
        shown += os.read(terminal, 100000).decode()
    process.terminate()
    assert process.wait(timeout=30) == 0
    os.close(terminal)
    os.close(end)
    progress, events = shown.rsplit("\r\x1b[K", 1)
    assert re.search(r"dlv server: \d+ %, \d+:\d\d left ", progress) and " left " not in events, shown


def test_of_many_questions(release, serve, small_db, keys, tmp_path):
    """Where they come from a file and the answers go to one."""
    server = serve(release, small_db, "--anonymous-quota", "0", who=("--anonymous",))
    (tmp_path / "questions").write_text("".join(f"XX-{n}\n" for n in range(200_000)))
    terminal, end = os.openpty()
    with open(tmp_path / "questions") as questions, open(tmp_path / "answers", "w+") as answers:
        process = subprocess.Popen([RELEASE, "client", "--server", server.address, "--server-key", keys.server_pub, "-n", "-"], stdin=questions, stdout=answers, stderr=end)
        time.sleep(0.5)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.2)
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=120)
        answers.seek(0)
        assert len(answers.readlines()) == 200_000
        shown = read_to_end(terminal, end)
    os.close(terminal)
    os.close(end)
    assert re.search(r"dlv client: \d+ %, \d+:\d\d left ", shown), shown
