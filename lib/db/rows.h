/* Rows of a registry on their way into a builder: read in order, turned into entries on several
 * threads. */
#ifndef DLV_DB_ROWS_H
#define DLV_DB_ROWS_H

#include "base/parallel.h"
#include "db/build.h"
#include "record/registry.h"

#define ROWS_MAX 8192

struct rows_item {
    struct csv_row row; /* row.reason is not NULL where it is malformed */
    int is_bad;         /* it made no entries: malformed, or registry_row says why */
};

/* About 1.5 MiB: for static memory or the heap. */
struct rows {
    size_t count;
    size_t bad_count;                /* known after rows_hash */
    const struct registry *registry; /* of rows_hash */
    const struct lookup_key *lookup_key;
    struct db_builder *builder;
    struct rows_item items[ROWS_MAX];
    struct csv_block block; /* what the rows point into */
};

/* Goes on reading, with this memory; the rows that were in it are gone. Returns what ended it:
 * CSV_FULL (the rows are to be hashed, then others come), CSV_END, or ERR_SYSTEM with errno set. */
int rows_read(struct rows *rows, struct csv_reader *reader);

/* Begins to put the entries of all rows, by registry_row, or registry_line where `registry` is
 * NULL, into the builder, which has made room for REGISTRY_ENTRIES_MAX of each row; parallel_wait
 * ends it. The rows keep what it needs. */
void rows_hash(struct rows *rows, const struct registry *registry,
               const struct lookup_key *lookup_key, struct db_builder *builder,
               struct parallel *parallel);

#endif
