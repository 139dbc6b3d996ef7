"""Fixtures: the real binaries, keys made by openssl, databases, running servers."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "vectors"
HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))

import session_peer  # noqa: E402

RELEASE = os.environ.get("DLV", str(ROOT / "build/dlv"))
SANITIZED = os.environ.get("DLV_SANITIZED", str(ROOT / "build/sanitize/dlv"))
SHIFTED = os.environ.get("DLV_SHIFTED", str(ROOT / "build/shifted/dlv"))
os.umask(0o077)  # keys that tests write are secrets, too
for key in VECTORS.glob("*.key"):  # Git keeps no modes
    key.chmod(0o600)
HOSTILE_WORKER = os.environ.get("DLV_HOSTILE_WORKER", str(ROOT / "build/hostile/dlv"))
THREADS = os.environ.get("DLV_THREADS", str(ROOT / "build/threads/dlv"))
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")

GOLDEN = ["--authority", str(VECTORS / "golden_authority.pub")]
HEADER = "name,phone,licence,status,valid_from,valid_to\n"
DOCUMENT = b"%PDF-1.4 the licence of Meera Nair, as issued\n"
SMALL = """\
name,phone,licence,status,status_since,valid_from,valid_to,classes,document
Ramesh,2344567890,GJ05-1234,valid,2010-01-01,2015-04-02,2035-04-01,LMV;MCWG,
रमेश पटेल,9812345678,GJ01 20110012345,valid,2010-01-01,2126-12-01,2146-11-30,LMV,
"Sharma, Asha",9800000001,MH12 20190054321,suspended,2010-01-01,2019-06-15,2039-06-14,MCWG,
Vikram Singh,9800000002,DL03-2008-7654321,revoked,2010-01-01,2008-01-10,2028-01-09,LMV HMV,
Old Timer,9800000003,KA05-1999-1,valid,1999-02-28,1999-02-28,2019-02-27,,
Meera Nair,9800000004,KL07 20200000042,valid,2010-01-01,2020-02-29,no end,LMV;LMV-TR;TRANS,%s
""" % hashlib.sha256(DOCUMENT).hexdigest()


class Dlv:
    """Runs one of the binaries; a sanitizer's complaint is a failure whatever the test expects."""

    def __init__(self, path, is_sanitized):
        self.path, self.is_sanitized = path, is_sanitized

    @property
    def load(self):
        """The load generator built beside it."""
        return Dlv(self.path + "-load", self.is_sanitized)

    def sandboxed(self, args):
        """A build with sanitizers has no list of system calls, and says so unless told."""
        args = [str(arg) for arg in args]
        return ["server", "--no-sandbox=seccomp", *args[1:]] if self.is_sanitized and args[:1] == ["server"] else args

    def __call__(self, *args, stdin=b"", status=None, cwd=None, timeout=120, env=None, umask=0o022):
        if isinstance(stdin, str):
            stdin = stdin.encode()
        done = subprocess.run([self.path, *self.sandboxed(args)], input=stdin, capture_output=True, umask=umask,
                              cwd=cwd, timeout=timeout, env={**os.environ, **(env or {})})
        check_sanitizer(done.stderr)
        if status is not None:
            assert done.returncode == status, (args, done.stdout, done.stderr)
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        return done


def check_sanitizer(stderr):
    for word in (b"AddressSanitizer", b"runtime error", b"LeakSanitizer", b"ThreadSanitizer"):
        assert word not in stderr, stderr.decode(errors="replace")


