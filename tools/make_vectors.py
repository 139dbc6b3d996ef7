#!/usr/bin/python3
"""Writes vectors/: standard known answers from Debian's python3-cryptography-vectors, and dlv's own.

dlv's own answers come from hashlib, PyCryptodome and tools/dbformat.py, never from dlv. The output
is the same at every run: keys and seeds come from a fixed pseudo-random stream.
"""

import csv
import hashlib
import hmac
import io
import pathlib
import re
import sys

from Cryptodome.Cipher import PKCS1_OAEP
from Cryptodome.Hash import SHA1, SHA256
from Cryptodome.PublicKey import RSA
from Cryptodome.Signature import pkcs1_15

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import dbformat
import matching
import registry_rows
import session_peer
from vector_file import OUT, write

STANDARD = pathlib.Path("/usr/lib/python3/dist-packages/cryptography_vectors")


class Stream:
    """Pseudo-random bytes that are the same every time."""

    def __init__(self, name):
        self.name, self.at, self.rest = name.encode(), 0, b""

    def __call__(self, n):
        while len(self.rest) < n:
            self.rest += hashlib.sha256(self.name + self.at.to_bytes(8, "big")).digest()
            self.at += 1
        out, self.rest = self.rest[:n], self.rest[n:]
        return out


def number(n):
    return f"{n:x}" if len(f"{n:x}") % 2 == 0 else f"0{n:x}"


# --- standard vectors -----------------------------------------------------------------------------


def sha256_files():
    for source, name in (("SHA256ShortMsg", "sha256_short"), ("SHA256LongMsg", "sha256_long"),
                         ("SHA256Monte", "sha256_monte")):
        text = (STANDARD / "hashes/SHA2" / f"{source}.rsp").read_text().replace("\r", "")
        write(f"{name}.rsp", [f"# Source: NIST CAVP, SHA test vectors for byte-oriented "
                              f"implementations, {source}.rsp"] + text.rstrip("\n").split("\n"))


def hmac_cases():
    text = (STANDARD / "HMAC/rfc-4231-sha256.txt").read_text()
    for key, msg, md in re.findall(r"Key = (\w+)\n(?:#.*\n)*Msg = (\w+)\n(?:#.*\n)*MD = (\w+)", text):
        yield [f"Key = {key}", f"Msg = {msg}", f"Mac = {md}", ""]


def hmac_file():
    lines = ["# Source: RFC 4231, section 4, HMAC-SHA-256", "", "[L = 32]", ""]
    for case in hmac_cases():
        lines += case
    # RFC 4231, test case 5: truncated to 128 bits.
    lines += ["Key = " + "0c" * 20, "Msg = " + b"Test With Truncation".hex(),
              "Mac = a3b6167473100ee06e0c796c2955552b", ""]
    write("hmac_sha256.rsp", lines)


def oaep_key_lines(parts):
    n, e, p, q, dp, dq, qinv = parts
    return [f"n = {number(n)}", f"e = {number(e)}", f"p = {number(p)}", f"q = {number(q)}",
            f"dP = {number(dp)}", f"dQ = {number(dq)}", f"qInv = {number(qinv)}", ""]


def hex_blocks(text, names):
    """Values of "# Name:" headings followed by lines of hexadecimal digits, in order."""
    for heading, body in re.findall(r"#\s*([^\n:]+):\s*\n((?:[0-9a-fA-F ]+\n)+)", text):
        if heading.strip() in names:
            yield heading.strip(), re.sub(r"\s", "", body)


def oaep_standard_keys(text, hash_name):
    """[(key lines, [case, ...]), ...] of a PKCS#1 vector file."""
    names = ["Modulus", "Exponent", "Prime 1", "Prime 2", "Prime exponent 1", "Prime exponent 2",
             "Coefficient", "Message", "Seed", "Encryption"]
    found, key = [], {}
    for heading, value in hex_blocks(text, names):
        if heading == "Modulus":
            if "Coefficient" in key or not key:
                key = {}
        if heading == "Message":
            case = {"Msg": value}
            continue
        if heading == "Seed":
            case["Seed"] = value
            continue
        if heading == "Encryption":
            lines = [f"Hash = {hash_name}"]
            lines += [f"Seed = {case['Seed']}"] if "Seed" in case else []
            lines += [f"Msg = {case['Msg']}", f"CT = {value}", "Result = P", ""]
            found[-1][1].append(lines)
            continue
        key.setdefault(heading, int(value, 16))
        if heading == "Coefficient":
            parts = [key[k] for k in ("Modulus", "Exponent", "Prime 1", "Prime 2",
                                      "Prime exponent 1", "Prime exponent 2", "Coefficient")]
            found.append((oaep_key_lines(parts), []))
    return found


