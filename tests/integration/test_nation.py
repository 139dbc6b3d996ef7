"""The nation of tools/nation: a registry in PostgreSQL, a signer without network, regions behind HAProxy, kiosks. Every process,
link and key fails in turn, and each verdict is held against the registry."""

import os
import subprocess

import pytest
from conftest import RELEASE, ROOT


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_a_nation_that_fails():
    with subprocess.Popen([ROOT / "tools/nation", "--dlv", RELEASE, "--rows", "3000", "--test", "1"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as nation:
        said = nation.communicate(timeout=300)[0]
    assert nation.returncode == 0, said
    assert said.count("answers, all true") == 3 and "releases, the slowest on all servers after" in said
    left = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    assert f"dlv-{nation.pid}-" not in left, left
