/* The licences that a change list replaces or removes, by the leading bits of their keys: what
 * depended on them before goes with them. Several threads may add at once. */
#ifndef DLV_BUILDER_TOUCHED_H
#define DLV_BUILDER_TOUCHED_H

#include "db/entry.h"

#include <pthread.h>

struct touched {
    pthread_mutex_t mutex;
    size_t count;
    size_t room;
    uint8_t (*prefixes)[LICENCE_PREFIX_LEN]; /* sorted once touched_sort was called */
};

void touched_init(struct touched *touched);
void touched_free(struct touched *touched);

/* 0 or ERR_MEMORY. */
int touched_add(struct touched *touched, const uint8_t key[DB_KEY_LEN]);

/* Once all are there. */
void touched_sort(struct touched *touched);

bool touched_has(const struct touched *touched, const uint8_t prefix[LICENCE_PREFIX_LEN]);

#endif