def flip(data, bit):
    out = bytearray(data)
    out[bit // 8] ^= 0x80 >> bit % 8
    return bytes(out)


def oaep_block(hash_module, n_len, label, message, seed):
    """EME-OAEP encoding (RFC 8017, section 7.1.1, step 2), done by hand so that it can be spoiled."""
    size = hash_module.digest_size

    def mask(from_seed, length):
        blocks = (hash_module.new(from_seed + i.to_bytes(4, "big")).digest() for i in range(99))
        return b"".join(blocks)[:length]

    padding = bytes(n_len - len(message) - 2 * size - 2)
    data = hash_module.new(label).digest() + padding + b"\x01" + message
    masked = bytes(a ^ b for a, b in zip(data, mask(seed, len(data))))
    masked_seed = bytes(a ^ b for a, b in zip(seed, mask(masked, size)))
    return bytes(1) + masked_seed + masked, data


def own_oaep_cases(key, hash_name, stream):
    """Good and bad ciphertexts: what RFC 8017, section 7.1.2 wants refused."""
    module = SHA1 if hash_name == "SHA1" else SHA256
    size, n_len = module.digest_size, key.size_in_bytes()
    raw = lambda block: pow(int.from_bytes(block, "big"), key.e, key.n).to_bytes(n_len, "big")

    def case(label, message, seed, ciphertext, result):
        lines = [f"Hash = {hash_name}"] + ([f"Label = {label.hex()}"] if label else [])
        if result == "P":
            lines += [f"Seed = {seed.hex()}", f"Msg = {message.hex()}"]
        return lines + [f"CT = {ciphertext.hex()}", f"Result = {result}", ""]

    longest = n_len - 2 * size - 2
    digest = hashlib.sha256(b"Ramesh 2344567890 GJ05-1234").hexdigest().encode()[:longest]
    for label, message in ((b"", digest), (b"", b""), (b"dlv", digest[:32]),
                           (b"", stream(longest)), (b"label" * 9, b"x")):
        seed = stream(size)
        encrypted = PKCS1_OAEP.new(key, module, label=label, randfunc=lambda n: seed).encrypt(message)
        assert encrypted == raw(oaep_block(module, n_len, label, message, seed)[0])
        yield case(label, message, seed, encrypted, "P")

    seed = stream(size)
    block, data = oaep_block(module, n_len, b"", digest, seed)
    good = raw(block)
    yield case(b"other label", digest, seed, good, "F (1 - Another label)")
    for bit in (7, 100, n_len * 8 - 1):
        yield case(b"", digest, seed, flip(good, bit), "F (2 - Ciphertext changed)")
    yield case(b"", digest, seed, good[1:], "F (3 - Ciphertext one byte short)")
    yield case(b"", digest, seed, good + b"\0", "F (4 - Ciphertext one byte long)")
    yield case(b"", digest, seed, raw(b"\x01" + block[1:]), "F (5 - First byte not zero)")
    yield case(b"", digest, seed, raw(flip(block, 9)), "F (6 - Masked seed changed)")
    yield case(b"", digest, seed, raw(flip(block, 8 * (1 + size) + 3)), "F (7 - Label hash changed)")
    one = 1 + size + data.index(b"\x01", size)
    yield case(b"", digest, seed, raw(flip(block, 8 * one + 7)), "F (8 - No 01 after the padding)")
    yield case(b"", digest, seed, raw(flip(block, 8 * (1 + 2 * size) + 6)), "F (9 - Padding not zero)")
    yield case(b"", digest, seed, bytes(n_len), "F (10 - Ciphertext zero)")
    yield case(b"", digest, seed, key.n.to_bytes(n_len, "big"), "F (11 - Ciphertext not below n)")
    other = bytes([good[0] | 0x80]) + b"\xff" * (n_len - 1)
    yield case(b"", digest, seed, other, "F (11 - Ciphertext not below n)")


def private_parts(key):
    p, q = max(key.p, key.q), min(key.p, key.q)
    return key.n, key.e, p, q, key.d % (p - 1), key.d % (q - 1), pow(q, -1, p)


def oaep_files():
    text = (STANDARD / "asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt").read_text()
    sha1 = oaep_standard_keys(text, "SHA1")
    lines = ["# Source: RSA Laboratories, test vectors of PKCS #1 v2.1 (oaep-vect.txt);",
             "# from the marked line on: dlv's own, by PyCryptodome and by hand", ""]
    for key, cases in sha1:
        lines += key + [line for case in cases for line in case]
    own = {bits: RSA.generate(bits, randfunc=Stream(f"oaep {bits}")) for bits in (1024, 2048, 4096)}
    own_lines = {}
    for hash_name in ("SHA1", "SHA256"):
        own_lines[hash_name] = ["# dlv's own", ""]
        for bits, key in own.items():
            own_lines[hash_name] += oaep_key_lines(private_parts(key))
            for case in own_oaep_cases(key, hash_name, Stream(f"{hash_name} {bits}")):
                own_lines[hash_name] += case
    write("rsa_oaep_sha1.rsp", lines + own_lines["SHA1"])

    text = (STANDARD / "asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt").read_text()
    sha256 = oaep_standard_keys(text, "SHA256")
    lines = ["# Source: pyca/cryptography, OAEP SHA-2 vectors (oaep-sha256-sha256.txt), verified",
             "# there against Bouncy Castle; from the marked line on: dlv's own", ""]
    for key, cases in sha256:
        lines += key + [line for case in cases for line in case]
    write("rsa_oaep_sha256.rsp", lines + own_lines["SHA256"])
    return sha1, sha256, own[1024]


def signature_cases():
    """The SHA-256 cases of NIST's file, with their modulus."""
    text = (STANDARD / "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp").read_text().replace("\r", "")
    n = mod = None
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^\[?(\w+) = ([^\]\n]*)\]?$", block, re.M))
        mod = fields.get("mod", mod)
        n = fields.get("n", n)
        if fields.get("SHAAlg") == "SHA256":
            yield mod, [f"n = {n}", f"e = {fields['e'].lstrip('0').rjust(6, '0')}", "SHAAlg = SHA256",
                        f"Msg = {fields['Msg']}", f"S = {fields['S']}",
                        f"Result = {fields['Result'].strip()}", ""]


