/* How a registry's file is to be read: the dialect of its text, its columns, and the words that it
 * uses. An import file (`dlv help dbgen`) or options fill it in. */
#ifndef DLV_REGISTRY_IMPORT_H
#define DLV_REGISTRY_IMPORT_H

#include "base/error.h"
#include "record/terms.h"

#include <stdbool.h>

/* The columns that a licence has. */
enum registry_column {
    COLUMN_LICENCE,
    COLUMN_NAME,
    COLUMN_PHONE,
    COLUMN_BIRTH_DATE,
    COLUMN_CARD,
    COLUMN_CARD_STATUS,
    COLUMN_STATUS,
    COLUMN_STATUS_SINCE,
    COLUMN_STATUS_UNTIL,
    COLUMN_STATUS_OF, /* "licence", or "classes": whose the status is */
    COLUMN_VALID_FROM,
    COLUMN_VALID_TO,
    COLUMN_CLASSES,
    COLUMN_CLASS_TYPE,
    COLUMN_CODES,
    COLUMN_VALID_FROM_2,
    COLUMN_VALID_TO_2,
    COLUMN_FORMER,
    COLUMN_DOCUMENT,
    COLUMN_OP,
    COLUMN_COUNT
};

const char *registry_column_name(enum registry_column column);

/* The column of a name; -1: none. */
int registry_column_find(const char *name, size_t len);

#define IMPORT_SOURCES_MAX 48

/* Where the text of a column comes from: fields of the row, with a blank between. */
struct import_source {
    int field;            /* index in the row; -1: `constant` */
    struct span constant; /* ... or, where is_flag, the class that the field says yes or no to */
    bool is_flag;
};

struct import_sources {
    unsigned count;
    struct import_source list[IMPORT_SOURCES_MAX];
};

enum encoding { ENCODING_UTF8, ENCODING_UTF16, ENCODING_WINDOWS_1252, ENCODING_LATIN_1 };

/* Lists are texts with commas between their items, as they were given; NULL: not given. */
struct import {
    char delimiter; /* ',' unless given */
    enum encoding encoding;
    const char *columns;          /* names of the columns of a file without a header row */
    const char *map;              /* "licence=DL No,name=First Name+Last Name" */
    const char *ignore;           /* columns that are not used; "*": all that are not mapped */
    const char *date_format;      /* "DD-MM-YYYY,DD-Mon-YYYY": tried in this order */
    const char *null;             /* texts that say nothing */
    const char *no_end;           /* texts that mean: without end */
    const char *status;           /* "Active=valid,DIS=disqualified" */
    const char *card_status;      /* "Replaced=former,S=stolen" */
    const char *provisional;      /* words of class_type that mean: held provisionally */
    const char *classes_2;        /* classes whose validity is in valid_from_2 and valid_to_2 */
    const char *class_separators; /* characters; NULL: blank , ; | */
    const char *yes;              /* words that say yes to a class; NULL: Y,yes,1,true,X */
};

void import_init(struct import *import);

#endif
