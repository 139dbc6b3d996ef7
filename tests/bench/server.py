#!/usr/bin/python3
"""The server beside its peers and bounds: one server core, one load core, one run.

    tests/bench/server.py ROWS

Peers: redis (GET, plain text), nginx (TLS, keep-alive), a bare UDP echo, bare RSA-OAEP decryption.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DLV = str(ROOT / "build/dlv")
SECONDS = 3
SERVER, LOAD = ["taskset", "-c", "0"], ["taskset", "-c", "1"]
folder = pathlib.Path(tempfile.mkdtemp(prefix="dlv-bench-", dir="/var/tmp"))


def run(*args, **how):
    return subprocess.run(list(map(str, args)), check=True, capture_output=True, text=True, cwd=folder, **how).stdout


def prepare(rows):
    registry = folder / "registry.csv"
    with open(registry, "w") as out:
        subprocess.run([ROOT / "build/make_registry", str(rows)], check=True, stdout=out)
    for kind in ("authority", "server"):
        run(DLV, "keygen", "--type", kind, "-o", kind)
    run(DLV, "dbgen", "--sign", "authority.key", "-o", "licences.db", registry)
    registry.unlink()


class Server:
    def __init__(self, *options):
        self.options = options

    def __enter__(self):
        self.process = subprocess.Popen(
            [*SERVER, DLV, "server", "--db", "licences.db", "--authority", "authority.pub", "--key", "server.key",
             "--listen", "127.0.0.1:0", "--anonymous", "--anonymous-quota", "0", "--openings", "0", "--openings-per-source", "0", "--workers",
             "1", "--key-holders", "1", "--quick", "--populate", *self.options], cwd=folder, stderr=subprocess.PIPE, text=True)
        self.address = re.search(r"event=ready address=(\S+)", self.process.stderr.readline()).group(1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def start(self, *args, seconds=SECONDS):
        return subprocess.Popen([*LOAD, DLV + "-load", "--server", self.address, "--server-key", "server.pub",
                                 "--json", "-t", str(seconds), *map(str, args)], cwd=folder, stdout=subprocess.PIPE)

    def bench(self, *args):
        """The median of three runs, by frames."""
        runs = [finish(self.start(*args)) for _ in range(3)]
        return sorted(runs, key=lambda figures: figures["frames_per_second"])[1]

    def worker_memory(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        rollup = pathlib.Path(f"/proc/{children[-1]}/smaps_rollup").read_text()
        return int(re.search(r"Private_Dirty: +(\d+)", rollup).group(1))


def finish(process):
    figures = json.loads(process.communicate()[0])
    assert process.returncode == 0 and figures["lost"] == figures["wrong"] == 0, figures
    return figures


def redis():
    server = subprocess.Popen([*SERVER, "redis-server", "--port", "9379", "--save", "", "--appendonly", "no"],
                              cwd=folder, stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        base = [*LOAD, "redis-benchmark", "-p", "9379", "-c", "64", "-r", "1000000", "--csv", "-t"]
        run(*base, "set", "-n", "1000000", "-P", "16")
        rate = lambda *args: float(run(*base, "get", *args).splitlines()[-1].split(",")[1].strip('"'))
        return rate("-n", "400000"), rate("-n", "4000000", "-P", "16")
    finally:
        server.terminate()
        server.wait()


def nginx():
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tls.key", "-out", "tls.crt", "-days",
        "2", "-subj", "/CN=localhost")
    (folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:9443 ssl; ssl_certificate tls.crt; ssl_certificate_key tls.key;
    location / {{ return 200 "VALID"; }} }} }}
""")
    server = subprocess.Popen([*SERVER, "nginx", "-p", str(folder), "-c", "nginx.conf"], cwd=folder,
                              stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        out = run(*LOAD, "wrk", "-t1", "-c64", f"-d{SECONDS}", "https://127.0.0.1:9443/")
        return float(re.search(r"Requests/sec: +([\d.]+)", out).group(1))
    finally:
        server.terminate()
        server.wait()


def line(what, figure, peer, bound, aim):
    print(f"{what:<46} {figure:>12,.0f}   {peer:<40} {bound:>12,.0f}   {figure / bound:.2f} x   (aim: {aim})")


def receipts(bound):
    """By how many kiosks ask at the same time: as many are signed together, up to 24 of a worker."""
    run(DLV, "keygen", "--type", "receipt", "-o", "receipt")
    run(DLV, "keygen", "--certify", "receipt.pub", "--authority-key", "authority.key", "-o", "receipt.certificate")
    with Server("--receipt-key", "receipt.key", "--receipt-certificate", "receipt.certificate") as server:
        for kiosks in (1, 2, 4, 8, 16, 24, 64):
            figures = server.bench("--receipts", "-c", kiosks)
            line(f"receipts a second, {kiosks} at once (p50 {figures['p50_us']} us, p99 {figures['p99_us']})",
                 figures["frames_per_second"], "one signature for each", bound, "the more at once, the more")


def main():
    prepare(int(sys.argv[1]))
    print(f"## Server: one core, {sys.argv[1]} rows; load from another core")
    primitives = run(*LOAD, ROOT / "build/bench/crypto")
    oaep = float(re.search(r"RSA-2048 OAEP decryption +([\d.]+)", primitives).group(1))
    sign = float(re.search(r"RSA-2048 signature, checked +([\d.]+)", primitives).group(1))
    with subprocess.Popen([*SERVER, ROOT / "build/bench/echo", "udp", "127.0.0.1:9380", "64"],
                          stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        echo = statistics.median(float(run(*LOAD, ROOT / "build/bench/echo", "load", "127.0.0.1:9380", SECONDS))
                                 for _ in range(3))
        server.kill()
    get, get16 = redis()
    tls = nginx()
    with Server() as server:
        line("openings a second", server.bench("--openings", "-c", 8)["frames_per_second"],
             "bare RSA-2048 OAEP decryption", 1e9 / oaep, "0.85")
        line("questions a second over UDP", server.bench("--udp")["questions_per_second"], "bare echo of them", echo,
             "0.7")
        one = server.bench()
        line("questions a second over TCP, one a frame", one["questions_per_second"], "redis GET, no encryption", get,
             "ahead")
        line("", one["questions_per_second"], "nginx, TLS, keep-alive", tls, "ahead")
        sixteen = server.bench("-n", 16)
        line("questions a second over TCP, 16 a frame", sixteen["questions_per_second"], "redis GET -P 16, no encryption", get16,
             "ahead")
        flood = server.start("--openings", "-c", 64, seconds=SECONDS + 2)
        time.sleep(1)
        flooded = finish(server.start())
        finish(flood)
        line("questions a second while openings flood", flooded["questions_per_second"], "without",
             one["questions_per_second"], "0.8")
        line("their p99, us", flooded["p99_us"], "without", one["p99_us"], "2 at most")
        print(f"a worker's own memory: {server.worker_memory()} KiB (aim: under 4096)")
    recorded(one, sixteen)
    receipts(1e9 / sign)


def recorded(one, sixteen):
    """With an audit log, on the same core."""
    run(DLV, "keygen", "--type", "log", "-o", "log")
    run(DLV, "keygen", "--type", "audit", "-o", "audit")
    log = folder / "audited"
    log.mkdir()
    if os.geteuid() == 0:
        shutil.chown(log, "nobody")
        folder.chmod(0o755)
    with Server("--audit", "audited", "--log-key", "log.key", "--audit-key", "audit") as server:
        figures = server.bench()
        line("questions a second, recorded, one a frame", figures["questions_per_second"], "without", one["questions_per_second"], "0.8")
        line("their p99, us", figures["p99_us"], "without", one["p99_us"], "2 at most")
        line("questions a second, recorded, 16 a frame", server.bench("-n", 16)["questions_per_second"], "without",
             sixteen["questions_per_second"], "0.5")
    size = sum(path.stat().st_size for path in log.iterdir())
    start = time.monotonic()
    questions = json.loads(run(DLV, "verify", "--audit", "audited", "--key", "log.pub", "--json"))["questions"]
    took = time.monotonic() - start
    print(f"the log: {size / questions:.1f} bytes a question; checked at {questions / took / 1e6:.1f} million a second")


try:
    main()
finally:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
