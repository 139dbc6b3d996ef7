/* A licence's three digests: of the record, of its number, of the issued document.
 *
 * Record: NAME SP PHONE SP LICENCE in UTF-8, in canonical form: spaces and tabs at both ends go,
 * runs of them become one space, control characters and invalid UTF-8 are refused, nothing else
 * changes. Texts that begin with "dlv:" are refused too: that prefix keeps the other digests apart.
 * Number: SHA-256 of "dlv:number:" and the number with a-z upper-cased, spaces, tabs and hyphens
 * dropped. Document: SHA-256 of the file's bytes. */
#ifndef DLV_RECORD_DIGEST_H
#define DLV_RECORD_DIGEST_H

#include "base/error.h"
#include "crypto/sha256.h"

#include <stdbool.h>

#define RECORD_MAX 1024 /* bytes of a canonical record or number */

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

/* The same for a licence number. What is hashed is NUMBER_PREFIX followed by the canonical form. */
#define NUMBER_PREFIX "dlv:number:"
#define NUMBER_PREFIX_LEN (sizeof NUMBER_PREFIX - 1)
int number_canonical(char *canonical, size_t *canonical_len, const char *text, size_t len,
                     struct error *error);

/* Writes the text that is hashed to `text` (NUMBER_TEXT_MAX bytes, no NUL). */
#define NUMBER_TEXT_MAX (NUMBER_PREFIX_LEN + RECORD_MAX)
int number_text(char *text, size_t *text_len, const char *number, size_t len, struct error *error);
int number_digest(uint8_t digest[SHA256_LEN], const char *text, size_t len, struct error *error);

/* Hashes what is read from `fd` up to its end. 0 or ERR_SYSTEM with errno set. */
int document_digest(uint8_t digest[SHA256_LEN], int fd);

#endif
