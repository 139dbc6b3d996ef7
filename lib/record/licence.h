/* What the authority says about a licence, and which verdict follows from it on a given day. */
#ifndef DLV_RECORD_LICENCE_H
#define DLV_RECORD_LICENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is not a status, so that zeroed memory never says "valid". The numbers are those in the
 * file. */
enum licence_status { STATUS_VALID = 1, STATUS_SUSPENDED = 2, STATUS_REVOKED = 3 };

/* How the licence is asked for. KIND_ANY occurs only in questions. */
enum licence_kind { KIND_ANY = 0, KIND_RECORD = 1, KIND_NUMBER = 2, KIND_DOCUMENT = 3 };

struct licence {
    uint8_t status;      /* enum licence_status */
    uint8_t kind;        /* enum licence_kind */
    uint16_t classes;    /* vehicle classes: bit i is the i-th name of struct class_names */
    uint32_t valid_from; /* days since 0001-01-01, both ends inclusive */
    uint32_t valid_to;
};

enum verdict {
    VERDICT_UNKNOWN,
    VERDICT_VALID,
    VERDICT_EXPIRED,
    VERDICT_NOT_YET_VALID,
    VERDICT_SUSPENDED,
    VERDICT_REVOKED,
    VERDICT_COUNT
};

/* Returns the verdict's word, for instance "NOT_YET_VALID". */
const char *verdict_name(enum verdict verdict);

/* Returns the verdict on `day`. Revoked and suspended count before the dates. */
enum verdict licence_verdict(const struct licence *licence, uint32_t day);

/* "valid", "suspended", "revoked", as in the CSV. Parsing returns 0 or ERR_FORMAT. */
const char *status_name(uint8_t status);
int status_parse(const char *text, size_t len, uint8_t *status);

/* "record", "number", "document". */
const char *kind_name(uint8_t kind);

#define CLASS_COUNT 16
#define CLASS_NAME_SIZE 16

/* The authority's vehicle classes; unused names are empty, and all unused come last. */
struct class_names {
    char name[CLASS_COUNT][CLASS_NAME_SIZE]; /* NUL-padded; A-Z 0-9 - only */
};

/* India's classes of vehicle, the default. */
extern const struct class_names class_names_default;

/* Turns names that are separated by spaces, ',', ';' or '|', as in the CSV's column, into bits. 0,
 * or ERR_FORMAT with the first name that is not one of `names` at *bad. */
int classes_parse(const struct class_names *names, const char *text, size_t len, uint16_t *classes,
                  const char **bad, size_t *bad_len);

/* Reads a list of names, with the same separators, as the authority's classes. 0 or ERR_FORMAT. */
int class_names_parse(struct class_names *names, const char *text);

/* Whether the names are well formed. */
bool class_names_are_valid(const struct class_names *names);

#define CLASSES_TEXT_SIZE (CLASS_COUNT * CLASS_NAME_SIZE + 1)

/* Writes the names of the set bits with `separator` between them. */
void classes_format(char text[CLASSES_TEXT_SIZE], const struct class_names *names, uint16_t classes,
                    char separator);

#endif
