/* The last stage of a build: a database file from entries that come in order, whatever their number.
 *
 * Entries are written as they come, in batches, with numbers of class sets in the order in which
 * these were first met; further terms go to a temporary file. Once all are there, the dictionary is
 * sorted, and a second pass over the entries, in parallel, puts the final numbers in, and makes the
 * fan-out and the lowest nodes of the Merkle tree. Then come the levels above, the digests of the
 * chunks, for which the whole file is read again, and the signature. */
#ifndef DLV_BUILDER_WRITE_H
#define DLV_BUILDER_WRITE_H

#include "base/parallel.h"
#include "builder/settings.h"
#include "builder/texts.h"
#include "db/format.h"

struct write_batch;

struct writer {
    const struct build_settings *settings;
    int fd;               /* the file under construction */
    int further_fd;       /* a temporary file, in which the section of further terms is made */
    uint64_t count;       /* entries put so far */
    uint64_t written;     /* bytes of entries written so far */
    uint64_t further_len; /* bytes of the section of further terms so far */
    size_t further_max;
    size_t further_used; /* bytes that wait in `further` */
    uint8_t *further;
    struct texts *sets;      /* sets of classes, numbered as they come */
    uint16_t *final_numbers; /* of each of them, once all are known */
    struct class_sets dictionary;
    uint8_t *dictionary_bytes;
    struct write_batch *filling;
    struct write_batch *writing; /* what `parallel` works on */
    struct parallel *parallel;
    int code; /* of the first failure, with its errno */
    int error_number;
};

/* Begins a file in `fd`, which the caller keeps. 0, ERR_MEMORY or ERR_SYSTEM with the reason. */
int writer_open(struct writer *writer, const struct build_settings *settings, int fd,
                struct error *error);

/* The number of a set of classes; 0 where CLASS_SETS_MAX others came before it: then its text goes
 * into further terms. A class_set_number (db/entry.h). */
uint32_t writer_set_number(void *writer, struct span text);

/* The same without taking the set in: to learn whether an entry has room for what it is to say. */
uint32_t writer_probe_set(void *writer, struct span text);

/* Adds the next entry. Its key must be greater than the one before. A failure shows only in
 * writer_finish. */
void writer_put(struct writer *writer, const uint8_t key[DB_KEY_LEN],
                const uint8_t codes[CODES_LEN], const uint8_t terms[DB_TERMS_LEN],
                const uint8_t *further, size_t further_len);

/* Writes the rest of the file on settings->thread_count threads, and signs it. At least one entry
 * has been put. *header is what was written. Afterwards the writer is closed, whatever came out.
 * 0 or a negative code with the reason. */
int writer_finish(struct writer *writer, struct db_header *header, struct error *error);

/* Gives up. */
void writer_abort(struct writer *writer);

#endif
