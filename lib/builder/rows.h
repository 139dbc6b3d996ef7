/* The first stage of a build: rows are read in order, and turned into facts on several threads. */
#ifndef DLV_BUILDER_ROWS_H
#define DLV_BUILDER_ROWS_H

#include "base/parallel.h"
#include "builder/collect.h"
#include "builder/texts.h"
#include "builder/touched.h"
#include "db/lookup_key.h"
#include "registry/registry.h"

#define ROWS_MAX 8192

/* The most facts that a row makes: itself, its groups, a status of classes, a card, codes with an
 * argument, former numbers, a document and a record. */
#define ROW_FACTS_MAX (1 + ROW_GROUPS_MAX + 1 + 1 + ROW_CODES_MAX + ROW_FORMERS_MAX + 2)

/* Numbers that are not what the release says that all of its numbers are. */
struct misfits {
    uint64_t count;
    uint64_t line; /* of the first one */
};

/* How a row becomes facts, and where these go. */
struct rows_target {
    const struct registry *registry;
    const struct release_facts *facts;
    struct misfits *beside_patterns;
    struct misfits *beside_coverage;
    bool is_lines;                       /* the rows are plain records (registry_line) */
    const struct lookup_key *lookup_key; /* NULL: of a plain file */
    struct collector *collector;
    struct texts *texts;
    struct touched
        *touched; /* the licences that a change list replaces or removes; NULL: no list */
};

struct rows_item {
    struct csv_row row; /* row.reason is not NULL where the row is malformed */
    bool is_bad;        /* it is malformed, or registry_row says what is wrong with it */
};

/* About 1.5 MiB: for static memory or the heap. */
struct rows {
    size_t count;
    size_t bad_count; /* known once the rows have been hashed */
    const struct rows_target *target;
    struct rows_item items[ROWS_MAX];
    struct csv_block block; /* what the rows point into */
};

/* Reads on, into this memory, at most `limit` rows (ROWS_MAX or fewer); the rows that were in it are
 * gone. Returns why it stopped: CSV_FULL
 * (hash these rows, then read on into other memory), CSV_END, or ERR_SYSTEM with errno set. */
int rows_read(struct rows *rows, struct csv_reader *reader, size_t limit);

/* Begins to turn all rows into facts and to put these into the collector, which must have room for
 * ROW_FACTS_MAX of each row. A row that is refused makes its licence a withheld one, where its
 * number can be read. parallel_wait ends it: 0, or ERR_MEMORY. */
void rows_hash(struct rows *rows, const struct rows_target *target, struct parallel *parallel);

#endif
