/* What the authority says of a release, which is a published database file, as a whole. */
#ifndef DLV_DB_RELEASE_H
#define DLV_DB_RELEASE_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "record/coverage.h"
#include "record/fields.h"
#include "record/verdict.h"
#include "text/matching.h"

#include <stdbool.h>

#define DB_NAME_MAX 64 /* bytes of a database's name, and a NUL */

struct release_facts {
    uint64_t sequence;      /* 1 to INT64_MAX; higher ones are newer */
    int64_t created_s;      /* Unix seconds */
    int64_t valid_until_s;  /* Unix seconds; 0: no limit */
    int32_t utc_offset_s;   /* where the authority's days begin */
    bool is_test;           /* made for trying things out: nobody may rely on it */
    bool has_legacy;        /* it answers questions of the original protocol */
    uint32_t history_since; /* the first day that it speaks about; DAY_NO_START: not limited */
    uint8_t authority_id[SHA256_LEN];   /* SHA-256 of the authority's SubjectPublicKeyInfo */
    uint8_t predecessor_id[SHA256_LEN]; /* SHA-256 of the header before it; zeros: the first */
    struct check_fields fields;
    struct matching_rules rules;
    char name[DB_NAME_MAX];      /* tells one database from another; sequences count by name */
    char coverage[COVERAGE_MAX]; /* prefixes of the numbers that it covers; empty: all */
    char patterns[COVERAGE_MAX]; /* patterns of all its numbers; empty: any */
};

/* Whether a time is one that a release may hold: Unix seconds from 0 to 2^40 - 1. */
static inline bool release_is_time(int64_t time_s) {
    return time_s >= 0 && time_s >> 40 == 0;
}

/* Whether a text is a name: 1 to DB_NAME_MAX - 1 letters, digits, '-', '_' and '.'. */
bool release_is_name(const char *name);

/* Whether the release is past its valid-until at `now_s`. This is the only place that decides
 * it. */
bool release_is_stale(const struct release_facts *facts, int64_t now_s);

/* The same, for a human. `name` is what the reason calls the release. 0, or ERR_LIMIT with the
 * reason where it is stale. */
int release_check_age(const struct release_facts *facts, const char *name, int64_t now_s,
                      struct error *error);

/* What a number that is not on file is to a release. */
enum number_standing {
    NUMBER_COVERED,     /* so it is unknown */
    NUMBER_NOT_COVERED, /* the register does not speak about it */
    NUMBER_IMPOSSIBLE   /* it fits none of the patterns that all numbers of the register fit */
};

/* `number` in matching form. */
enum number_standing release_number_standing(const struct release_facts *facts, struct span number);

/* Whether two releases are of one register: they have the same name, and both or neither is test data. */
bool release_is_same_register(const struct release_facts *a, const struct release_facts *b);

/* The days that it can be asked about at `now_s`. */
struct covered_days release_days(const struct release_facts *facts, int64_t now_s);

#endif
