/* Answers of an open session (PROTOCOL.md, "Asking"), as functions from bytes to bytes. The parser
 * is total. Sealing and opening run in constant time, except for lengths. */
#ifndef DLV_WIRE_ANSWER_H
#define DLV_WIRE_ANSWER_H

#include "db/answer.h"
#include "db/proof.h"
#include "wire/question.h"

enum answer_status {
    ANSWER_GOOD = 0,
    ANSWER_STALE = 1,     /* the answers are given, but the database is past its valid-until */
    ANSWER_MALFORMED = 2, /* this version does not understand the question; there are no entries */
    /* over UDP the answer would be longer than the question; there are no entries */
    ANSWER_TOO_LONG = 3
};

struct answer {
    struct release_facts facts; /* of the database; authority_id and class_names with WISH_INFO */
    int64_t server_time_s;      /* Unix seconds */
    enum answer_status status;
    unsigned brings; /* enum question_wish */
    unsigned count;
    struct db_answer entries[QUESTION_MAX];
    const uint8_t *header_page;               /* DB_PAGE bytes, with WISH_PROOF */
    struct proof proofs[QUESTION_PROVED_MAX]; /* with WISH_PROOF, too */
};

/* Offsets and lengths in an ANSWER frame. */
#define ANSWER_QUESTION_NONCE FRAME_HEADER_LEN
#define ANSWER_NONCE (ANSWER_QUESTION_NONCE + AEAD_NONCE_LEN)
#define ANSWER_BODY (ANSWER_NONCE + AEAD_NONCE_LEN)
#define ANSWER_HEAD_LEN 40
#define ANSWER_ENTRY_LEN 16
#define ANSWER_INFO_LEN (SHA256_LEN + CLASS_COUNT * CLASS_NAME_SIZE)
#define ANSWER_LEN(count) (ANSWER_BODY + ANSWER_HEAD_LEN + (count)*ANSWER_ENTRY_LEN + AEAD_TAG_LEN)

/* For the client: opens the ANSWER frame to `ask` in place; header_page then points into it. 0,
 * ERR_SIGNATURE where it is not this session's answer to this question, or ERR_FORMAT. */
int answer_open(struct answer *answer, uint8_t *frame, size_t len, const uint8_t *ask,
                size_t ask_len, const uint8_t session_key[SESSION_KEY_LEN], struct error *error);

/* For the server: writes the body of an answer, with all that it brings, into `frame`, which holds
 * `max` bytes. Returns the length of the frame that is to be sealed, or 0 where it does not fit. */
size_t answer_write(uint8_t *frame, size_t max, const struct answer *answer);

/* Seals the frame as the answer to `ask`, whose header, nonce and tag must be as they were
 * received. The same `nonce` must never be used twice in a session. */
void answer_seal(uint8_t *frame, size_t len, const uint8_t *ask, size_t ask_len,
                 const uint8_t session_key[SESSION_KEY_LEN], const uint8_t nonce[ASK_RANDOM_LEN]);

#endif
