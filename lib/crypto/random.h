/* Random bytes: BearSSL's HMAC_DRBG (NIST SP 800-90A, SHA-256) seeded from getrandom(2). */
#ifndef DLV_CRYPTO_RANDOM_H
#define DLV_CRYPTO_RANDOM_H

#include "base/error.h"

#include <bearssl_rand.h>
#include <stddef.h>

struct random {
    br_hmac_drbg_context drbg; /* &drbg.vtable is what BearSSL's functions ask for */
};

/* Seeds with 48 bytes of the kernel's; waits while the kernel has none. 0 or ERR_SYSTEM: there is
 * no weaker source to fall back to. The caller wipes the structure after use. */
int random_open(struct random *random, struct error *error);

void random_bytes(struct random *random, void *bytes, size_t len);

#endif
