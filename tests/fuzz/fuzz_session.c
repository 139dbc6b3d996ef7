/* Frames of the session protocol, both directions: as raw bytes, and as bodies that were sealed as
 * they should be, so that what is behind the seal is reached. */
#include "wire/answer.h"
#include "wire/session.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[SESSION_KEY_LEN] = {7}, ticket[TICKET_LEN] = {8}, nonce[ASK_RANDOM_LEN];

static void take_raw(const uint8_t *data, size_t size) {
    static uint8_t copy[FRAME_MAX];
    static struct question question;
    static struct answer answer;
    static struct opening opening = {.frame_len = OPEN_LEN(256)};
    struct session session;
    struct frame frame;
    struct ticket opened;
    struct ticket_key ticket_key;
    if (size > FRAME_MAX)
        return;
    if (frame_read_header(&frame, data, size) == FRAME_OK && frame.len < FRAME_HEADER_LEN)
        abort();
    memcpy(copy, data, size);
    if (question_open(&question, copy, size, key) != QUESTION_FOREIGN)
        abort(); /* nobody guesses a tag */
    memcpy(copy, data, size);
    if (answer_open(&answer, copy, size, data, size < ASK_LEN(0) ? 0 : size, key, NULL) == 0)
        abort();
    if (opening_finish(&opening, data, size, &session))
        abort();
    opening_set_cookie(&opening, data, size);
    ticket_key_init(&ticket_key, key);
    if (size >= TICKET_LEN && ticket_open(&opened, data, &ticket_key, 1))
        abort();
}

/* A question with this body: what is read of it is what is written again. */
static void take_question(const uint8_t *body, size_t len) {
    static uint8_t frame[FRAME_TO_SERVER_MAX], again[FRAME_TO_SERVER_MAX];
    static struct question question;
    if (len > FRAME_TO_SERVER_MAX - ASK_LEN(0))
        return;
    frame_write_header(frame, FRAME_ASK, 0, ASK_BODY + len + AEAD_TAG_LEN);
    memcpy(frame + ASK_TICKET, ticket, TICKET_LEN);
    memset(frame + ASK_NONCE, 0, AEAD_NONCE_LEN);
    frame[ASK_NONCE] = 1;
    memcpy(frame + ASK_BODY, body, len);
    aead_seal(key, frame + ASK_NONCE, frame, ASK_BODY, frame + ASK_BODY, len,
              frame + ASK_BODY + len);
    enum question_result result =
        question_open(&question, frame, ASK_BODY + len + AEAD_TAG_LEN, key);
    if (result == QUESTION_FOREIGN && len >= QUESTION_HEAD_LEN)
        abort();
    if (result != QUESTION_GOOD)
        return;
    size_t whole = question_seal(again, &question, key, ticket, nonce, 0);
    if (whole > ASK_BODY + len + AEAD_TAG_LEN ||
        question_open(&question, again, whole, key) != QUESTION_GOOD ||
        memcmp(again + ASK_BODY, body, QUESTION_HEAD_LEN + question.count * SHA256_LEN) != 0)
        abort();
}

/* An answer with this body: likewise. */
static void take_answer(const uint8_t *body, size_t len) {
    static uint8_t ask[FRAME_TO_SERVER_MAX], frame[FRAME_MAX], again[FRAME_MAX];
    static struct question question = {.count = 1};
    static struct answer answer;
    size_t ask_len = question_seal(ask, &question, key, ticket, nonce, 0);
    size_t whole = ANSWER_BODY + len + AEAD_TAG_LEN;
    if (whole > FRAME_MAX)
        return;
    memcpy(frame + ANSWER_BODY, body, len);
    answer_seal(frame, whole, ask, ask_len, key, nonce);
    if (answer_open(&answer, frame, whole, ask, ask_len, key, NULL) != 0)
        return;
    if (answer_write(again, sizeof again, &answer) != whole)
        abort();
    answer_seal(again, whole, ask, ask_len, key, nonce);
    if (answer_open(&answer, again, whole, ask, ask_len, key, NULL) != 0)
        abort();
    for (unsigned i = 0; i < answer.count && answer.brings & WISH_PROOF; i++) {
        const struct db_header header = {.count = 1000};
        struct licence licence;
        if (proof_check(&header, ask, &answer.proofs[i], &licence, NULL) >= 0)
            abort(); /* no fuzzer finds a path to a root of zeros */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    take_raw(data, size);
    if (size > 0 && data[0] % 2 == 0)
        take_question(data + 1, size - 1);
    else if (size > 0)
        take_answer(data + 1, size - 1);
    return 0;
}
