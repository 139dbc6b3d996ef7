/* Random bytes: BearSSL's HMAC_DRBG (NIST SP 800-90A, SHA-256) seeded from getrandom(2).
 *
 * A process that lives long seeds it anew now and then: what was learnt of its state is worthless then,
 * and two copies of one virtual machine do not go on with the same bytes. */
#ifndef DLV_CRYPTO_RANDOM_H
#define DLV_CRYPTO_RANDOM_H

#include "base/error.h"

#include <bearssl_rand.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    br_hmac_drbg_context drbg; /* BearSSL's functions take &drbg.vtable */
    int64_t seeded_ms;         /* when it was seeded last, by CLOCK_BOOTTIME */
};

#define RANDOM_RESEED_MS 1000

/* Seeds with 48 bytes from the kernel, and waits until the kernel has them; with this process's number
 * and the times, lest a copy of the machine begin with the same ones. 0 or ERR_SYSTEM; there
 * is no weaker source to fall back on. The caller wipes the structure after use. */
int random_open(struct random *random, struct error *error);

/* Seeds it anew where the last time was RANDOM_RESEED_MS ago or more. Returns whether it did. Where the
 * kernel gives nothing, the old state goes on, with times mixed in. */
bool random_refresh(struct random *random);

void random_bytes(struct random *random, void *bytes, size_t len);

#endif
