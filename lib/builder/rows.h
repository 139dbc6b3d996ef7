/* The first stage of a build: rows are read in order, and turned into entries on several
 * threads. */
#ifndef DLV_BUILDER_ROWS_H
#define DLV_BUILDER_ROWS_H

#include "base/parallel.h"
#include "builder/collect.h"
#include "db/lookup_key.h"
#include "registry/registry.h"

#define ROWS_MAX 8192

/* How a row becomes entries, and where these go. */
struct rows_target {
    const struct registry *registry;     /* NULL: the rows are plain records (registry_line) */
    const struct lookup_key *lookup_key; /* NULL: of a plain file */
    struct collector *collector;
};

struct rows_item {
    struct csv_row row; /* row.reason is not NULL where the row is malformed */
    bool is_bad;        /* it made no entries: it is malformed, or registry_row says why */
};

/* About 1.5 MiB: for static memory or the heap. */
struct rows {
    size_t count;
    size_t bad_count; /* known once the rows have been hashed */
    const struct rows_target *target;
    struct rows_item items[ROWS_MAX];
    struct csv_block block; /* what the rows point into */
};

/* Reads on, into this memory; the rows that were in it are gone. Returns why it stopped: CSV_FULL
 * (hash these rows, then read on into other memory), CSV_END, or ERR_SYSTEM with errno set. */
int rows_read(struct rows *rows, struct csv_reader *reader);

/* Begins to turn all rows into entries and to put these into the collector, which must have room
 * for REGISTRY_ENTRIES_MAX of each row. parallel_wait ends it. */
void rows_hash(struct rows *rows, const struct rows_target *target, struct parallel *parallel);

#endif
