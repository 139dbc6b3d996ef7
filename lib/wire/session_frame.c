#include "wire/session_frame.h"

#include "base/bytes.h"

#include <string.h>

void session_frame_begin(uint8_t frame[IDENTIFY_LEN], enum frame_type type,
                         const struct session *session, const uint8_t random[ASK_RANDOM_LEN]) {
    memset(frame, 0, IDENTIFY_LEN);
    frame_write_header(frame, type, 0, IDENTIFY_LEN);
    memcpy(frame + IDENTIFY_TICKET, session->ticket, TICKET_LEN);
    frame[IDENTIFY_NONCE] = NONCE_ASK;
    memcpy(frame + IDENTIFY_NONCE + 1, random, ASK_RANDOM_LEN);
}

void session_frame_seal(uint8_t frame[IDENTIFY_LEN], const struct session *session) {
    uint8_t *body = frame + IDENTIFY_BODY;
    aead_seal(session->key, frame + IDENTIFY_NONCE, frame, IDENTIFY_BODY, body, IDENTITY_LEN,
              body + IDENTITY_LEN);
}

bool session_frame_open_answer(const struct session *session, enum frame_type type,
                               const uint8_t *asked, const uint8_t *frame, size_t len,
                               uint8_t *body, size_t body_len) {
    struct frame header;
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != type ||
        header.len != len || len != SEALED_ANSWER_LEN(body_len) ||
        frame[ADMIT_NONCE] != NONCE_ANSWER ||
        memcmp(frame + ADMIT_QUESTION_NONCE, asked + IDENTIFY_NONCE, AEAD_NONCE_LEN) != 0)
        return false;
    memcpy(body, frame + ADMIT_BODY, body_len);
    return aead_open(session->key, frame + ADMIT_NONCE, frame, ADMIT_BODY, body, body_len,
                     frame + ADMIT_BODY + body_len) &&
           body[ADMITTED_STATUS] <= ADMISSION_NOT_ENROLLED &&
           bytes_are_zero(body + ADMITTED_ZERO, SEALED_ANSWER - ADMITTED_ZERO);
}

bool identity_is_sealed(const uint8_t frame[IDENTIFY_LEN], const struct ticket *ticket) {
    uint8_t copy[IDENTIFY_LEN], *body = copy + IDENTIFY_BODY;
    memcpy(copy, frame, sizeof copy);
    memset(copy + IDENTIFY_COOKIE, 0, COOKIE_LEN);
    bool is_sealed = aead_open(ticket->session_key, copy + IDENTIFY_NONCE, copy, IDENTIFY_BODY,
                               body, IDENTITY_LEN, body + IDENTITY_LEN);
    wipe(copy, sizeof copy);
    wipe_stack();
    return is_sealed;
}

const struct ticket_key *session_frame_open(const struct session_host *host, enum frame_type type,
                                            uint8_t *frame, size_t len, int64_t now_s,
                                            struct ticket *ticket) {
    struct frame header;
    uint8_t *body = frame + IDENTIFY_BODY;
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != type ||
        header.len != len || len != IDENTIFY_LEN || frame[IDENTIFY_NONCE] != NONCE_ASK)
        return NULL;
    const struct ticket_key *opening =
        ticket_open(ticket, frame + IDENTIFY_TICKET, host->ticket_keys, host->ticket_key_count);
    if (opening == NULL)
        return NULL;
    bool is_good = ticket->expires_s >= now_s &&
                   aead_open(ticket->session_key, frame + IDENTIFY_NONCE, frame, IDENTIFY_BODY,
                             body, IDENTITY_LEN, body + IDENTITY_LEN);
    wipe_stack();
    if (is_good)
        return opening;
    wipe(ticket, sizeof *ticket);
    return NULL;
}

void session_frame_begin_answer(uint8_t *answer, enum frame_type type, const uint8_t *asked,
                                size_t sealed_len, const br_prng_class **source) {
    memset(answer, 0, SEALED_ANSWER_LEN(sealed_len));
    frame_write_header(answer, type, 0, SEALED_ANSWER_LEN(sealed_len));
    memcpy(answer + ADMIT_QUESTION_NONCE, asked + IDENTIFY_NONCE, AEAD_NONCE_LEN);
    answer[ADMIT_NONCE] = NONCE_ANSWER;
    (*source)->generate(source, answer + ADMIT_NONCE + 1, ASK_RANDOM_LEN);
}

void session_frame_seal_answer(uint8_t *answer, size_t sealed_len, const struct ticket *ticket) {
    uint8_t *body = answer + ADMIT_BODY;
    aead_seal(ticket->session_key, answer + ADMIT_NONCE, answer, ADMIT_BODY, body, sealed_len,
              body + sealed_len);
    wipe_stack();
}
