/* Frames of the session protocol, both directions: as raw bytes, and as bodies that were sealed as
 * they should be, so that what is behind the seal is reached. */
#include "wire/answer.h"
#include "wire/identity.h"
#include "wire/proxy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[SESSION_KEY_LEN] = {7}, ticket[TICKET_LEN] = {8}, nonce[ASK_RANDOM_LEN];

/* A balancer's header, with the signature that nobody guesses put before what came. */
static void take_proxy_header(const uint8_t *data, size_t size) {
    static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";
    uint8_t bytes[PROXY_HEADER_MAX], address[PROXY_ADDRESS_LEN];
    size_t len = size < sizeof bytes - sizeof signature ? size : sizeof bytes - sizeof signature;
    size_t header_len = 0;
    memcpy(bytes, signature, sizeof signature);
    memcpy(bytes + sizeof signature, data, len);
    enum proxy_result result = proxy_read(bytes, sizeof signature + len, &header_len, address);
    if ((result == PROXY_SOURCE || result == PROXY_NOBODY) && header_len > sizeof signature + len)
        abort();
}

static void take_raw(const uint8_t *data, size_t size) {
    static uint8_t copy[FRAME_MAX];
    static struct question question;
    static struct answer answer;
    static struct opening opening = {.frame_len = OPEN_LEN(256)};
    struct session session = {0};
    static const uint8_t identify[IDENTIFY_LEN];
    struct frame frame;
    struct ticket opened;
    struct ticket_key ticket_key;
    take_proxy_header(data, size);
    if (size > FRAME_MAX)
        return;
    if (frame_read_header(&frame, data, size) == FRAME_OK && frame.len < FRAME_HEADER_LEN)
        abort();
    memcpy(copy, data, size);
    if (question_open(&question, copy, size, key) != QUESTION_FOREIGN)
        abort(); /* nobody guesses a tag */
    memcpy(copy, data, size);
    if (size >= ASK_LEN_MIN &&
        answer_open(&answer, WHAT_ANSWERS, copy, size, data, size, key, NULL) == 0)
        abort();
    if (opening_finish(&opening, data, size, &session))
        abort();
    const struct ticket_binding binding = {0};
    ticket_key_init(&ticket_key, TICKET_SESSIONS, key, &binding, 0);
    const struct session_host host = {.ticket_keys = &ticket_key,
                                      .ticket_key_count = 1,
                                      .renewal_keys = &ticket_key,
                                      .renewal_key_count = 1};
    uint8_t admit[ADMIT_LEN], accept[ACCEPT_LEN];
    if (session_renew(&host, data, size, 0, NULL, accept))
        abort();
    memcpy(copy, data, size);
    if (session_admit(&host, copy, size, 0, NULL, admit) != ADMISSION_FOREIGN ||
        identity_finish(&session, identify, data, size) != ADMISSION_FOREIGN)
        abort();
    memcpy(copy, data, size);
    uint8_t unwrapped_key[UNWRAPPED_KEY_LEN];
    if (session_unwrap(&host, NULL, 0, copy, size, 0, NULL, admit) != ADMISSION_FOREIGN ||
        unwrap_finish(&session, identify, data, size, unwrapped_key) != ADMISSION_FOREIGN)
        abort();
    if (size >= TICKET_LEN && ticket_open(&opened, data, &ticket_key, 1))
        abort();
}

/* A question with this body: what is read of it is what is written again. */
static void take_question(const uint8_t *body, size_t len) {
    static uint8_t frame[FRAME_MAX], again[FRAME_MAX];
    static struct question question;
    if (len > FRAME_MAX - ASK_BODY - AEAD_TAG_LEN)
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
    if (result == QUESTION_FOREIGN && len >= QUESTION_ITEMS)
        abort();
    if (result != QUESTION_GOOD)
        return;
    size_t whole =
        question_seal(again, &question, key, ticket, nonce, ASK_BODY + len + AEAD_TAG_LEN);
    if (whole != ASK_BODY + len + AEAD_TAG_LEN ||
        question_open(&question, again, whole, key) != QUESTION_GOOD ||
        memcmp(again + ASK_BODY, body, len) != 0)
        abort();
}

/* An answer with this body: likewise. */
static void take_answer(const uint8_t *body, size_t len, enum question_what what) {
    static uint8_t ask[FRAME_MAX], frame[FRAME_MAX], again[FRAME_MAX];
    static struct question question = {.what = WHAT_ANSWERS};
    static struct answer answer;
    size_t whole = ANSWER_BODY + len + AEAD_TAG_LEN;
    if (whole > FRAME_MAX || question_seal(ask, &question, key, ticket, nonce, whole) != whole)
        return;
    memcpy(frame + ANSWER_BODY, body, len);
    answer_seal(frame, whole, ask, whole, key, nonce);
    if (answer_open(&answer, what, frame, whole, ask, whole, key, NULL) != 0)
        return;
    if (!answer_write(again, whole, &answer, what))
        abort();
    /* What is read again is the same; of further terms the cards may be cut off. */
    answer_seal(again, whole, ask, whole, key, nonce);
    if (answer_open(&answer, what, again, whole, ask, whole, key, NULL) != 0)
        abort();
    for (unsigned i = 0; i < answer.count; i++) {
        const struct db_header header = {.count = 1000};
        const struct held_nodes root = {merkle_height(1000), 1, header.merkle_root};
        struct inquired inquired = {.kind = ASK_NUMBER};
        struct db_answer found;
        static struct terms terms;
        struct class_sets sets = {0};
        if (what == WHAT_PROOFS &&
            proof_answer(&header, &root, NULL, &inquired, &answer.proofs[i], &found, NULL) >= 0)
            abort(); /* no fuzzer finds a path to a root of zeros */
        if (what == WHAT_ANSWERS)
            terms_read(&terms, answer.entries[i].terms, answer.entries[i].further, &sets, 2, false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    take_raw(data, size);
    if (size > 0 && data[0] % 2 == 0)
        take_question(data + 1, size - 1);
    else if (size > 0)
        take_answer(data + 1, size - 1, (enum question_what)(1 + data[0] / 2 % 5));
    return 0;
}
