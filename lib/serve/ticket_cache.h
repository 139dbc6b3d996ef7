/* Tickets that have been opened and checked. The server needs no memory of sessions; this only
 * saves opening a ticket again with each question. */
#ifndef DLV_SERVE_TICKET_CACHE_H
#define DLV_SERVE_TICKET_CACHE_H

#include "serve/board.h"

#define TICKET_CACHE_SIZE 4096 /* a power of two */

struct known_ticket {
    bool is_known;
    unsigned kiosks_now; /* the list of kiosks that it was checked against */
    unsigned ring_now;   /* the ticket keys that it was opened with */
    struct quota quota;  /* of the kiosk */
    struct ticket opened;
    uint8_t sealed[TICKET_LEN];
};

/* Secret: wipe after use. To begin with, all zeros. */
struct ticket_cache {
    struct known_ticket known[TICKET_CACHE_SIZE]; /* placed by their tags, which look random */
};

/* The sealed ticket, opened; NULL where it is not good now: it is not ours, it has expired, or its
 * kiosk is not enrolled any more. The result is valid until the next call. */
const struct known_ticket *ticket_cache_open(struct ticket_cache *cache, const struct board *board,
                                             const uint8_t sealed[TICKET_LEN], int64_t now_s);

/* Wipes the tickets that are not good any more, or that were opened with ticket keys or a list of kiosks
 * that are not in use any more. To be called now and then, though nobody asks: a session's key must not
 * outlive it. */
void ticket_cache_forget(struct ticket_cache *cache, const struct board *board, int64_t now_s);

#endif
