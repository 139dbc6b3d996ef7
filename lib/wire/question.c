#include "wire/question.h"

#include "base/bytes.h"

#include <string.h>

static size_t item_len(const struct inquired *item) {
    return ITEM_FORMS + (size_t)item->form_count * FORM_LEN;
}

static bool is_about_licences(enum question_what what) {
    return what == WHAT_ANSWERS || what == WHAT_PROOFS;
}

size_t question_len(const struct question *question) {
    size_t len = ASK_LEN_MIN;
    for (unsigned i = 0; i < question->count; i++)
        len += item_len(&question->items[i]);
    return len;
}

static uint8_t *put_item(uint8_t *out, const struct inquired *item) {
    out[ITEM_KIND] = item->kind;
    out[ITEM_FORM_COUNT] = item->form_count;
    memcpy(out + ITEM_DIGEST, item->digest, SHA256_LEN);
    out += ITEM_FORMS;
    for (unsigned i = 0; i < item->form_count; i++, out += FORM_LEN) {
        out[0] = item->forms[i].field;
        memcpy(out + 1, item->forms[i].digest, FIELD_DIGEST_LEN);
    }
    return out;
}

size_t question_seal(uint8_t frame[FRAME_MAX], const struct question *question,
                     const uint8_t session_key[SESSION_KEY_LEN], const uint8_t ticket[TICKET_LEN],
                     const uint8_t random[ASK_RANDOM_LEN], size_t len_min) {
    uint8_t *body = frame + ASK_BODY;
    size_t len = question_len(question);
    if (len < len_min)
        len = len_min;
    if (len > FRAME_MAX)
        return 0;
    size_t body_len = len - AEAD_TAG_LEN - ASK_BODY;
    frame_write_header(frame, FRAME_ASK, 0, len);
    memcpy(frame + ASK_TICKET, ticket, TICKET_LEN);
    frame[ASK_NONCE] = NONCE_ASK;
    memcpy(frame + ASK_NONCE + 1, random, ASK_RANDOM_LEN);
    memset(body, 0, body_len);
    body[QUESTION_WHAT] = (uint8_t)question->what;
    body[QUESTION_COUNT] = (uint8_t)question->count;
    body[QUESTION_SLIPS] = question->is_about_slips;
    store_le32(body + QUESTION_OFFSET, question->offset);
    memcpy(body + QUESTION_RELEASE, question->release_id, SHA256_LEN);
    uint8_t *out = body + QUESTION_ITEMS;
    for (unsigned i = 0; i < question->count; i++)
        out = put_item(out, &question->items[i]);
    aead_seal(session_key, frame + ASK_NONCE, frame, ASK_BODY, body, body_len, body + body_len);
    return len;
}

/* --- the server's side ------------------------------------------------------------------------- */

/* Reads an item at *at, and moves behind it. */
static bool read_item(struct inquired *item, const uint8_t **at, const uint8_t *end) {
    const uint8_t *bytes = *at;
    if (end - bytes < ITEM_FORMS)
        return false;
    item->kind = bytes[ITEM_KIND];
    item->form_count = bytes[ITEM_FORM_COUNT];
    memcpy(item->digest, bytes + ITEM_DIGEST, SHA256_LEN);
    bytes += ITEM_FORMS;
    if (item->kind < ASK_NUMBER || item->kind > ASK_LEGACY || item->form_count > FORMS_MAX ||
        (item->form_count > 0 && item->kind != ASK_NUMBER) ||
        end - bytes < (long)item->form_count * FORM_LEN)
        return false;
    for (unsigned i = 0; i < item->form_count; i++, bytes += FORM_LEN) {
        item->forms[i].field = bytes[0];
        memcpy(item->forms[i].digest, bytes + 1, FIELD_DIGEST_LEN);
    }
    *at = bytes;
    return inquired_is_sound(item);
}

static bool read_question(struct question *question, const uint8_t *body, size_t len) {
    const uint8_t *at = body + QUESTION_ITEMS, *end = body + len;
    question->what = (enum question_what)body[QUESTION_WHAT];
    question->count = body[QUESTION_COUNT];
    question->is_about_slips = body[QUESTION_SLIPS] != 0;
    question->offset = load_le32(body + QUESTION_OFFSET);
    memcpy(question->release_id, body + QUESTION_RELEASE, SHA256_LEN);
    bool is_about = is_about_licences(question->what);
    if (body[QUESTION_WHAT] < WHAT_ANSWERS || body[QUESTION_WHAT] > WHAT_QUOTA ||
        body[QUESTION_SLIPS] > is_about ||
        !bytes_are_zero(body + QUESTION_ZERO, QUESTION_OFFSET - QUESTION_ZERO) ||
        (is_about ? question->offset != 0 || question->count < 1 : question->count != 0) ||
        question->count > (question->what == WHAT_PROOFS ? QUESTION_PROVED_MAX : QUESTION_MAX))
        return false;
    for (unsigned i = 0; i < question->count; i++) {
        if (!read_item(&question->items[i], &at, end))
            return false;
    }
    return bytes_are_zero(at, (size_t)(end - at));
}

enum question_result question_open(struct question *question, uint8_t *frame, size_t len,
                                   const uint8_t session_key[SESSION_KEY_LEN]) {
    uint8_t *body = frame + ASK_BODY;
    if (len < ASK_LEN_MIN || frame[ASK_NONCE] != NONCE_ASK)
        return QUESTION_FOREIGN;
    size_t body_len = len - ASK_BODY - AEAD_TAG_LEN;
    if (!aead_open(session_key, frame + ASK_NONCE, frame, ASK_BODY, body, body_len,
                   body + body_len))
        return QUESTION_FOREIGN;
    return read_question(question, body, body_len) ? QUESTION_GOOD : QUESTION_MALFORMED;
}
