/* The evidence file (EVIDENCE.md): an answer with its proof, for somebody who has no database. */
#ifndef DLV_DB_EVIDENCE_H
#define DLV_DB_EVIDENCE_H

#include "base/date.h"
#include "db/lookup_key.h"
#include "db/proof.h"

#define EVIDENCE_MAX 16384 /* bytes of the longest */

struct evidence {
    uint8_t digest[SHA256_LEN];
    enum licence_kind kind; /* KIND_RECORD to KIND_DOCUMENT */
    struct moment at;
    uint8_t header_page[DB_PAGE];
    struct proof proof;
};

/* The file's text, NUL-terminated, at most EVIDENCE_MAX bytes; returns its length. */
size_t evidence_write(const struct evidence *evidence, char *text);

/* Reads it. Total: any bytes may come. 0, or ERR_FORMAT naming the line. */
int evidence_read(struct evidence *evidence, const char *text, size_t len, struct error *error);

/* Checks it against the authority's key, and the lookup key of a keyed database (else NULL). 0, with
 * the header and the answer that it proves; or a negative code with the reason. */
int evidence_check(const struct evidence *evidence, const struct rsa_public *authority,
                   const struct lookup_key *lookup_key, struct db_header *header,
                   struct db_answer *answer, struct error *error);

#endif
