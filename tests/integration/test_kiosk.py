"""The kiosk in a real terminal: verdicts that can be read, scans that are not lost, and a terminal that is put back whatever happens."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
from conftest import RELEASE, ROOT, kiosk_line

pytestmark = pytest.mark.skipif(not shutil.which("tmux"), reason="no tmux here")


class Terminal:
    """A terminal of its own in tmux, with a shell in it."""

    def __init__(self, folder, columns=80, rows=25):
        self.socket, self.folder = str(folder / "tmux"), folder
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder), "env PS1='$ ' sh")
        self.resize(columns, rows)

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], check=True, capture_output=True, text=True, timeout=20).stdout

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def type(self, text, enter=True):
        """As a person does."""
        for character in text:
            self.tmux("send-keys", "-l", character)
            time.sleep(0.05)
        if enter:
            self.key("Enter")

    def scan(self, text):
        """As a scanner does: all of it within milliseconds."""
        self.tmux("send-keys", "-l", text)

    def key(self, name):
        self.tmux("send-keys", name)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def scrollback(self):
        return self.tmux("capture-pane", "-p", "-S", "-")

    def wait_for(self, *texts, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = self.screen()
            words = " ".join(screen.split())  # whatever line they are broken into
            if all(text in words for text in texts):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{texts} are not on the screen:\n{screen}")

    def close(self):
        self.tmux("kill-server")


class Kiosk:
    def __init__(self, path, keys, terminal, *options):
        self.terminal = terminal
        command = [path, "kiosk", "--authority", keys.authority_pub, *options]
        terminal.tmux("send-keys", "-l", " ".join(map(str, command)) + "; echo status $?")
        terminal.key("Enter")

    def ready(self):
        self.terminal.wait_for("Scan the code")
        return self

    def pids(self):
        """Of the process that has the screen, and of the one that asks."""
        pane = int(self.terminal.tmux("display-message", "-p", "#{pane_pid}"))
        screen = int(subprocess.run(["pgrep", "-P", str(pane)], capture_output=True, text=True, check=True).stdout.split()[0])
        asks = int(subprocess.run(["pgrep", "-P", str(screen)], capture_output=True, text=True, check=True).stdout.split()[0])
        return screen, asks


@pytest.fixture
def terminal(tmp_path):
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.fixture
def kiosk(terminal, keys, small_db):
    return lambda *options, path=RELEASE: Kiosk(path, keys, terminal, *(options or ("--db", small_db))).ready()


def is_sane(terminal):
    """Whether the terminal is as a shell wants it."""
    terminal.tmux("send-keys", "-l", "stty -a | tr ' ;' '\\n\\n' | grep -cx -e icanon -e echo -e isig -e opost")
    terminal.key("Enter")
    terminal.wait_for(" 4 ")


@pytest.mark.parametrize("columns, rows", [(80, 25), (40, 15)])
def test_every_verdict(dlv, kiosk, terminal, columns, rows):
    terminal.resize(columns, rows)
    kiosk(path=dlv.path)
    for number, frame, sentence in (("GJ05-1234", "====", "The licence is valid"), ("MH12 20190054321", "XXXX", "is suspended"),
                                    ("DL03-2008-7654321", "XXXX", "is revoked"), ("KA05-1999-1", "XXXX", "has run out"),
                                    ("GJ05-999999", "XXXX", "No such licence"), ("!!", "????", "This is no answer")):
        terminal.type(number)
        screen = terminal.wait_for(sentence)
        assert all(row[0] == row[columns - 1] == frame[0] for row in screen.splitlines()[2:5]) and "###" in screen
        if frame != "????":
            assert "proved" in " ".join(screen.split()) and "days old" in " ".join(screen.split())


def test_scans_that_come_together(kiosk, terminal):
    """Each is asked about, in its turn, while what stands on the screen stays long enough to be read."""
    kiosk()
    terminal.scan("GJ05-1234\r")
    time.sleep(0.4)
    terminal.scan("MH12 20190054321\r")
    time.sleep(0.4)
    terminal.scan("GJ05-999999\r")
    terminal.wait_for("The licence is valid", "2 waiting")
    terminal.wait_for("is suspended", "1 waiting")
    terminal.wait_for("No such licence")
    assert "waiting" not in terminal.screen()


def test_a_scan_in_the_middle_of_typing(kiosk, terminal):
    kiosk()
    terminal.type("98", enter=False)
    time.sleep(0.3)
    terminal.scan("GJ05-1234\r")
    terminal.wait_for("The licence is valid")


def test_nothing_stays(kiosk, terminal, small_db):
    kiosk("--db", small_db, "--clear-after", "2")
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")
    terminal.wait_for("Scan the code")
    assert "1234" not in terminal.scrollback()
    terminal.key("Up")
    screen = terminal.wait_for("The last verdicts", "VALID")
    assert "1234" not in screen
    terminal.wait_for("Scan the code")


def test_the_last_verdicts(kiosk, terminal):
    kiosk()
    for _ in range(10):
        terminal.type("GJ05-1234")
        terminal.wait_for("The licence is valid")
        terminal.key("Up")
        terminal.wait_for("The last verdicts")
    assert terminal.screen().count("VALID") == 8


def test_ends_and_puts_the_terminal_back(kiosk, terminal):
    for end in ("C-c", "C-d"):
        kiosk()
        terminal.type("GJ05-1234")
        terminal.wait_for("The licence is valid")
        terminal.key(end)
        terminal.wait_for("status 0")
        assert "The licence" not in terminal.scrollback()
        is_sane(terminal)
        terminal.tmux("send-keys", "-l", "clear")
        terminal.key("Enter")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV, signal.SIGKILL])
def test_a_signal_that_ends_it(kiosk, terminal, number):
    """Also where the process that has the screen is killed: the other one puts the terminal back."""
    pid, asks = kiosk().pids()
    os.kill(pid, number)
    if number != signal.SIGKILL:  # then the other process may erase what the shell says
        terminal.wait_for("status")
    time.sleep(1)
    terminal.key("Enter")
    is_sane(terminal)
    with open(f"/proc/{asks}/stat") if os.path.exists(f"/proc/{asks}") else open(os.devnull) as stat:
        assert stat.read().split(") ")[-1][:1] in ("", "Z")


def test_suspended(kiosk, terminal):
    pid, _ = kiosk().pids()
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")
    os.kill(pid, signal.SIGTSTP)
    terminal.wait_for("Stopped")
    assert "is valid" not in terminal.screen()
    is_sane(terminal)
    terminal.tmux("send-keys", "-l", "fg")
    terminal.key("Enter")
    terminal.wait_for("Scan the code")
    assert "is valid" not in terminal.scrollback()


def test_the_process_that_asks_is_killed(kiosk, terminal):
    _, asks = kiosk().pids()
    os.kill(asks, signal.SIGKILL)
    time.sleep(2.5)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")


def test_faults_of_the_process_that_asks(kiosk, terminal, small_db):
    """Twice, in a kiosk that is locked: the terminal stays the kiosk's."""
    own = kiosk("--db", small_db, "--locked")
    for _ in range(2):
        os.kill(own.pids()[1], signal.SIGSEGV)
        time.sleep(2.5)
    terminal.key("C-c")
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")
    terminal.key("C-c")
    time.sleep(0.3)
    assert "status" not in terminal.screen()


