#!/usr/bin/python3
"""A small country in which everything fails at random, and a model that knows the truth.

    SECONDS=600 SEED=7 tests/integration/chaos.py

Three servers with audit logs on disks of their own, and kiosks that ask without pause: over TCP, over UDP through a network
that loses and delays, with proofs, and with receipts. Meanwhile processes are killed and stopped, releases come, files are
overwritten under the servers, ticket keys, servers' keys and receipt keys are rolled, clocks are put wrong, a kiosk is
revoked and enrolled again, disks are full, and strangers send rubbish.

Held at every moment: a verdict is what the release that it names says; a kiosk is never led back to an older release; one that
is revoked gets none; a receipt says, by the written format alone, who has asked and when; and what was answered is in the logs, which are whole, but for what a server that was killed as a whole
had in memory. At the end all is mended, and every kiosk is answered by every server. SEED is printed, and makes the same
decisions again. Needs root (disks of its own).
"""

import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import audit_file
import check_receipt
import dbformat
import session_peer as peer
from Cryptodome.PublicKey import RSA

ROOT = pathlib.Path(__file__).resolve().parents[2]
DLV = os.environ.get("DLV", str(ROOT / "build/dlv"))
SHIFTED = os.environ.get("DLV_SHIFTED")  # linked to a clock that can be wrong
SHIFTS = (-7000, -400, -20, 0, 20, 400, 7000)  # seconds
LICENCES, SERVERS, LOST_BY_A_KILL = 120, "abc", 64
WORDS = {"valid": "VALID", "suspended": "SUSPENDED", "revoked": "REVOKED", "ended": "EXPIRED"}


def run(*args, status=0, **how):
    done = subprocess.run([DLV, *map(str, args)], capture_output=True, text=True, timeout=60, **how)
    assert status is None or done.returncode == status, (args, done.stdout, done.stderr)
    return done


class Register:
    """The truth: what each release says of each number."""

    def __init__(self, folder, rng):
        self.folder, self.rng, self.truth, self.ids = folder, rng, {}, {}
        self.rows = {f"GJ{i:05}": "valid" for i in range(LICENCES)}
        self.sequence = 0

    def release(self):
        for number in self.rng.sample(sorted(self.rows), 25):
            self.rows[number] = self.rng.choice(sorted(WORDS))
        lines = ["name,phone,licence,status,valid_from,valid_to"] + [
            f"Asha Nair,9800000098,{number},{'valid' if state == 'ended' else state},2020-01-01,"
            f"{'2021-01-01' if state == 'ended' else '2090-01-01'}" for number, state in sorted(self.rows.items())]
        (self.folder / "register.csv").write_text("\n".join(lines) + "\n")
        first = ["--first"] if self.sequence == 0 else []
        run("dbgen", "--into", self.folder / "releases", *first, "--sign", self.folder / "authority.key", "--accept-change", "100%",
            "--accept-vanished",
            self.folder / "register.csv")
        self.sequence += 1
        self.truth[self.sequence] = {number: WORDS[state] for number, state in self.rows.items()}
        page = (self.folder / "releases" / f"{self.sequence}.db").read_bytes()[:4096]
        self.ids[dbformat.sha256(page).hex()] = self.sequence

    def verdict(self, sequence, number):
        return self.truth[sequence].get(number, "UNKNOWN")


