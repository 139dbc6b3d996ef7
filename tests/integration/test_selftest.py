"""Known answers run through the deployed binary; a changed nibble anywhere is found."""

import pathlib
import random
import re
import shutil

import pytest
from conftest import VECTORS, one_line

NIST = pathlib.Path("/usr/lib/python3/dist-packages/cryptography_vectors")
GOLDEN_FILES = ("golden.db", "golden_keyed.db", "golden_authority.pub", "golden_lookup.key", "golden_kiosk.key")
FILES = sorted(VECTORS.glob("*.rsp"))


def test_all(dlv):
    out = dlv("selftest", *FILES, status=0).out
    counts = dict(re.findall(r"(\w+)\.rsp: (\d+) passed", out))
    assert len(counts) == len(FILES)
    assert counts["sha256_short"] == "65" and counts["sha256_monte"] == "100"
    assert sum(map(int, re.findall(r": (\d+) passed\n(?!$)", out))) == int(
        re.search(r"all: (\d+) passed", out).group(1))


def test_nist_files_unchanged(dlv):
    names = ["hashes/SHA2/SHA256ShortMsg.rsp", "hashes/SHA2/SHA256LongMsg.rsp",
             "hashes/SHA2/SHA256Monte.rsp", "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"]
    out = dlv("selftest", *(NIST / name for name in names), status=0).out
    for name, count in zip(names, ("65", "64", "100", "90")):
        assert f"{name}: {count} passed" in out


def test_other_hashes_are_skipped_not_passed(dlv):
    line = one_line(dlv("selftest", NIST / "hashes/SHA2/SHA512ShortMsg.rsp"))
    assert "no vector" in line


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_changed_nibble(release, tmp_path, path):
    text = path.read_text()
    for name in GOLDEN_FILES:
        shutil.copy(VECTORS / name, tmp_path)
    rng = random.Random(path.stem)
    copy = tmp_path / path.name
    digits = [m.start() for m in re.finditer(r"(?<=[= 0-9a-f])[0-9a-f](?=[0-9a-f\n])", text)]
    # Comments too: the checksum covers every byte.
    for at in rng.sample(digits, 25) + [2]:
        changed = rng.choice([c for c in "0123456789abcdef" if c != text[at]])
        copy.write_text(text[:at] + changed + text[at + 1 :])
        line = one_line(release("selftest", copy))
        assert re.search(rf"{path.name}:\d+: ", line), line


def test_every_part_of_a_session_counts(release, tmp_path):
    """Without the checksum: each field of the first case changed, and found by what depends on it."""
    for name in GOLDEN_FILES:
        shutil.copy(VECTORS / name, tmp_path)
    lines = [line for line in (VECTORS / "session.rsp").read_text().splitlines() if "Checksum" not in line]
    first, copy, changed = lines.index(""), tmp_path / "session.rsp", set()
    copy.write_text("\n".join(lines))
    release("selftest", copy, status=0)
    for i, line in enumerate(lines):
        found = re.fullmatch(r"(\w+) = (\w+)", line)
        if found is None or i < first or found.group(1) in changed:
            continue
        name, value = found.groups()
        changed.add(name)
        at = len(value) // 2
        value = value[:at] + ("1" if value[at] == "0" else "0") + value[at + 1 :]
        copy.write_text("\n".join(lines[:i] + [f"{name} = {value}"] + lines[i + 1 :]))
        assert "session.rsp:" in one_line(release("selftest", copy)), name
    assert changed >= {"Secret", "Exponent", "Seed", "Open", "ServerExponent", "TicketKey", "TicketNonce", "Now",
                       "Accept", "SessionKey", "At", "Digests", "Nonce", "Ask", "AnswerNonce", "Answer"}


@pytest.mark.parametrize("name", ["golden.db", "golden_keyed.db"])
def test_changed_golden_database(dlv, tmp_path, name):
    for other in ("golden.rsp", "golden.db", "golden_keyed.db", "golden_authority.pub", "golden_lookup.key"):
        shutil.copy(VECTORS / other, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[4096 + 5] ^= 1
    (tmp_path / name).write_bytes(data)
    assert name in one_line(dlv("selftest", tmp_path / "golden.rsp"))


@pytest.mark.parametrize("text,complaint", [
    ("", "no vector"), ("# nothing\n", "no vector"), ("nonsense\n", "Name = value"),
    ("Frobnicate = 1\n", "unknown name"), ("[L = 32]\nLen = 8\nMsg = d3\n", "not complete"),
    ("[L = 32]\nLen = 8\nMsg = d\nMD = 00\n", "hexadecimal"), ("Result = P\n", "Hash"),
    ("[L = 32]\nLen = 16\nMsg = d3\nMD = " + "0" * 64 + "\n", "Len"),
    ("[L = 32]\nCOUNT = 0\nMD = " + "0" * 64 + "\n", "Seed"),
    ("Kind = record\nInput = 41\nResult = F\n", "accepted"), ("Verdict = VALID\n", "Database"),
    ("Kind = x\nInput = 41\nDigest = 00\n", "Kind"),
    ("[L = 32]\nLen = 8\nLen = 8\n", "twice"), ("Msg = " + "00" * 20000 + "\nMD = 00\n", "no vector"),
])
def test_malformed_files(dlv, tmp_path, text, complaint):
    path = tmp_path / "x.rsp"
    path.write_text(text)
    line = one_line(dlv("selftest", path))
    assert complaint in line and "x.rsp:" in line


def test_missing_file_does_not_hide_the_others(dlv, tmp_path):
    done = dlv("selftest", tmp_path / "none.rsp", VECTORS / "record.rsp", status=2)
    assert "none.rsp" in done.err and "record.rsp: 61 passed" in done.out and "all:" not in done.out
