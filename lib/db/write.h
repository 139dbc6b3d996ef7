/* Writing a database file from entries that come in order, whatever their number.
 *
 * Entries are collected in batches; while one is filled, the one before it is hashed and written on
 * the other threads. Where sections belong depends on how many entries there are, so they are
 * written where they belong if none turns out to be a duplicate, and else moved. */
#ifndef DLV_DB_WRITE_H
#define DLV_DB_WRITE_H

#include "base/parallel.h"
#include "db/build.h"

struct write_batch;

/* Bytes of a section that come in order: hashed, and written to a file. */
struct write_section {
    int fd;
    uint64_t len; /* written so far */
    uint64_t offset;
    struct sha256 hash;
};

struct db_writer {
    const struct db_build_settings *settings;
    int fd;         /* the file under construction */
    uint64_t count; /* entries put */
    struct write_section keys;
    uint64_t written_out; /* of the keys, towards the disk */
    struct write_section attributes;
    struct write_section nodes; /* of the lowest stored level */
    struct write_batch *filling;
    struct write_batch *writing; /* by `parallel` */
    struct parallel *parallel;
    int code; /* of the first failure, with its errno */
    int error_number;
};

/* Begins a file for count_max entries at most. 0 or a negative code. */
int db_writer_open(struct db_writer *writer, const struct db_build_settings *settings, int fd,
                   uint64_t count_max, struct error *error);

/* The next entry: its key is greater than the one before. Failures show in db_writer_finish. */
void db_writer_put(struct db_writer *writer, const uint8_t key[DB_KEY_LEN],
                   const uint8_t attributes[DB_ATTRIBUTES_LEN]);

/* The rest of the file, on settings->thread_count threads, and its signature. At least one entry
 * has been put. *header is what was written. In every case the writer is released; `fd` stays open.
 * 0 or a negative code. */
int db_writer_finish(struct db_writer *writer, struct db_header *header, struct error *error);

/* Gives up. */
void db_writer_abort(struct db_writer *writer);

#endif