class Server:
    def __init__(self, country, name):
        self.country, self.name, self.folder = country, name, country.folder / name
        self.folder.mkdir()
        self.disk, self.process, self.kills, self.rolls, self.shift = self.folder / "disk", None, 0, 0, 0
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={country.disk_mib}m", "tmpfs", self.disk], check=True)
        (self.disk / "log").mkdir()
        shutil.chown(self.disk / "log", "nobody")
        for kind in ("server", "log"):
            run("keygen", "--type", kind, "-o", self.folder / kind)
        self.certify("receipt")
        (self.folder / "releases").mkdir()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.install(first=True)

    def certify(self, name):
        run("keygen", "--type", "receipt", "-o", self.folder / name)
        run("keygen", "--certify", self.folder / f"{name}.pub", "--authority-key", self.country.folder / "authority.key", "-o",
            self.folder / f"{name}.certificate")

    def install(self, first=False):
        source = self.country.folder / "releases"
        return run("install", *(["--first"] if first else []), "--authority", self.country.folder / "authority.pub",
                   (source / "current").resolve(), self.folder / "releases", status=0 if first else None)

    def start(self):
        shared = self.country.folder
        self.process = subprocess.Popen(
            [DLV if self.shift == 0 else SHIFTED, "server", "--db", self.folder / "releases/current", "--authority", shared / "authority.pub", "--key",
             self.folder / "server.key", "--kiosks", shared / "kiosks", "--ticket-key", shared / "tickets", "--listen",
             f"127.0.0.1:{self.port}", "--audit", self.disk / "log", "--log-key", self.folder / "log.key", "--audit-key",
             shared / "audit", "--audit-size", "1M", "--workers", "2", "--key-holders", "1", "--stats", self.folder / "metrics",
             "--openings-per-source", "0", "--receipt-key", self.folder / "receipt.key", "--receipt-certificate",
             self.folder / "receipt.certificate"], env={**os.environ, "DLV_CLOCK_SHIFT": str(self.shift)}, stderr=(self.folder / "messages").open("ab"))

    def children(self):
        pids = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in pids]

    def reload(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGHUP)

    def ensure(self):
        """Starts it again where it has ended: it does, where its file was spoilt as it was killed."""
        if self.process is None or self.process.poll() is not None:
            self.mend_file()
            self.start()

    def mend_file(self):
        """The release that it has, as it should be, by rename."""
        current = (self.folder / "releases/current").resolve()
        good = self.country.folder / "releases" / current.name
        if good.exists() and good.read_bytes() != current.read_bytes():
            shutil.copy(good, current.with_suffix(".new"))
            os.replace(current.with_suffix(".new"), current)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, (self.folder / "messages").read_text()[-2000:]


class Relay:
    """A network over which datagrams are lost and late."""

    def __init__(self, port, rng, loss):
        self.rng, self.loss, self.port_behind, self.ways = rng, loss, port, {}
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        threading.Thread(target=self.take, daemon=True).start()

    def pass_on(self, send, *what):
        if self.rng.random() >= self.loss:
            threading.Timer(self.rng.random() * 0.03, self.try_to, [send, what]).start()

    @staticmethod
    def try_to(send, what):
        with contextlib.suppress(OSError):
            send(*what)

    def take(self):
        while True:
            data, address = self.front.recvfrom(2000)
            if address not in self.ways:
                self.ways[address] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                self.ways[address].connect(("127.0.0.1", self.port_behind))
                threading.Thread(target=self.bring_back, args=(self.ways[address], address), daemon=True).start()
            self.pass_on(self.ways[address].send, data)

    def bring_back(self, way, address):
        while True:
            with contextlib.suppress(OSError):
                self.pass_on(self.front.sendto, way.recv(5000), address)


