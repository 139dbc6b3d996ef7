/* Answers of an open session (PROTOCOL.md, "Asking"), as functions from bytes to bytes. The parser
 * is total. Sealing and opening run in constant time, except for lengths.
 *
 * An answer is as long as its question, so its length tells nothing, and nobody can be flooded; but for pieces
 * of releases and lists of changes, which whoever is on the way can tell by their amount anyway. */
#ifndef DLV_WIRE_ANSWER_H
#define DLV_WIRE_ANSWER_H

#include "db/answer.h"
#include "db/proof.h"
#include "wire/question.h"

enum answer_status {
    ANSWER_GOOD = 0,
    ANSWER_MALFORMED = 1, /* this version does not understand the question */
    ANSWER_TOO_LONG = 2,  /* the answer would be longer than the question: ask with more padding */
    ANSWER_OTHER_RELEASE = 3, /* the release that was meant is not here */
    ANSWER_NOT_ENROLLED = 4,  /* only enrolled kiosks are answered: say who you are */
    ANSWER_OVER_QUOTA = 5,    /* who asks must wait for total_len seconds */
    ANSWER_NO_RIGHT = 6,      /* this kiosk may not fetch releases */
    ANSWER_UNRECORDED = 7     /* the server cannot record what it is asked, so it answers nobody */
};

/* What an asker may ask about and fetch, and what is left of it. All zeros: as much as he likes, and fetch nothing. */
struct quota_left {
    uint32_t minute, burst, day; /* licences: in a minute in the long run, at once, in a day */
    uint32_t burst_left, day_left;
    uint32_t sync_mib, sync_mib_left; /* of releases and lists of changes, a day */
};

#define QUOTA_LEFT_LEN 28

void quota_left_encode(uint8_t bytes[QUOTA_LEFT_LEN], const struct quota_left *left);
void quota_left_decode(struct quota_left *left, const uint8_t bytes[QUOTA_LEFT_LEN]);

struct answer {
    int64_t server_time_s; /* Unix seconds */
    enum answer_status status;
    bool is_unrecorded; /* the server goes on, though it cannot record what it is asked */
    uint8_t release_id[SHA256_LEN]; /* of the release that answers */
    unsigned count;
    struct db_answer entries[QUESTION_MAX];   /* of WHAT_ANSWERS */
    struct proof proofs[QUESTION_PROVED_MAX]; /* of WHAT_PROOFS */
    /* a piece of what was asked for, with the length of all of it, in bytes or whole units of SYNC_UNIT; it is a
     * time to wait, in seconds, where the status is ANSWER_OVER_QUOTA */
    uint32_t total_len;
    struct {
        const uint8_t *bytes;
        size_t len;
    } piece;
};

/* Offsets and lengths in an ANSWER frame. */
#define ANSWER_QUESTION_NONCE FRAME_HEADER_LEN
#define ANSWER_NONCE (ANSWER_QUESTION_NONCE + AEAD_NONCE_LEN)
#define ANSWER_BODY (ANSWER_NONCE + AEAD_NONCE_LEN)

/* Offsets in an answer. */
#define ANSWER_TIME 0
#define ANSWER_STATUS 8
#define ANSWER_COUNT 9
#define ANSWER_UNRECORDED_AT 10
#define ANSWER_ZERO 11
#define ANSWER_TOTAL_LEN 12
#define ANSWER_RELEASE 16
#define ANSWER_ITEMS (ANSWER_RELEASE + SHA256_LEN)

/* Length of an ANSWER frame with items of this length together. */
#define ANSWER_LEN(items) (ANSWER_BODY + ANSWER_ITEMS + (items) + AEAD_TAG_LEN)

/* The longest piece of a release or a list of changes: all but the last one are as long. */
#define SYNC_PIECE (FRAME_MAX - ANSWER_LEN(0))
_Static_assert(SYNC_PIECE % SYNC_UNIT == 0, "pieces begin at whole units");

/* Offsets in an item about a licence; the first byte is 0 where there is none, and all there is. */
#define FOUND_KIND 0 /* 1 + enum entry_kind */
#define FOUND_CARD 1 /* enum card_state */
#define FOUND_MATCHES 2
#define FOUND_TERMS (FOUND_MATCHES + FIELD_COUNT - 1)
#define FOUND_FURTHER_LEN (FOUND_TERMS + DB_TERMS_LEN)
#define FOUND_FURTHER (FOUND_FURTHER_LEN + 2)

/* Offsets in a proof, and in each of its entries. */
#define PROOF_ENTRY_COUNT 0
#define PROOF_NODE_COUNT 1
#define PROOF_ENTRIES 2
#define PROVED_INDEX 0
#define PROVED_ENTRY 8
#define PROVED_FURTHER_LEN (PROVED_ENTRY + DB_ENTRY_LEN)
#define PROVED_FURTHER (PROVED_FURTHER_LEN + 2)

/* The length that a question must have so that an answer fits, where the longest further terms of
 * the release are `further_max` long. With proofs it is so nearly always. */
size_t answer_room(const struct question *question, const struct db_header *header);

/* For the client: opens the ANSWER frame to `ask` in place; what is read points into it. `what` is
 * what was asked for. 0, ERR_SIGNATURE where it is not this session's answer to this question, or
 * ERR_FORMAT. */
int answer_open(struct answer *answer, enum question_what what, uint8_t *frame, size_t len,
                const uint8_t *ask, size_t ask_len, const uint8_t session_key[SESSION_KEY_LEN],
                struct error *error);

/* For the server: writes the body of an answer, as long as a question of `len` bytes, into `frame`.
 * False where it does not fit. */
bool answer_write(uint8_t *frame, size_t len, const struct answer *answer, enum question_what what);

/* Seals the frame as the answer to `ask`, whose header, nonce and tag must be as they were
 * received. The same `nonce` must never be used twice in a session. */
void answer_seal(uint8_t *frame, size_t len, const uint8_t *ask, size_t ask_len,
                 const uint8_t session_key[SESSION_KEY_LEN], const uint8_t nonce[ASK_RANDOM_LEN]);

#endif
