/* What a client remembers between runs, in a folder: of each database the head of the latest release that was
 * seen, and the latest time that a server has given. The head is remembered, not the number in it, because
 * the authority's signature is in it: so neither a server nor who can write to the folder makes the client
 * wait for a release that does not exist. (Nobody can tell that the folder as a whole was put back to an
 * earlier state.) */
#ifndef DLV_CLIENT_STATE_H
#define DLV_CLIENT_STATE_H

#include "base/error.h"
#include "crypto/key_set.h"
#include "db/format.h"

/* The times that are compared, in Unix seconds. */
struct state_time {
    int64_t given_s;     /* by the server; 0: none was given */
    int64_t own_s;       /* this machine's */
    int64_t apart_max_s; /* how far apart two times may be that are the same */
};

/* Compares a release, whose head one of `authorities` has signed, with the one that was seen before, also
 * from another of them (while an authority's key is rolled, sequence numbers go on), and the time with the
 * latest that was given; remembers both where they are newer. An earlier time is taken only where this machine's own
 * clock agrees with it: so one server whose clock is ahead, or that lies, does not keep a kiosk from all others, and
 * one that goes back still needs a kiosk whose clock is as wrong. 0, ERR_CONFLICT where a later release or time was
 * seen, or another negative code. */
int client_state_check(const char *folder, const uint8_t head[DB_HEAD_LEN],
                       const struct release_facts *facts, const struct key_set *authorities,
                       const struct state_time *time, struct error *error);

/* The latest time that is remembered for a database; 0: none is. 0, or a negative code. */
int client_state_time(const char *folder, const struct release_facts *facts,
                      const struct key_set *authorities, int64_t *time_s, struct error *error);

#endif