class Kiosk(threading.Thread):
    """Asks one number after the other, and holds each answer against the model."""

    def __init__(self, country, name, *options, ports=None):
        super().__init__(daemon=True)
        self.country, self.name_, self.folder = country, name, country.folder / f"kiosk-{name}"
        self.folder.mkdir(mode=0o700)
        run("keygen", "--type", "kiosk", "-o", self.folder / "key")
        self.id = peer.key_id(peer.load_public(self.folder / "key.pub"))[:16]
        self.options, self.ports = options, ports
        self.rng, self.over, self.wrong = random.Random(f"{country.seed}{name}"), False, []
        self.answered, self.errors, self.highest = [], collections.Counter(), 0
        self.revoked_since = None
        self.process = None

    def line(self):
        body = "".join(line for line in (self.folder / "key.pub").read_text().splitlines() if "---" not in line)
        return f"{self.name_} {body} quota=1000000/1000000/1000000\n"

    def start_client(self):
        ports = self.ports or [server.port for server in self.country.servers]
        keys = [part for server in self.country.servers for part in ("--server-key", server.folder / "server.pub")]
        state = self.folder / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        self.process = subprocess.Popen(
            [DLV, "client", "--server", ",".join(f"127.0.0.1:{port}" for port in ports), *keys, "--key", self.folder / "key.key",
             "--authority", self.country.folder / "authority.pub", "--state", state, "--json", "--exact", "--timeout", "5",
             *self.options, "--number", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self):
        try:
            while not self.over:
                if self.process is None or self.process.poll() is not None or self.rng.random() < 0.01:
                    if self.process is not None:
                        self.process.kill()
                        self.process.wait()
                    self.start_client()
                self.ask()
                time.sleep(0.002)
        except Exception as error:  # of the test itself
            self.wrong.append(repr(error))
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ask(self):
        number, begun, revoked = f"GJ{self.rng.randrange(LICENCES + 10):05}", time.monotonic(), self.revoked_since
        try:
            self.process.stdin.write(number + "\n")
            self.process.stdin.flush()
            text = self.process.stdout.readline()
        except BrokenPipeError:
            text = ""
        took = time.monotonic() - begun
        if not text:
            self.errors["ended"] += 1
            return
        answer = json.loads(text)
        if took > 15:
            self.wrong.append(f"{number} took {took:.1f} s: {text}")
        if answer["verdict"] is None:
            self.errors[answer["error"]] += 1
            return
        sequence = answer["db_sequence"]
        if answer["verdict"] != self.country.register.verdict(sequence, number):
            self.wrong.append(f"{number}: {text} but {self.country.register.verdict(sequence, number)}")
        if sequence < self.highest:
            self.wrong.append(f"{number}: release {sequence} after {self.highest}")
        if revoked is not None and begun > revoked and self.revoked_since == revoked:  # all the time
            self.wrong.append(f"{number}: answered {begun - revoked:.1f} s after it was revoked")
        self.highest = max(self.highest, sequence)
        self.answered.append((dbformat.number_digest(number), sequence, answer["verdict"]))


class Court(Kiosk):
    """Has a receipt given for each answer, and checks it by the written format."""

    def start_client(self):
        self.process = None

    def run(self):
        try:
            while not self.over:
                self.ask()
        except Exception as error:
            self.wrong.append(repr(error))

    def ask(self):
        number, officer, path = f"GJ{self.rng.randrange(LICENCES + 10):05}", f"KA-{self.rng.randrange(1000)}", self.folder / "receipt"
        path.unlink(missing_ok=True)
        keys = [part for server in self.country.servers for part in ("--server-key", server.folder / "server.pub")]
        begun = time.time()
        done = run("client", "--server", ",".join(f"127.0.0.1:{server.port}" for server in self.country.servers), *keys, "--key",
                   self.folder / "key.key", "--authority", self.country.folder / "authority.pub", "--json", "--exact", "--receipt", path,
                   "--officer", officer, "--number", number, status=None)
        answer = json.loads(done.stdout)
        if answer["verdict"] is None:
            self.errors[answer["error"]] += 1
            return
        sequence = answer["db_sequence"]
        self.answered.append((dbformat.number_digest(number), sequence, answer["verdict"]))
        if not path.exists():
            self.errors["no receipt"] += 1
            return
        text = path.read_text()
        verdict, _, kiosk, signed_officer, time_ms = check_receipt.check(text, self.country.authority)
        release = self.country.register.ids[text.split("release = ")[1][:64]]
        is_time = any(begun - 1 <= time_ms / 1000 - shift <= time.time() + 1 for shift in SHIFTS)
        if (verdict, release, kiosk, signed_officer, is_time) != (
                self.country.register.verdict(sequence, number), sequence, self.id.hex(), officer, True):
            self.wrong.append(f"{number}: a receipt of {verdict}, {release}, {kiosk}, {signed_officer}, {time_ms}")
        self.receipts += 1

    receipts = 0


class Country:
    def __init__(self, folder, seed, seconds):
        self.folder, self.seed, self.rng = folder, seed, random.Random(seed)
        self.disk_mib = 24 + int(seconds) // 2
        self.servers, self.kiosks, self.done = [], [], collections.Counter()

    def build(self):
        folder = self.folder
        (folder / "releases").mkdir()
        run("keygen", "--type", "authority", "-o", folder / "authority")
        run("keygen", "--type", "ticket", "-o", folder / "tickets")
        run("keygen", "--type", "audit", "-o", folder / "audit")
        self.authority = RSA.import_key((folder / "authority.pub").read_bytes())
        self.register = Register(folder, self.rng)
        self.register.release()
        for name in SERVERS:
            self.servers.append(Server(self, name))
        relays = [Relay(server.port, random.Random(self.seed), 0.15).port for server in self.servers]
        self.kiosks = [Kiosk(self, "tcp"), Kiosk(self, "proved", "--prove"), Kiosk(self, "lossy", "--udp", ports=relays),
                       Kiosk(self, "udp", "--udp"), Court(self, "court"), Kiosk(self, "visitor")]
        self.enrol(self.kiosks)
        for server in self.servers:
            server.start()
        time.sleep(1)

    def enrol(self, kiosks, revoked=()):
        lines = [kiosk.line() for kiosk in kiosks] + [f"revoke {kiosk.name_}\n" for kiosk in revoked]
        new = self.folder / "kiosks.new"
        new.write_text("".join(lines) + f"# end {len(kiosks)} removing {len(revoked)}\n")
        os.replace(new, self.folder / "kiosks")

    # --- what happens ---

    def kill_a_child(self, server):
        children = server.children()
        if children:
            with contextlib.suppress(OSError):
                os.kill(self.rng.choice(children), signal.SIGKILL)

    def kill_a_server(self, server):
        server.process.kill()
        server.process.wait()
        server.kills += 1
        time.sleep(self.rng.random())
        server.ensure()

    def stop_a_server(self, server):
        pids = [server.process.pid, *server.children()]
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.random() * 3)
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGCONT)

    def release(self, _):
        self.register.release()
        for server in self.rng.sample(self.servers, self.rng.randrange(1, 4)):
            server.install()
            server.reload()

    def install_late(self, server):
        server.install()
        server.reload()

    def roll_tickets(self, _):
        new = self.folder / "tickets.new"
        new.write_bytes(os.urandom(32))
        new.chmod(0o600)
        os.replace(new, self.folder / "tickets")
        for server in self.servers:
            server.reload()

    def roll_a_key(self, server):
        """The server has a new key beside the old one; kiosks that begin anew are given it alone."""
        server.rolls += 1
        run("keygen", "--type", "server", "-o", server.folder / f"server-{server.rolls}")
        new = (server.folder / f"server-{server.rolls}.key").read_bytes()
        old = b"-----BEGIN" + (server.folder / "server.key").read_bytes().split(b"-----BEGIN")[1]
        for name, content in (("server.key", new + old), ("server.pub", (server.folder / f"server-{server.rolls}.pub").read_bytes())):
            path = server.folder / f"{name}.new"
            path.touch(0o600)
            path.write_bytes(content)
            if name == "server.pub":
                server.reload()
                time.sleep(0.5)
            os.replace(path, server.folder / name)

    def roll_a_receipt_key(self, server):
        server.rolls += 1
        name = f"receipt-{server.rolls}"
        server.certify(name)
        for ending in ("key", "certificate"):
            os.replace(server.folder / f"{name}.{ending}", server.folder / f"receipt.{ending}")
        server.reload()

    def put_a_clock_wrong(self, server):
        """From its next start on; or right again."""
        server.shift = self.rng.choice(SHIFTS) if server.shift == 0 else 0
        self.kill_a_server(server)

    def revoke(self, _):
        """The visitor, at all servers that run; then enrols him again."""
        visitor, others = self.kiosks[-1], self.kiosks[:-1]
        for server in self.servers:
            server.ensure()
        time.sleep(1)
        self.enrol(others, [visitor])
        taken = [run("reload", "--stats", server.folder / "metrics", "--timeout", "15", status=None).returncode for server in self.servers]
        if taken == [0, 0, 0]:
            visitor.revoked_since = time.monotonic() + 0.2
            time.sleep(1.5)
        visitor.revoked_since = None
        self.enrol(self.kiosks)
        for server in self.servers:
            server.reload()

    def overwrite(self, server):
        """In place, as cp does, with rubbish in the middle."""
        path = (server.folder / "releases/current").resolve()
        data = bytearray(path.read_bytes())
        for _ in range(20):
            data[self.rng.randrange(8192, len(data))] ^= 1 << self.rng.randrange(8)
        with contextlib.suppress(OSError), path.open("r+b") as file:
            file.write(data)
        time.sleep(self.rng.random() * 2)
        server.mend_file()
        server.reload()

    def half_a_copy(self, server):
        """Of a release that is to come: it is not in force."""
        source = (self.folder / "releases/current").resolve()
        half = server.folder / "releases" / f"{self.register.sequence + 100}.db"
        half.write_bytes(source.read_bytes()[: self.rng.randrange(source.stat().st_size)])
        server.reload()
        time.sleep(0.3)
        half.unlink()

    def fill_the_disk(self, server):
        filler = server.disk / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()
        time.sleep(1 + self.rng.random() * 2)
        filler.unlink()

    def rubbish(self, server):
        for _ in range(30):
            data = self.rng.choice([b"", b"dlv\x02"]) + self.rng.randbytes(self.rng.randrange(1, 1200))
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1) as sock:
                sock.sendall(data)
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(data, ("127.0.0.1", server.port))

    def go_wrong(self, until):
        kinds = [self.kill_a_child] * 4 + [self.kill_a_server, self.stop_a_server, self.release, self.release, self.install_late,
                                           self.roll_tickets, self.roll_a_key, self.revoke, self.overwrite, self.half_a_copy, self.fill_the_disk,
                                           self.rubbish, self.roll_a_receipt_key, *([self.put_a_clock_wrong] if SHIFTED else [])]
        while time.monotonic() < until and not any(kiosk.wrong for kiosk in self.kiosks):
            kind, server = self.rng.choice(kinds), self.rng.choice(self.servers)
            for one in self.servers:
                one.ensure()
            print(f"{time.strftime('%T')} {kind.__name__} {server.name}", flush=True)
            self.done[kind.__name__] += 1
            kind(server)
            time.sleep(self.rng.random() * 0.5)

    # --- what must hold at the end ---

    def mend(self):
        for server in self.servers:
            if server.shift != 0:
                self.put_a_clock_wrong(server)
            server.ensure()
            server.mend_file()
            server.install()
            server.reload()
        deadline = time.monotonic() + 60
        waiting = {(kiosk, server) for kiosk in self.kiosks for server in self.servers}
        while waiting and time.monotonic() < deadline:
            for kiosk, server in list(waiting):
                done = run("client", "--server", f"127.0.0.1:{server.port}", "--server-key", server.folder / "server.pub", "--key",
                           kiosk.folder / "key.key", "--json", "--exact", "--timeout", "2", "--number", "GJ00001", status=None)
                answer = json.loads(done.stdout) if done.stdout else {}
                if answer.get("db_sequence") == self.register.sequence and \
                        answer["verdict"] == self.register.verdict(self.register.sequence, "GJ00001"):
                    waiting.discard((kiosk, server))
        assert not waiting, [(kiosk.name_, server.name, (server.folder / "messages").read_text()[-1500:]) for kiosk, server in waiting]

    def check_logs(self):
        """Each is whole, and all answers are in them."""
        recorded, key = collections.Counter(), (self.folder / "audit").read_bytes()
        for server in self.servers:
            run("verify", "--audit", server.disk / "log", "--key", server.folder / "log.pub")
            for record in audit_file.records(server.disk / "log", peer.load_public(server.folder / "log.pub")):
                recorded[record.kiosk, record.tag, record.release, record.found == "nothing"] += 1
        missing = collections.Counter()
        for kiosk in self.kiosks:
            for digest, sequence, verdict in kiosk.answered:
                what = kiosk.id, audit_file.tag(key, digest), sequence, verdict == "UNKNOWN"
                missing[kiosk.name_] += recorded[what] <= 0
                recorded[what] -= 1
        kills = sum(server.kills for server in self.servers)
        assert sum(missing.values()) <= kills * LOST_BY_A_KILL, (missing, kills)
        return sum(missing.values())


