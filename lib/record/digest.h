/* By which digests a licence is looked up: that of its number, of an issued document, or, as the
 * original did, of the whole record.
 *
 * Number: SHA-256 of "dlv:number:" and its matching form. Document: SHA-256 of the file's bytes.
 * Record: SHA-256 of NAME SP PHONE SP LICENCE in UTF-8: spaces and tabs at both ends go, runs of
 * them become one space, control characters and invalid UTF-8 are refused, nothing else changes.
 * Records that begin with "dlv:" are refused too: that prefix keeps the digests apart. */
#ifndef DLV_RECORD_DIGEST_H
#define DLV_RECORD_DIGEST_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "text/matching.h"

#include <stdbool.h>

#define RECORD_MAX 1024 /* bytes of a canonical record */

/* Writes the canonical form of `text` to `canonical` (RECORD_MAX bytes, no NUL), and its length to
 * *canonical_len. 0, or ERR_FORMAT or ERR_LIMIT with the reason. */
int record_canonical(char *canonical, size_t *canonical_len, const char *text, size_t len,
                     struct error *error);
int record_digest(uint8_t digest[SHA256_LEN], const char *text, size_t len, struct error *error);

/* The same for a record in parts, which are set apart by a space: record_begin, record_add for each
 * part, record_check. record_add says with *is_blank whether a part came to nothing. */
struct record {
    char *text; /* RECORD_MAX bytes of the caller's */
    size_t len;
};

void record_begin(struct record *record, char *text);
int record_add(struct record *record, const char *part, size_t len, bool *is_blank,
               struct error *error);
int record_check(const struct record *record, struct error *error);

/* What is hashed of a licence number: NUMBER_PREFIX and its matching form (text/MATCHING.md). */
#define NUMBER_PREFIX "dlv:number:"
#define NUMBER_PREFIX_LEN (sizeof NUMBER_PREFIX - 1)
#define NUMBER_TEXT_MAX (NUMBER_PREFIX_LEN + FORM_MAX)
size_t number_text(char text[NUMBER_TEXT_MAX], const struct form *number);
void number_digest(uint8_t digest[SHA256_LEN], const struct form *number);

/* Hashes what is read from `fd` up to its end. 0 or ERR_SYSTEM with errno set. */
int document_digest(uint8_t digest[SHA256_LEN], int fd);

#endif
