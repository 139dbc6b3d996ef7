/* The authority's registry: from a CSV row to the entries it makes.
 *
 * Columns, in any order, named in the first row: name, phone, licence, status, valid_from,
 * valid_to; optionally classes and document (the SHA-256 of the issued file, in hex). */
#ifndef DLV_RECORD_REGISTRY_H
#define DLV_RECORD_REGISTRY_H

#include "crypto/sha256.h"
#include "record/csv.h"
#include "record/licence.h"

enum registry_column {
    COLUMN_NAME,
    COLUMN_PHONE,
    COLUMN_LICENCE,
    COLUMN_STATUS,
    COLUMN_VALID_FROM,
    COLUMN_VALID_TO,
    COLUMN_CLASSES,
    COLUMN_DOCUMENT,
    COLUMN_COUNT
};

struct registry {
    const struct class_names *class_names;
    size_t column_count;
    int field_of[COLUMN_COUNT]; /* -1: no such column */
};

struct registry_entry {
    uint8_t digest[SHA256_LEN];
    struct licence licence;
};

#define REGISTRY_ENTRIES_MAX 3

/* Learns the columns from the first row. 0, or ERR_FORMAT naming the column that is missing, twice
 * there or unknown (a misspelled column must not be lost in silence). */
int registry_header(struct registry *registry, const struct class_names *class_names,
                    const struct csv_row *row, struct error *error);

/* The entries of a row: its record's, its number's, and its document's if it has one. Returns how
 * many, or ERR_FORMAT with the reason. */
int registry_row(const struct registry *registry, const struct csv_row *row,
                 struct registry_entry entries[REGISTRY_ENTRIES_MAX], struct error *error);

/* The entry of a plain record line: valid on every day, no classes. 1 or a negative code. */
int registry_line(const struct csv_row *row, struct registry_entry entries[REGISTRY_ENTRIES_MAX],
                  struct error *error);

#endif
