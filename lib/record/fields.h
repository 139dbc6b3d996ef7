/* Fields of a licence that a question may give, and the check codes by which they are compared
 * without being stored (FORMAT.md, "Check codes"). */
#ifndef DLV_RECORD_FIELDS_H
#define DLV_RECORD_FIELDS_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "record/terms.h"
#include "text/matching.h"

/* The numbers are those in files and frames. */
enum field {
    FIELD_NONE = 0,
    FIELD_NAME = 1,
    FIELD_PHONE = 2,
    FIELD_BIRTH_DATE = 3,
    FIELD_CARD = 4,
    FIELD_COUNT
};

/* "name", "phone", "birth date", "card". */
const char *field_name(unsigned field);

#define CHECK_FIELDS_MAX 3

/* The fields that a database keeps codes of, in the order of the codes. */
struct check_fields {
    unsigned count; /* 0 to CHECK_FIELDS_MAX */
    uint8_t fields[CHECK_FIELDS_MAX];
};

/* Whether these are different fields, and zeros behind them. */
bool check_fields_are_valid(const struct check_fields *fields);

/* Where the code of a field stands among the codes; -1: none is kept. */
int check_fields_place(const struct check_fields *fields, unsigned field);

/* Bytes of each code: 6, 3 or 2; 0 where none is kept. */
size_t check_code_len(const struct check_fields *fields);

#define FIELD_DIGEST_LEN 16
#define FIELD_TEXT_MAX (16 + SHA256_LEN / 2 + FORM_MAX)

/* Writes what is hashed of a field: its tag, half of the digest of the number, its matching form.
 * Returns the length. */
size_t field_text(char text[FIELD_TEXT_MAX], enum field field,
                  const uint8_t number_digest[SHA256_LEN], const struct form *form);

/* The digest of such a text: FIELD_DIGEST_LEN bytes. */
void field_digest(uint8_t digest[FIELD_DIGEST_LEN], const char *text, size_t len);

/* Makes a check code of `len` bytes out of a field digest, or, on a keyed database, of its HMAC. A
 * code is never zero: zero means that the field is not on file. */
void check_code_set(uint8_t *code, size_t len, const uint8_t *digest);

/* What comparing a field comes to. */
enum field_match {
    FIELD_NOT_ASKED,
    FIELD_SAME,
    FIELD_DIFFERS,
    FIELD_NOT_ON_FILE, /* the register keeps this field, but not for this licence */
    FIELD_NOT_KEPT     /* the register does not keep this field */
};

/* "same", "differs", "not on file", "not kept". */
const char *field_match_name(enum field_match match);

#endif
