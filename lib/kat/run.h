/* Inside kat/ only: the vectors as they are read, and what every kind of case needs. */
#ifndef DLV_KAT_RUN_H
#define DLV_KAT_RUN_H

#include "crypto/rsa.h"
#include "db/lookup_key.h"
#include "db/open.h"
#include "kat/kat.h"

#include <limits.h>

#define VALUE_MAX 16384 /* bytes of a hexadecimal value */

enum field_name {
    F_LENGTH, /* L */
    F_LEN,
    F_TLEN,
    F_MSG,
    F_MD,
    F_SEED,
    F_COUNT,
    F_KEY,
    F_MAC,
    F_N,
    F_E,
    F_P,
    F_Q,
    F_DP,
    F_DQ,
    F_QINV,
    F_HASH,
    F_SHAALG,
    F_LABEL,
    F_CT,
    F_S,
    F_RESULT,
    F_KIND,
    F_INPUT,
    F_CANONICAL,
    F_DIGEST,
    F_DATABASE,
    F_AUTHORITY,
    F_LOOKUP_KEY,
    F_AT,
    F_VERDICT,
    F_SCALAR,
    F_POINT,
    F_SHARED,
    F_SALT,
    F_INFO,
    F_IKM,
    F_OKM,
    F_NONCE,
    F_AAD,
    F_SEALED,
    F_KIOSK_KEY,
    F_SECRET,
    F_EXPONENT,
    F_OPEN,
    F_SERVER_EXPONENT,
    F_TICKET_KEY,
    F_TICKET_NONCE,
    F_NOW,
    F_ACCEPT,
    F_SESSION_KEY,
    F_FLAGS,
    F_DIGESTS,
    F_ASK,
    F_ANSWER_NONCE,
    F_ANSWER,
    F_CHECKSUM,
    F_IGNORED,
    FIELD_COUNT
};

struct value {
    const char *text; /* NULL: not there */
    size_t len;
};

struct run {
    const char *name;
    const char *text;
    unsigned long line;
    struct value values[FIELD_COUNT];
    struct kat_count *count;
    struct error *error;
    int monte_next; /* COUNT expected next; the chain's state follows */
    uint8_t monte_seed[SHA256_LEN];
    struct db db;
    struct lookup_key lookup_key;
    int db_is_open;
};

/* Gives out `next`, as many bytes as are asked for, as if they were random. */
struct kat_given {
    const br_prng_class *vtable; /* &kat_given_class */
    const uint8_t *next;
};
extern const br_prng_class kat_given_class;

/* Fails the run: with an answer that is wrong, or a vector that makes no sense. */
int kat_wrong(const struct run *run, const char *what);
int kat_malformed(const struct run *run, const char *what);

/* Counts a case as passed, or as none of ours. 0. */
int kat_pass(struct run *run);
int kat_skip(struct run *run);

int kat_has(const struct run *run, enum field_name field);

/* Whether the value is this text. */
int kat_is(const struct run *run, enum field_name field, const char *text);

/* The value's bytes, their number at *len. 0 or ERR_FORMAT. */
int kat_get_hex(const struct run *run, enum field_name field, uint8_t *bytes, size_t max,
                size_t *len);

/* Exactly `len` bytes. */
int kat_get_bytes(const struct run *run, enum field_name field, uint8_t *bytes, size_t len);

int kat_get_digest(const struct run *run, enum field_name field, uint8_t digest[SHA256_LEN]);

/* P or F at the start of Result (NIST adds the reason). */
int kat_get_result(const struct run *run, int *is_pass);

int kat_get_number(const struct run *run, enum field_name field, unsigned long long *number);

/* The RSA key of n, e, p, q, dP, dQ and qInv. */
int kat_get_rsa_private(const struct run *run, struct rsa_private *key);

/* The path of a file named in the vectors: beside them. */
void kat_path_beside(const struct run *run, enum field_name field, char path[PATH_MAX]);

/* Opens and fully verifies [Database] into run->db, unless it is open. */
int kat_open_database(struct run *run);

void kat_close_database(struct run *run);

/* One function a kind of case: kat/hash.c, kat/rsa.c, kat/record.c, kat/session.c. */
int kat_run_sha256(struct run *run);
int kat_run_sha256_monte(struct run *run);
int kat_run_hmac(struct run *run);
int kat_run_signature(struct run *run);
int kat_run_oaep(struct run *run);
int kat_run_record(struct run *run);
int kat_run_verdict(struct run *run);
int kat_run_x25519(struct run *run);
int kat_run_hkdf(struct run *run);
int kat_run_aead(struct run *run);
int kat_run_transcript(struct run *run);

#endif
