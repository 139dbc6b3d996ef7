/* The keys that seal tickets, as they change with time.
 *
 * Without a file they are random, one a period; the one before is kept for its tickets, then wiped.
 * Servers that share a file of 32 secret bytes derive the period's key from it, and so can open
 * each other's tickets. */
#ifndef DLV_SERVE_TICKETS_H
#define DLV_SERVE_TICKETS_H

#include "base/error.h"
#include "crypto/random.h"
#include "serve/board.h"

#include <stdbool.h>

struct ticket_source {
    bool is_shared;
    uint8_t secret[AEAD_KEY_LEN];          /* of the file */
    uint8_t previous_secret[AEAD_KEY_LEN]; /* of the file before, for a period */
    int64_t changed_in;                    /* the period in which it changed */
    int64_t period;                        /* that `ring` is for */
    struct ticket_ring ring;
};

/* Reads the file; `path` NULL: there is none. Called again, it takes over a changed file, and keeps
 * what was for tickets that are out. 0, or a negative code with the reason. */
int tickets_load(struct ticket_source *source, const char *path, int64_t now_s,
                 struct error *error);

/* Brings the ring up to date. 1 where it has changed, else 0. */
bool tickets_update(struct ticket_source *source, int64_t now_s, struct random *random);

#endif
