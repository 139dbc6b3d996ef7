#include "serve/tickets.h"

#include "base/bytes.h"
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

static void update_shared(struct ticket_source *source, int64_t period) {
    struct ticket_key *keys = source->ring.keys;
    /* For one period after the file has changed, tickets under the old secret can still be in use.
     * Otherwise the next period's key is there, in case another server's clock is a little
     * ahead. */
    bool is_new = period <= source->changed_in + 1;
    ticket_key_init(&keys[0], source->secret, source->binding, period);
    ticket_key_init(&keys[1], source->secret, source->binding, period - 1);
    ticket_key_init(&keys[2], is_new ? source->previous_secret : source->secret, source->binding,
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
        ticket_key_init(&keys[0], bytes, source->binding, 0);
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
