/* The authority's registry: from a CSV row to the entries it makes.
 *
 * Columns, in any order, named in the first row: name, phone, licence, status, valid_from,
 * valid_to; optionally classes and document (the SHA-256 of the issued file, in hex).
 *
 * A change list has two columns more: op, "set" or "delete", and optionally old_document, the
 * document that the earlier release has for the row's record. A "delete" row needs only name, phone
 * and licence, and names its document in either column. */
#ifndef DLV_REGISTRY_REGISTRY_H
#define DLV_REGISTRY_REGISTRY_H

#include "record/digest.h"
#include "record/licence.h"
#include "registry/csv.h"

#include <stdbool.h>

enum registry_column {
    COLUMN_NAME,
    COLUMN_PHONE,
    COLUMN_LICENCE,
    COLUMN_STATUS,
    COLUMN_VALID_FROM,
    COLUMN_VALID_TO,
    COLUMN_CLASSES,
    COLUMN_DOCUMENT,
    COLUMN_OP,
    COLUMN_OLD_DOCUMENT,
    COLUMN_COUNT
};

struct registry {
    const struct class_names *class_names;
    bool is_change_list;
    size_t column_count;
    int field_of[COLUMN_COUNT]; /* where each column is; -1: there is no such column */
};

struct registry_entry {
    const char *text; /* the text to hash; NULL where the digest is already known */
    size_t text_len;
    uint8_t digest[SHA256_LEN];
    /* for a removal (in a change list) only the kind is set, and no status */
    struct licence licence;
};

#define REGISTRY_ENTRIES_MAX 4
#define REGISTRY_TEXT_MAX (RECORD_MAX + NUMBER_TEXT_MAX)

/* Learns the columns from the first row. 0, or ERR_FORMAT naming the column that is missing, twice
 * there or unknown (a misspelled column must not be lost in silence). */
int registry_header(struct registry *registry, const struct class_names *class_names,
                    bool is_change_list, const struct csv_row *row, struct error *error);

/* Whether a change list has the columns that name documents. */
bool registry_names_documents(const struct registry *registry);

/* The entries of a row: its record's, its number's, and its document's and old document's if it has
 * them. Their texts are put at *text, which moves behind them: REGISTRY_TEXT_MAX bytes at most.
 * Returns how many, or ERR_FORMAT with the reason. */
int registry_row(const struct registry *registry, const struct csv_row *row,
                 struct registry_entry entries[REGISTRY_ENTRIES_MAX], char **text,
                 struct error *error);

/* The entry of a plain record line: valid on every day, no classes. 1 or a negative code. */
int registry_line(const struct csv_row *row, struct registry_entry entries[REGISTRY_ENTRIES_MAX],
                  char **text, struct error *error);

/* Hashes the texts of all entries, one directly after the other. This is much faster than hashing
 * between other work, because the processor keeps the decoded instructions of the unrolled
 * SHA-256. */
void registry_hash(struct registry_entry *entries, size_t count);

#endif
