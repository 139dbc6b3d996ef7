#!/usr/bin/python3
"""A server that takes a large release by SIGHUP while it answers.

    tests/bench/reload.py FOLDER     with licences.db, authority.key and authority.pub in it
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

DLV = str(pathlib.Path(__file__).resolve().parents[2] / "build/dlv")
folder = pathlib.Path(sys.argv[1])


def run(*args, **how):
    return subprocess.run(list(map(str, args)), check=True, capture_output=True, text=True, cwd=folder, **how).stdout


def wait_for(server, pattern):
    for line in server.stderr:
        if re.search(pattern, line):
            return
    raise SystemExit(f"no {pattern} in the log")


run(DLV, "keygen", "--type", "server", "-o", "server", "--force")
# The server begins with a small release of sequence 1; the large one has a higher number.
small = folder / "small.db"
run(DLV, "dbgen", "--sign", "authority.key", "--sequence", "1", "-o", small, "-",
    input="name,phone,licence,status,valid_from,valid_to\nA,9800001,X1,valid,2020-01-01,2090-01-01\n")
served = folder / "served.db"
shutil.move(small, served)
server = subprocess.Popen([DLV, "server", "--db", "served.db", "--authority", "authority.pub", "--key", "server.key",
                           "--listen", "127.0.0.1:0", "--anonymous", "--anonymous-quota", "0", "--openings-per-source", "0", "--populate"],
                          cwd=folder, stderr=subprocess.PIPE, text=True)
address = re.search(r"event=ready address=(\S+)", server.stderr.readline()).group(1)


def load(seconds):
    return subprocess.Popen([DLV + "-load", "--server", address, "--server-key", "server.pub", "-r", "2000",
                             "-t", str(seconds), "--json"], cwd=folder, stdout=subprocess.PIPE, text=True)


quiet = json.loads(load(5).communicate()[0])
large = folder / "licences.db"
served.unlink()
large.rename(served)
during = load(int(sys.argv[2]) if len(sys.argv) > 2 else 150)
started = time.monotonic()
server.send_signal(1)
wait_for(server, "event=reloaded")
taken = time.monotonic() - started
figures = json.loads(during.communicate()[0])
server.terminate()
server.communicate()
served.rename(large)
print("## A server that takes this release while it answers 2000 questions a second")
print(f"checked in full and taken after {taken:.1f} s; {figures['lost']} lost, {figures['wrong']} wrong of {figures['answered']}")
print(f"p99 {figures['p99_us']} us, before {quiet['p99_us']} us; longest {figures['max_us'] / 1000:.0f} ms")