def signature_file():
    lines = ["# Source: NIST CAVP, FIPS 186-2 RSA signature verification, SigVer15_186-3.rsp (the",
             "# SHA-256 cases); from the marked line on: dlv's own", ""]
    for _, case in signature_cases():
        lines += case
    key = RSA.generate(3072, randfunc=Stream("signature"))
    n_len = key.size_in_bytes()
    message = b"a database header"
    signature = pkcs1_15.new(key).sign(SHA256.new(message))
    info = bytes.fromhex("3031300d060960864801650304020105000420") + SHA256.new(message).digest()
    raw = lambda block: pow(int.from_bytes(block, "big"), key.d, key.n).to_bytes(n_len, "big")
    pad = lambda filler, tail: b"\x00\x01" + filler * (n_len - 3 - len(tail)) + b"\x00" + tail
    assert raw(pad(b"\xff", info)) == signature
    lines += ["# dlv's own", "", f"n = {number(key.n)}", f"e = {number(key.e)}", ""]
    for sig, result in (
        (signature, "P"),
        (signature[:-1], "F (1 - One byte short)"),
        (signature + b"\0", "F (2 - One byte long)"),
        (flip(signature, 5), "F (3 - Signature changed)"),
        (raw(pad(b"\xfe", info)), "F (4 - Padding not FF)"),
        (raw(b"\x00\x01" + b"\xff" * 8 + b"\x00" + info + bytes(n_len - 11 - len(info))),
         "F (5 - Padding too short, garbage behind the digest)"),
        (raw(pad(b"\xff", SHA256.new(message).digest())), "F (6 - No DigestInfo)"),
        (raw(b"\x00\x02" + pad(b"\xff", info)[2:]), "F (7 - Block type 2)"),
        (bytes(n_len), "F (8 - Zero)"),
        (key.n.to_bytes(n_len, "big"), "F (9 - Not below n)"),
    ):
        lines += ["SHAAlg = SHA256", f"Msg = {message.hex()}", f"S = {sig.hex()}",
                  f"Result = {result}", ""]
    write("rsa_pkcs1_sha256.rsp", lines)


# --- dlv's own ------------------------------------------------------------------------------------


def refused(kind, text):
    return [f"Kind = {kind}", f"Input = {text.hex()}", "Result = F", ""]


def record_cases():
    good = [
        "Ramesh 2344567890 GJ05-1234",
        "  Ramesh\t 2344567890   GJ05-1234 ",
        "रमेश पटेल 9812345678 GJ05 20110012345",
        "Zoë Ångström 070-123 45 67 AB-12",
        "e\u0301 1 2",
        "é 1 2",
        "\u00a0 x 1",
        "\u200b 1 2",
        "\ufeffA 1 2",
        "\U0001F600 1 2",
        "x",
        "a\u3000b 1 2",
        "A" * 1024,
        "A" * 1024 + " \t",
        " dlv 1 2",
    ]
    for text in good:
        canonical = dbformat.canonical_record(text).encode()
        yield ["Kind = record", f"Input = {text.encode().hex()}", f"Canonical = {canonical.hex()}",
               f"Digest = {hashlib.sha256(canonical).hexdigest()}", ""]
    for text in BAD + [b"A" * 1025, b"a\tb".replace(b"\t", b"\n"), b"dlv:number:GJ051234", b"  dlv:x"]:
        yield refused("record", text)


BAD = [b"", b" \t ", b"a\x00b", b"a\nb", b"a\rb", b"a\x1bb", b"a\x7fb", b"a\xc2\x85b", b"\x80", b"a\xc0\xafb",
       b"a\xe0\x80\xaf", b"a\xed\xa0\x80", b"a\xf4\x90\x80\x80", b"a\xf8\x88\x80\x80\x80", b"a\xc3", b"a\xe2\x82",
       b"a\xf0\x9f\x98"]
NAMES = ["O'Brien Anne", "OBRIEN ANNE", "ANNE O BRIEN", "O\u2019Brien Anne", "Müller Jörg", "MUELLER JOERG", "Groß",
         "Ødegård", "OEDEGAARD", "José Núñez", "NUNEZ,JOSE", "İpek Işık", "Węgrzyn Tadeusz", "S. Venkata Ramana",
         "VENKATARAMANA S", "Maria Elena", "MARIAELENA", "Nguyễn Thị Đào", "WINTERBOURNE JR", "Smith Sr III", "JR",
         "राम कुमार", "रोम", "محمد عَلي", "مُحمّد علی", "王小明", "가각", "Ἀχιλλεύς", "ＡＢ１２ Ü", "Þórður Æsir", "x" * 300]