def main(seconds, seed):
    print(f"SEED={seed} SECONDS={seconds}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dlv-chaos-", dir="/var/tmp"))
    folder.chmod(0o755)
    country = Country(folder, seed, seconds)
    try:
        country.build()
        for kiosk in country.kiosks:
            kiosk.start()
        country.go_wrong(time.monotonic() + seconds)
        for kiosk in country.kiosks:
            kiosk.over = True
        for kiosk in country.kiosks:
            kiosk.join(30)
        wrong = [f"{kiosk.name_}: {text}" for kiosk in country.kiosks for text in kiosk.wrong]
        assert not wrong, wrong[:5]
        country.mend()
        for server in country.servers:
            server.stop()
        missing = country.check_logs()
        for kiosk in country.kiosks:
            print(f"{kiosk.name_}: {len(kiosk.answered)} answers, all true; none: {dict(kiosk.errors)}")
            assert len(kiosk.answered) > seconds / 2, kiosk.errors
            assert not isinstance(kiosk, Court) or kiosk.receipts > len(kiosk.answered) / 2, kiosk.errors
        print(f"{sum(country.done.values())} things went wrong, {country.register.sequence} releases, {missing} answers unrecorded by "
              f"{sum(server.kills for server in country.servers)} servers that were killed")
    finally:
        for kiosk in country.kiosks:
            kiosk.over = True
        for server in country.servers:
            if server.process is not None and server.process.poll() is None:
                server.process.kill()
                server.process.wait()
            subprocess.run(["umount", "-l", server.disk], check=False)
        if sys.exc_info()[0] is None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"SEED={seed}: what is left is in {folder}", flush=True)


if __name__ == "__main__":
    main(float(os.environ.get("SECONDS", "600")), int(os.environ.get("SEED", str(random.randrange(1 << 30)))))
