"""The units of tools/package under a systemd of their own: in namespaces, on a file system that is this machine's with what
they need laid over it. Where that cannot be had this is skipped."""

import fcntl
import os
import pathlib
import struct
import subprocess
import time

import pytest
from conftest import RELEASE, ROOT, alone

PACKAGE = ROOT / "tools/package"
SYSTEMD = "/lib/systemd/systemd"
VT_OPENQRY = 0x5600

# What becomes the init process of the namespaces.
BOOT = r"""
set -eu
umask 022
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
chmod 755 "$1/upper"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
rm -rf etc/systemd/system/* etc/dlv var/lib/dlv
install -m 755 "$2" usr/bin/dlv
install -m 644 "$3"/*.service "$3"/*.timer lib/systemd/system/
install -m 644 "$3/dlv.sysusers" usr/lib/sysusers.d/dlv.conf
printf '[Unit]\nRequires=basic.target\nAfter=basic.target\n' >lib/systemd/system/alone.target
exec chroot . env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=alone.target \
    --log-target=journal
"""


class Machine:
    def __init__(self, folder):
        self.cgroup = next((path / f"dlv-test-{os.getpid()}" for path in map(pathlib.Path, ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"))
                            if (path / "cgroup.procs").exists()), None)
        if os.geteuid() != 0 or self.cgroup is None or not os.path.exists(SYSTEMD):
            pytest.skip("no systemd, or no right to start one")
        (folder / "boot").write_text(BOOT)
        (folder / "machine").mkdir()
        dlv = folder / "dlv"
        subprocess.run(["strip", "-o", dlv, RELEASE], check=True)
        self.cgroup.mkdir()
        self.process = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec unshare --fork --kill-child --pid --mount --uts --ipc --cgroup --net '
             'sh "$1/boot" "$1/machine" "$2" "$3"', self.cgroup, folder, dlv, PACKAGE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.init, self.is_kiosk = None, False
        deadline = time.monotonic() + 30
        while self.init is None or self.run("systemctl", "is-active", "alone.target").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.skip("systemd does not start here: " + self.process.stdout.read().decode()[-300:])
            time.sleep(0.1)
            found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True).stdout.split()
            self.init = found[0] if found else None
        self.do("ip", "link", "set", "lo", "up")
        self.do("systemd-sysusers")

    def run(self, *command, **how):
        return subprocess.run(["nsenter", "-t", self.init, "-a", "-r", "-w/", *map(str, command)], capture_output=True, text=True, timeout=60, **how)

    def do(self, *command, **how):
        done = self.run(*command, **how)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}{self.journal()}"
        return done.stdout

    def journal(self):
        return self.run("journalctl", "--no-pager", "-o", "cat").stdout[-2000:]

    def property(self, unit, name):
        return self.do("systemctl", "show", "-P", name, unit).strip()

    def wait_for(self, unit, name, value):
        deadline = time.monotonic() + 20
        while (found := self.property(unit, name)) != value:
            assert time.monotonic() < deadline, (unit, name, found, self.journal())
            time.sleep(0.1)

    def close(self):
        self.process.kill()
        self.process.wait()
        for _ in range(50):
            for path in sorted(self.cgroup.rglob("*"), reverse=True):
                if path.is_dir():
                    try:
                        path.rmdir()
                    except OSError:
                        pass
            try:
                self.cgroup.rmdir()
                return
            except OSError:
                time.sleep(0.1)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("systemd"))
    machine.do("dlv", "init", "/etc/dlv")
    yield machine
    machine.close()


def ask(machine, *args):
    return machine.run("dlv", "client", "--config", "/etc/dlv/client.conf", "--number", "GJ05-1234", *args)


def test_the_server(machine):
    """Ready when it is; what it refuses is the outcome of the reload; whatever is killed comes back."""
    machine.do("systemctl", "start", "dlv-server")
    assert machine.property("dlv-server", "StatusText").startswith("release 1 in use, 1 kiosks")
    assert ask(machine).stdout.startswith("VALID")
    machine.do("systemctl", "reload", "dlv-server")
    machine.do("sh", "-c", "cp /etc/dlv/kiosks /etc/dlv/good && echo 'van-9 rubbish' >>/etc/dlv/kiosks")
    assert machine.run("systemctl", "reload", "dlv-server").returncode != 0
    assert "kiosks" in machine.journal() and machine.property("dlv-server", "ActiveState") == "active" and ask(machine).returncode == 0
    machine.do("sh", "-c", "mv /etc/dlv/good /etc/dlv/kiosks && systemctl reload dlv-server")
    main = machine.property("dlv-server", "MainPID")
    children = machine.do("pgrep", "-P", main).split()
    machine.do("kill", "-KILL", *children)
    deadline = time.monotonic() + 20
    while ask(machine).returncode != 0:
        assert time.monotonic() < deadline
    assert machine.property("dlv-server", "MainPID") == main and machine.property("dlv-server", "NRestarts") == "0"
    machine.do("kill", "-KILL", main)
    machine.wait_for("dlv-server", "NRestarts", "1")
    machine.wait_for("dlv-server", "ActiveState", "active")
    assert ask(machine).stdout.startswith("VALID")
    assert "secure" not in machine.journal()