NUMBERS = ["GJ05-1234", "gj05 1234", "AB-12/345", "AB\u201012 345", "ＡＢ１２", "KL07.2012.417", "१२३", "0012345", "O12",
           "012", "straße-1", "ä1", "日本 12-34", "0"]
PHONES = ["098980 00417", "+91 98980-00417", "0091 9898000417", "919898000417", "+49 (0)170 1234567", "९८९८०००४१७"]
NOTHING = ["NULL", "\\N", "#REF!", " n/a ", "2.34E+09", "Ren\ufffde", "\ue000", "\u0378", "--"]


def form_case(kind, text, form, field=None):
    """A form, and its digest; fields belong to the number GJ051234."""
    digest = dbformat.field_digest(field, dbformat.number_digest("GJ051234"), form) if field else \
        hashlib.sha256(b"dlv:number:" + form.encode()).digest()
    return [f"Kind = {kind}", f"Input = {text.encode().hex()}", f"Canonical = {form.encode().hex()}",
            f"Digest = {digest.hex()}", ""]


def matching_cases():
    for text in NUMBERS:
        yield form_case("number", text, matching.number(text))
        yield form_case("card", text, matching.number(text), 4)
    for text in NAMES:
        yield form_case("name", text, matching.name(text), 1)
        yield form_case("name joined", text, matching.name(text, "joined"), 1)
        yield form_case("name plain", text, matching.name(text, "plain"), 1)
        yield form_case("name senior", text, matching.name(text, drops_senior=True), 1)
    for text in PHONES:
        yield form_case("phone", text, matching.phone(text), 2)
        yield form_case("phone 91", text, matching.phone(text, "91", (10, 10)), 2)
    yield form_case("birth date", "1988-02-29", "1988-02-29", 3)
    for kind in ("number", "name", "phone", "card"):
        for text in BAD + [text.encode() for text in NOTHING]:
            yield refused(kind, text)
    for text in (b"1989-02-29", b"1989-2-1", b"01.02.1989", b"", b"0000-00-00"):
        yield refused("birth date", text)
    for text in (b"12345", b"...", b"x" * 1025, b"x" * 513):
        yield refused("name", text)


def matching_file():
    lines = ["# Source: dlv's own, by tools/make_vectors.py and tools/matching.py (from lib/text/MATCHING.md)", ""]
    for case in matching_cases():
        lines += case
    write("matching.rsp", lines)


def record_file():
    lines = ["# Source: dlv's own, by tools/make_vectors.py (hashlib); the first is the original's"
             " example", ""]
    for case in record_cases():
        lines += case
    write("record.rsp", lines)


GOLDEN_CSV = """\
licence,name,phone,birth_date,card,card_status,status,status_since,status_until,status_of,valid_from,valid_to,classes,class_type,codes,former,document
GJ05-1234,Ramesh Patel,2344567890,1990-01-31,C1,,valid,2010-01-01,,,2015-04-02,2035-04-01,LMV;MCWG,,,,
GJ01 20110012345,रमेश पटेल,9812345678,,,,valid,2010-01-01,,,2026-12-01,2046-11-30,LMV,,,,
MH12 20190054321,"Sharma, Asha",9800000001,1991-02-03,,,suspended,2024-05-01,2027-04-30,,2019-06-15,2039-06-14,MCWG,,,,
MH12 20190054321,"Sharma, Asha",9800000001,,,,valid,2019-06-15,,,2019-06-15,2039-06-14,LMV,,01.06;78,,
DL03-2008-7654321,Vikram Singh,9800000002,,,,revoked,2020-01-01,,,2008-01-10,2028-01-09,LMV HMV,,,,
KA05-1999-1,Old Timer,9800000003,,,,valid,1999-02-28,,,1999-02-28,2019-02-27,,,,,
KL07 20200000042,Meera Nair,9800000004,,,,valid,2010-01-01,,,2020-02-29,no end,LMV;LMV-TR;TRANS,,,4/9417/KOCHI,{document}
KL07 20200000042,Meera Nair,,,,,valid,2010-01-01,,,2024-01-01,2034-01-01,C1E,,95(2029-03-13),,
KL07 20200000042,Meera Nair,,,,,valid,2010-01-01,,,2025-01-01,2035-01-01,D,P,,,
KL07 20200000042,Meera Nair,,,,,disqualified,2026-01-01,2026-12-31,classes,2020-02-29,no end,TRANS,,,,
KL07 20200000042,Meera Nair,,,K1,lost,valid,2010-01-01,,,2020-02-29,no end,LMV,,,,
KL07 20200000042,Meera Nair,,,K2,,valid,2010-01-01,,,2020-02-29,no end,LMV,,,,
PB10-7,Harpreet Gill,,,,,surrendered,,,,,,,,,,
"""
GOLDEN_DOCUMENT = b"%PDF-1.4 the licence of Meera Nair, as issued\n"
GOLDEN_CREATED = 1795500000  # 2026-11-24T06:00:00Z
GOLDEN_OFFSET = 5 * 3600 + 1800
GOLDEN_FACTS = dict(sequence=7, created=GOLDEN_CREATED, utc_offset=GOLDEN_OFFSET, name="golden", coverage="GJ,MH,DL,KA,KL,PB,4",
                    patterns="", calling_code="91", national=(10, 10), has_legacy=False)