def test_two_cards_as_one(kiosk, terminal):
    """What cannot be told apart is no answer about either."""
    kiosk()
    terminal.scan("GJ05-1234\rMH12 20190054321\r")
    terminal.wait_for("????", "This is no answer")
    card = "@\n\x1e\rANSI 636014080001DL00310255DLDAQGJ051234\nDCSPATEL\nDACRAMESH\n"
    terminal.scan((card + card).replace("\n", "\r"))
    terminal.wait_for("????", "two codes came as one")


def test_what_is_typed_and_left(kiosk, terminal, small_db):
    kiosk("--db", small_db, "--clear-after", "2")
    terminal.type("GJ05-12", enter=False)
    terminal.wait_for("GJ05-12_")
    time.sleep(2.5)
    assert "GJ05" not in terminal.screen()


def test_in_the_background(terminal, keys, small_db):
    terminal.tmux("send-keys", "-l", f"{RELEASE} kiosk --db {small_db} --authority {keys.authority_pub} &")
    terminal.key("Enter")
    terminal.wait_for("it cannot run in the background")
    is_sane(terminal)


def test_a_large_window(kiosk, terminal):
    """Its drawing is larger than what the terminal takes at once."""
    terminal.resize(240, 67)
    kiosk()
    terminal.type("GJ05-12", enter=False)
    terminal.wait_for("> GJ05-12_")


