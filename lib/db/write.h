/* Writing a database file from entries that come in order, whatever their number: in passes, each
 * with little memory. */
#ifndef DLV_DB_WRITE_H
#define DLV_DB_WRITE_H

#include "db/build.h"
#include "db/runs.h"

struct section_writer;

struct db_writer {
    const struct db_build_settings *settings;
    int fd;         /* the file under construction */
    int attributes; /* temporary: their place is known only once all are counted */
    uint64_t count;
    struct section_writer *sections[2]; /* keys and attributes while they are put */
};

/* Begins. `folder` takes a temporary file. 0 or a negative code. */
int db_writer_open(struct db_writer *writer, const struct db_build_settings *settings, int fd,
                   const char *folder, struct error *error);

/* The next entry: greater than the one before. Failures show in db_writer_finish. */
void db_writer_put(struct db_writer *writer, const struct sort_entry *entry);

/* The rest of the file, on settings->thread_count threads, and its signature. *header is what was
 * written. In every case the writer is released; `fd` stays open. 0 or a negative code. */
int db_writer_finish(struct db_writer *writer, struct db_header *header, struct error *error);

/* Gives up. */
void db_writer_abort(struct db_writer *writer);

#endif
