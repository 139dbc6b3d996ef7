/* X25519 (RFC 7748, section 5), by BearSSL. In constant time. */
#ifndef DLV_CRYPTO_X25519_H
#define DLV_CRYPTO_X25519_H

#include "crypto/random.h"

#include <stdbool.h>
#include <stdint.h>

#define X25519_LEN 32

/* Draws a secret, and computes its public share. */
void x25519_generate(uint8_t secret[X25519_LEN], uint8_t share[X25519_LEN], struct random *random);

/* Computes the public share of `secret`. */
void x25519_share(uint8_t share[X25519_LEN], const uint8_t secret[X25519_LEN]);

/* Computes the secret that both sides have in common. False where the peer's share is one of the
 * few that give zero for every secret (section 6.1). */
bool x25519_agree(uint8_t common[X25519_LEN], const uint8_t secret[X25519_LEN],
                  const uint8_t peer_share[X25519_LEN]);

#endif
