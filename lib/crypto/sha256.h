/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (FIPS 198-1), by BearSSL. In constant time, except for the
 * lengths. */
#ifndef DLV_CRYPTO_SHA256_H
#define DLV_CRYPTO_SHA256_H

#include <bearssl_hash.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN 32

struct sha256 {
    br_sha256_context context;
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *data, size_t len);

/* Writes the digest of everything so far. More data may follow. */
void sha256_out(const struct sha256 *hash, uint8_t digest[SHA256_LEN]);

/* Hashes `data` in one step. */
void sha256(uint8_t digest[SHA256_LEN], const void *data, size_t len);

/* Hashes the text `purpose`, without its NUL, and then `data`: what is signed for one purpose is good for no other. */
void sha256_for(uint8_t digest[SHA256_LEN], const char *purpose, const void *data, size_t len);

void hmac_sha256(uint8_t mac[SHA256_LEN], const void *key, size_t key_len, const void *data,
                 size_t len);

#endif
