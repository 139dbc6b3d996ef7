/* The database file, format 2: its header and its sections. FORMAT.md beside this file has every
 * byte. Nothing here reads or writes files. */
#ifndef DLV_DB_FORMAT_H
#define DLV_DB_FORMAT_H

#include "base/file.h"
#include "crypto/key_set.h"
#include "db/entry.h"
#include "db/release.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_PAGE 4096
#define DB_VERSION 2
#define DB_FANOUT_LEN 4
#define DB_NODE_LEN 32
#define DB_COUNT_MAX UINT32_MAX /* entries: a fan-out element has 32 bits */
#define DB_CHUNK (1u << 20)     /* bytes that one digest of the last section covers */

#define DB_SIGNATURES DB_PAGE     /* offset of the page of signatures: it is not signed itself */
#define DB_HEAD_LEN (2 * DB_PAGE) /* header and signatures; the first section follows */

enum db_section_name {
    DB_ENTRIES,
    DB_FANOUT,
    DB_MERKLE,
    DB_FURTHER,
    DB_DICTIONARY,
    DB_CHUNKS,
    DB_SECTION_COUNT
};

struct db_section {
    uint64_t offset; /* from the start of the file, a multiple of DB_PAGE */
    uint64_t len;    /* without the zeros that fill the last page */
};

/* What a database is as a file. */
extern const struct file_kind db_file_kind;

struct db_header {
    uint64_t count; /* entries, 1 to DB_COUNT_MAX */
    struct release_facts facts;
    bool is_keyed;
    uint32_t fanout_bits;
    uint32_t further_max;              /* bytes of the longest further terms */
    uint8_t lookup_key_id[SHA256_LEN]; /* zeros where the database is not keyed */
    uint8_t merkle_root[DB_NODE_LEN];
    uint32_t set_count;                  /* sets of classes in the dictionary */
    uint8_t dictionary_root[SHA256_LEN]; /* class_sets_root */
    uint8_t chunks_sha256[SHA256_LEN];   /* of the section of chunk digests */
    struct db_section sections[DB_SECTION_COUNT];
    uint8_t id[SHA256_LEN]; /* SHA-256 of the header page, by which the release is named */
};

const char *db_section_name(enum db_section_name section);

/* Fan-out bits for a count: buckets of at most two keys on average. */
uint32_t db_fanout_bits(uint64_t count);

/* Offsets and lengths of all sections, from count, fanout_bits, and the lengths of the further
 * terms and the dictionary, which are in their sections already. */
void db_layout(struct db_header *header);

/* Length of the whole file. */
uint64_t db_file_len(const struct db_header *header);

/* The header page, DB_PAGE bytes, all of which is signed. Sets header->id. */
void db_header_encode(struct db_header *header, uint8_t page[DB_PAGE]);

/* Reads and checks a header page. Total: any bytes may come. 0, or ERR_FORMAT naming the first
 * field that is wrong. */
int db_header_decode(struct db_header *header, const uint8_t page[DB_PAGE], struct error *error);

/* Writes the page of signatures with the one given. */
void db_signatures_encode(uint8_t page[DB_PAGE], const uint8_t authority_id[SHA256_LEN],
                          const uint8_t *signature, size_t len);

/* Checks that the header names one of these authorities, and that one of the signatures is its. 0 or
 * ERR_SIGNATURE. */
int db_header_verify(const struct db_header *header, const uint8_t signatures[DB_PAGE],
                     const struct key_set *authorities, struct error *error);

#endif
