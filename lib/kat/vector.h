/* One vector as it was read, and reading values out of it. Inside kat/ only. */
#ifndef DLV_KAT_VECTOR_H
#define DLV_KAT_VECTOR_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "kat/fields.h"

#include <limits.h>

#define KAT_VALUE_MAX 16384 /* bytes of a hexadecimal value */

struct kat_value {
    const char *text; /* NULL: not there */
    size_t len;
};

struct kat_database; /* see database.h */

struct kat_vector {
    const char *file; /* what reasons call the file; files named in it are beside it */
    unsigned long line;
    struct kat_value values[KAT_FIELD_COUNT];
    struct error *error; /* the reason of a failure: "file:line: ..." */
    int monte_next;      /* Monte Carlo: the COUNT that must come next; -1 outside a chain */
    uint8_t monte_seed[SHA256_LEN]; /* Monte Carlo: the state of the chain */
    struct kat_database *database;
};

/* What came of a case. */
enum kat_outcome {
    KAT_PASSED,
    KAT_SKIPPED, /* a case of an algorithm that dlv does not use */
    KAT_FAILED   /* a wrong answer, or a vector that makes no sense; vector->error says which */
};

/* Sets the reason. KAT_FAILED. */
enum kat_outcome kat_fail(const struct kat_vector *vector, const char *what);

bool kat_has(const struct kat_vector *vector, enum kat_field field);

/* Whether the value is this text. */
bool kat_is(const struct kat_vector *vector, enum kat_field field, const char *text);

/* The functions below return false, with the reason set, where the value is missing or
 * malformed. */

/* The value's bytes, their number at *len. */
bool kat_get_hex(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes, size_t max,
                 size_t *len);

/* The same, but a value that is missing counts as one without bytes. */
bool kat_get_optional(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes,
                      size_t max, size_t *len);

/* Exactly `len` bytes. */
bool kat_get_bytes(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes,
                   size_t len);

bool kat_get_number(const struct kat_vector *vector, enum kat_field field,
                    unsigned long long *number);

/* What must come out: P, F, or A where either is acceptable. NIST adds the reason behind it. */
enum kat_expected { KAT_MUST_FAIL, KAT_MUST_PASS, KAT_MAY_PASS };
bool kat_get_result(const struct kat_vector *vector, enum kat_expected *expected);

/* KAT_PASSED where `is_good` is what was expected. `what` is for the reason: "RSA signature". */
enum kat_outcome kat_compare_result(const struct kat_vector *vector, enum kat_expected expected,
                                    bool is_good, const char *what);

/* The path of the file that a field names. */
void kat_path_beside(const struct kat_vector *vector, enum kat_field field, char path[PATH_MAX]);

#endif
