"""Some seconds of `make chaos`."""

import os
import pathlib
import subprocess

import pytest
from conftest import RELEASE


@pytest.mark.skipif(os.geteuid() != 0, reason="disks of its own")
def test_chaos():
    script = pathlib.Path(__file__).parent / "chaos.py"
    done = subprocess.run(["/usr/bin/python3", script], capture_output=True, text=True, timeout=280,
                          env={**os.environ, "DLV": str(RELEASE), "SECONDS": "20"})
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
