#!/usr/bin/python3
"""Kernel bypass beside sockets: the same load over the same veth, server on one core, load on the other.

    tests/bench/xdp.py

For each: answers a second, and the processor time that the server's process spends on one. What a
veth does in the sender's context (its receive path, and so eBPF) is not in that.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from test_xdp import Wire  # two namespaces and a veth

DLV, ECHO, SECONDS, PORT = ROOT / "build/dlv", ROOT / "build/bench/echo", 3, 9300
folder = pathlib.Path(tempfile.mkdtemp(prefix="dlv-bench-", dir="/var/tmp"))


def run(*args):
    return subprocess.run(list(map(str, args)), check=True, capture_output=True, text=True, cwd=folder).stdout


def inside(name, core, *args):
    return ["ip", "netns", "exec", name, "taskset", "-c", str(core), *map(str, args)]


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, pid, load):
    """The median of three: (answers a second, ns of the server's processor for each)."""
    found = []
    for _ in range(3):
        before = cpu_seconds(pid)
        rate = load()
        found.append((rate, (cpu_seconds(pid) - before) * 1e9 / (rate * SECONDS)))
    rate, cost = (statistics.median(column) for column in zip(*found))
    print(f"{name:<44} {rate:>10,.0f}/s   {cost:>7,.0f} ns", flush=True)
    return rate, cost


def echo(wire, name, *args):
    with subprocess.Popen(inside(wire.server, 0, ECHO, *args), stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"ready\n"
        try:
            return measure(name, server.pid, lambda: float(
                run(*inside(wire.client, 1, ECHO, "load", f"10.9.0.1:{PORT}", SECONDS))))
        finally:
            server.kill()


def dlv(wire, name, *args):
    server = subprocess.Popen(
        inside(wire.server, 0, DLV, "server", "--db", "l.db", "--authority", "authority.pub", "--key", "server.key",
               "--anonymous", "--anonymous-quota", "0", "--openings", "0", "--openings-per-source", "0", "--workers", "1", "--key-holders", "1",
               "--listen", f":{PORT}", *args), cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        while "event=ready" not in server.stderr.readline():
            assert server.poll() is None
        children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        load = inside(wire.client, 1, f"{DLV}-load", "--server", f"10.9.0.1:{PORT}", "--server-key",
                      "server.pub", "--udp", "--json", "-t", SECONDS)
        return measure(name, children[-1], lambda: json.loads(run(*load))["frames_per_second"])
    finally:
        server.terminate()
        server.communicate()


def main():
    for kind in ("authority", "server"):
        run(DLV, "keygen", "--type", kind, "-o", kind)
    run(DLV, "dbgen", "--sign", "authority.key", "-o", "l.db", ROOT / "vectors/golden.csv")
    wire = Wire()
    try:
        # Whole checksums, so that the bare echo, which makes none, is taken.
        run("ip", "netns", "exec", wire.client, "ethtool", "-K", "v0", "tx", "off")
        print("## Kernel bypass: questions over one veth, one server core")
        echo(wire, "echo, recvmmsg and sendmmsg of one", "udp", f":{PORT}", 1)
        _, sockets_bound = echo(wire, "echo, recvmmsg and sendmmsg of 64", "udp", f":{PORT}", 64)
        rate_bound, xdp_bound = echo(wire, "echo, AF_XDP native", "xdp", "v0", PORT)
        echo(wire, "echo, AF_XDP generic", "xdp", "v0", PORT, "generic")
        _, sockets = dlv(wire, "dlv, sockets")
        rate, native = dlv(wire, "dlv, AF_XDP native", "--xdp", "v0")
        dlv(wire, "dlv, AF_XDP native, busy poll 20 us", "--xdp", "v0", "--xdp-busy-poll", 20)
        dlv(wire, "dlv, AF_XDP generic", "--xdp", "v0", "--xdp-generic")
        print(f"answers a second, to the bare AF_XDP echo: {rate / rate_bound:.2f} x (the load's core is the limit)\n"
              f"at equal processor time: {xdp_bound / native:.2f} x (aim: 0.75)\n"
              f"processor time of an answer, AF_XDP to sockets: {native / sockets:.2f} x (aim: clearly less)\n"
              f"of that beyond its bare echo: {native - xdp_bound:.0f} ns with AF_XDP, "
              f"{sockets - sockets_bound:.0f} ns with sockets")
    finally:
        wire.close()


try:
    main()
finally:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
