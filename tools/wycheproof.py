#!/usr/bin/python3
"""Writes vectors/wycheproof_*.rsp from a checkout of Project Wycheproof (github.com/C2SP/wycheproof, Apache License 2.0).

    tools/wycheproof.py CHECKOUT

The sets about what dlv uses are taken whole, and cases about other hashes in them are left out. Each case keeps
its number, "valid" becomes P, "invalid" F, and "acceptable" A.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from vector_file import write

RESULTS = {"valid": "P", "invalid": "F", "acceptable": "A"}
HASHES = {"SHA-1": "SHA1", "SHA-256": "SHA256"}
SETS = ["chacha20_poly1305", "hmac_sha256", "hkdf_sha256", "x25519", "rsa_oaep_2048_sha1_mgf1sha1",
        "rsa_oaep_2048_sha256_mgf1sha256", "rsa_oaep_3072_sha256_mgf1sha256", "rsa_oaep_4096_sha256_mgf1sha256",
        "rsa_oaep_misc", "rsa_signature_2048_sha256", "rsa_signature_3072_sha256", "rsa_signature_4096_sha256",
        "rsa_pkcs1_1024_sig_gen", "rsa_pkcs1_2048_sig_gen", "rsa_pkcs1_3072_sig_gen", "rsa_pkcs1_4096_sig_gen"]
KEY = {"n": "modulus", "e": "publicExponent", "p": "prime1", "q": "prime2", "dP": "exponent1", "dQ": "exponent2",
       "qInv": "coefficient"}


def is_too_large(group):
    return group.get("keySize", 0) > 4096 and group["type"].startswith("Rsa")


def private_key(group):
    """The numbers of the key, and the same key as PKCS #8; of one that is larger than dlv takes, that alone."""
    key = group["privateKey"]
    if is_too_large(group):
        return ["Format = PKCS8", f"DER = {group['privateKeyPkcs8']}", "Result = F", ""]
    lines = [f"[{name} = {key[field]}]" for name, field in KEY.items()]
    return [*lines, "Format = PKCS8", f"DER = {group['privateKeyPkcs8']}", "Result = P", ""]


def public_key(group):
    key = group.get("publicKey", group.get("privateKey"))
    der, pkcs1 = group.get("publicKeyDer", group.get("keyDer")), group.get("publicKeyAsn", group.get("keyAsn"))
    return [f"[n = {key['modulus']}]", f"[e = {key['publicExponent']}]", "Format = SubjectPublicKeyInfo", f"DER = {der}",
            "Result = P", "", "Format = RSAPublicKey", f"DER = {pkcs1}", "Result = P", ""]


def aead(group, test):
    return [f"Key = {test['key']}", f"Nonce = {test['iv']}", f"Aad = {test['aad']}", f"Msg = {test['msg']}",
            f"CT = {test['ct']}", f"Tag = {test['tag']}"]


def hmac(group, test):
    return [f"Key = {test['key']}", f"Msg = {test['msg']}", f"Tag = {test['tag']}"]


def hkdf(group, test):
    lines = [f"IKM = {test['ikm']}", f"Salt = {test['salt']}", f"Info = {test['info']}"]
    return lines + ([f"Size = {test['size']}"] if test["result"] == "invalid" else [f"OKM = {test['okm']}"])


def x25519(group, test):
    return [f"Scalar = {test['private']}", f"Point = {test['public']}", f"Shared = {test['shared']}"]


def oaep(group, test):
    if group["sha"] != group["mgfSha"] or group["sha"] not in HASHES:
        return None
    return [f"Hash = {HASHES[group['sha']]}", f"Label = {test['label']}", f"Msg = {test['msg']}", f"CT = {test['ct']}"]


def signature(group, test):
    if group["sha"] != "SHA-256":
        return None
    return ["SHAAlg = SHA256", f"Msg = {test['msg']}", f"S = {test['sig']}"]


def converter(name):
    kinds = {"chacha20": (aead, None), "hmac": (hmac, None), "hkdf": (hkdf, None), "x25519": (x25519, None),
             "rsa_oaep": (oaep, private_key), "rsa_signature": (signature, public_key),
             "rsa_pkcs1": (signature, public_key)}
    return next(kind for prefix, kind in kinds.items() if name.startswith(prefix))


def convert(checkout, name):
    case_of, key_of = converter(name)
    data = json.loads((checkout / "testvectors_v1" / f"{name}_test.json").read_text())
    lines = [f"# Source: Project Wycheproof, testvectors_v1/{name}_test.json; the encodings of keys are the set's own.",
             ""]
    for group in data["testGroups"]:
        cases = [(test, case_of(group, test)) for test in group["tests"]]
        if key_of is not None and any(case for _, case in cases):
            lines += key_of(group)
        for test, case in cases:
            if case is None or is_too_large(group):
                continue
            lines += [f"# {test['tcId']} {test['comment']}".strip(), *case]
            if not case[-1].startswith(("OKM", "Shared")):
                lines.append(f"Result = {RESULTS[test['result']]}")
            lines.append("")
    write(f"wycheproof_{name}.rsp", lines)


for name in SETS:
    convert(pathlib.Path(sys.argv[1]), name)
