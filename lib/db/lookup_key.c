#include "db/lookup_key.h"

#include "base/bytes.h"
#include "record/fields.h"

#include <string.h>

void lookup_key_init(struct lookup_key *key, const uint8_t bytes[LOOKUP_KEY_LEN]) {
    static const char label[] = "dlv:lookup-key-id";
    br_hmac_key_init(&key->prepared, &br_sha256_vtable, bytes, LOOKUP_KEY_LEN);
    hmac_sha256(key->id, bytes, LOOKUP_KEY_LEN, label, sizeof label - 1);
}

int lookup_key_load(struct lookup_key *key, const char *path, struct error *error) {
    uint8_t bytes[LOOKUP_KEY_LEN];
    int code = secret_load(bytes, path, "a lookup key", error);
    if (code != 0)
        return code;
    lookup_key_init(key, bytes);
    wipe(bytes, sizeof bytes);
    return 0;
}

static void apply(const struct lookup_key *key, const uint8_t *digest, size_t len,
                  uint8_t stored[SHA256_LEN]) {
    if (key == NULL) {
        memcpy(stored, digest, len);
        return;
    }
    br_hmac_context context;
    br_hmac_init(&context, &key->prepared, 0);
    br_hmac_update(&context, digest, len);
    br_hmac_out(&context, stored);
}

void lookup_key_apply(const struct lookup_key *key, const uint8_t digest[SHA256_LEN],
                      uint8_t stored[SHA256_LEN]) {
    apply(key, digest, SHA256_LEN, stored);
}

void lookup_key_apply_field(const struct lookup_key *key, const uint8_t *digest,
                            uint8_t stored[SHA256_LEN]) {
    apply(key, digest, FIELD_DIGEST_LEN, stored);
}
