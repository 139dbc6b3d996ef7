/* PEM and DER keys: whatever is accepted can be computed with and survives being written. */
#include "crypto/rsa_key.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct rsa_public public, again;
    struct rsa_private private;
    struct error error;
    char pem[RSA_PEM_MAX];
    if (rsa_public_read_pem(&public, (const char *)data, size, &error) == 0) {
        size_t len = rsa_public_write_pem(&public, pem);
        if (rsa_public_read_pem(&again, pem, len, &error) != 0 || again.n_len != public.n_len ||
            memcmp(again.n, public.n, public.n_len) != 0)
            abort();
    }
    if (rsa_private_read_pem(&private, (const char *)data, size, &error) == 0 &&
        !rsa_private_is_consistent(&private))
        abort();
    return 0;
}