def test_a_key_that_goes_away(kiosk, terminal, keys, small_db, tmp_path):
    """The process that asks cannot be started again: the screen stays, and says why."""
    authority = shutil.copy(keys.authority_pub, tmp_path / "own.pub")
    _, asks = kiosk("--db", small_db, "--authority", authority).pids()
    os.rename(authority, tmp_path / "away")
    os.kill(asks, signal.SIGKILL)
    terminal.wait_for("dlv kiosk: ")
    terminal.type("GJ05-1234")
    terminal.wait_for("????", "This is no answer", "No such file")
    os.rename(tmp_path / "away", authority)
    time.sleep(2.5)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")


def test_killed_while_it_asks(kiosk, terminal, keys, tmp_path):
    """The question that was under way has no answer, and the screen says so."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        own = kiosk("--server", "127.0.0.1:%d" % mute.getsockname()[1], "--server-key", keys.server_pub, "--timeout", "60", "--prove")
        terminal.type("GJ05-1234")
        terminal.wait_for("asking")
        os.kill(own.pids()[1], signal.SIGKILL)
        terminal.wait_for("This is no answer", "????")


def test_locked(kiosk, terminal, small_db):
    kiosk("--db", small_db, "--locked")
    for key in ("C-c", "C-d", "C-z", "C-\\", "Escape", "F1"):
        terminal.key(key)
        time.sleep(0.1)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")


def test_resized(kiosk, terminal):
    kiosk()
    terminal.type("GJ05-1234")
    for columns, rows in ((120, 40), (20, 10), (10, 4), (1, 1), (40, 15), (80, 25)):
        terminal.resize(columns, rows)
        time.sleep(0.3)
    terminal.wait_for("The licence is valid", "====" * 20)


def test_no_network(kiosk, terminal, keys, small_db):
    """The file answers, and it is said."""
    kiosk("--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--db", small_db)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid", "OFFLINE: no server was there", "proved")


def test_nobody_answers(kiosk, terminal, keys):
    kiosk("--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--prove")
    terminal.type("GJ05-1234")
    terminal.wait_for("????", "This is no answer", "127.0.0.1:1")


def test_by_a_server(dlv, kiosk, terminal, keys, serve, small_db, tmp_path):
    state = tmp_path / "state"
    state.mkdir(0o700)
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "van-7"))
    server = serve(dlv, small_db, who=("--kiosks", str(tmp_path / "kiosks")))
    kiosk("--server", server.address, "--server-key", keys.server_pub, "--key", keys.kiosk, "--state", state, "--class", "HMV,LMV", path=dlv.path)
    terminal.type("GJ05-1234")
    screen = terminal.wait_for("Class HMV,LMV", "The licence is not for this class", "Class HMV: never held")
    assert "the server's word, not proved" in " ".join(screen.split())
    assert server.address in screen


def test_a_question_that_is_kept(dlv, kiosk, terminal, keys, serve, small_db, tmp_path):
    """The late verdict is noted, without taking the place of the one that is shown, and stands among the last ones."""
    (tmp_path / "kiosks").write_text(kiosk_line(keys.kiosk_pub, "van-7"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    journal = tmp_path / "journal"
    kiosk("--server", address, "--server-key", keys.server_pub, "--key", keys.kiosk, "--prove", "--journal", journal, path=dlv.path)
    terminal.type("MH12 20190054321")
    terminal.wait_for("This is no answer", "It is kept, and asked when a server is there.")
    serve(dlv, small_db, who=("--kiosks", str(tmp_path / "kiosks")), listen=address)
    terminal.type("GJ05-1234")
    screen = terminal.wait_for("The licence is valid", "Late, to the question of", ": SUSPENDED")
    assert "MH12" not in screen and journal.read_bytes() == b""
    terminal.key("Up")
    terminal.wait_for("The last verdicts", "SUSPENDED late", "NO ANSWER")
    journal.write_bytes(b"x" * 100)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid", "dlv kiosk: --journal: ")


def test_a_database_that_comes_back(kiosk, terminal, keys, small_db, tmp_path):
    """It is not there when the kiosk starts, nor when it is asked: it is said, and the kiosk goes on."""
    place = tmp_path / "own.db"
    kiosk("--db", place)
    terminal.type("GJ05-1234")
    terminal.wait_for("This is no answer", "own.db")
    shutil.copy(small_db, tmp_path / "new.db")
    os.rename(tmp_path / "new.db", place)
    terminal.type("GJ05-1234")
    terminal.wait_for("The licence is valid")


def test_words(kiosk, terminal, dlv, small_db, tmp_path):
    words = dlv("kiosk", "--show-words", status=0).out
    assert "The licence is valid. = The licence is valid.\n" in words and "suspended = suspended\n" in words
    listed = {line.split(" = ")[0] for line in words.splitlines()}
    assert len(listed) == len(words.splitlines())
    for path in (ROOT / "cmd").glob("kiosk*.c"):
        code = re.sub(r'"\s*\n\s*"', "", path.read_text())
        shown = re.findall(r'word\(\s*"([^"]+)"', code) + (re.findall(r'"([A-Z][a-z]+ [^"%]+\.)"', code) if "asking" in path.name else [])
        assert listed >= set(shown), (path, set(shown) - listed)
    for path in (ROOT / "lib/scan").glob("*.c"):
        code = re.sub(r'"\s*\n\s*"', "", path.read_text())
        said = re.findall(r'(?:scan_doubt\(\s*scan,|ERR_FORMAT,|misread\[\] =)\s*"((?:[^"%\\]|\\.)+)"', code)
        assert listed >= set(said), (path, set(said) - listed)
    local = tmp_path / "words"
    local.write_text("# Deutsch\n" + words.replace("= VALID\n", "= GÜLTIG\n").replace("= The licence is valid.", "= Der Führerschein gilt."))
    kiosk("--db", small_db, "--words", local)
    terminal.type("GJ05-1234")
    terminal.wait_for("GÜLTIG", "Der Führerschein gilt.")
    for bad, complaint in (("Valid = x\n", "none of the words"), ("VALID\n", "not \"ENGLISH = LOCAL\"")):
        local.write_text(bad)
        done = dlv("kiosk", "--db", small_db, "--authority", "x", "--words", local, status=2)
        assert complaint in done.err and f"{local}:1" in done.err


def test_words_of_doubts_and_failures(kiosk, terminal, dlv, keys, tmp_path):
    local = tmp_path / "words"
    local.write_text("No server could be reached. = Kein Server ist da.\nnothing in the document is signed = nichts ist unterschrieben\n"
                     "two codes came as one: scan one card after the other = zwei Karten in einer\n")
    kiosk("--server", "127.0.0.1:1", "--server-key", keys.server_pub, "--prove", "--words", local)
    terminal.type("GJ05-1234")
    terminal.wait_for("Kein Server ist da.", "127.0.0.1:1: no connection")
    card = "@\n\x1e\rANSI 636014080001DL00310255DLDAQGJ051234\nDCSPATEL\nDACRAMESH\n"
    terminal.scan((card + card).replace("\n", "\r"))
    terminal.wait_for("zwei Karten in einer")


def test_refused_at_the_start(dlv, keys, small_db, tmp_path):
    """What no officer can put right is said before the screen is taken."""
    done = dlv("kiosk", "--db", small_db, "--authority", keys.authority_pub, status=2)
    assert "standard input is no terminal" in done.err
    for options, complaint in (([], "--server or --db"), (["--db", small_db], "--authority"), (["x"], "operands")):
        assert complaint in dlv("kiosk", *options, status=2).err


def test_the_screens_of_the_readme(kiosk, terminal):
    """They are what a terminal of that size shows, but for the times."""
    blocks = [block for block in (ROOT / "README.md").read_text().split("```") if block.startswith("\n dlv  ")]
    assert len(blocks) == 3
    terminal.resize(72, 15)
    kiosk()
    for number, word, block in zip(("GJ05-1234", "MH12 20190054321", "ZZ"), ("is valid", "is suspended", "no answer"), blocks):
        terminal.type(number)
        terminal.wait_for(word)
        screen, wanted = ([re.sub(r"\d\d:\d\d|Data of [\d-]+", "", line).rstrip() for line in text.splitlines() if line.strip()]
                          for text in (terminal.screen(), block))
        assert screen == wanted
