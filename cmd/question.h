/* A question as the command line asks it: a record, a licence number or a document. */
#ifndef DLV_CMD_QUESTION_H
#define DLV_CMD_QUESTION_H

#include "crypto/sha256.h"
#include "record/licence.h"

#include "base/error.h"

/* The digest of a record or a number. 0 or a negative code with the reason. */
int question_text_digest(enum licence_kind kind, const char *text, size_t len,
                         uint8_t digest[SHA256_LEN], struct error *error);

/* The digest of the one question asked: --number, --document (a file, or - for stdin), or a record
 * in one operand or several words. EXIT_OK, or EXIT_TROUBLE after saying why. */
int question_digest(const char *number, const char *document, int operand_count, char **operands,
                    enum licence_kind *kind, uint8_t digest[SHA256_LEN]);

#endif
