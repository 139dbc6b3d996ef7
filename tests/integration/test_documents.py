"""What the documents say is so: every command of the README runs, FORMAT.md's bytes are the file's."""

import os
import re
import socket
import subprocess

from conftest import RELEASE, ROOT, VECTORS


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_readme(tmp_path):
    text = (ROOT / "README.md").read_text()
    script = "".join(re.findall(r"```sh\n(.*?)```", text, re.S)).replace("8080", str(free_port()))
    assert script.count("dlv ") >= 9
    (tmp_path / "dlv").symlink_to(RELEASE)
    status = "trap 'echo \"status $? of: $BASH_COMMAND\" >&2' ERR\n"
    # The questions about her have another verdict: exit status 1 is their answer, not a failure.
    script = script.replace("--number 'mh12 20190054321'\n", "--number 'mh12 20190054321' || [ $? = 1 ]\n")
    script = re.sub(r"(evidence answer.txt --number GJ05-1234)\n", r"\1 || [ $? = 1 ]\n", script)
    done = subprocess.run(["bash", "-e", "-c", status + script], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("licences.db: verified", "VALID LMV, MCWG from 2015-04-02 to 2035-04-01; TRANS",
                     '"verdict":"SUSPENDED"', ", legacy)", "Verified OK"):
        assert expected in done.stdout, (expected, done.stdout)
    assert done.stdout.count("; 127.0.0.1:") == 3  # over TCP, over UDP, proved
    assert "event=reloaded sequence=2" in done.stderr and "event=stopped" in done.stderr


def test_make_targets_of_the_readme():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_format_example():
    data = (VECTORS / "golden.db").read_bytes()
    text = (ROOT / "lib/db/FORMAT.md").read_text()
    example = text[text.index("9 entries, *b* = 3:"):]
    lines = re.findall(r"^    ([0-9a-f]+) +(.*?)(?:   .*)?$", example, re.M)
    assert len(lines) == 19
    for offset, dump in lines:
        at = int(offset, 16)
        for piece in dump.split():
            if piece == "…":
                at = (at // 8 + 1) * 8
                continue
            assert data[at] == int(piece, 16), (offset, dump)
            at += 1
