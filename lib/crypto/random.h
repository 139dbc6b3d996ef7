/* Random bytes: BearSSL's HMAC_DRBG (NIST SP 800-90A, SHA-256) seeded from getrandom(2). */
#ifndef DLV_CRYPTO_RANDOM_H
#define DLV_CRYPTO_RANDOM_H

#include "base/error.h"

#include <bearssl_rand.h>
#include <stddef.h>

struct random {
    br_hmac_drbg_context drbg; /* BearSSL's functions take &drbg.vtable */
};

/* Seeds with 48 bytes from the kernel, and waits until the kernel has them. 0 or ERR_SYSTEM; there
 * is no weaker source to fall back on. The caller wipes the structure after use. */
int random_open(struct random *random, struct error *error);

void random_bytes(struct random *random, void *bytes, size_t len);

#endif
