#include "serve/tickets.h"

#include "base/bytes.h"
#include "crypto/secret_file.h"

#include <string.h>

/* --- secrets ---------------------------------------------------------------------------------- */

/* Renewal tickets are sealed with keys that are made of this from now on. */
static void set_renewing(struct ticket_source *source, const uint8_t secret[SECRET_LEN]) {
    static const char purpose[] = "dlv session 2 renewals";
    memcpy(source->renewed_before, source->renewing, SECRET_LEN);
    source->has_renewed_before = source->is_renewing;
    source->is_renewing = true;
    hmac_sha256(source->renewing, secret, SECRET_LEN, purpose, sizeof purpose - 1);
}

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
        source->is_made = false; /* so that a new ring is due */
        set_renewing(source, secret);
    }
    wipe(secret, sizeof secret);
    return 0;
}

/* --- the ring --------------------------------------------------------------------------------- */

static void set_secret(struct ticket_source *source, unsigned place,
                       const uint8_t bytes[AEAD_KEY_LEN], int64_t period) {
    memmove(source->now[place].bytes, bytes, AEAD_KEY_LEN);
    source->now[place].period = period;
}

static void renew_shared(struct ticket_source *source, int64_t period) {
    /* For one period after the file has changed, tickets under the old secret can still be in use.
     * Otherwise the next period's key is there, in case another server's clock is a little
     * ahead. */
    bool is_new = period <= source->changed_in + 1;
    set_secret(source, 0, source->secret, period);
    set_secret(source, 1, source->secret, period - 1);
    set_secret(source, 2, is_new ? source->previous_secret : source->secret,
               is_new ? source->changed_in : period + 1);
    if (!is_new)
        wipe(source->previous_secret, sizeof source->previous_secret);
}

/* Every secret is set, because zeros would be one that everybody knows. */
static void renew_own(struct ticket_source *source, struct random *random) {
    uint8_t bytes[AEAD_KEY_LEN];
    for (unsigned i = source->has_secrets ? 1 : 2; i > 0; i--) {
        random_bytes(random, bytes, sizeof bytes);
        set_secret(source, 1, source->now[0].bytes, 0);
        set_secret(source, 0, bytes, 0);
        set_secret(source, 2, bytes, 0);
        source->has_secrets = true;
    }
    wipe(bytes, sizeof bytes);
}

bool tickets_are_due(const struct ticket_source *source, int64_t now_s) {
    return !source->is_made || now_s / TICKET_PERIOD_S != source->period;
}

/* How long what an old secret has sealed, and what follows from it, is good. */
#define RENEWAL_OLD_S (2 * 86400)

static void add_renewal_key(struct ticket_source *source, const uint8_t secret[SECRET_LEN],
                            const struct ticket_binding *binding, int64_t day) {
    struct ticket_ring *ring = &source->ring;
    ticket_key_init(&ring->renewals[ring->renewal_count++], TICKET_RENEWALS, secret, binding, day);
}

/* A ticket that was sealed at the end of a day is good until the second day after it has begun. Where the file
 * has changed, those before it come from another secret. Tomorrow's key is for other servers' clocks. */
static void add_renewal_keys(struct ticket_source *source, const struct ticket_binding *binding,
                             int64_t now_s) {
    int64_t day = now_s / RENEWAL_PERIOD_S;
    for (int back = 0; back <= 2; back++)
        add_renewal_key(source, source->renewing, binding, day - back);
    add_renewal_key(source, source->renewing, binding, day + 1);
    int64_t changed_s = source->changed_in * TICKET_PERIOD_S, limit_s = changed_s + RENEWAL_OLD_S;
    if (source->has_renewed_before && now_s >= limit_s) {
        wipe(source->renewed_before, SECRET_LEN);
        source->has_renewed_before = false;
    }
    for (int back = 0; back <= 1 && source->has_renewed_before; back++) {
        add_renewal_key(source, source->renewed_before, binding,
                        changed_s / RENEWAL_PERIOD_S - back);
        source->ring.renewals[source->ring.renewal_count - 1].chain_limit_s = limit_s;
    }
}

/* Adds the keys that are bound to these two. */
static void add_keys(struct ticket_source *source, const uint8_t server_id[SHA256_LEN],
                     const uint8_t authority_id[SHA256_LEN], int64_t now_s) {
    struct ticket_ring *ring = &source->ring;
    struct ticket_binding binding;
    ticket_bind(&binding, server_id, authority_id);
    for (unsigned i = 0; i < TICKET_SECRETS; i++)
        ticket_key_init(&ring->keys[ring->count++], TICKET_SESSIONS, source->now[i].bytes, &binding,
                        source->now[i].period);
    add_renewal_keys(source, &binding, now_s);
}

void tickets_make(struct ticket_source *source, int64_t now_s, struct random *random,
                  const struct key_set *servers, const struct key_set *authorities,
                  unsigned authority) {
    int64_t period = now_s / TICKET_PERIOD_S;
    if (tickets_are_due(source, now_s) && source->is_shared)
        renew_shared(source, period);
    else if (tickets_are_due(source, now_s))
        renew_own(source, random);
    if (!source->is_renewing) {
        uint8_t secret[SECRET_LEN];
        random_bytes(random, secret, sizeof secret);
        set_renewing(source, secret);
        wipe(secret, sizeof secret);
    }
    source->period = period;
    source->is_made = true;
    wipe(&source->ring, sizeof source->ring);
    for (unsigned s = 0; s < servers->count; s++) {
        for (unsigned a = 0; a < authorities->count; a++)
            add_keys(source, servers->ids[s],
                     authorities->ids[(authority + a) % authorities->count], now_s);
    }
}
