/* Rows of a registry on their way into a builder: collected in order, turned into entries on
 * several threads. */
#ifndef DLV_DB_ROWS_H
#define DLV_DB_ROWS_H

#include "base/parallel.h"
#include "db/lookup_key.h"
#include "record/registry.h"

#define ROWS_MAX 4096
#define ROWS_TEXT_MAX (64 * CSV_ROW_MAX)

struct rows_item {
    struct csv_row row; /* row.reason is not NULL where it is malformed */
    int entry_count;    /* or a negative code: registry_row says why */
    struct registry_entry entries[REGISTRY_ENTRIES_MAX]; /* digests as they are stored */
};

/* About 4 MiB: for static memory or the heap. */
struct rows {
    unsigned count;
    size_t text_used;
    const struct registry *registry; /* of rows_hash */
    const struct lookup_key *lookup_key;
    struct rows_item items[ROWS_MAX];
    char text[ROWS_TEXT_MAX]; /* what the rows' pointers point into */
};

void rows_clear(struct rows *rows);

/* Takes a copy of a row. 1, or 0 where there is no room for one more of any size: then rows_hash
 * and rows_clear come next, and the row has been taken all the same. */
int rows_add(struct rows *rows, const struct csv_row *row);

/* Begins to make the entries of all rows, by registry_row, or registry_line where `registry` is
 * NULL; parallel_wait ends it. The rows keep what it needs. */
void rows_hash(struct rows *rows, const struct registry *registry,
               const struct lookup_key *lookup_key, struct parallel *parallel);

#endif
