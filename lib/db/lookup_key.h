/* The lookup key of a keyed database: what is stored is HMAC-SHA-256(lookup key, digest), so that a
 * stolen file does not let digests of guessed names be tried. */
#ifndef DLV_DB_LOOKUP_KEY_H
#define DLV_DB_LOOKUP_KEY_H

#include "base/error.h"
#include "crypto/secret_file.h"
#include "crypto/sha256.h"

#include <bearssl_hmac.h>

#define LOOKUP_KEY_LEN SECRET_LEN

/* A secret: wipe after use. */
struct lookup_key {
    br_hmac_key_context prepared;
    uint8_t id[SHA256_LEN]; /* HMAC-SHA-256(key, "dlv:lookup-key-id"), not secret */
};

void lookup_key_init(struct lookup_key *key, const uint8_t bytes[LOOKUP_KEY_LEN]);

/* From a file of exactly 32 bytes. */
int lookup_key_load(struct lookup_key *key, const char *path, struct error *error);

/* What a database stores for `digest`. `key` NULL: the digest itself. Constant time. */
void lookup_key_apply(const struct lookup_key *key, const uint8_t digest[SHA256_LEN],
                      uint8_t stored[SHA256_LEN]);

/* The same for a field digest of FIELD_DIGEST_LEN bytes: what its check code is made of. */
void lookup_key_apply_field(const struct lookup_key *key, const uint8_t *digest,
                            uint8_t stored[SHA256_LEN]);

#endif