@contextlib.contextmanager
def alone(what="make"):
    """One at a time, whichever of the processes of this run calls it: `make` in this folder; or a console."""
    with open(ROOT / f"build/tests.{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def one_line(done):
    """Trouble is told in exactly one line that names the applet."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.err.count("\n") == 1 and done.err.startswith("dlv"), done.err
    return done.err


@pytest.fixture(scope="session")
def threads():
    """The binary that complains of data races."""
    return Dlv(THREADS, True)


@pytest.fixture(scope="session", params=["release", "sanitized"])
def dlv(request):
    is_sanitized = request.param == "sanitized"
    return Dlv(SANITIZED if is_sanitized else RELEASE, is_sanitized)


@pytest.fixture(scope="session")
def release():
    return Dlv(RELEASE, False)


@pytest.fixture(scope="session")
def shifted():
    """The binary with a clock that is ahead by so many seconds, made at a Unix time (0: unknown)."""
    dlv = Dlv(SHIFTED, False)
    return lambda by, *args, built=0, **how: dlv(
        *args, env={"DLV_CLOCK_SHIFT": str(by), "DLV_BUILT": str(built)}, **how)


class Keys:
    def __init__(self, folder):
        self.folder = folder
        for name, bits in (("authority", 2048), ("server", 2048), ("other", 2048), ("kiosk", 2048)):
            key = folder / f"{name}.key"
            subprocess.run(["openssl", "genrsa", "-out", key, str(bits)], check=True,
                           capture_output=True)
            subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", folder / f"{name}.pub"],
                           check=True, capture_output=True)
            setattr(self, name, key)
            setattr(self, f"{name}_pub", folder / f"{name}.pub")


def kiosk_line(public, name="k", until=""):
    """A line of the list of kiosks, made as the help of `dlv server` says."""
    body = "".join(line for line in public.read_text().splitlines() if "---" not in line)
    return f"{name} {body} {until}\n"


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def server_pub(keys):
    return session_peer.load_public(keys.server_pub)


@pytest.fixture(scope="session")
def kiosk(keys):
    return session_peer.load_private(keys.kiosk)


@pytest.fixture
def kiosks(keys, tmp_path):
    """A list of two kiosks."""
    path = tmp_path / "kiosks"
    path.write_text(kiosk_line(keys.kiosk_pub, "van-7") + kiosk_line(keys.other_pub, "van-8"))
    return path


# Tests that are not about guards build whatever they like over whatever is there.
ACCEPT = ["--no-inherit", "--accept-drop", "100%", "--accept-change", "100%", "--accept-rejects", "100%", "--accept-vanished",
          "--accept-rekey", "--accept-facts", "--accept-same-sequence", "--accept-cut"]


def build(dlv, keys, path, text, *options, status=0, cwd=None):
    return dlv("dbgen", "--sign", keys.authority, "-o", path, *ACCEPT, *options, "-", stdin=text, status=status, cwd=cwd)


@pytest.fixture(scope="session")
def small_db(release, keys, tmp_path_factory):
    """Six persons, every verdict about the licence itself; also for the original protocol."""
    path = tmp_path_factory.mktemp("db") / "licences.db"
    build(release, keys, path, SMALL, "--legacy")
    return path


class Server:
    def __init__(self, dlv, *args, cwd=None, who=("--legacy", "--anonymous"), listen="127.0.0.1:0", prefix=(),
                 **process):
        self.dlv, self.arguments = dlv, args
        if "--anonymous" in who and "--anonymous-quota" not in args:
            who = (*who, "--anonymous-quota", "0")  # tests ask as often as they like
        self.process = subprocess.Popen(
            [*prefix, dlv.path, *dlv.sandboxed(["server", "--listen", listen, *who, *args])],
            stderr=subprocess.PIPE, cwd=cwd, umask=0o022, **process)
        self.log = b""
        ready = self.wait_for(rb"event=ready address=\S+:(\d+)")
        self.port = int(ready.group(1))
        self.address = f"127.0.0.1:{self.port}"

    def wait_for(self, pattern, seconds=30):
        deadline = time.monotonic() + seconds
        os.set_blocking(self.process.stderr.fileno(), False)
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log)
            if found:
                return found
            piece = self.process.stderr.read()
            if piece:
                self.log += piece
            elif self.process.poll() is not None and piece == b"":
                break
            else:
                time.sleep(0.01)
        raise AssertionError(f"{pattern!r} is not in the log:\n{self.log.decode()}")

    def reload(self):
        self.log = b""
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for(rb"event=(reloaded|reload_refused)[^\n]*").group(0).decode()

    def stop(self, status=0):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        os.set_blocking(self.process.stderr.fileno(), True)
        self.log += self.process.stderr.read() or b""
        check_sanitizer(self.log)
        assert self.process.returncode == status, self.log.decode()

    def children(self):
        pid = self.process.pid
        return [int(p) for p in
                pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def serve(keys):
    """A function that starts a server; all are stopped in good order at the end."""
    started = []

    def start(dlv, db, *args, key=None, authority=None, **how):
        server = Server(dlv, "--db", db, "--authority", authority or keys.authority_pub, "--key",
                        key or keys.server, *args, **how)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()
