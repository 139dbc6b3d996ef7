"""What the documents say is so: every command of the README runs, FORMAT.md's bytes are the file's."""

import json
import os
import re
import socket
import subprocess

import session_peer as peer
from conftest import RELEASE, ROOT, VECTORS
from Cryptodome.PublicKey import RSA


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
    assert done.stdout.count("; 127.0.0.1:") == 4  # over TCP, over UDP, proved, with a receipt
    assert "event=reloaded sequence=2" in done.stderr and "event=stopped" in done.stderr


def test_words_of_the_integrator(release, small_db, keys):
    """Every word of an answer is in the table."""
    section = (ROOT / "README.md").read_text().split("## From a program")[1].split("\n## ")[0]
    words = set(re.findall(r"`([a-z_]+)`", section))
    for number in ("GJ05-1234", "GJ05-1239", "!!"):
        done = release("client", "--db", small_db, "--authority", keys.authority_pub, "--json", "--number", number, "--name", "X")
        assert set(json.loads(done.out)) <= words, set(json.loads(done.out)) - words


def test_operations(tmp_path):
    """The page for who runs an authority, from its first command to its last."""
    text = (ROOT / "tools/package/OPERATIONS.md").read_text()
    script = "".join(re.findall(r"```sh\n(.*?)```", text, re.S))
    for port in ("8081", "8082", "8083"):
        script = script.replace(f":{port}", f":{free_port()}")
    script = script.replace("port=8081\n", "ports=($(grep -o ':[0-9]*' kiosk.ports | tr -d :))\nport=${ports[0]}\nat=0\n")
    script = script.replace("port=$((port + 1))", "at=$((at + 1)); port=${ports[at]}")
    ports = re.search(r"^server = (.*)$", script, re.M).group(1)
    (tmp_path / "kiosk.ports").write_text(ports)
    (tmp_path / "dlv").symlink_to(RELEASE)
    status = "trap 'echo \"status $? of: $BASH_COMMAND\" >&2' ERR\n"
    done = subprocess.run(["bash", "-e", "-c", status + script], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("VALID ") >= 4 and len(re.findall("bytes as (?:changes|a whole) in", done.stdout)) == 2, done.stdout
    assert done.stdout.count(": good; key") == 3 and "verified" in done.stdout
    for server in "abc":
        assert "event=stopped" in (tmp_path / server / "messages").read_text()


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


def test_protocol_example():
    """Every value of the session that is shown byte by byte is in the vectors, or follows from them."""
    case = {}
    for name, value in re.findall(r"^\[?(\w+) = (\S+?)\]?$", (VECTORS / "session.rsp").read_text(), re.M):
        case[name] = value
    get = lambda name: bytes.fromhex(case[name])
    frames = [get(name) for name in ("Open", "Accept", "Identify", "Admit", "Ask", "Answer", "Renew", "Renewed")]
    opening, accept, identify, admit, ask, answer, renew, renewed = frames
    server = peer.sha256(RSA.construct((int(case["n"], 16), int(case["e"], 16))).export_key("DER"))
    t0 = peer.sha256(b"dlv session 2 open", server, opening[:8], opening[28:])
    t1 = peer.sha256(b"dlv session 2 accept", t0, accept[:56])
    exponent = peer.X25519PrivateKey.from_private_bytes(get("Exponent"))
    common = exponent.exchange(peer.X25519PublicKey.from_public_bytes(accept[8:40]))
    accept_key, key = peer.session_keys(t0, accept, get("Secret"), common)
    assert key == get("SessionKey")
    seal = peer.ChaCha20Poly1305(key)
    r0 = peer.sha256(b"dlv session 2 open", server, renew[:8], renew[28:])
    r1 = peer.sha256(b"dlv session 2 accept", r0, renewed[:56])
    renewing = peer.X25519PrivateKey.from_private_bytes(get("RenewExponent"))
    renewing_common = renewing.exchange(peer.X25519PublicKey.from_public_bytes(renewed[8:40]))
    renewing_key, new_key = peer.session_keys(r0, renewed, peer.renewal_secret(key), renewing_common)
    assert new_key == get("RenewedKey")
    known = [r0, r1, renewing_common, new_key, get("RenewExponent"), peer.renewal_secret(key),
             peer.ChaCha20Poly1305(renewing_key).decrypt(bytes(12), renewed[56:], b""),
             *frames, get("Secret"), get("Exponent"), get("ServerExponent"), server, t0, t1, common, accept_key, key,
             peer.signed_by_kiosk(server, key)[-32:], peer.ChaCha20Poly1305(accept_key).decrypt(bytes(12), accept[56:], b""),
             seal.decrypt(identify[116:128], identify[128:], identify[:128]), seal.decrypt(admit[20:32], admit[32:], admit[:32]),
             seal.decrypt(ask[96:108], ask[108:], ask[:108]), seal.decrypt(answer[20:32], answer[32:], answer[:32] + ask[-16:])]
    text = (ROOT / "lib/wire/PROTOCOL.md").read_text()
    block = text[text.index("## A session, byte by byte"):text.index("## What each can and cannot do")]
    rows = []
    for line in re.findall(r"^    (.{26})([0-9a-f ]+(?: …)?)$", block, re.M):
        if line[0].strip():
            rows.append([line[0].strip(), ""])
        rows[-1][1] += re.sub(r"[^0-9a-f]", "", line[1])
    assert len(rows) == 54
    for name, value in rows:
        assert any(value in one.hex() for one in known), name
