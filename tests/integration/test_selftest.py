"""Known answers run through the deployed binary; a changed nibble anywhere is found."""

import hashlib
import pathlib
import random
import re
import shutil

import pytest
from Cryptodome.PublicKey import RSA
from conftest import VECTORS, one_line

NIST = pathlib.Path("/usr/lib/python3/dist-packages/cryptography_vectors")
GOLDEN_FILES = ("golden.db", "golden_keyed.db", "golden_authority.pub", "golden_lookup.key", "golden_kiosk.key")
FILES = sorted(VECTORS.glob("*.rsp"))


def failures(done):
    """Failures are told one a line, each by file and line, and the exit status is 2."""
    lines = done.err.splitlines()
    assert done.returncode == 2 and lines, (done.returncode, done.stdout, done.stderr)
    assert all(line.startswith("dlv selftest: ") for line in lines), lines
    return done.err


def total_of(out):
    return re.search(r"^(all|not all): (\d+) passed(?:, (\d+) failed)?(?:, (\d+) skipped)?", out, re.M)


def test_all(dlv):
    out = dlv("selftest", *FILES, status=0).out
    counts = dict(re.findall(r"(\w+)\.rsp: (\d+) passed", out))
    assert len(counts) == len(FILES)
    assert counts["sha256_short"] == "65" and counts["sha256_monte"] == "100"
    assert "whole" not in out  # all of them say how many cases they have, and what their checksum is
    passed = sum(map(int, re.findall(r": (\d+) passed", out.rsplit("all:")[0])))
    assert total_of(out).group(1, 2) == ("all", str(passed))
    wycheproof = sum(int(n) for name, n in counts.items() if name.startswith("wycheproof"))
    assert wycheproof >= 2100


def test_nist_files_unchanged(dlv):
    names = ["hashes/SHA2/SHA256ShortMsg.rsp", "hashes/SHA2/SHA256LongMsg.rsp",
             "hashes/SHA2/SHA256Monte.rsp", "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"]
    out = dlv("selftest", *(NIST / name for name in names), status=0).out
    for name, count in zip(names, ("65", "64", "100", "90")):
        assert f"{name}: {count} passed" in out
    assert out.count("nothing says that it is whole") == 4
    skipped = sum(map(int, re.findall(r"rsp: \d+ passed, (\d+) skipped", out)))
    assert skipped > 300 and total_of(out).group(4) == str(skipped)


def test_other_hashes_are_skipped_not_passed(dlv):
    line = one_line(dlv("selftest", NIST / "hashes/SHA2/SHA512ShortMsg.rsp"))
    assert "no vector" in line


@pytest.fixture
def beside(tmp_path):
    """A folder with the files that vectors name."""
    for name in GOLDEN_FILES:
        shutil.copy(VECTORS / name, tmp_path)
    return tmp_path


def few(path, many):
    """How often a file is tried: RSA takes its time."""
    return 2 if "rsa" in path.stem else many


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_changed_nibble(release, beside, path):
    text = path.read_text()
    rng = random.Random(path.stem)
    copy = beside / path.name
    digits = [m.start() for m in re.finditer(r"(?<=[= 0-9a-f])[0-9a-f](?=[0-9a-f\n])", text)]
    # Comments too: the checksum covers every byte.
    for at in rng.sample(digits, few(path, 12)) + [2]:
        changed = rng.choice([c for c in "0123456789abcdef" if c != text[at]])
        copy.write_text(text[:at] + changed + text[at + 1 :])
        assert re.search(rf"{path.name}:\d+: ", failures(release("selftest", copy)))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_wrong_answer(release, beside, path):
    """Without a checksum, the answers alone must find what is wrong: each kind of case has one that is compared."""
    text = re.sub(r"(?m)^(Checksum = .*|\[Cases = .*\])\n", "", path.read_text())
    rng = random.Random(path.stem)
    copy = beside / path.name
    cases = [m for m in re.finditer(r"(?s)(?<=\n\n).+?\n(?=\n|$)", text)
             if not re.search(r"(?m)^Result = [FA]", m.group())]
    compared = "MD|Mac|OKM|Shared|CT|Sealed|Tag|S|Digest|Open|Accept|SessionKey|Ask|Answer"
    answers = {}  # by the name of the field
    for case in cases:
        for m in re.finditer(rf"(?m)^({compared}) = ([0-9a-f]+)$|^Verdict = ()[A-Z]", case.group()):
            name, at = m.group(1) or "Verdict", m.start(2) if m.group(1) else m.start(3)
            answers.setdefault(name, []).append(case.start() + at + rng.randrange(len(m.group(2) or "V")))
    assert answers or "1024" in path.stem, "a file whose answers are not known here"
    for places in answers.values():
        for at in rng.sample(places, min(few(path, 4), len(places))):
            changed = rng.choice([c for c in "0123456789abcdef" if c != text[at]])
            copy.write_text(text[:at] + changed + text[at + 1 :])
            assert re.search(rf"{path.name}:\d+: ", failures(release("selftest", copy)))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_cut_file(release, beside, path):
    """Wherever a file ends too early, that is noticed; so is anything behind its checksum."""
    lines = path.read_text().splitlines(keepends=True)
    rng = random.Random(path.stem)
    copy = beside / path.name
    ends = [i + 1 for i, line in enumerate(lines[:-1]) if line == "\n"]
    for end in rng.sample(ends, min(few(path, 4), len(ends))) + [len(lines) - 1]:
        copy.write_text("".join(lines[:end]))
        done = release("selftest", copy)
        assert "ends before its checksum" in failures(done)
    copy.write_text("".join(lines) + "# only a comment\n")
    release("selftest", copy, status=0)
    copy.write_text("".join(lines) + "[L = 32]\nLen = 8\nMsg = d3\nMD = " + "0" * 64 + "\n")
    assert "behind the checksum" in failures(release("selftest", copy))


