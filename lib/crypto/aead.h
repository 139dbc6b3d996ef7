/* ChaCha20-Poly1305 (RFC 8439, section 2.8), by BearSSL. Constant time but for the lengths. */
#ifndef DLV_CRYPTO_AEAD_H
#define DLV_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_LEN 32
#define AEAD_NONCE_LEN 12
#define AEAD_TAG_LEN 16

/* Encrypts `data` in place; the tag covers it and `aad`. A nonce never comes twice under a key. */
void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len, uint8_t tag[AEAD_TAG_LEN]);

/* Decrypts `data` in place. 1, or 0 where the tag does not belong to it: then `data` is worthless
 * and must not be used. */
bool aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len,
               const uint8_t tag[AEAD_TAG_LEN]);

#endif
