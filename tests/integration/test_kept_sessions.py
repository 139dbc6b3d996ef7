"""Sessions and releases that an enrolled kiosk keeps between runs: the next question costs one round trip and no RSA operation."""

import json
import os
import shutil
import stat
import subprocess

import pytest
import session_peer as peer
from conftest import RELEASE, SHIFTED, SMALL, build
from test_deadlines import Between

NUMBER = ("--number", "GJ05-1234")


@pytest.fixture
def server(release, serve, small_db, kiosks):
    return serve(release, small_db, "--openings-per-source", "0", who=("--kiosks", str(kiosks)))


@pytest.fixture
def state(tmp_path):
    path = tmp_path / "state"
    path.mkdir(0o700)
    return path


def arguments(keys, port, state, *options, key=None):
    return ["client", "--server", f"127.0.0.1:{port}", "--server-key", keys.server_pub, "--authority", keys.authority_pub,
            "--key", key or keys.kiosk, "--state", state, "--json", *options, *NUMBER]


def ask(dlv, keys, port, state, *options, key=None, status=0):
    return json.loads(dlv(*arguments(keys, port, state, *options, key=key), status=status).out)


def count_frames(dlv, keys, port, state, *options):
    """How many datagrams one question takes, each way."""
    sent, received = [], []
    with Between(port, lambda data: sent.append(data) or [(0, data)], lambda data: received.append(data) or [(0, data)]) as between:
        assert ask(dlv, keys, between.port, state, "--udp", *options)["verdict"] == "VALID"
    return [data[4] for data in sent], [data[4] for data in received]


@pytest.mark.parametrize("prove", [(), ("--prove",)], ids=["told", "proved"])
def test_one_round_trip(dlv, server, keys, state, prove):
    sent, _ = count_frames(dlv, keys, server.port, state, *prove)
    assert sent.count(peer.OPEN) >= 1 and sent.count(peer.IDENTIFY) >= 1
    for _ in range(3):
        assert count_frames(dlv, keys, server.port, state, *prove) == ([peer.ASK], [peer.ANSWER])


def test_files(dlv, server, keys, state):
    ask(dlv, keys, server.port, state)
    kept = sorted(path.suffix for path in state.iterdir() if path.name != ".lock")
    assert kept == [".release", ".seen", ".session"]
    for path in state.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = {path: path.stat().st_mtime_ns for path in state.iterdir() if path.suffix in (".session", ".release")}
    ask(dlv, keys, server.port, state)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_nothing_is_kept_for_a_client_without_key(dlv, serve, small_db, keys, state):
    server = serve(dlv, small_db, who=("--anonymous",))
    dlv("client", "--server", server.address, "--server-key", keys.server_pub, "--authority", keys.authority_pub, "--state", state, *NUMBER,
        status=0)
    assert not list(state.glob("*.session"))


@pytest.mark.parametrize("suffix", [".session", ".release"])
def test_kept_files_that_were_changed(dlv, server, keys, state, suffix):
    """None of it is taken, and the question has its answer."""
    ask(dlv, keys, server.port, state, "--prove")
    path, = state.glob("*" + suffix)
    good = path.read_bytes()
    bad = [b"", good[:-1], good + b"x", os.urandom(len(good))]
    bad += [good[:at] + bytes([good[at] ^ 1]) + good[at + 1:] for at in [*range(0, len(good), max(1, len(good) // 12)), len(good) - 1]]
    for content in bad:
        path.write_bytes(content)
        assert ask(dlv, keys, server.port, state, "--prove")["verdict"] == "VALID"
        assert path.read_bytes() != content, "it was not written anew"


def test_another_kiosk_cannot_use_it(dlv, server, keys, state, tmp_path):
    ask(dlv, keys, server.port, state)
    other = tmp_path / "other"
    shutil.copytree(state, other)
    ask(dlv, keys, server.port, other, key=keys.other)
    assert next(state.glob("*.session")).read_bytes() != next(other.glob("*.session")).read_bytes()
    assert count_frames(dlv, keys, server.port, state)[0] == [peer.ASK]


def test_a_file_that_others_can_read_is_not_taken(dlv, server, keys, state):
    ask(dlv, keys, server.port, state)
    path, = state.glob("*.session")
    path.chmod(0o644)
    assert peer.OPEN in count_frames(dlv, keys, server.port, state)[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("udp", [(), ("--udp",)], ids=["tcp", "udp"])
def test_a_server_that_knows_it_no_more(dlv, serve, small_db, kiosks, keys, state, udp):
    """It was started anew, and has other ticket keys."""
    for _ in range(2):
        server = serve(dlv, small_db, "--openings-per-source", "0", who=("--kiosks", str(kiosks)))
        for _ in range(2):
            assert ask(dlv, keys, server.port, state, *udp)["verdict"] == "VALID"
        server.stop()


def test_a_new_release(dlv, serve, kiosks, keys, state, small_db, tmp_path):
    """The one that is kept is not there any more."""
    db = shutil.copy(small_db, tmp_path / "own.db")
    server = serve(dlv, db, "--openings-per-source", "0", who=("--kiosks", str(kiosks)))
    first = ask(dlv, keys, server.port, state)
    build(dlv, keys, db, SMALL.replace("GJ05-1234", "GJ05-7777"), "--sequence", "9", "--force")
    server.reload()
    second = ask(dlv, keys, server.port, state, status=1)
    assert first["verdict"] == "VALID" and second["verdict"] == "UNKNOWN" and second["source"].endswith("#9")
    assert count_frames_of_unknown(dlv, keys, server.port, state) == [peer.ASK]


def count_frames_of_unknown(dlv, keys, port, state):
    sent = []
    with Between(port, lambda data: sent.append(data[4]) or [(0, data)]) as between:
        assert ask(dlv, keys, between.port, state, "--udp", "--exact", status=1)["verdict"] == "UNKNOWN"
    return sent


def test_fifty_at_once(server, keys, state):
    children = [subprocess.Popen([RELEASE, *map(str, arguments(keys, server.port, state, "--udp", "--timeout", "30"))],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(50)]
    for child in children:
        out, err = child.communicate(timeout=60)
        assert child.returncode == 0 and json.loads(out)["verdict"] == "VALID", (out, err)
    assert len(list(state.glob("*.session"))) == 1


def test_who_answered_last_is_asked_first(release, server, keys, state):
    """A silent first server is waited for once."""
    import socket
    with socket.create_server(("127.0.0.1", 0)) as mute:
        command = arguments(keys, server.port, state)
        command[2] = "127.0.0.1:%d,%s" % (mute.getsockname()[1], server.address)
        release(*command, status=0)
        mute.setblocking(False)
        mute.accept()[0].close()
        release(*command, status=0)
        with pytest.raises(BlockingIOError):
            mute.accept()


def test_it_is_opened_anew_at_the_end_of_its_life(dlv, serve, small_db, kiosks, keys, state):
    server = serve(dlv, small_db, "--openings-per-source", "0", who=("--kiosks", str(kiosks)))
    ask(dlv, keys, server.port, state)
    for seconds, is_kept in ((0, True), (3000, True), (3400, False)):
        sent = []
        with Between(server.port, lambda data: sent.append(data[4]) or [(0, data)]) as between:
            subprocess.run([SHIFTED, *map(str, arguments(keys, between.port, state, "--udp", "--max-skew", "86400"))], check=True,
                           capture_output=True, env={**os.environ, "DLV_CLOCK_SHIFT": str(seconds)})
        assert (sent == [peer.ASK]) == is_kept, (seconds, sent)