def test_failures_do_not_hide_what_follows(release, beside):
    """Each is told and counted, and the run goes on."""
    text = (VECTORS / "sha256_short.rsp").read_text()
    digests = [m.start(1) for m in re.finditer(r"MD = (.)", text)]
    copy = beside / "x.rsp"
    for count in (1, 3, 30):
        changed = list(text)
        for at in digests[:count]:
            changed[at] = "0" if text[at] != "0" else "1"
        copy.write_text("".join(changed))
        done = release("selftest", copy)
        assert f"x.rsp: {65 - count} passed, {count + 1} failed" in done.out  # and the checksum
        told = failures(done).splitlines()
        assert len(told) == (count + 1 if count < 10 else 11)
        assert total_of(done.out).group(1, 3) == ("not all", str(count + 1))


def test_every_part_of_a_session_counts(release, beside):
    """Without the checksum: each field of the first case changed, and found by what depends on it."""
    lines = [line for line in (VECTORS / "session.rsp").read_text().splitlines()
             if "Checksum" not in line and "Cases" not in line]
    first, copy, changed = lines.index(""), beside / "session.rsp", set()
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
        value = "999" if name == "Padded" else value  # more than the question takes anyway
        copy.write_text("\n".join(lines[:i] + [f"{name} = {value}"] + lines[i + 1 :]))
        assert "session.rsp:" in failures(release("selftest", copy)), name
    assert changed >= {"Secret", "Exponent", "Seed", "Open", "ServerExponent", "TicketKey", "TicketNonce", "Now",
                       "Accept", "SessionKey", "What", "Offset", "Release", "Padded", "Items", "Nonce", "Ask",
                       "AnswerNonce", "Answer"}


