/* Questions that are asked together, and what came of them. A server is asked in as many frames as
 * they need (pipeline.h), a file at once (offline.h). */
#ifndef DLV_CLIENT_BUNDLE_H
#define DLV_CLIENT_BUNDLE_H

#include "wire/answer.h"

#define BUNDLE_MAX 1024 /* licences asked about together */

/* About 2.5 MiB, of which only what is used is touched: for static memory or the heap. */
struct bundle {
    unsigned count;
    bool are_slips; /* numbers that may have been meant by one that was not found */
    struct inquired items[BUNDLE_MAX];
    /* what came of them */
    uint8_t release_id[SHA256_LEN]; /* of the release that answered */
    bool is_unrecorded;    /* some of it was answered by a server that says that it cannot record */
    int64_t server_time_s; /* of the first answer; 0: of a file */
    struct db_answer answers[BUNDLE_MAX];
    struct proof proof; /* of the first answer, where answers are proved */
    /* the further terms that came from a server */
    size_t further_len;
    uint8_t further[(BUNDLE_MAX + 2) * FURTHER_MAX];
};

/* Takes the answers to the items from `first` on. What they point into need not stay. False where there is no room
 * for them: that is where a server answers the same twice. */
bool bundle_keep(struct bundle *bundle, unsigned first, const struct answer *answer,
                 bool is_proved);

/* Wipes it, where there never were more than `used` items in it. */
void bundle_wipe(struct bundle *bundle, unsigned used);

/* Begins to take answers of a release; forgets others. */
void bundle_begin(struct bundle *bundle, const uint8_t release_id[SHA256_LEN]);

#endif
