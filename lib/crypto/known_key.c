#include "crypto/known_key.h"

#include <string.h>

/* The first bytes of the ids (rsa_public_id); tests/integration/test_keys.py compares them with the files. */
static const uint8_t known[][8] = {
    {0xa7, 0x60, 0xca, 0x9c, 0xc1, 0xbe, 0x3e, 0xaf}, /* vectors/golden_authority.key */
    {0x08, 0xbd, 0x6d, 0x40, 0xe5, 0x27, 0xa9, 0xed}, /* vectors/golden_kiosk.key */
};

int known_key_check(const uint8_t id[SHA256_LEN], struct error *error) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (memcmp(id, known[i], sizeof *known) != 0)
            continue;
        rsa_fingerprint_of_id(id, fingerprint);
        return error_set(error, ERR_CONFLICT,
                         "%s is a key that everybody has, published with dlv: make your own (dlv "
                         "keygen), or say --demo where nothing depends on it",
                         fingerprint);
    }
    return 0;
}

int known_key_check_public(const struct rsa_public *key, struct error *error) {
    uint8_t id[SHA256_LEN];
    rsa_public_id(key, id);
    return known_key_check(id, error);
}
