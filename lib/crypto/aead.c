#include "crypto/aead.h"

#include "base/bytes.h"

#include <bearssl_block.h>

/* BearSSL's fastest code for this kind of machine, chosen when dlv is compiled; for a kiosk, its smallest. */
#if defined(__SSE2__)
#define CHACHA20 br_chacha20_sse2_run
#else
#define CHACHA20 br_chacha20_ct_run
#endif
#if defined(__SIZEOF_INT128__) && !defined(DLV_SMALL)
#define POLY1305 br_poly1305_ctmulq_run
#else
#define POLY1305 br_poly1305_ctmul_run
#endif

void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len, uint8_t tag[AEAD_TAG_LEN]) {
    POLY1305(key, nonce, data, len, aad, aad_len, tag, CHACHA20, 1);
}

bool aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len,
               const uint8_t tag[AEAD_TAG_LEN]) {
    uint8_t expected[AEAD_TAG_LEN];
    POLY1305(key, nonce, data, len, aad, aad_len, expected, CHACHA20, 0);
    return bytes_are_equal(expected, tag, AEAD_TAG_LEN);
}
