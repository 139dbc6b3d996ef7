/* The keys that seal tickets; a new one is used in each period.
 *
 * Without a file each period's secret is random. The previous one is kept while its tickets can still be
 * used, and is then wiped. Servers that share a file of 32 secret bytes derive each period's key from
 * it, and so can open each other's tickets.
 *
 * Renewal tickets are good for a day, and what is said after a renewal does not follow from them alone. So
 * their keys are made of a secret that lasts: one that follows from the file's, or a random one.
 *
 * A ticket is bound to the key of the server that its session was opened with, and to the authority of
 * the database then in use. While keys are rolled there are several of both, and a ticket is good for as
 * long as its two are among them. */
#ifndef DLV_SERVE_TICKETS_H
#define DLV_SERVE_TICKETS_H

#include "base/error.h"
#include "crypto/random.h"
#include "serve/board.h"

#include <stdbool.h>

struct ticket_source {
    bool is_shared;
    uint8_t secret[AEAD_KEY_LEN]; /* the secret in the file */
    /* the secret that the file held before; it is kept for one period */
    uint8_t previous_secret[AEAD_KEY_LEN];
    int64_t changed_in; /* the period in which the file changed */
    bool is_made;       /* there is a ring, ... */
    int64_t period;     /* ... made for this period */
    bool has_secrets;   /* of its own */
    /* what the keys of renewal tickets are derived from, and were before the file changed; that is kept for
     * those that it sealed */
    uint8_t renewing[AEAD_KEY_LEN];
    uint8_t renewed_before[AEAD_KEY_LEN];
    bool is_renewing, has_renewed_before;
    /* what the ring is derived from; [0] is for new tickets */
    struct {
        uint8_t bytes[AEAD_KEY_LEN];
        int64_t period;
    } now[TICKET_SECRETS];
    struct ticket_ring ring;
};

/* Reads the file; `path` is NULL where there is none. When it is called again and the file has
 * changed, the new secret is used, and the old one is kept for the tickets that it sealed. 0, or a
 * negative code with the reason. */
int tickets_load(struct ticket_source *source, const char *path, int64_t now_s,
                 struct error *error);

/* Whether a new ring is due, because a period is over or the file has changed. */
bool tickets_are_due(const struct ticket_source *source, int64_t now_s);

/* Makes the ring of keys for the current period: for each of the server's keys, and each authority,
 * beginning with the one at `authority`, whose database is in use. */
void tickets_make(struct ticket_source *source, int64_t now_s, struct random *random,
                  const struct key_set *servers, const struct key_set *authorities,
                  unsigned authority);

#endif
