#include "crypto/sha256.h"

#include <string.h>

#include "base/bytes.h"

#include <bearssl_hmac.h>

void sha256_init(struct sha256 *hash) {
    br_sha256_init(&hash->context);
}

void sha256_update(struct sha256 *hash, const void *data, size_t len) {
    br_sha256_update(&hash->context, data, len);
}

void sha256_out(const struct sha256 *hash, uint8_t digest[SHA256_LEN]) {
    br_sha256_out(&hash->context, digest);
}

void sha256(uint8_t digest[SHA256_LEN], const void *data, size_t len) {
    struct sha256 hash NOT_CLEARED;
    sha256_init(&hash);
    sha256_update(&hash, data, len);
    sha256_out(&hash, digest);
}

void sha256_for(uint8_t digest[SHA256_LEN], const char *purpose, const void *data, size_t len) {
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, purpose, strlen(purpose));
    sha256_update(&hash, data, len);
    sha256_out(&hash, digest);
}

void hmac_sha256(uint8_t mac[SHA256_LEN], const void *key, size_t key_len, const void *data,
                 size_t len) {
    br_hmac_key_context prepared;
    br_hmac_context context;
    br_hmac_key_init(&prepared, &br_sha256_vtable, key, key_len);
    br_hmac_init(&context, &prepared, 0);
    br_hmac_update(&context, data, len);
    br_hmac_out(&context, mac);
}