GOLDEN_RULES = {"calling_code": "91", "national": (10, 10)}


def golden_entries(text, fields, lookup_key):
    return registry_rows.entries(csv.DictReader(io.StringIO(text)), fields, lookup_key, **GOLDEN_RULES)


def golden_files():
    authority = RSA.generate(2048, randfunc=Stream("golden authority"))
    (OUT / "golden_authority.key").write_bytes(authority.export_key(pkcs=8) + b"\n")
    (OUT / "golden_authority.pub").write_bytes(authority.public_key().export_key() + b"\n")
    text = GOLDEN_CSV.format(document=hashlib.sha256(GOLDEN_DOCUMENT).hexdigest())
    (OUT / "golden.csv").write_text(text)
    lookup_key = Stream("golden lookup key")(32)
    (OUT / "golden_lookup.key").write_bytes(lookup_key)
    for name, key, fields in (("golden", None, (1,)), ("golden_keyed", lookup_key, (1, 2, 4))):
        facts = dbformat.Facts(fields=fields, **GOLDEN_FACTS)
        (OUT / f"{name}.db").write_bytes(dbformat.build(golden_entries(text, fields, key), authority, facts, key))

    number, document = "number", GOLDEN_DOCUMENT.decode()
    questions = [  # kind, input, at, class, fields, verdict
        (number, "gj05 1234", "2026-11-24", "", {}, "VALID"),
        (number, "GJ05-1234", "2015-04-01", "", {}, "NOT_YET_VALID"),
        (number, "GJ05-1234", "2015-04-02", "", {}, "VALID"),
        (number, "GJ05-1234", "2035-04-01", "", {}, "VALID"),
        (number, "GJ05-1234", "2035-04-02", "", {}, "EXPIRED"),
        (number, "GJ05-1234", "2009-12-31", "", {}, "NOT_COVERED"),
        # The day begins at the authority, five and a half hours before it does in Greenwich.
        (number, "GJ05-1234", "2015-04-01T18:29:59Z", "", {}, "NOT_YET_VALID"),
        (number, "GJ05-1234", "2015-04-01T18:30:00Z", "", {}, "VALID"),
        (number, "GJ05-1234", "2035-04-01T18:29:59Z", "", {}, "VALID"),
        (number, "GJ05-1234", "2035-04-01T18:30:00Z", "", {}, "EXPIRED"),
        (number, "GJ05-1234", "2026-11-24", "", {"Name": "PATEL, ramesh"}, "VALID"),
        (number, "GJ05-1234", "2026-11-24", "", {"Name": "Rames Patel"}, "MISMATCH"),
        (number, "GJ05-1234", "2026-11-24", "HMV", {"Name": "Rames Patel"}, "NOT_ENTITLED"),
        (number, "GJ01 20110012345", "2026-11-24", "", {}, "NOT_YET_VALID"),
        (number, "MH1220190054321", "2026-11-24", "", {}, "SUSPENDED"),
        (number, "MH1220190054321", "2024-04-30", "", {}, "VALID"),
        (number, "MH1220190054321", "2024-04-30", "MCWG", {}, "VALID"),
        (number, "MH1220190054321", "2027-05-01", "LMV", {}, "VALID"),
        (number, "dl0320087654321", "2026-11-24", "", {}, "REVOKED"),
        (number, "dl0320087654321", "2030-01-01", "LMV", {"Name": "x"}, "REVOKED"),
        (number, "dl0320087654321", "2019-12-31", "", {}, "NOT_COVERED"),
        (number, "KA05-1999-1", "2026-11-24", "", {}, "EXPIRED"),
        (number, "KA05-1999-1", "2010-01-01", "", {}, "VALID"),
        (number, "KA05-1999-1", "2010-01-01", "LMV", {}, "NOT_COVERED"),
        (number, "KL07 20200000042", "9999-12-31", "LMV", {}, "VALID"),
        (number, "KL07 20200000042", "2026-11-24", "TRANS", {}, "SUSPENDED"),
        (number, "KL07 20200000042", "2027-01-01", "TRANS", {}, "VALID"),
        (number, "KL07 20200000042", "2035-06-01", "C1E", {}, "NOT_ENTITLED"),
        (number, "KL07 20200000042", "2023-06-01", "C1E", {}, "NOT_ENTITLED"),
        (number, "KL07 20200000042", "2026-11-24", "D", {}, "NOT_ENTITLED"),
        (number, "KL07 20200000042", "2026-11-24", "C1E", {}, "VALID"),
        (number, "4 9417 kochi", "2026-11-24", "LMV", {"Name": "Nair Meera"}, "VALID"),
        (number, "4 9417 kochi", "2026-11-24", "LMV", {"Name": "Nair Mira"}, "MISMATCH"),
        (number, "PB10-7", "2026-11-24", "", {}, "REVOKED"),
        (number, "PB10-7", "2026-11-23", "", {}, "NOT_COVERED"),
        ("document", document, "2026-11-24", "", {}, "VALID"),
        ("document", "GJ05-1234", "2026-11-24", "", {}, "UNKNOWN"),
        (number, "XX", "2026-11-24", "", {}, "UNKNOWN"),
        ("legacy", "Ramesh Patel 2344567890 GJ05-1234", "2026-11-24", "", {}, "UNKNOWN"),
    ]
    more = [  # where phone and card are kept, too
        (number, "GJ05-1234", "2026-11-24", "", {"Phone": "+91 23445 67890"}, "VALID"),
        (number, "GJ05-1234", "2026-11-24", "", {"Phone": "9812345678"}, "MISMATCH"),
        (number, "GJ05-1234", "2026-11-24", "", {"BirthDate": "1990-01-30"}, "VALID"),
        (number, "GJ05-1234", "2026-11-24", "", {"Card": "c-1"}, "VALID"),
        (number, "GJ05-1234", "2026-11-24", "", {"Card": "c-2"}, "MISMATCH"),
        (number, "GJ01 20110012345", "2027-01-01", "", {"Card": "c-2"}, "VALID"),
        (number, "KL07 20200000042", "2026-11-24", "", {"Card": "K2"}, "VALID"),
        (number, "KL07 20200000042", "2026-11-24", "", {"Card": "K1"}, "REPLACED"),
        (number, "KL07 20200000042", "2026-11-24", "", {"Card": "K1", "Name": "x"}, "REPLACED"),
        (number, "KL07 20200000042", "2026-11-24", "", {"Card": "K3"}, "MISMATCH"),
    ]
    lines = ["# Source: dlv's own, by tools/make_vectors.py and tools/dbformat.py", ""]
    for name, key, asked in (("golden", None, questions), ("golden_keyed", "golden_lookup.key", questions + more)):
        lines += [f"[Database = {name}.db]", "[Authority = golden_authority.pub]"]
        lines += [f"[LookupKey = {key}]"] if key else []
        lines += [""]
        for kind, text, at, name_of_class, fields, verdict in asked:
            lines += [f"Kind = {kind}", f"Input = {text.encode().hex()}", f"Now = {GOLDEN_CREATED + 86400}", f"At = {at}"]
            lines += [f"Class = {name_of_class.encode().hex()}"] if name_of_class else []
            lines += [f"{field} = {value.encode().hex()}" for field, value in fields.items()]
            lines += [f"Verdict = {verdict}", ""]
    write("golden.rsp", lines)


