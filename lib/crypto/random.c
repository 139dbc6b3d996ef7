#include "crypto/random.h"

#include "base/bytes.h"

#include <errno.h>
#include <sys/random.h>

int random_open(struct random *random, struct error *error) {
    uint8_t seed[48];
    size_t len = 0;
    while (len < sizeof seed) {
        ssize_t n = getrandom(seed + len, sizeof seed - len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(error, "getrandom");
        len += (size_t)n;
    }
    br_hmac_drbg_init(&random->drbg, &br_sha256_vtable, seed, sizeof seed);
    wipe(seed, sizeof seed);
    return 0;
}

void random_bytes(struct random *random, void *bytes, size_t len) {
    br_hmac_drbg_generate(&random->drbg, bytes, len);
}
