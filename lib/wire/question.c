#include "wire/question.h"

#include "base/bytes.h"

#include <string.h>

/* A bit of the question's flags, which hold its wishes, too. */
enum { FLAG_DAY = 4 };

size_t question_seal(uint8_t frame[FRAME_TO_SERVER_MAX], const struct question *question,
                     const uint8_t session_key[SESSION_KEY_LEN], const uint8_t ticket[TICKET_LEN],
                     const uint8_t random[ASK_RANDOM_LEN], size_t len_min) {
    uint8_t *body = frame + ASK_BODY;
    size_t len = ASK_LEN(question->count);
    if (len < len_min)
        len = len_min;
    size_t body_len = len - AEAD_TAG_LEN - ASK_BODY;
    frame_write_header(frame, FRAME_ASK, 0, len);
    memcpy(frame + ASK_TICKET, ticket, TICKET_LEN);
    frame[ASK_NONCE] = NONCE_ASK;
    memcpy(frame + ASK_NONCE + 1, random, ASK_RANDOM_LEN);
    memset(body, 0, body_len);
    store_le64(body, (uint64_t)question->at.unix_s);
    body[8] = (uint8_t)(question->wishes | (question->at.is_day ? FLAG_DAY : 0));
    body[9] = (uint8_t)question->kind;
    body[10] = (uint8_t)question->count;
    memcpy(body + QUESTION_HEAD_LEN, question->digests, question->count * SHA256_LEN);
    aead_seal(session_key, frame + ASK_NONCE, frame, ASK_BODY, body, body_len, body + body_len);
    return len;
}

enum question_result question_open(struct question *question, uint8_t *frame, size_t len,
                                   const uint8_t session_key[SESSION_KEY_LEN]) {
    uint8_t *body = frame + ASK_BODY;
    if (len < ASK_LEN(0) || frame[ASK_NONCE] != NONCE_ASK)
        return QUESTION_FOREIGN;
    size_t body_len = len - ASK_BODY - AEAD_TAG_LEN;
    if (!aead_open(session_key, frame + ASK_NONCE, frame, ASK_BODY, body, body_len,
                   body + body_len))
        return QUESTION_FOREIGN;
    unsigned flags = body[8], count = body[10];
    question->at.unix_s = (int64_t)load_le64(body);
    question->at.is_day = (flags & FLAG_DAY) != 0;
    question->wishes = flags & (WISH_INFO | WISH_PROOF);
    question->kind = (enum licence_kind)body[9];
    question->count = count;
    if ((flags & ~(unsigned)(WISH_INFO | WISH_PROOF | FLAG_DAY)) != 0 || body[9] > KIND_DOCUMENT ||
        !bytes_are_zero(body + 11, 5) || count < 1 ||
        count > (question->wishes & WISH_PROOF ? QUESTION_PROVED_MAX : QUESTION_MAX) ||
        body_len < QUESTION_HEAD_LEN + count * SHA256_LEN)
        return QUESTION_MALFORMED;
    memcpy(question->digests, body + QUESTION_HEAD_LEN, count * SHA256_LEN);
    return QUESTION_GOOD;
}
