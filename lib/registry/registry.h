/* The authority's registry: from a row to what it says about a licence.
 *
 * A row has columns: those of the file (`source`), and those that a licence has (`column`). Without a
 * mapping, a source column is the column of the same name. Several rows may say something about the
 * same licence, one a class for instance: builder/merge.h brings them together. */
#ifndef DLV_REGISTRY_REGISTRY_H
#define DLV_REGISTRY_REGISTRY_H

#include "base/text.h"
#include "record/classes.h"
#include "record/digest.h"
#include "record/fields.h"
#include "record/terms.h"
#include "registry/csv.h"
#include "registry/import.h"

#include <stdbool.h>

#define ROW_GROUPS_MAX 2
#define ROW_FORMERS_MAX 4
#define ROW_CODES_MAX 8
#define ROW_TEXTS_LEN 4096 /* bytes of the texts that a row's groups and codes have */

/* What a change list does to a licence. Rows of a registry set it. */
enum row_operation { ROW_SET, ROW_REMOVE, ROW_CHANGE_STATUS };

struct row_group {
    uint32_t from;
    uint32_t to;
    struct span classes; /* as record/classes.h has it; empty: none */
};

/* A field of the row: its text, and its matching form. */
struct row_field {
    bool is_given;
    struct form form;
};

struct row {
    enum row_operation operation;
    bool is_forced;                       /* a ROW_SET that may replace somebody else */
    uint32_t spelling;                    /* a hash of the number as it was written, trimmed */
    struct form number;                   /* its length is 0 where it could not be read */
    struct row_field fields[FIELD_COUNT]; /* by enum field */
    uint8_t card_state;                   /* enum card_state; 0: the card is the current one */
    uint8_t status;
    uint32_t since;
    uint32_t until;
    unsigned group_count;
    struct row_group groups[ROW_GROUPS_MAX];
    bool is_class_status; /* status, since and until are those of the row's classes only */
    unsigned code_count;  /* codes with an argument */
    struct span codes[ROW_CODES_MAX];
    unsigned former_count;
    struct form formers[ROW_FORMERS_MAX];
    bool has_document;
    uint8_t document[SHA256_LEN];
    size_t record_len; /* the original's record, where it is wanted; 0: none */
    char record[RECORD_MAX];
    size_t texts_len;
    char texts[ROW_TEXTS_LEN]; /* what `groups` and `codes` point into */
};

#define REGISTRY_NAMES_LEN 4096

#define UNKNOWN_WORDS_MAX 32

/* Words of a registry that have no meaning, each with how often it came. */
struct unknown_words {
    unsigned count;
    struct unknown_word {
        enum registry_column column;
        uint64_t count;
        char text[TEXT_QUOTE_SIZE]; /* printable */
    } list[UNKNOWN_WORDS_MAX];
    uint64_t other_count; /* of further words */
};

struct registry {
    const struct import *import;
    const struct matching_rules *rules;
    const struct check_fields *check_fields;
    bool is_change_list;
    bool has_legacy;        /* records are wanted, so name and phone must be there */
    uint32_t history_since; /* starts before it are no starts */
    uint32_t change_day;    /* since when a change of status holds that does not say so */
    size_t source_count;
    struct import_sources columns[COLUMN_COUNT];
    size_t names_len;
    char names[REGISTRY_NAMES_LEN]; /* of classes that are headings; `columns` points into it */
    struct unknown_words *unknown;  /* where they are counted; NULL: nowhere */
};

/* Learns the columns from the names in the first row, or in import->columns where that is given. 0,
 * or ERR_FORMAT naming the columns that are missing, twice there or unknown (a misspelled column
 * must not be lost in silence). */
int registry_header(struct registry *registry, const struct csv_row *names, struct error *error);

/* Reads a row. 0, or ERR_FORMAT with all that is wrong with it; then row->number tells the number
 * where that could be read. `error` may be NULL; only where it is not are unknown words counted, by
 * one thread at a time. */
int registry_row(const struct registry *registry, const struct csv_row *csv, struct row *row,
                 struct error *error);

/* Reads a line of plain text, NAME PHONE LICENCE, split where the phone stands: a licence that is
 * valid without start and end. */
int registry_line(const struct registry *registry, const struct csv_row *csv, struct row *row,
                  struct error *error);

/* Finds where the parts of NAME PHONE LICENCE stand. False where no phone stands between the other
 * two. */
bool record_split(struct span record, struct span *name, struct span *phone, struct span *number);

#endif