@pytest.mark.parametrize("name", ["golden.db", "golden_keyed.db"])
def test_changed_golden_database(dlv, tmp_path, name):
    for other in ("golden.rsp", "golden.db", "golden_keyed.db", "golden_authority.pub", "golden_lookup.key"):
        shutil.copy(VECTORS / other, tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[4096 + 5] ^= 1
    (tmp_path / name).write_bytes(data)
    assert name in failures(dlv("selftest", tmp_path / "golden.rsp"))


ZERO = "0" * 64
KEY = (VECTORS / "builtin.rsp").read_text().split("\nn = ")[1].split("\n")[0]


@pytest.mark.parametrize("text,complaint", [
    ("", "no vector"), ("# nothing\n", "no vector"), ("nonsense\n", "Name = value"),
    ("Frobnicate = 1\n", "unknown name"), ("[L = 32]\nLen = 8\nMsg = d3\n", "not complete"),
    ("[L = 32]\nLen = 8\nMsg = d\nMD = 00\n", "hexadecimal"), ("Result = P\n", "Hash"),
    (f"[L = 32]\nLen = 16\nMsg = d3\nMD = {ZERO}\n", "Len"),
    (f"[L = 32]\nCOUNT = 0\nMD = {ZERO}\n", "Seed"),
    ("Kind = record\nInput = 41\nResult = F\n", "accepted"), ("Verdict = VALID\n", "Database"),
    ("Kind = x\nInput = 41\nDigest = 00\n", "Kind"),
    ("[L = 32]\nLen = 8\nLen = 8\n", "twice"), ("Msg = " + "00" * 20000 + "\nMD = 00\n", "[L]"),
    # A misspelt algorithm is a failure, never a skip.
    (f"[L = 032]\nLen = 0\nMsg = 00\nMD = {ZERO}\n", "[L]"), (f"Key = 00\nMsg = 00\nMac = {ZERO}\n", "[L]"),
    (f"n = {KEY}\ne = 10001\nSHAAlg = SHA-256\nMsg = 00\nS = 00\nResult = F\n", "SHAAlg"),
    (f"n = {KEY}\ne = 10001\nMsg = 00\nS = 00\nResult = F\n", "SHAAlg"),
    ("Hash = SHA-1\nResult = F\n", "Hash"), ("Format = PKCS12\nDER = 30\nResult = F\n", "Format"),
    (f"[Cases = 2]\n[L = 20]\nLen = 0\nMsg = 00\nMD = 00\nChecksum = {ZERO}\n", "SHA-256"),
], ids=range(21))
def test_malformed_files(dlv, tmp_path, text, complaint):
    path = tmp_path / "x.rsp"
    path.write_text(text)
    told = failures(dlv("selftest", path))
    assert complaint in told and "x.rsp:" in told, told


def test_wrong_count(dlv, tmp_path):
    text = (VECTORS / "x25519.rsp").read_text()
    body = text.replace("[Cases = 3]", "[Cases = 4]").rsplit("Checksum", 1)[0]
    path = tmp_path / "x.rsp"
    path.write_text(f"{body}Checksum = {hashlib.sha256(body.encode()).hexdigest()}\n")
    assert "as many cases as [Cases] says" in one_line(dlv("selftest", path))


@pytest.mark.parametrize("text,is_good", [
    # What must not open has a notation for each primitive.
    ("Key = {k}\nNonce = {n}\nMsg = 41\nCT = 00\nTag = {t}\nResult = F\n", True),
    ("Key = {k}\nNonce = {n}\nMsg = 41\nCT = 00\nTag = {t}\nResult = P\n", False),
    ("Key = {k}\nNonce = 0011\nCT = 00\nTag = {t}\nResult = F\n", True),
    ("Key = 00\nMsg = 41\nTag = {t}\nResult = F\n", True), ("Key = 00\nMsg = 41\nTag = {t}\nResult = P\n", False),
    ("IKM = 00\nSize = 8161\nResult = F\n", True), ("IKM = 00\nSize = 8160\nResult = F\n", False),
    ("Scalar = {k}\nPoint = {k}\nShared = {k}\n", True), ("Format = PKCS8\nDER = 3003020100\nResult = F\n", True),
    ("Format = PKCS8\nDER = 3003020100\nResult = P\n", False),
], ids=range(10))
def test_refusals(dlv, tmp_path, text, is_good):
    path = tmp_path / "x.rsp"
    path.write_text(text.format(k="00" * 32, n="00" * 12, t="00" * 16))
    done = dlv("selftest", path, status=0 if is_good else 2)
    assert ("1 passed" in done.out.splitlines()[1]) == is_good


def test_encodings(dlv, tmp_path):
    """Keys as openssl writes them, at every size: a modulus with ASN.1's leading zero is taken, too."""
    path = tmp_path / "x.rsp"
    for bits in (1024, 2048, 3072, 4096):
        key = RSA.generate(bits)
        n = f"00{key.n:x}"
        forms = {"SubjectPublicKeyInfo": key.public_key().export_key("DER"), "PKCS8": key.export_key("DER", pkcs=8),
                 "RSAPrivateKey": key.export_key("DER", pkcs=1)}
        text = f"[n = {n}]\n[e = 10001]\n"
        for form, der in forms.items():
            text += f"Format = {form}\nDER = {der.hex()}\nResult = P\n"
            text += f"Format = {form}\nDER = {der[:-1].hex()}\nResult = F\n"
            text += f"Format = {form}\nDER = {der.hex()}00\nResult = F\n"
        path.write_text(text.replace("[e = 10001]", "[e = 010001]"))
        assert "x.rsp: 9 passed" in dlv("selftest", path, status=0).out


def test_missing_file_does_not_hide_the_others(dlv, tmp_path):
    done = dlv("selftest", tmp_path / "none.rsp", VECTORS / "record.rsp", status=2)
    assert "none.rsp" in done.err and "record.rsp: 36 passed" in done.out and "\nall:" not in done.out


def test_the_format_is_in_the_help(dlv):
    """Every name that is used in vectors/ is explained."""
    text = dlv("help", "selftest", status=0).out
    names = {m.group(1) for path in FILES for m in re.finditer(r"^\[?(\w+) = ", path.read_text(), re.M)}
    for name in names - set("neqp") - {"dP", "dQ"}:
        assert re.search(rf"\b{name}\b", text), name
