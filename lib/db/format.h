/* The database file, format 1: its header and its sections. FORMAT.md beside this file has every
 * byte. Nothing here reads or writes files. */
#ifndef DLV_DB_FORMAT_H
#define DLV_DB_FORMAT_H

#include "base/error.h"
#include "crypto/rsa_key.h"
#include "db/entry.h"
#include "db/release.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DB_PAGE 4096
#define DB_VERSION 1
#define DB_FANOUT_LEN 4
#define DB_NODE_LEN 32
#define DB_COUNT_MAX UINT32_MAX /* entries: a fan-out element has 32 bits */

#define DB_SIGNED_LEN 3072 /* how much of the header page is signed; the signature follows */
#define DB_SIGNATURE_MAX (DB_PAGE - DB_SIGNED_LEN)

#define DB_FLAG_KEYED 1u /* keys are HMACs of digests (lookup_key.h) */

enum db_section_name { DB_KEYS, DB_ATTRIBUTES, DB_FANOUT, DB_MERKLE, DB_SECTION_COUNT };

struct db_section {
    uint64_t offset; /* from the start of the file, a multiple of DB_PAGE */
    uint64_t len;    /* without the zeros that fill the last page */
    uint8_t sha256[SHA256_LEN];
};

struct db_header {
    uint32_t flags;
    uint64_t count; /* entries, 1 to DB_COUNT_MAX */
    struct release_facts facts;
    uint32_t fanout_bits;
    uint32_t signature_len;
    uint8_t lookup_key_id[SHA256_LEN]; /* zeros where the database is not keyed */
    uint8_t merkle_root[DB_NODE_LEN];
    struct db_section sections[DB_SECTION_COUNT];
};

const char *db_section_name(enum db_section_name section);

/* Fan-out bits for a count: buckets of at most four keys on average. */
uint32_t db_fanout_bits(uint64_t count);

/* Offsets and lengths of all sections, from count and fanout_bits. */
void db_layout(struct db_header *header);

/* Length of the whole file. */
uint64_t db_file_len(const struct db_header *header);

/* The signed part of the header page, DB_SIGNED_LEN bytes. */
void db_header_encode(const struct db_header *header, uint8_t page[DB_SIGNED_LEN]);

/* Reads and checks a header page: everything but the signature. Total: any bytes may come. 0, or
 * ERR_FORMAT naming the first field that is wrong. */
int db_header_decode(struct db_header *header, const uint8_t page[DB_PAGE], struct error *error);

/* Checks the page's signature and that the header names this authority. 0 or ERR_SIGNATURE. */
int db_header_verify(const struct db_header *header, const uint8_t page[DB_PAGE],
                     const struct rsa_public *authority, struct error *error);

#endif
