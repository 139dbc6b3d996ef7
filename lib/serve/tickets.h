/* The keys that seal tickets; a new one is used in each period.
 *
 * Without a file each key is random. The previous key is kept while its tickets can still be used,
 * and is then wiped. Servers that share a file of 32 secret bytes derive each period's key from it,
 * and so can open each other's tickets. */
#ifndef DLV_SERVE_TICKETS_H
#define DLV_SERVE_TICKETS_H

#include "base/error.h"
#include "crypto/random.h"
#include "serve/board.h"

#include <stdbool.h>

struct ticket_source {
    uint8_t binding[SHA256_LEN]; /* ticket_binding; the owner sets it once */
    bool is_shared;
    uint8_t secret[AEAD_KEY_LEN]; /* the secret in the file */
    /* the secret that the file held before; it is kept for one period */
    uint8_t previous_secret[AEAD_KEY_LEN];
    int64_t changed_in; /* the period in which the file changed */
    int64_t period;     /* the period that `ring` was made for */
    struct ticket_ring ring;
};

/* Reads the file; `path` is NULL where there is none. When it is called again and the file has
 * changed, the new secret is used, and the old one is kept for the tickets that it sealed. 0, or a
 * negative code with the reason. */
int tickets_load(struct ticket_source *source, const char *path, int64_t now_s,
                 struct error *error);

/* Makes the ring of keys for the current period. Returns whether it has changed. */
bool tickets_update(struct ticket_source *source, int64_t now_s, struct random *random);

#endif
