/* Frames in an open session that a key-holder of the server answers: IDENTIFY, UNWRAP and RECEIPT, which have one form,
 * and what answers them (PROTOCOL.md, "Identity"). Functions from bytes to bytes. Sealing and opening run in constant
 * time, except for lengths. */
#ifndef DLV_WIRE_SESSION_FRAME_H
#define DLV_WIRE_SESSION_FRAME_H

#include "wire/question.h"
#include "wire/session.h"

#define IDENTITY_LEN (4 + SHA256_LEN + RSA_LEN_MAX) /* of what each of them seals */

/* Offsets and lengths in an IDENTIFY frame. The cookie is where that of an OPEN frame is. */
#define IDENTIFY_COOKIE FRAME_HEADER_LEN
#define IDENTIFY_TICKET (IDENTIFY_COOKIE + COOKIE_LEN)
#define IDENTIFY_NONCE (IDENTIFY_TICKET + TICKET_LEN)
#define IDENTIFY_BODY (IDENTIFY_NONCE + AEAD_NONCE_LEN)
#define IDENTIFY_LEN (IDENTIFY_BODY + IDENTITY_LEN + AEAD_TAG_LEN)

/* Offsets and lengths in what answers them, which has sealed `sealed` bytes. */
#define ADMIT_QUESTION_NONCE FRAME_HEADER_LEN
#define ADMIT_NONCE (ADMIT_QUESTION_NONCE + AEAD_NONCE_LEN)
#define ADMIT_BODY (ADMIT_NONCE + AEAD_NONCE_LEN)
#define SEALED_ANSWER_LEN(sealed) (ADMIT_BODY + (sealed) + AEAD_TAG_LEN)

/* Offsets in what that has sealed. */
#define ADMITTED_STATUS 0
#define ADMITTED_ZERO 1
#define SEALED_ANSWER 4

enum admission_status {
    ADMISSION_GOOD = 0,
    /* the kiosk is not on the list, or is past its last day; or the key was not wrapped for it and this server */
    ADMISSION_NOT_ENROLLED = 1,
    ADMISSION_FOREIGN = 2 /* never in a frame: the frame is not one of this session */
};

/* --- the client's side ------------------------------------------------------------------------ */

/* Begins a frame with a cookie of zeros. What it seals, at IDENTIFY_BODY, is zeros. `random` must be fresh. */
void session_frame_begin(uint8_t frame[IDENTIFY_LEN], enum frame_type type,
                         const struct session *session, const uint8_t random[ASK_RANDOM_LEN]);
void session_frame_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session);

/* Opens what came for `asked`: `body` is what it has sealed. False where it is not that. */
bool session_frame_open_answer(const struct session *session, enum frame_type type,
                               const uint8_t *asked, const uint8_t *frame, size_t len,
                               uint8_t *body, size_t body_len);

/* --- the server's side ------------------------------------------------------------------------ */

/* Whether a frame was sealed by who has the key of the session that its ticket, which has been opened, is of; whatever
 * its cookie is. */
bool identity_is_sealed(const uint8_t frame[IDENTIFY_LEN], const struct ticket *ticket);

/* Opens a frame in place. The key that has opened its ticket; NULL where it is not one of a session, and then `ticket`
 * holds nothing. */
const struct ticket_key *session_frame_open(const struct session_host *host, enum frame_type type,
                                            uint8_t *frame, size_t len, int64_t now_s,
                                            struct ticket *ticket);

/* Begins the answer, with the rest of its nonce from `source`. What it seals, at ADMIT_BODY, is zeros. */
void session_frame_begin_answer(uint8_t *answer, enum frame_type type, const uint8_t *asked,
                                size_t sealed_len, const br_prng_class **source);
void session_frame_seal_answer(uint8_t *answer, size_t sealed_len, const struct ticket *ticket);

#endif
