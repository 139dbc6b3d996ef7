/* The list of kiosks, first and again: any bytes, lines of which a good one is a part. */
#include "serve/kiosks.h"

#include "base/bytes.h"
#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kiosks *lists;
static char good[BASE64_LEN(RSA_PUBLIC_DER_MAX) + 1], path[64];
static int file;

static void init(void) {
    static struct rsa_public key;
    uint8_t der[RSA_PUBLIC_DER_MAX];
    struct error error;
    if (rsa_public_load(&key, "vectors/golden_authority.pub", 2048, &error) != 0)
        abort();
    base64_encode(good, der, rsa_public_encode(&key, der));
    lists = mmap(NULL, 2 * sizeof *lists, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    file = memfd_create("kiosks", 0);
    if (lists == MAP_FAILED || file < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
}

/* Writes the input, a good key for each 0xA5. */
static void write_list(const uint8_t *data, size_t size) {
    if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0)
        abort();
    for (size_t i = 0; i < size; i++) {
        const void *piece = data[i] == 0xA5 ? (const void *)good : &data[i];
        size_t len = data[i] == 0xA5 ? strlen(good) : 1;
        if (write(file, piece, len) != (ssize_t)len)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct kiosks_change change;
    struct rsa_public key;
    struct error error;
    if (lists == NULL)
        init();
    if (size > 4096)
        return 0;
    write_list(data, size / 2);
    int code = kiosks_load(&lists[0], NULL, path, &change, &error);
    write_list(data + size / 2, size - size / 2);
    if (code == 0)
        kiosks_load(&lists[1], &lists[0], path, &change, &error);
    const struct kiosks *last = &lists[code == 0];
    for (uint32_t i = 0; code == 0 && i < last->count; i++) {
        if (kiosks_find(last, last->sorted[i].id, SHA256_LEN) != &last->sorted[i] ||
            !kiosks_key(last, &last->sorted[i], &key))
            abort();
    }
    return 0;
}
