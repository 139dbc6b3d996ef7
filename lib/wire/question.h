/* Questions and answers of an open session (PROTOCOL.md, "Asking"), as functions from bytes to
 * bytes. Parsers are total; sealing and opening are constant time but for lengths. */
#ifndef DLV_WIRE_QUESTION_H
#define DLV_WIRE_QUESTION_H

#include "base/date.h"
#include "db/find.h"
#include "db/proof.h"
#include "record/licence.h"
#include "wire/frame.h"
#include "wire/ticket.h"

#define QUESTION_MAX 64       /* digests in a frame */
#define QUESTION_PROVED_MAX 8 /* with proofs: the answer must fit in FRAME_MAX */

/* What an answer shall bring along; the numbers are the frames'. */
enum question_wish {
    WISH_INFO = 1, /* the authority's id and its names of vehicle classes */
    WISH_PROOF = 2 /* the signed header page, and a proof for every digest */
};

struct question {
    struct moment at;
    enum licence_kind kind;
    unsigned wishes; /* enum question_wish */
    unsigned count;  /* 1 to QUESTION_MAX */
    uint8_t digests[QUESTION_MAX * SHA256_LEN];
};

enum answer_status {
    ANSWER_GOOD = 0,
    ANSWER_STALE = 1,     /* good, but the database is past its valid-until */
    ANSWER_MALFORMED = 2, /* the question is none that this version knows: no answers */
    ANSWER_TOO_LONG = 3   /* the answer would be longer than the question, over UDP: no answers */
};

struct answer {
    int64_t server_time_s; /* all times in Unix seconds */
    uint64_t sequence;     /* of the database that answers */
    int64_t created_s;
    int64_t valid_until_s; /* 0: no limit */
    int32_t utc_offset_s;
    enum answer_status status;
    unsigned brings; /* enum question_wish */
    unsigned count;
    struct db_answer entries[QUESTION_MAX];
    uint8_t authority_id[SHA256_LEN];         /* with WISH_INFO */
    struct class_names class_names;           /* likewise */
    const uint8_t *header_page;               /* DB_PAGE bytes, with WISH_PROOF */
    struct proof proofs[QUESTION_PROVED_MAX]; /* likewise */
};

/* Offsets and lengths in ASK and ANSWER frames. */
#define ASK_TICKET FRAME_HEADER_LEN
#define ASK_NONCE (ASK_TICKET + TICKET_LEN)
#define ASK_BODY (ASK_NONCE + AEAD_NONCE_LEN)
#define QUESTION_HEAD_LEN 16
#define ASK_LEN(count) (ASK_BODY + QUESTION_HEAD_LEN + (count)*SHA256_LEN + AEAD_TAG_LEN)

#define ANSWER_QUESTION_NONCE FRAME_HEADER_LEN
#define ANSWER_NONCE (ANSWER_QUESTION_NONCE + AEAD_NONCE_LEN)
#define ANSWER_BODY (ANSWER_NONCE + AEAD_NONCE_LEN)
#define ANSWER_HEAD_LEN 40
#define ANSWER_ENTRY_LEN 16
#define ANSWER_INFO_LEN (SHA256_LEN + CLASS_COUNT * CLASS_NAME_SIZE)
#define ANSWER_LEN(count) (ANSWER_BODY + ANSWER_HEAD_LEN + (count)*ANSWER_ENTRY_LEN + AEAD_TAG_LEN)

/* --- the client's side ------------------------------------------------------------------------ */

/* Writes and seals an ASK frame of at least `len_min` bytes (padded; at most FRAME_TO_SERVER_MAX).
 * `random` is 11 fresh bytes. Returns its length. */
#define ASK_RANDOM_LEN (AEAD_NONCE_LEN - 1)
size_t question_seal(uint8_t frame[FRAME_TO_SERVER_MAX], const struct question *question,
                     const uint8_t session_key[SESSION_KEY_LEN], const uint8_t ticket[TICKET_LEN],
                     const uint8_t random[ASK_RANDOM_LEN], size_t len_min);

/* Opens the ANSWER frame to `ask` in place (header_page points into it). 0, or ERR_SIGNATURE where
 * it is not this session's answer to this question, or ERR_FORMAT. */
int answer_open(struct answer *answer, uint8_t *frame, size_t len, const uint8_t *ask,
                size_t ask_len, const uint8_t session_key[SESSION_KEY_LEN], struct error *error);

/* --- the server's side ------------------------------------------------------------------------ */

/* Opens the body of an ASK frame whose ticket has given the session key, in place. 1; 0 where the
 * frame is not the session's (nothing may be answered); QUESTION_BAD where it is, but is no
 * question that this version knows. */
#define QUESTION_BAD 2
int question_open(struct question *question, uint8_t *frame, size_t len,
                  const uint8_t session_key[SESSION_KEY_LEN]);

/* Writes the body of an answer, entries and what else it brings, into `frame`, which holds `max`
 * bytes; proofs[i] where it brings them. Returns the length of the frame to be sealed, or 0 where
 * it does not fit. */
size_t answer_write(uint8_t *frame, size_t max, const struct answer *answer);

/* Seals it as the answer to `ask` (ask_len bytes, its header, nonce and tag as they came). `nonce`
 * never comes twice in a session. */
void answer_seal(uint8_t *frame, size_t len, const uint8_t *ask, size_t ask_len,
                 const uint8_t session_key[SESSION_KEY_LEN], const uint8_t nonce[ASK_RANDOM_LEN]);

#endif