# --- the session protocol -------------------------------------------------------------------------


def x25519_cases():
    text = (STANDARD / "asymmetric/X25519/rfc7748.txt").read_text()
    for scalar, point, shared in re.findall(
            r"INPUT_SCALAR = (\w+)\nINPUT_U = (\w+)\nOUTPUT_U = (\w+)", text):
        yield [f"Scalar = {scalar}", f"Point = {point}", f"Shared = {shared}", ""]


def hkdf_cases():
    text = (STANDARD / "KDF/rfc-5869-HKDF-SHA256.txt").read_text()
    for ikm, salt, info, okm in re.findall(
            r"IKM  = (\w+)\nsalt =[ ]?(\w*)\ninfo =[ ]?(\w*)\nL .*\n(?:.*\n)*?OKM  = (\w+)", text):
        if "00" in re.findall("..", info):
            continue  # dlv's infos are texts
        yield [f"IKM = {ikm}", *([f"Salt = {salt}"] if salt else []), *([f"Info = {info}"] if info else []),
               f"OKM = {okm}", ""]


def aead_cases():
    text = (STANDARD / "ciphers/ChaCha20Poly1305/boringssl.txt").read_text()

    def value(raw):
        return raw[1:-1].encode().hex() if raw.startswith('"') else raw
    for key, nonce, message, aad, sealed, tag in re.findall(
            r"KEY[=:] *(.*)\nNONCE[=:] *(.*)\nIN[=:] *(.*)\nAD[=:] *(.*)\nCT[=:] *(.*)\nTAG[=:] *(.*)", text):
        if len(value(nonce)) != 24 or len(value(message)) > 2048 or len(tag) != 32:
            continue
        yield [f"Key = {value(key)}", f"Nonce = {value(nonce)}", *([f"Aad = {value(aad)}"] if aad else []),
               *([f"Msg = {value(message)}"] if message else []), f"Sealed = {value(sealed)}{tag}", ""]


def primitive_files():
    for name, source, cases in (
            ("x25519", "RFC 7748, section 5.2", x25519_cases), ("hkdf_sha256", "RFC 5869, appendix A", hkdf_cases),
            ("chacha20_poly1305", "BoringSSL, chacha20_poly1305_tests.txt; the first is of RFC 8439, 2.8.2",
             aead_cases)):
        found = list(cases())
        assert found, name
        write(f"{name}.rsp", [f"# Source: {source}", ""] + [line for case in found for line in case])


