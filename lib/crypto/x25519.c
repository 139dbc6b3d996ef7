#include "crypto/x25519.h"

#include "base/bytes.h"

#include <bearssl_ec.h>
#include <string.h>

/* This implementation is named, because BearSSL's default would link the NIST curves, too, which
 * nobody uses. */
#define CURVE25519 br_ec_c25519_m31

void x25519_share(uint8_t share[X25519_LEN], const uint8_t secret[X25519_LEN]) {
    CURVE25519.mulgen(share, secret, X25519_LEN, BR_EC_curve25519);
}

void x25519_generate(uint8_t secret[X25519_LEN], uint8_t share[X25519_LEN], struct random *random) {
    random_bytes(random, secret, X25519_LEN);
    x25519_share(share, secret);
}

bool x25519_agree(uint8_t common[X25519_LEN], const uint8_t secret[X25519_LEN],
                  const uint8_t peer_share[X25519_LEN]) {
    static const uint8_t zero[X25519_LEN];
    memcpy(common, peer_share, X25519_LEN);
    CURVE25519.mul(common, X25519_LEN, secret, X25519_LEN, BR_EC_curve25519);
    return !bytes_are_equal(common, zero, X25519_LEN);
}
