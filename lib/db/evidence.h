/* The evidence file (EVIDENCE.md): an answer with its proof, for people who do not have the
 * database. */
#ifndef DLV_DB_EVIDENCE_H
#define DLV_DB_EVIDENCE_H

#include "base/date.h"
#include "db/lookup_key.h"
#include "db/proof.h"

#define EVIDENCE_MAX 16384 /* length of the longest file, in bytes */

struct evidence {
    uint8_t digest[SHA256_LEN];
    enum licence_kind kind; /* KIND_RECORD to KIND_DOCUMENT */
    struct moment at;
    uint8_t header_page[DB_PAGE];
    struct proof proof;
};

/* Writes the file's text, at most EVIDENCE_MAX bytes and a NUL. Returns its length. */
size_t evidence_write(const struct evidence *evidence, char *text);

/* Reads such a text. Total: any bytes may come. 0, or ERR_FORMAT with a reason that names the
 * line. */
int evidence_read(struct evidence *evidence, const char *text, size_t len, struct error *error);

/* Checks the evidence against the authority's key and, for a keyed database, its lookup key (NULL
 * for a plain one). 0, with the header and the answer that are proved, or a negative code with the
 * reason. */
int evidence_check(const struct evidence *evidence, const struct rsa_public *authority,
                   const struct lookup_key *lookup_key, struct db_header *header,
                   struct db_answer *answer, struct error *error);

#endif
