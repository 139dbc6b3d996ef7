#include "crypto/random.h"

#include "base/bytes.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* What goes into a seed beside the kernel's bytes. */
struct seed {
    uint8_t bytes[48];
    struct timespec now, since_boot;
    pid_t pid;
};

static int64_t boot_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int draw(struct seed *seed) {
    size_t len = 0;
    memset(seed, 0, sizeof *seed);
    clock_gettime(CLOCK_REALTIME, &seed->now);
    clock_gettime(CLOCK_MONOTONIC, &seed->since_boot);
    while (len < sizeof seed->bytes) {
        ssize_t n = getrandom(seed->bytes + len, sizeof seed->bytes - len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_SYSTEM;
        len += (size_t)n;
    }
    return 0;
}

int random_open(struct random *random, struct error *error) {
    struct seed seed;
    if (draw(&seed) != 0)
        return error_set_errno(error, "getrandom");
    seed.pid = getpid();
    br_hmac_drbg_init(&random->drbg, &br_sha256_vtable, &seed, sizeof seed);
    random->seeded_ms = boot_ms();
    wipe(&seed, sizeof seed);
    return 0;
}

bool random_refresh(struct random *random) {
    struct seed seed;
    int64_t now_ms = boot_ms();
    if (now_ms - random->seeded_ms < RANDOM_RESEED_MS)
        return false;
    random->seeded_ms = now_ms;
    int code = draw(&seed);
    br_hmac_drbg_update(&random->drbg, &seed, sizeof seed);
    wipe(&seed, sizeof seed);
    return code == 0;
}

void random_bytes(struct random *random, void *bytes, size_t len) {
    br_hmac_drbg_generate(&random->drbg, bytes, len);
}
