/* Known answers: vectors in the style of NIST's .rsp files, run through the code that is deployed.
 *
 * A file is lines of `Name = value`, some in [brackets]; '#' begins a comment. Values are collected
 * until one comes that asks for a result, then that case runs:
 *
 *   MD       SHA-256 (CAVP: [L], Len, Msg; Monte Carlo: Seed, COUNT)
 *   Mac      HMAC-SHA-256 (CAVP: [L], Tlen, Key, Msg)
 *   Result   P or F of: an RSA signature (CAVP: n, e, SHAAlg, Msg, S); RSA-OAEP (n, e, p, q, dP,
 * dQ, qInv, Hash, Label, Seed, Msg, CT); a record or number that must be refused (Kind, Input)
 *   Digest   of a record or number (Kind, Input, Canonical)
 *   Verdict  of a database beside the file ([Database], [Authority], [LookupKey]; Kind, Input, At)
 *   Shared   X25519 (Scalar, Point)
 *   OKM      HKDF-SHA-256 (IKM, Salt, Info; Salt and Info may be left out)
 *   Sealed   ChaCha20-Poly1305 (Key, Nonce, Aad, Msg): ciphertext and tag
 *   Answer   of a session of the session protocol, all its frames (the server's n to qInv;
 *            [Database], [Authority], [KioskKey]; Secret, Exponent, Seed, Open; ServerExponent,
 *            TicketKey, TicketNonce, Now, Accept, SessionKey; At, Flags, Digests, Nonce, Ask;
 *            AnswerNonce)
 *   Checksum SHA-256 of all bytes before its line
 *
 * NIST's own SHA256ShortMsg.rsp, SHA256LongMsg.rsp, SHA256Monte.rsp and SigVer15_186-3.rsp run
 * unchanged; cases of other hashes in them are counted as skipped. */
#ifndef DLV_KAT_KAT_H
#define DLV_KAT_KAT_H

#include "base/error.h"

#include <stddef.h>

struct kat_count {
    unsigned long passed;
    unsigned long skipped; /* of algorithms that dlv does not use */
};

/* Runs the vectors in `text`. `name` is what reasons call it; files that it names are looked for in
 * the folder part of `name`. 0, or ERR_FORMAT (also where there is no case at all) or ERR_SIGNATURE
 * (a wrong answer) with a reason that begins with name:line. */
int kat_run(const char *name, const char *text, size_t len, struct kat_count *count,
            struct error *error);

/* The short set built into the binary, for every start: a few milliseconds. */
int kat_run_builtin(struct kat_count *count, struct error *error);

#endif
