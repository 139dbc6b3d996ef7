/* An open database: a mapped file whose signature and structure have been checked.
 *
 * db_open costs two pages, a signature and the dictionary, whatever the number of licences. It makes look-ups
 * memory-safe; that the sections are the ones that were signed only db_verify shows. */
#ifndef DLV_DB_OPEN_H
#define DLV_DB_OPEN_H

#include "db/format.h"
#include "db/lookup_key.h"

struct db {
    struct db_header header;
    const uint8_t *entries; /* header.count * DB_ENTRY_LEN, sorted by key, unique */
    const uint8_t *fanout;  /* (1 << fanout_bits) + 1 elements of 32 bits */
    const uint8_t *merkle;  /* stored nodes, lowest level first */
    struct further_section further;
    struct class_sets sets;
    void *map;
    size_t map_len;
};

/* Opens `path`, which one of the authorities must have signed. 0, or a negative code with the reason, which
 * names the file. */
int db_open(struct db *db, const char *path, const struct key_set *authorities,
            struct error *error);

/* The same for an open file; `name` is what the reason calls it. The caller keeps and closes `fd`.
 */
int db_open_fd(struct db *db, int fd, const char *name, const struct key_set *authorities,
               struct error *error);

/* The same for a file that has just been written and is not signed yet: its header page must be the one
 * of `header`. */
int db_open_unsigned(struct db *db, int fd, const char *name, const struct db_header *header,
                     struct error *error);

/* The entry with this index. */
static inline const uint8_t *db_entry(const struct db *db, uint64_t at) {
    return db->entries + at * DB_ENTRY_LEN;
}

/* The header of `path` alone, however large the file is. One of `authorities` has signed it; NULL: nobody
 * does (to learn the sequence number of a file that is to be replaced). 0, ERR_SYSTEM with errno set
 * (ENOENT: no such file), ERR_FORMAT or ERR_SIGNATURE. */
int db_read_header(struct db_header *header, const char *path, const struct key_set *authorities,
                   struct error *error);

/* Told of how much is done of something that takes long. Never called by two threads at once. */
typedef void db_progress(uint64_t done, uint64_t total);

/* Checks everything: chunk digests, zeros between sections, sorted order, terms, fan-out, Merkle
 * nodes and root. It reads the whole file, on `thread_count` threads, which have ended when
 * it returns. `tell` may be NULL. 0, or a negative code with the first thing that is wrong, which is the same on any
 * number of threads. */
int db_verify(const struct db *db, unsigned thread_count, const char *name, db_progress *tell,
              struct error *error);

/* Few look-ups will come, anywhere in a file that may not be in memory: no more of it is read from the
 * disk than the pages that they touch. */
void db_expect_few(const struct db *db);

/* The three below work on a part of the file, from a multiple of DB_PAGE, so that a process can do
 * something else between two parts. What is beyond the file's end is left out.
 *
 * Reads the part into the page cache and maps it, so that look-ups find it there. 0 or ERR_SYSTEM.
 */
int db_populate(const struct db *db, size_t offset, size_t len, const char *name,
                struct error *error);

/* Keeps the part in memory, so that no look-up waits for a disk. This needs RLIMIT_MEMLOCK or
 * CAP_IPC_LOCK. 0 or ERR_SYSTEM. */
int db_lock(const struct db *db, size_t offset, size_t len, const char *name, struct error *error);

/* Releases the part's memory, so that db_close, which takes long for a large file, has less to
 * do. */
void db_unload(const struct db *db, size_t offset, size_t len);

/* Checks that `key` is the lookup key of the database, or NULL for a plain one. 0 or ERR_FORMAT. */
int db_check_lookup_key(const struct db_header *header, const struct lookup_key *key,
                        const char *name, struct error *error);

void db_close(struct db *db);

#endif
