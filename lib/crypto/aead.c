#include "crypto/aead.h"

#include "base/bytes.h"

#include <bearssl_block.h>

/* The fastest that the processor has. */
static void run(const uint8_t *key, const uint8_t *nonce, const void *aad, size_t aad_len,
                void *data, size_t len, uint8_t *tag, bool encrypt) {
    br_poly1305_run poly1305 = br_poly1305_ctmulq_get();
    br_chacha20_run chacha20 = br_chacha20_sse2_get();
    if (poly1305 == 0)
        poly1305 = &br_poly1305_ctmul_run;
    if (chacha20 == 0)
        chacha20 = &br_chacha20_ct_run;
    poly1305(key, nonce, data, len, aad, aad_len, tag, chacha20, encrypt);
}

void aead_seal(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len, uint8_t tag[AEAD_TAG_LEN]) {
    run(key, nonce, aad, aad_len, data, len, tag, 1);
}

bool aead_open(const uint8_t key[AEAD_KEY_LEN], const uint8_t nonce[AEAD_NONCE_LEN],
               const void *aad, size_t aad_len, void *data, size_t len,
               const uint8_t tag[AEAD_TAG_LEN]) {
    uint8_t expected[AEAD_TAG_LEN];
    run(key, nonce, aad, aad_len, data, len, expected, 0);
    return bytes_are_equal(expected, tag, AEAD_TAG_LEN);
}
