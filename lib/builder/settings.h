/* What a build is to make, and whom it tells of its progress. */
#ifndef DLV_BUILDER_SETTINGS_H
#define DLV_BUILDER_SETTINGS_H

#include "crypto/key_set.h"
#include "db/format.h"
#include "db/lookup_key.h"

/* Called now and then, from any thread. `done` counts what `unit` says ("rows" or "entries");
 * `fraction` is what part of the stage that is, from 0 to 1, or 0 where nobody can know. */
typedef void build_progress(void *context, const char *stage, const char *unit, uint64_t done,
                            double fraction);

struct build_settings {
    const char *path;                    /* where the file is to appear */
    const struct rsa_private *authority; /* signs; 2048 bits or more */
    /* Or, instead: the release is known, and what comes out must be that one. Its head, DB_HEAD_LEN bytes, is
     * written with its signatures, which have been checked. NULL: it is not. */
    const struct db_header *known;
    const uint8_t *known_head;
    /* whose releases may come before: its own, and those of the keys that it takes the place of */
    const struct key_set *followed;
    const struct lookup_key *lookup_key; /* the stored keys are made with it; NULL: a plain file */
    struct release_facts facts;          /* authority_id is filled in by the build */
    size_t memory;                /* bytes for facts, at least a page; some MiB come on top */
    const char *temporary_folder; /* for facts that do not fit: 64 bytes each */
    unsigned thread_count;
    build_progress *progress; /* may be NULL */
    void *progress_context;
};

/* Tells of progress, where somebody wants to know. `total` 0: it cannot be known. */
static inline void build_report(const struct build_settings *settings, const char *stage,
                                const char *unit, uint64_t done, uint64_t total) {
    if (settings->progress != NULL)
        settings->progress(settings->progress_context, stage, unit, done,
                           total > 0 ? (double)done / (double)total : 0);
}

#endif
