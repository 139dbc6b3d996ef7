/* Building a database: entries go in in any order, a signed file comes out, whole or not at all.
 *
 * Entries take 48 bytes each. What does not fit into the memory allowed is sorted in pieces, which
 * wait in temporary files and are merged at the end. The bytes of the result depend neither on the
 * memory nor on the number of threads.
 *
 * With a base, the entries that go in are changes to that release: those that are set take the
 * place of the base's, those that are removed must be there. */
#ifndef DLV_DB_BUILD_H
#define DLV_DB_BUILD_H

#include "crypto/rsa.h"
#include "db/base.h"
#include "db/sort.h"

struct db_build_settings {
    const char *path;                    /* where the file is to appear */
    const struct rsa_private *authority; /* signs; 2048 bits or more */
    const struct lookup_key *lookup_key; /* the keys' (the header names it); NULL: plain */
    struct class_names class_names;
    uint64_t sequence;
    int64_t created_s;
    int64_t valid_until_s; /* 0: no limit */
    int32_t utc_offset_s;
    struct db_base *base;         /* open; NULL: none */
    int names_documents;          /* the changes say what becomes of the base's documents */
    int is_new;                   /* there must be no file at `path` in the end */
    size_t memory;                /* bytes for entries, at least a page; some MiB come on top */
    const char *temporary_folder; /* for what does not fit: 48 bytes an entry */
    unsigned thread_count;
    /* Called now and then while the file is written, with what is done of `total`; may be NULL. */
    void (*progress)(void *context, const char *phase, uint64_t done, uint64_t total);
    void *progress_context;
};

/* What became of the entries. */
struct db_build_summary {
    struct db_header header;
    uint64_t duplicate_count;   /* entries that were there already, with the same attributes */
    uint64_t conflict_count;    /* entries that contradict an earlier one */
    uint64_t conflict_lines[2]; /* the first such pair in the input: earlier and later line */
    uint8_t conflict_kind;
    uint64_t absent_count; /* removals of what the base does not have */
    uint64_t absent_line;  /* the first in the input */
    uint8_t absent_kind;
};

struct db_builder;

/* 0 or a negative code with the reason. The settings must live as long as the builder. */
int db_build_open(struct db_builder **builder, const struct db_build_settings *settings,
                  struct error *error);

/* Adds an entry under its stored key (lookup_key_apply); `line` says where it came from. A licence
 * without a status says that the entry is to go (only with a base). An entry that is also set
 * stays, except a record's: to set and to remove one record is a conflict. 0, or a negative code
 * with the reason. */
int db_build_add(struct db_builder *builder, const uint8_t key[DB_KEY_LEN],
                 const struct licence *licence, uint64_t line, struct error *error);

/* The same by several threads: one makes room for `count` entries, then each puts some, and none
 * makes room while another puts. */
int db_build_reserve(struct db_builder *builder, size_t count, struct error *error);
void db_build_put(struct db_builder *builder, const struct sort_entry *entries, size_t count);

/* Sorts, writes, signs and puts the file in place. ERR_CONFLICT where two entries have one key but
 * different attributes (summary->conflict_*), or where something is removed that is not there
 * (summary->absent_*); ERR_FORMAT where no entries are left at all. In every case the builder is
 * released. */
int db_build_finish(struct db_builder *builder, struct db_build_summary *summary,
                    struct error *error);

/* Gives up: releases the builder, leaves the old file as it was. NULL is allowed. */
void db_build_abort(struct db_builder *builder);

#endif
