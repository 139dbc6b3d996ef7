/* Whether an answer is believed. Everything that a client demands of an answer is decided here,
 * whether the answer came from a server or from a file:
 *
 *   - it answers the question that was asked, and does not contradict itself;
 *   - the clock of whoever gave it agrees with ours;
 *   - the release it comes from is not past its valid-until;
 *   - where proofs are demanded, every entry is proved by the authority's signature;
 *   - the release is not older than one that was seen before. */
#ifndef DLV_CLIENT_TRUST_H
#define DLV_CLIENT_TRUST_H

#include "client/link.h"
#include "db/lookup_key.h"
#include "wire/answer.h"

struct trust_policy {
    const struct rsa_public *authority;  /* its proofs are demanded; NULL: none are */
    const struct lookup_key *lookup_key; /* of a keyed database, for proofs; NULL: a plain one */
    const char *state_folder;            /* remembers releases between runs; NULL: nowhere */
    int64_t stale_ok_s; /* how long past its valid-until a release is still believed */
    int64_t max_skew_s; /* between the clock of who answers and ours */
};

struct trust {
    struct trust_policy policy;
    uint64_t sequence_seen;        /* the highest in this run; 0: none */
    int64_t skew_s;                /* of the first server whose clock was too far from ours, ... */
    char skewed[LINK_SERVER_SIZE]; /* ... and its name; empty: none so far */
    bool has_header;               /* the header below has been verified; `page` is its bytes */
    struct db_header header;
    uint8_t page[DB_PAGE];
};

void trust_init(struct trust *trust, const struct trust_policy *policy);

/* Decides. `who` gave the answer (for reasons, a server's name or a file's), and it is now `now_s`.
 * The answer is authentic already, or was read from a file. 0, or a negative code with the reason,
 * which begins with `who`: then nothing of the answer may be shown. */
int trust_answer(struct trust *trust, const char *who, const struct question *question,
                 const struct answer *answer, int64_t now_s, struct error *error);

/* Decides whether a release may be used at `now_s`, before anything is asked of it: whether it is
 * past its valid-until by more than is allowed. 0, or a negative code with the reason. */
int trust_release(const struct trust *trust, const char *who, const struct release_facts *facts,
                  int64_t now_s, struct error *error);

#endif
