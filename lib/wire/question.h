/* Questions of an open session (PROTOCOL.md, "Asking"), as functions from bytes to bytes. The
 * parser is total. Sealing and opening run in constant time, except for lengths. */
#ifndef DLV_WIRE_QUESTION_H
#define DLV_WIRE_QUESTION_H

#include "base/date.h"
#include "crypto/sha256.h"
#include "record/licence.h"
#include "wire/frame.h"
#include "wire/ticket.h"

#define QUESTION_MAX 64 /* digests in a frame */
/* digests in a frame, with proofs: the answer must fit in FRAME_MAX */
#define QUESTION_PROVED_MAX 8

/* What the answer shall contain besides the verdicts. The numbers are those in the frames. */
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

/* Questions and answers share the session's key. The first byte of a nonce says which way its frame
 * goes, so no nonce is used twice. */
enum nonce_direction { NONCE_ASK = 1, NONCE_ANSWER = 2 };

/* Offsets and lengths in an ASK frame. */
#define ASK_TICKET FRAME_HEADER_LEN
#define ASK_NONCE (ASK_TICKET + TICKET_LEN)
#define ASK_BODY (ASK_NONCE + AEAD_NONCE_LEN)
#define QUESTION_HEAD_LEN 16
#define ASK_LEN(count) (ASK_BODY + QUESTION_HEAD_LEN + (count)*SHA256_LEN + AEAD_TAG_LEN)
/* length of the rest of a nonce, behind its first byte */
#define ASK_RANDOM_LEN (AEAD_NONCE_LEN - 1)

/* For the client: writes and seals an ASK frame of at least `len_min` bytes, which is padded and at
 * most FRAME_TO_SERVER_MAX long. `random` must be fresh. Returns the length of the frame. */
size_t question_seal(uint8_t frame[FRAME_TO_SERVER_MAX], const struct question *question,
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
