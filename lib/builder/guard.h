/* What a release may change without somebody having said so: guards against a registry that came
 * half, a column that got lost, an option that was forgotten. */
#ifndef DLV_BUILDER_GUARD_H
#define DLV_BUILDER_GUARD_H

#include "db/compare.h"

/* Shares are in millionths. */
struct guard_limits {
    uint32_t dropped;         /* of the licences before, or of all entries */
    uint32_t changed;         /* likewise */
    uint32_t bad_rows;        /* of all rows */
    bool is_republished;      /* an old release that is signed anew: */
    uint64_t milder;          /* so many licences may become valid by it that are not now */
    bool accepts_vanished;    /* a class, a status or a field that nobody has any more */
    bool accepts_rekey;       /* keys that cannot be compared, or fields */
    bool accepts_facts;       /* that the release says otherwise of itself */
    bool accepts_same_number; /* the sequence number before, with other content */
    bool accepts_cut;         /* the input does not end with a line end */
};

#define GUARD_DROPPED 10000 /* one in a hundred */
#define GUARD_CHANGED 50000 /* five */
#define GUARD_BAD_ROWS 1000 /* one in a thousand */

/* So few are never an accident. */
#define GUARD_FEW 10

/* Which guard a release did not pass. */
enum guard {
    GUARD_PASSED,
    GUARD_ON_DROPPED,
    GUARD_ON_CHANGED,
    GUARD_ON_BAD_ROWS,
    GUARD_ON_VANISHED,
    GUARD_ON_KEYS,
    GUARD_ON_FACTS,
    GUARD_ON_NUMBER,
    GUARD_ON_MILDER,
    GUARD_ON_CUT
};

/* What made it so. */
struct guard_result {
    enum guard guard;
    uint64_t milder; /* of GUARD_ON_MILDER */
    uint32_t share;  /* of GUARD_ON_DROPPED, _CHANGED and _BAD_ROWS: millionths, rounded up */
};

/* Bad rows need no predecessor. 0, or ERR_CONFLICT with the reason. */
int guard_bad_rows(const struct guard_limits *limits, uint64_t bad_count, uint64_t row_count,
                   struct guard_result *result, struct error *error);

/* Compares a release with the one that it comes after. 0; ERR_CONFLICT with the reason where it does
 * not pass; or ERR_MEMORY. */
int guard_release(const struct guard_limits *limits, const struct db *before,
                  const struct db *after, struct guard_result *result, struct error *error);

#endif
