/* ChaCha20-Poly1305 (RFC 8439, section 2.8), by BearSSL. In constant time, except for the
 * lengths. */
#ifndef DLV_CRYPTO_AEAD_H
#define DLV_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_LEN 32
#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN 16

/* Encrypts `data` in place. The tag covers it and `aad`. The same nonce must never be used twice
 * with a key. */
void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len, uint8_t tag[AEAD_TAG_LEN]);

/* Decrypts `data` in place. False where the tag does not belong to it: then `data` must not be
 * used. */
bool aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len,
               const uint8_t tag[AEAD_TAG_LEN]);

#endif
