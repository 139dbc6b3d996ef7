/* What differs between two releases of one register, found in one pass over both. */
#ifndef DLV_DB_COMPARE_H
#define DLV_DB_COMPARE_H

#include "db/open.h"

#include <stdbool.h>

/* What is said about a licence. The first ones are enum field. */
enum said {
    SAID_STATUS = FIELD_COUNT, /* current or other, with their days */
    SAID_CLASSES,              /* with their days */
    SAID_CODES,
    SAID_CARDS, /* that are not the current one */
    SAID_COUNT
};

/* "name", ..., "status", "classes", "codes", "former cards". */
const char *said_name(unsigned said);

enum change { CHANGE_ADDED, CHANGE_DROPPED, CHANGE_CHANGED, CHANGE_COUNT };

/* "added", "dropped", "changed". */
const char *change_name(enum change change);

#define ENTRY_KINDS 4

/* Of one release. */
struct db_census {
    uint64_t kinds[ENTRY_KINDS];     /* entries of each kind */
    uint64_t statuses[STATUS_COUNT]; /* licences with each current status */
    uint64_t fields[FIELD_COUNT];    /* licences with a check code of each field */
};

/* Told of each entry that differs; `entry` is the older one where there is one. */
typedef void db_compare_tell(void *context, enum change change, const uint8_t entry[DB_ENTRY_LEN]);

struct db_comparison {
    struct db_census before;
    struct db_census after;
    bool has_same_keys;  /* the two can be compared entry by entry; all below is of that */
    bool has_same_codes; /* ... and their check codes */
    uint64_t changes[CHANGE_COUNT][ENTRY_KINDS];
    uint64_t said[SAID_COUNT]; /* changed licences, by what is said otherwise */
    uint64_t milder; /* licences whose status was another one than valid, and is valid now */
};

/* Compares two open databases, which must have been verified. 0 or ERR_MEMORY. `tell` may be
 * NULL. */
int db_compare(const struct db *before, const struct db *after, db_compare_tell *tell,
               void *context, struct db_comparison *comparison, struct error *error);

/* The first class that licences of `before` hold and none of `after` does; an empty text: there is
 * none. */
struct span db_vanished_class(const struct db *before, const struct db *after);

#endif
