/* The predecessor of a release: the database file whose entries stay, except for those of a change
 * list. It is mapped, and checked in full before anything of it is used, since what stays is signed
 * again. */
#ifndef DLV_BUILDER_PREDECESSOR_H
#define DLV_BUILDER_PREDECESSOR_H

#include "db/lookup_key.h"
#include "db/open.h"

#include <stdbool.h>

struct predecessor {
    const char *path;
    struct db db;
    struct class_sets sets; /* its dictionary */
    uint64_t at;            /* entries given out */
};

/* Opens `path`, checks all of it on `thread_count` threads, and that `lookup_key` (NULL: none) is
 * its own. 0, or a negative code with the reason. */
int predecessor_open(struct predecessor *predecessor, const char *path,
                     const struct key_set *authorities, const struct lookup_key *lookup_key,
                     unsigned thread_count, struct error *error);

/* The next entry, at *entry, and its further terms: 1; 0 at the end; or ERR_FORMAT with the
 * reason. */
int predecessor_next(struct predecessor *predecessor, const uint8_t **entry,
                     struct further *further, struct error *error);

void predecessor_close(struct predecessor *predecessor);

#endif
