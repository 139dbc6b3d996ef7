"""dlv kiosk on a real console of Linux: its font, its colours, its lock. Where there is no console this is skipped."""

import fcntl
import os
import signal
import struct
import subprocess
import termios
import time

import pytest
from conftest import RELEASE, alone

VT_OPENQRY, VT_GETSTATE, VT_ACTIVATE = 0x5600, 0x5603, 0x5606
GREEN, RED, YELLOW = 2, 4, 6  # as the text mode of PCs numbers them


def can_type():
    try:
        with open("/proc/sys/dev/tty/legacy_tiocsti") as switch:
            return switch.read().strip() == "1" and os.access("/dev/tty0", os.R_OK | os.W_OK) and os.path.exists("/dev/vcs1")
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not can_type(), reason="no virtual console here")


class Console:
    """A virtual terminal that nobody uses, and a program that is alone on it."""

    def __init__(self):
        self.all = os.open("/dev/tty0", os.O_RDWR | os.O_NOCTTY)
        self.number, = struct.unpack("i", fcntl.ioctl(self.all, VT_OPENQRY, bytes(4)))
        self.path = f"/dev/tty{self.number}"
        self.keyboard = os.open(self.path, os.O_RDWR | os.O_NOCTTY)
        os.write(self.keyboard, b"\033c")  # whatever is left of who had it before
        self.before = self.active()
        self.process = None

    def run(self, *command):
        def take():
            os.setsid()
            fd = os.open(self.path, os.O_RDWR)
            fcntl.ioctl(fd, termios.TIOCSCTTY, 1)
            os.dup2(fd, 0)
            os.dup2(fd, 1)

        self.process = subprocess.Popen(command, preexec_fn=take, stderr=subprocess.PIPE, env={**os.environ, "TERM": "linux"})

    def type(self, text):
        for character in text:
            fcntl.ioctl(self.keyboard, termios.TIOCSTI, character.encode())

    def cells(self):
        with open(f"/dev/vcsa{self.number}", "rb") as screen:
            rows, columns = screen.read(4)[:2]
            data = screen.read(2 * rows * columns)
        return columns, data[::2].decode("latin-1"), data[1::2]

    def wait_for(self, *texts, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            columns, characters, colours = self.cells()
            screen = "\n".join(characters[at:at + columns] for at in range(0, len(characters), columns))
            if all(text in screen for text in texts):
                return screen, colours
            time.sleep(0.05)
        raise AssertionError(f"{texts} are not on the screen:\n{screen}")

    def active(self):
        return struct.unpack("HHH", fcntl.ioctl(self.all, VT_GETSTATE, bytes(6)))[0]

    def switches_to(self, number):
        fcntl.ioctl(self.all, VT_ACTIVATE, number)
        time.sleep(0.3)
        return self.active() == number

    def is_cooked(self):
        with open(self.path) as terminal:
            wanted = termios.ICANON | termios.ECHO | termios.ISIG
            return termios.tcgetattr(terminal)[3] & wanted == wanted

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        fcntl.ioctl(self.all, VT_ACTIVATE, self.before)
        os.close(self.keyboard)
        os.close(self.all)


@pytest.fixture
def console():
    with alone("console"):
        console = Console()
        yield console
        console.close()


def test_by_colour_and_letters(console, keys, small_db):
    console.run(RELEASE, "kiosk", "--db", small_db, "--authority", keys.authority_pub)
    console.wait_for("Scan the code of a card, or type a number.")
    for typed, colour, frame, word in (("GJ05-1234", GREEN, "=", "The licence is valid."),
                                       ("MH12 20190054321", RED, "X", "The licence is suspended."),
                                       ("ZZ", YELLOW, "?", "This is no answer")):
        console.type(typed + "\r")
        screen, colours = console.wait_for(word)
        columns = console.cells()[0]
        assert screen.splitlines()[1] == frame * columns
        assert {cell >> 4 & 7 for cell in colours[columns:2 * columns]} == {colour}
        assert all(" " <= character <= "~" or character == "\n" for character in screen)
    console.type("\x04")
    assert console.process.wait(10) == 0 and console.is_cooked()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_locked(console, keys, small_db, number):
    """Neither a key ends it, nor another console can be had, until it ends: whatever ends it."""
    other = console.before + 1 if console.number != console.before + 1 else console.before + 2
    console.run(RELEASE, "kiosk", "--locked", "--db", small_db, "--authority", keys.authority_pub)
    console.wait_for("Scan the code of a card, or type a number.")
    console.type("\x03\x04\x1a\x1c")
    assert not console.switches_to(other) and console.process.poll() is None
    console.process.send_signal(number)
    console.process.wait(10)
    deadline = time.monotonic() + 5
    while not (console.is_cooked() and console.switches_to(other)):
        assert time.monotonic() < deadline
