/* How many licences each kiosk, and each network of clients that are nobody in particular, may ask about,
 * spent across all workers of this server. (Several servers do not know of each other's.)
 *
 * A quota is two leaky buckets: so many a minute with a burst, and so many a day. What is counted is
 * licences, not frames. A kiosk of which more than half of its last thousand questions are about numbers
 * that nobody has looks for numbers, and is told of. */
#ifndef DLV_SERVE_QUOTAS_H
#define DLV_SERVE_QUOTAS_H

#include "serve/kiosks.h"
#include "serve/limit.h"
#include "wire/answer.h"

#define QUOTA_PLACES (2 * KIOSKS_MAX)

struct quota_use {
    _Atomic uint64_t who; /* the first bytes of the kiosk's id; 0: free */
    struct limit minute, day;
    struct limit sync;               /* bytes a day */
    _Atomic uint64_t asked, refused; /* licences */
    _Atomic uint32_t told_hour;      /* in which it was last told that little is left */
    _Atomic uint32_t window, missed; /* of the last thousand */
};

/* Shared memory, of which only what is used is touched. To begin with, zeros. */
struct quotas {
    struct quota_use uses[QUOTA_PLACES];
};

/* What became of a question. */
struct quota_result {
    uint32_t wait_s; /* 0: it is answered; else how long the asker must wait */
    bool runs_out;   /* four fifths are spent; told once an hour */
};

struct quota_use *quotas_find(struct quotas *quotas, uint64_t who);

/* Takes `count` licences from the quota, or none. */
struct quota_result quotas_take(struct quota_use *use, const struct quota *quota, unsigned count,
                                int64_t now_us);

/* What is left of a quota. */
void quotas_left(struct quota_use *use, const struct quota *quota, int64_t now_us,
                 struct quota_left *left);

/* Takes so many bytes from what a kiosk may fetch, which is more than nothing. 0, or how many seconds it must
 * wait. */
uint32_t quotas_take_bytes(struct quota_use *use, const struct quota *quota, size_t len,
                           int64_t now_us);

/* Notes how many of `count` were not found. True once for each thousand of which more than half were
 * not. */
bool quotas_note_missed(struct quota_use *use, unsigned count, unsigned missed);

#endif
