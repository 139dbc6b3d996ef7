/* Who holds how many of a worker's connections, and how much of its memory for input and output that
 * waits. A holder is a kiosk, or, as long as a connection has not shown one, a source (admission.h).
 *
 * The one that holds the most gives way when there is no room, so nobody can push the others out. */
#ifndef DLV_SERVE_HOLDERS_H
#define DLV_SERVE_HOLDERS_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct holder {
    uint64_t key;            /* of the kiosk or source; nobody can choose it */
    struct holder *next;     /* with the same place in the table */
    struct list same_count;  /* with those that hold as many */
    struct list connections; /* the one that has been silent for longest first */
    uint32_t count;
    uint64_t buffered;
};

/* To begin with, zeros but for `max`. */
struct holders {
    uint32_t max;       /* connections, hence holders, at most */
    struct holder *all; /* `max` of them */
    struct holder **table;
    struct list *by_count; /* of holders, max + 1 lists */
    uint32_t most;         /* no holder has more connections */
    struct holder *free;
    uint64_t buffered; /* by all together */
};

/* 0 or ERR_MEMORY. */
int holders_open(struct holders *holders);
void holders_free(struct holders *holders);

/* A part of a connection. To begin with, zeros. */
struct holding {
    struct holder *holder; /* NULL: nobody's */
    struct list link;
    uint32_t buffered;
};

/* Makes the connection the holder's with this key, and the last to give way. There are never more
 * connections than `max`. */
void holders_give(struct holders *holders, struct holding *holding, uint64_t key);

/* The connection is closed. */
void holders_take_back(struct holders *holders, struct holding *holding);

/* A connection of whoever holds the most, and `least` at least: the first that `may_go`. Of holders that
 * hold as many, who has been silent for longest comes first; only some are looked at. NULL: there is
 * none. */
struct holding *holders_choose(const struct holders *holders, uint32_t least,
                               bool (*may_go)(const void *context, struct holding *holding),
                               const void *context);

/* Whether `len` more bytes may be kept for the connection, of `max` for all; if so, they are counted. A
 * holder may have as much as is still free: so one alone gets half, two a third each, and there is
 * always room for one more. (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory
 * packet switches", 1998.) */
bool holders_buffer(struct holders *holders, struct holding *holding, uint32_t len, uint64_t max);
void holders_unbuffer(struct holders *holders, struct holding *holding, uint32_t len);

#endif
