/* Questions of an open session (PROTOCOL.md, "Asking"), as functions from bytes to bytes. The
 * parser is total. Sealing and opening run in constant time, except for lengths. */
#ifndef DLV_WIRE_QUESTION_H
#define DLV_WIRE_QUESTION_H

#include "crypto/sha256.h"
#include "db/answer.h"
#include "wire/frame.h"
#include "wire/ticket.h"

#define QUESTION_MAX 64 /* licences asked for in a frame */
/* with proofs: the answer must fit into a frame */
#define QUESTION_PROVED_MAX 4

/* What a frame asks for. The numbers are those in frames. */
enum question_what {
    WHAT_ANSWERS = 1, /* about licences */
    WHAT_PROOFS = 2,  /* the same, with proofs up to the nodes of WHAT_NODES */
    WHAT_HEAD = 3,    /* the header of a release and its signatures */
    WHAT_DICTIONARY = 4,
    WHAT_NODES = 5, /* the Merkle nodes at which proofs end */
    /* By right and over TCP alone, in pieces that are longer than their questions: */
    WHAT_RELEASE = 6, /* the file of a release */
    WHAT_CHANGES = 7, /* the list of changes that leads on from the release that is meant */
    WHAT_QUOTA = 8    /* what whoever asks may still ask about and fetch (struct quota_left) */
};

/* Whether it is one of the two above. */
static inline bool question_is_sync(enum question_what what) {
    return what == WHAT_RELEASE || what == WHAT_CHANGES;
}

/* What offsets and lengths are counted in where it is: so the number does for large files. */
#define SYNC_UNIT 32u

struct question {
    enum question_what what;
    /* the release that is meant; zeros: whichever the server has */
    uint8_t release_id[SHA256_LEN];
    unsigned count; /* of WHAT_ANSWERS and WHAT_PROOFS: 1 to QUESTION_MAX or QUESTION_PROVED_MAX */
    uint32_t
        offset; /* of the others: where the piece begins that is wanted, in bytes or units of SYNC_UNIT */
    /* these are numbers that may have been meant by one that was not found: they count as one that was not,
     * where it is looked for who seeks numbers */
    bool is_about_slips;
    struct inquired items[QUESTION_MAX];
};

/* Questions and answers share the session's key. The first byte of a nonce says which way its frame
 * goes, so no nonce is used twice. */
enum nonce_direction { NONCE_ASK = 1, NONCE_ANSWER = 2 };

/* Offsets and lengths in an ASK frame. */
#define ASK_TICKET FRAME_HEADER_LEN
#define ASK_NONCE (ASK_TICKET + TICKET_LEN)
#define ASK_BODY (ASK_NONCE + AEAD_NONCE_LEN)
/* length of the rest of a nonce, behind its first byte */
#define ASK_RANDOM_LEN (AEAD_NONCE_LEN - 1)

/* Offsets in a question. */
#define QUESTION_WHAT 0
#define QUESTION_COUNT 1
#define QUESTION_SLIPS 2
#define QUESTION_ZERO 3
#define QUESTION_OFFSET 4
#define QUESTION_RELEASE 8
#define QUESTION_ITEMS (QUESTION_RELEASE + SHA256_LEN)

/* Offsets in an item, and in each of its forms. */
#define ITEM_KIND 0
#define ITEM_FORM_COUNT 1
#define ITEM_DIGEST 2
#define ITEM_FORMS (ITEM_DIGEST + SHA256_LEN)
#define FORM_LEN (1 + FIELD_DIGEST_LEN)

/* Length of the shortest ASK frame. */
#define ASK_LEN_MIN (ASK_BODY + QUESTION_ITEMS + AEAD_TAG_LEN)

/* Length of the ASK frame that a question makes without padding. */
size_t question_len(const struct question *question);

/* For the client: writes and seals an ASK frame of at least `len_min` bytes, which is padded and at
 * most FRAME_MAX long. `random` must be fresh. Returns the length of the frame, or 0 where it does
 * not fit. */
size_t question_seal(uint8_t frame[FRAME_MAX], const struct question *question,
                     const uint8_t session_key[SESSION_KEY_LEN], const uint8_t ticket[TICKET_LEN],
                     const uint8_t random[ASK_RANDOM_LEN], size_t len_min);

enum question_result {
    QUESTION_GOOD,
    /* the frame does not belong to this session, so nothing of it may be answered */
    QUESTION_FOREIGN,
    /* it belongs to this session, but this version does not understand the question */
    QUESTION_MALFORMED,
};

/* For the server: opens an ASK frame in place, with the session key that its ticket has given. */
enum question_result question_open(struct question *question, uint8_t *frame, size_t len,
                                   const uint8_t session_key[SESSION_KEY_LEN]);

#endif
