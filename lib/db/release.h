/* What the authority says of a release, which is a published database file, as a whole. */
#ifndef DLV_DB_RELEASE_H
#define DLV_DB_RELEASE_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "record/licence.h"

#include <stdbool.h>

struct release_facts {
    uint64_t sequence;                /* 1 to INT64_MAX; higher ones are newer */
    int64_t created_s;                /* Unix seconds */
    int64_t valid_until_s;            /* Unix seconds; 0: no limit */
    int32_t utc_offset_s;             /* where the authority's days begin */
    uint8_t authority_id[SHA256_LEN]; /* SHA-256 of the authority's SubjectPublicKeyInfo */
    struct class_names class_names;
};

/* Whether a time is one that a release may hold: Unix seconds from 0 to 2^40 - 1. */
static inline bool release_is_time(int64_t time_s) {
    return time_s >= 0 && time_s >> 40 == 0;
}

/* Whether the release is past its valid-until at `now_s`. This is the only place that decides
 * it. */
bool release_is_stale(const struct release_facts *facts, int64_t now_s);

/* The same, for a human. `name` is what the reason calls the release. 0, or ERR_LIMIT with the
 * reason where it is stale. */
int release_check_age(const struct release_facts *facts, const char *name, int64_t now_s,
                      struct error *error);

#endif
