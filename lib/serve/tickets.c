#include "serve/tickets.h"

#include "base/bytes.h"
#include "crypto/hkdf.h"
#include "crypto/secret_file.h"

#include <string.h>

int tickets_load(struct ticket_source *source, const char *path, int64_t now_s,
                 struct error *error) {
    uint8_t secret[SECRET_LEN];
    if (path == NULL)
        return 0;
    int code = secret_load(secret, path, "a ticket key", error);
    if (code != 0)
        return code;
    if (!source->is_shared || !bytes_are_equal(source->secret, secret, SECRET_LEN)) {
        memcpy(source->previous_secret, source->is_shared ? source->secret : secret, SECRET_LEN);
        memcpy(source->secret, secret, SECRET_LEN);
        source->is_shared = true;
        source->changed_in = now_s / TICKET_PERIOD_S;
        source->period = 0; /* so that tickets_update makes a new ring */
    }
    wipe(secret, sizeof secret);
    return 0;
}

/* Derives the key of a period from the file's secret. */
static void derive(struct ticket_key *key, const uint8_t secret[AEAD_KEY_LEN], int64_t period) {
    static const char purpose[] = "dlv session 2 ticket key";
    uint8_t salt[8], bytes[AEAD_KEY_LEN];
    store_le64(salt, (uint64_t)period);
    hkdf_sha256(bytes, sizeof bytes, salt, sizeof salt, secret, AEAD_KEY_LEN, purpose,
                sizeof purpose - 1);
    ticket_key_init(key, bytes);
    wipe(bytes, sizeof bytes);
}

static void update_shared(struct ticket_source *source, int64_t period) {
    struct ticket_key *keys = source->ring.keys;
    /* For one period after the file has changed, tickets under the old secret can still be in use.
     * Otherwise the next period's key is there, in case another server's clock is a little
     * ahead. */
    bool is_new = period <= source->changed_in + 1;
    derive(&keys[0], source->secret, period);
    derive(&keys[1], source->secret, period - 1);
    derive(&keys[2], is_new ? source->previous_secret : source->secret,
           is_new ? source->changed_in : period + 1);
    if (!is_new)
        wipe(source->previous_secret, sizeof source->previous_secret);
}

/* Every key is set, because a key of zeros would be one that everybody knows. */
static void update_own(struct ticket_source *source, struct random *random) {
    struct ticket_key *keys = source->ring.keys;
    uint8_t bytes[AEAD_KEY_LEN];
    for (unsigned i = source->period == 0 ? 2 : 1; i > 0; i--) {
        random_bytes(random, bytes, sizeof bytes);
        keys[1] = keys[0];
        ticket_key_init(&keys[0], bytes);
        keys[2] = keys[0];
    }
    wipe(bytes, sizeof bytes);
}

bool tickets_update(struct ticket_source *source, int64_t now_s, struct random *random) {
    int64_t period = now_s / TICKET_PERIOD_S;
    if (period == source->period)
        return false;
    if (source->is_shared)
        update_shared(source, period);
    else
        update_own(source, random);
    source->period = period;
    return true;
}