def test_the_night(machine):
    """The build's timer is known to systemd; the build puts the next release into force, and the server takes it."""
    machine.do("systemctl", "start", "dlv-server", "dlv-build.timer", "dlv-sync.timer")
    assert "dlv-build.service" in machine.do("systemctl", "list-timers", "--all", "--no-pager")
    machine.do("sh", "-c", "install -d -o dlv /var/lib/dlv && cp /etc/dlv/registry.csv /var/lib/dlv/register.csv")
    machine.do("systemctl", "start", "dlv-build")
    deadline = time.monotonic() + 20
    while "#2 of" not in ask(machine).stdout:
        assert time.monotonic() < deadline, machine.journal()


def become_a_kiosk(machine):
    """As OPERATIONS makes one: its files are the user dlv's. The copy comes by the sync unit."""
    if machine.is_kiosk:
        return
    machine.do("systemctl", "start", "dlv-server")
    machine.do("sh", "-c", """
        echo "kiosk-2 $(dlv keygen -t kiosk -o /etc/dlv/kiosk-2 >/dev/null; grep -v -- --- /etc/dlv/kiosk-2.pub | tr -d '\\n') sync=100" |
            cat - /etc/dlv/kiosks | grep -v '^# end' >/etc/dlv/new && mv /etc/dlv/new /etc/dlv/kiosks && systemctl reload dlv-server
        sed -e 's/kiosk-1/kiosk-2/' /etc/dlv/client.conf >/etc/dlv/kiosk.conf
        printf 'db = /var/lib/dlv/licences.db\\nstate = /var/lib/dlv/state\\njournal = /var/lib/dlv/journal\\n' >>/etc/dlv/kiosk.conf
        grep -q '^authority' /etc/dlv/kiosk.conf || echo 'authority = /etc/dlv/authority.pub' >>/etc/dlv/kiosk.conf
        mv /etc/dlv/kiosk.conf /etc/dlv/client.conf
        chown dlv /etc/dlv/kiosk-2.key
        chmod 644 /etc/dlv/client.conf /etc/dlv/*.pub && chmod 755 /etc/dlv""")
    machine.do("systemctl", "start", "dlv-sync")
    machine.do("systemctl", "stop", "dlv-server")
    machine.is_kiosk = True


def test_a_kiosk_machine(machine):
    """It has its copy, so no server is needed."""
    become_a_kiosk(machine)
    assert machine.do("stat", "-c", "%U", "/var/lib/dlv/licences.db").strip() == "dlv"
    found = machine.run("setpriv", "--reuid", "dlv", "--clear-groups", "dlv", "client", "--config", "/etc/dlv/client.conf", "--number", "GJ05-1234")
    assert "offline" in found.stdout, (found, machine.journal())


def test_the_screen(machine):
    """In place of a login, on a console that nobody can leave; killed, it is there again."""
    become_a_kiosk(machine)
    with alone("console"):
        show_and_kill(machine)


def show_and_kill(machine):
    try:
        with open("/dev/tty0", "rb+", buffering=0) as console:
            number, = struct.unpack("i", fcntl.ioctl(console, VT_OPENQRY, bytes(4)))
        with open(f"/dev/tty{number}", "rb+", buffering=0) as terminal:
            terminal.write(b"\033c")
    except OSError:
        pytest.skip("no console here")
    unit = f"[Service]\nTTYPath=/dev/tty{number}\nDeviceAllow=/dev/tty{number} rw\n"
    machine.do("sh", "-c", f"mkdir -p /etc/systemd/system/dlv-kiosk.service.d && printf '{unit}' >/etc/systemd/system/dlv-kiosk.service.d/tty.conf"
               " && systemctl daemon-reload && systemctl start dlv-kiosk")

    def wait_for(text):
        deadline = time.monotonic() + 20
        while text not in (screen := pathlib.Path(f"/dev/vcs{number}").read_text(encoding="latin-1")):
            assert time.monotonic() < deadline, (screen, machine.journal())
            time.sleep(0.1)

    wait_for("Scan the code of a card")
    with open(f"/dev/tty{number}", "rb+", buffering=0) as terminal:
        terminal.write(b"\033c")  # what is there afterwards is of the next one
    machine.do("kill", "-KILL", machine.property("dlv-kiosk", "MainPID"))
    machine.wait_for("dlv-kiosk", "NRestarts", "1")
    machine.wait_for("dlv-kiosk", "ActiveState", "active")
    wait_for("Scan the code of a card")
    machine.do("systemctl", "stop", "dlv-kiosk")
    assert machine.property("dlv-kiosk", "Result") == "success"
