/* Sorting of entries while a database is built. */
#ifndef DLV_BUILDER_SORT_H
#define DLV_BUILDER_SORT_H

#include "db/entry.h"

#include <stddef.h>

#define SORT_KEY_LEN (DB_KEY_LEN + 8)

/* An entry on its way into a file. */
struct sort_entry {
    uint8_t sort_key[SORT_KEY_LEN]; /* the stored key, then the input line, big-endian */
    uint8_t attributes[DB_ATTRIBUTES_LEN];
};

/* An entry under a stored key (lookup_key_apply). A licence without a status is a removal. */
void sort_entry_set(struct sort_entry *entry, const uint8_t key[DB_KEY_LEN],
                    const struct licence *licence, uint64_t line);

/* Sorts by sort_key, in place, in time linear in `count` whatever the keys, on up to thread_count
 * threads. */
void sort_entries(struct sort_entry *entries, size_t count, unsigned thread_count);

/* The input line an entry came from. */
uint64_t sort_entry_line(const struct sort_entry *entry);

#endif
