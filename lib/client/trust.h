/* Whether a release and an answer are believed. Everything that a client demands is decided here,
 * whether it came from a server or from a file:
 *
 *   - the release is signed by the authority that is pinned, if one is, and has the name that is
 *     pinned, if one is;
 *   - it is not past its valid-until, nor made in the future, nor older than one seen before;
 *   - the answer is of that release, to the question that was asked;
 *   - where proofs are demanded, every entry is proved by the authority's signature;
 *   - servers agree about the time. */
#ifndef DLV_CLIENT_TRUST_H
#define DLV_CLIENT_TRUST_H

#include "client/link.h"
#include "client/release.h"
#include "db/lookup_key.h"
#include "wire/answer.h"

struct trust_policy {
    const struct key_set *authorities;   /* one of them signs releases; NULL: nobody is known */
    bool is_proved;                      /* every answer is proved; not without authorities */
    const struct lookup_key *lookup_key; /* of a keyed database, for proofs; NULL: a plain one */
    const char *name;                    /* of the database; NULL: any */
    const char
        *state_folder; /* remembers releases between runs; not without authorities; NULL: nowhere */
    /* this judges a file that is asked where no server answers: it may be older than what servers had */
    bool is_beside_servers;
    int64_t built_s;      /* Unix seconds: our clock is wrong if it shows an earlier time */
    bool is_moment_given; /* the day that is asked about does not come from this machine's clock */
    int64_t stale_ok_s;   /* how long past its valid-until a release is still believed */
    int64_t max_skew_s;   /* between the clocks of servers, and between a server's and ours where
                         * that matters */
};

struct trust {
    struct trust_policy policy;
    uint64_t sequence_seen;         /* the highest in this run; 0: none */
    char seen_at[LINK_SERVER_SIZE]; /* who had it */
    int64_t ahead_s;              /* how far the clock of the first server was ahead of ours, ... */
    char timed[LINK_SERVER_SIZE]; /* ... and its name; empty: none so far */
};

void trust_init(struct trust *trust, const struct trust_policy *policy);

/* Decides whether a release may be used. `who` gave it (for reasons, a server's name or a file's).
 * server_time_s is the time that `who` gave, 0 for a file; now_s is ours. 0, or a negative code with
 * the reason, which begins with `who`; or ERR_LOCAL where the state folder failed, which is nobody's
 * fault. */
int trust_release(struct trust *trust, const char *who, const struct known_release *release,
                  int64_t server_time_s, int64_t now_s, struct error *error);

/* Decides whether an answer is believed, which is authentic already, or was read from a file. Where
 * it brings proofs, its entries are filled in from these. 0, or a negative code with the reason,
 * which begins with `who`: then nothing of the answer may be shown. */
int trust_answer(struct trust *trust, const char *who, const struct known_release *release,
                 const struct question *question, struct answer *answer, int64_t now_s,
                 struct error *error);

#endif
