/* The last stage of a build: a database file from entries that come in order, whatever their
 * number.
 *
 * Entries are gathered in batches. While one batch is filled, other threads hash and write the one
 * before it. Where a section begins depends on how many entries there are, which is known only at
 * the end. Sections are written where they belong if as many entries come as were announced, and
 * are moved where there are fewer, because of duplicates or removals. */
#ifndef DLV_BUILDER_WRITE_H
#define DLV_BUILDER_WRITE_H

#include "base/parallel.h"
#include "builder/settings.h"
#include "db/format.h"

struct write_batch;

/* A section that is hashed and written as its bytes come. */
struct write_section {
    int fd;
    uint64_t len; /* written so far */
    uint64_t offset;
    struct sha256 hash;
};

struct writer {
    const struct build_settings *settings;
    int fd;         /* the file under construction */
    uint64_t count; /* entries put so far */
    struct write_section keys;
    uint64_t written_out; /* bytes of keys whose writing to the disk has begun */
    struct write_section attributes;
    struct write_section nodes; /* of the lowest stored level of the Merkle tree */
    struct write_batch *filling;
    struct write_batch *writing; /* what `parallel` works on */
    struct parallel *parallel;
    int code; /* of the first failure, with its errno */
    int error_number;
};

/* Begins a file of at most `count_max` entries in `fd`, which the caller keeps. 0 or ERR_MEMORY. */
int writer_open(struct writer *writer, const struct build_settings *settings, int fd,
                uint64_t count_max, struct error *error);

/* Adds the next entry. Its key must be greater than the one before. A failure shows only in
 * writer_finish. */
void writer_put(struct writer *writer, const uint8_t key[DB_KEY_LEN],
                const uint8_t attributes[DB_ATTRIBUTES_LEN]);

/* Writes the rest of the file on settings->thread_count threads, and signs it. At least one entry
 * has been put. *header is what was written. Afterwards the writer is closed, whatever came out.
 * 0 or a negative code with the reason. */
int writer_finish(struct writer *writer, struct db_header *header, struct error *error);

/* Gives up. */
void writer_abort(struct writer *writer);

#endif
