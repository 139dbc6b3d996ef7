#!/usr/bin/python3
"""Soak: an hour of mixed load with a new release every minute. Memory must stay flat.

    tests/integration/soak.py [MINUTES]

Not part of make check. Prints a line a minute: each process's own memory, questions, failures.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from conftest import RELEASE, Dlv, Keys, Server, build
from test_survival import ROW, memory_of

minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 60
folder = pathlib.Path(tempfile.mkdtemp(prefix="dlv-soak-"))
dlv, keys, db = Dlv(RELEASE, False), Keys(folder), folder / "l.db"
filler = "".join(f"P{i},98{i:06},GJ06-{i},valid,2020-01-01,2090-01-01\n" for i in range(20000))
build(dlv, keys, db, ROW.format("valid") + filler)
server = Server(dlv, "--db", db, "--authority", keys.authority_pub, "--key", keys.server, "--workers", "2",
                "--key-holders", "2", "--openings-per-source", "0", "--stats", folder / "stats", who=("--anonymous",))


def load(*args):
    return subprocess.Popen([RELEASE + "-load", "--server", server.address, "--server-key",
                             str(keys.server_pub), "--json", *map(str, args)], stdout=subprocess.PIPE)


def soak():
    first = own = None
    for minute in range(minutes):
        loads = [load("-t", 55, "-r", 2000, "-c", 200), load("-t", 55, "-r", 2000, "--udp"),
                 load("-t", 55, "-r", 500, "-n", 16, "-c", 20), load("-t", 55, "-r", 20, "--openings", "-c", 4)]
        time.sleep(20)
        build(dlv, keys, db, ROW.format("valid" if minute % 2 else "revoked") + filler)
        assert "reloaded" in server.reload()
        figures = [json.loads(one.communicate()[0]) for one in loads]
        own = [memory_of(pid) // 1024 for pid in (server.process.pid, *server.children())]
        first = first or own
        bad = sum(f["lost"] + f["wrong"] + f["refused"] for f in figures)
        print(f"minute {minute + 1}: {own} KiB, {sum(f['answered'] for f in figures)} frames, {bad} failed, "
              f"p99 {[f['p99_us'] for f in figures]} us", flush=True)
    print("first", first, "last", own)


try:
    soak()
finally:
    server.stop()