def transcript(server, kiosk, stream, now, database, items=(), what=1, offset=0, release=bytes(32), padded=0):
    """All frames of a session, by tools/session_peer.py; the lines of one case."""
    public = server.public_key().export_key("DER")
    secret, exponent, seed = stream(32), stream(32), stream(32)
    ciphertext = PKCS1_OAEP.new(server, SHA256, label=b"dlv session 2 open",
                                randfunc=lambda n: seed[:n]).encrypt(secret)
    opening = session_peer.Opening(serialization.load_der_public_key(public), secret,
                                   X25519PrivateKey.from_private_bytes(exponent), ciphertext=ciphertext)
    server_exponent, ticket_secret, ticket_nonce = stream(32), stream(32), stream(28)
    binding = hashlib.sha256(b"dlv session 2 tickets" + hashlib.sha256(public).digest() + database.head[64:96]).digest()
    host_exponent = X25519PrivateKey.from_private_bytes(server_exponent)
    kiosk_id = session_peer.key_id(kiosk.public_key())[:16] if kiosk else bytes(16)

    def number(value, length=8):
        return value.to_bytes(length, "little")

    def seal(ticket_key, nonce, content):
        key_id = hmac.new(ticket_key, b"dlv session 2 ticket key id", "sha256").digest()[:4]
        return key_id + nonce + session_peer.ChaCha20Poly1305(ticket_key).encrypt(nonce, content, key_id)

    def granted(session_key, nonces, is_kiosks, chain_ends=None):
        """The tickets and what is said with them; and when the chain ends."""
        ticket_key = session_peer.hkdf(binding + number(now // 3600), ticket_secret, b"dlv session 2 ticket key", 32)
        ticket = seal(ticket_key, nonces[:12], session_key + (kiosk_id if is_kiosks else bytes(16)) + number(now + 3600))
        if not is_kiosks:
            return session_peer.grant(ticket, 3600, now), None
        renewing = hmac.digest(ticket_secret, b"dlv session 2 renewals", "sha256")
        key = session_peer.hkdf(binding + number(now // 86400), renewing, b"dlv session 2 renewal key", 32)
        chain_ends = chain_ends or now + 7 * 86400 - int.from_bytes(nonces[12:16], "little") % 86400
        renewal = seal(key, nonces[12:24], session_peer.renewal_secret(session_key) + kiosk_id + number(now + 90000) +
                       number(chain_ends))
        return session_peer.grant(ticket, 3600, now, min(90000, chain_ends - now), renewal), chain_ends

    def accept_of(opening, nonces, is_kiosks, chain_ends=None):
        start = session_peer.header(session_peer.ACCEPT, 272) + session_peer.raw(host_exponent.public_key()) + nonces[:16]
        common = host_exponent.exchange(opening.exponent.public_key())
        accept_key, session_key = session_peer.session_keys(opening.t0, start, opening.secret, common)
        sealed, _ = granted(session_key, nonces[16:], is_kiosks, chain_ends)
        return start + session_peer.ChaCha20Poly1305(accept_key).encrypt(bytes(12), sealed, b"")

    accept = accept_of(opening, ticket_nonce, False)
    session, identity, renewal = opening.finish(accept), [], []
    session_key = session.key
    if kiosk:
        identify_nonce, admit_nonce = stream(11), stream(35)
        identify = session.identify(kiosk, nonce=b"\1" + identify_nonce)
        sealed, chain_ends = granted(session_key, admit_nonce[11:], True)
        admit = session.seal_admit(identify, b"\2" + admit_nonce[:11], sealed)
        assert session.admitted(admit, identify)
        identity = [f"IdentifyNonce = {identify_nonce.hex()}", f"Identify = {identify.hex()}",
                    f"AdmitNonce = {admit_nonce.hex()}", f"Admit = {admit.hex()}"]
        renew_exponent, renew_nonce = stream(32), stream(40)
        renewing = session_peer.Opening(opening.server, session=session,
                                        exponent=X25519PrivateKey.from_private_bytes(renew_exponent))
        renewed = accept_of(renewing, renew_nonce, True, chain_ends)
        renewal = [f"RenewExponent = {renew_exponent.hex()}", f"Renew = {renewing.frame.hex()}",
                   f"RenewNonce = {renew_nonce.hex()}", f"Renewed = {renewed.hex()}",
                   f"RenewedKey = {renewing.finish(renewed).key.hex()}"]
    ask_nonce, answer_nonce = stream(11), stream(7) + (7).to_bytes(4, "little")
    ask = session.ask(items, what, offset, release, padded, nonce=b"\1" + ask_nonce)
    body = session_peer.question(items, what, offset, release)
    body = session_peer.answer_body(database, body + bytes(len(ask) - 124 - len(body)), now)
    answer = session.seal_answer(body, ask, b"\2" + answer_nonce)
    return [f"Secret = {secret.hex()}", f"Exponent = {exponent.hex()}", f"Seed = {seed.hex()}",
            f"Open = {opening.frame.hex()}", f"ServerExponent = {server_exponent.hex()}",
            f"TicketKey = {ticket_secret.hex()}", f"TicketNonce = {ticket_nonce.hex()}", f"Now = {now}",
            f"Accept = {accept.hex()}", f"SessionKey = {session_key.hex()}", *identity, *renewal, f"What = {what}", f"Offset = {offset}",
            f"Release = {release.hex()}", f"Padded = {padded}", *([f"Items = {b''.join(items).hex()}"] if items else []),
            f"Nonce = {ask_nonce.hex()}", f"Ask = {ask.hex()}",
            f"AnswerNonce = {answer_nonce.hex()}", f"Answer = {answer.hex()}", ""]


def session_file():
    stream = Stream("session")
    server, kiosk = (RSA.generate(2048, randfunc=stream) for _ in range(2))
    (OUT / "golden_kiosk.key").write_bytes(kiosk.export_key(pkcs=8) + b"\n")
    kiosk = session_peer.load_private(OUT / "golden_kiosk.key")
    authority = RSA.import_key((OUT / "golden_authority.pub").read_bytes())
    database = dbformat.Database(OUT / "golden.db", authority)
    digests = {text: dbformat.number_digest(text) for text in
               ("GJ05-1234", "XX", "MH12 20190054321", "KL07 20200000042", "4/9417/KOCHI")}
    forms = [(field, dbformat.field_digest(field, digests["GJ05-1234"], form)) for field, form in
             ((1, "x"), (1, matching.name("Patel Ramesh")), (2, "2344567890"), (4, "C1"))]
    several = [session_peer.item(digests["GJ05-1234"], forms=forms)] + \
        [session_peer.item(digest) for digest in list(digests.values())[1:]] + \
        [session_peer.item(hashlib.sha256(GOLDEN_DOCUMENT).digest(), session_peer.DOCUMENT)]
    lines = ["# Source: dlv's own, by tools/make_vectors.py and tools/session_peer.py", "",
             "[Database = golden.db]", "[Authority = golden_authority.pub]", ""]
    lines += oaep_key_lines(private_parts(server))
    now = GOLDEN_CREATED + 86400
    lines += transcript(server, None, stream, now, database, several[:1])
    lines += transcript(server, None, stream, now, database, several, release=database.id, padded=1232)
    for one in several[0], several[1], several[4]:
        lines += transcript(server, None, stream, now, database, [one], 2, release=database.id, padded=1232)
    lines += transcript(server, None, stream, now, database, several[:2], 2, padded=200)
    lines += transcript(server, None, stream, now, database, several[:1], release=bytes(31) + b"\1")
    lines += transcript(server, None, stream, now, database, what=3, offset=4096, padded=4096)
    lines += transcript(server, None, stream, now, database, what=4, padded=1232)
    lines += transcript(server, None, stream, now, database, what=5, padded=1232)
    lines += ["[KioskKey = golden_kiosk.key]", ""]
    lines += transcript(server, kiosk, stream, now, database, [session_peer.item(digests["GJ05-1234"])] * 64)
    write("session.rsp", lines)


def builtin_file(sha1, sha256, own):
    """What the binary runs at every start: short, but every primitive, good and bad."""
    short = (STANDARD / "hashes/SHA2/SHA256ShortMsg.rsp").read_text().replace("\r", "")
    cases = re.findall(r"Len = (\d+)\nMsg = (\w+)\nMD = (\w+)", short)
    lines = ["# Source: NIST CAVP (SHA-256, RSA signatures), RFC 4231 (HMAC), PKCS #1 v2.1 and",
             "# pyca/cryptography (OAEP), RFC 7748 (X25519), RFC 5869 (HKDF), RFC 8439 (ChaCha20-Poly1305);",
             "# bad ciphertexts and the record: dlv's own", "", "[L = 32]", ""]
    for length, msg, md in (cases[0], cases[3], cases[55], cases[64]):
        lines += [f"Len = {length}", f"Msg = {msg}", f"MD = {md}", ""]
    for case in list(hmac_cases())[1:3]:
        lines += case
    lines += sha1[0][0] + sha1[0][1][0]
    lines += oaep_key_lines(private_parts(own))
    for hash_name in ("SHA1", "SHA256"):
        own_cases = list(own_oaep_cases(own, hash_name, Stream(f"{hash_name} 1024")))
        lines += (own_cases[2] if hash_name == "SHA256" else []) + own_cases[6]
    signatures = [case for mod, case in signature_cases() if mod == "1024"]
    good = next(case for case in signatures if case[-2] == "Result = P")
    n = good[0]
    lines += good + next(case[1:] for case in signatures if case[0] == n and "Signature" in case[-2])
    lines += next(record_cases())
    lines += next(x25519_cases()) + next(hkdf_cases()) + next(aead_cases())
    write("builtin.rsp", lines)


OUT.mkdir(exist_ok=True)
sha256_files()
hmac_file()
signature_file()
record_file()
matching_file()
golden_files()
primitive_files()
session_file()
builtin_file(*oaep_files())
