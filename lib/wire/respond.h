/* Answering a question of an open session: a pure function from a frame to a frame. It makes no
 * system call, reads no clock and keeps nothing; the server's workers, the known answers and the
 * fuzzers all call it.
 *
 * It stands between db and the protocol: it opens the question, looks it up, proves what is to be
 * proved, and seals the answer. */
#ifndef DLV_WIRE_RESPOND_H
#define DLV_WIRE_RESPOND_H

#include "db/lookup_key.h"
#include "db/open.h"
#include "wire/answer.h"

/* What becomes of a question that is to be recorded. */
enum recording { RECORDING_DONE, RECORDING_SKIPPED, RECORDING_FAILED };

/* What questions are answered from. */
struct response_source {
    const struct db *db;
    const struct lookup_key *lookup_key; /* NULL for a plain database */
    int64_t now_s;                       /* Unix seconds */
    bool is_anonymous_allowed;           /* to ask without being an enrolled kiosk */
    /* How many seconds this client must wait before it is answered about `count` licences, 0 for not at
     * all. NULL: nobody must wait. */
    uint32_t (*wait)(void *context, const struct ticket *ticket, unsigned count);
    /* Gives the piece of a release or list of changes that the question asks for, at most SYNC_PIECE bytes, to
     * whom the ticket names, with all that an answer says of it: its status, total_len and piece. NULL: nobody
     * can fetch them this way. */
    void (*fetch)(void *context, const struct ticket *ticket, const struct question *question,
                  struct answer *answer);
    /* Fills in what whoever the ticket names may still ask about. NULL: as much as he likes. */
    void (*quota)(void *context, const struct ticket *ticket, struct quota_left *left);
    /* Whether a question about so many licences is answered, which is to be recorded. NULL: it need not be. */
    enum recording (*record)(void *context, unsigned count);
    void *context;
};

/* Working memory, which is large and belongs to the caller. Afterwards it holds the question and
 * the answer. */
struct response_memory {
    struct question question;
    struct answer answer;
    uint8_t quota[QUOTA_LEFT_LEN];
};

enum response {
    RESPONSE_ANSWER,       /* an ANSWER frame, with the answers in memory->answer */
    RESPONSE_PIECE,        /* an ANSWER frame with a piece of a release or list of changes */
    RESPONSE_MALFORMED,    /* an ANSWER frame that says that the question is malformed */
    RESPONSE_OVER_QUOTA,   /* an ANSWER frame that says how long to wait */
    RESPONSE_UNRECORDED,   /* an ANSWER frame that says that questions cannot be recorded */
    RESPONSE_NOT_ENROLLED, /* an ANSWER frame that says that the client must be enrolled */
    RESPONSE_REFUSE,       /* a REFUSE frame: the ticket or the seal is not good */
};

/* Answers the ASK frame at `ask`, which is decrypted in place.
 *
 * ticket  the frame's own, opened and good now; NULL: it is not
 * nonce   must never come twice in a session
 * out     room for a frame as long as `ask`; where there is a source->fetch, for one of FRAME_MAX
 * len     out: the length of the frame at `out`
 * Time depends on the question's shape and on where the entries stand in the database, not on the
 * session's key. */
enum response respond(const struct response_source *source, const struct ticket *ticket,
                      uint8_t *ask, size_t ask_len, const uint8_t nonce[ASK_RANDOM_LEN],
                      struct response_memory *memory, uint8_t *out, size_t *len);

/* Fills in the whole answer to a question that has been opened. Proofs go up to `proof_level` of
 * the Merkle tree. It is valid as long as the database is open. */
void respond_fill(const struct response_source *source, const struct question *question,
                  unsigned proof_level, struct answer *answer);

/* Answers a HEALTH frame of HEALTH_LEN bytes, where questions would be answered: the database is not past its
 * valid-until. Returns the length, or 0 where it is not to be answered. */
size_t respond_health(const struct response_source *source, const uint8_t *frame, size_t len,
                      uint8_t out[HEALTH_LEN]);

/* Writes a REFUSE frame; returns its length. */
size_t respond_refuse(uint8_t out[FRAME_HEADER_LEN], enum refusal reason);

#endif
