#include "serve/answer.h"

#include "base/bytes.h"

#include <string.h>

/* --- the session ------------------------------------------------------------------------------ */

/* Until when the ticket's kiosk may ask; 0: not at all. */
static int64_t kiosk_until(const struct board *board, const uint8_t id[KIOSK_ID_LEN]) {
    const struct kiosks *kiosks = board_kiosks(board);
    if (bytes_are_zero(id, KIOSK_ID_LEN))
        return INT64_MAX; /* whether anonymous ones may open sessions was decided then */
    const struct kiosk *kiosk = kiosks != NULL ? kiosks_find(kiosks, id, KIOSK_ID_LEN) : NULL;
    return kiosk != NULL ? kiosk->not_after_s : 0;
}

/* The ticket that is good now, opened; NULL: it is not. */
static const struct ticket *open_ticket(struct answerer *answerer, const uint8_t *sealed) {
    const struct board *board = answerer->board;
    unsigned kiosks_now = atomic_load_explicit(&board->kiosks_now, memory_order_acquire);
    struct known_ticket *known =
        &answerer->known[load_le16(sealed + TICKET_LEN - AEAD_TAG_LEN) % KNOWN_TICKETS];
    if (!known->is_known || known->kiosks_now != kiosks_now ||
        memcmp(known->sealed, sealed, TICKET_LEN) != 0) {
        struct ticket opened;
        if (!ticket_open(&opened, sealed, board_ring(board)->keys, TICKET_KEYS))
            return NULL;
        int64_t until_s = kiosk_until(board, opened.kiosk);
        if (opened.expires_s > until_s)
            opened.expires_s = until_s;
        known->is_known = 1;
        known->kiosks_now = kiosks_now;
        known->opened = opened;
        memcpy(known->sealed, sealed, TICKET_LEN);
        wipe(&opened, sizeof opened);
    }
    return known->opened.expires_s >= answerer->now_s ? &known->opened : NULL;
}

/* Never the same twice in a session, on whatever server: random but for the last four bytes, which
 * count. */
static const uint8_t *next_nonce(struct answerer *answerer) {
    uint8_t *counter = answerer->nonce + ASK_RANDOM_LEN - 4;
    uint32_t next = load_le32(counter) + 1;
    store_le32(counter, next);
    if (next <= 1) /* just begun, or come round */
        random_bytes(answerer->random, answerer->nonce, ASK_RANDOM_LEN - 4);
    return answerer->nonce;
}

/* --- the database ----------------------------------------------------------------------------- */

static void look_up(struct answerer *answerer) {
    const struct question *question = &answerer->question;
    const struct db *db = answerer->db;
    struct answer *answer = &answerer->answer;
    uint32_t day = moment_day(&question->at, db->header.utc_offset_s);
    if (question->count == 1)
        db_ask(db, answerer->lookup_key, question->digests, question->kind, day, answer->entries);
    else
        db_ask_batch(db, answerer->lookup_key, question->digests, question->count, question->kind,
                     day, answer->entries);
    for (unsigned i = 0; i < question->count; i++)
        count_add(&answerer->counts->verdicts[answer->entries[i].verdict], 1);
}

static void prove(struct answerer *answerer) {
    const struct question *question = &answerer->question;
    uint8_t key[DB_KEY_LEN];
    for (unsigned i = 0; i < question->count; i++) {
        lookup_key_apply(answerer->lookup_key, question->digests + i * SHA256_LEN, key);
        db_prove(answerer->db, key, &answerer->answer.proofs[i]);
    }
    answerer->answer.header_page = answerer->db->map;
}

static void begin_answer(struct answerer *answerer, enum answer_status status) {
    const struct db_header *header = &answerer->db->header;
    struct answer *answer = &answerer->answer;
    answer->server_time_s = answerer->now_s;
    answer->sequence = header->sequence;
    answer->created_s = header->created_s;
    answer->valid_until_s = header->valid_until_s;
    answer->utc_offset_s = header->utc_offset_s;
    answer->status = status;
    answer->brings = 0;
    answer->count = 0;
}

/* The body of the answer to the question that has been opened; its length. */
static size_t answer_question(struct answerer *answerer, size_t max, uint8_t *out) {
    const struct db_header *header = &answerer->db->header;
    const struct question *question = &answerer->question;
    struct answer *answer = &answerer->answer;
    int is_stale = header->valid_until_s != 0 && answerer->now_s > header->valid_until_s;
    begin_answer(answerer, is_stale ? ANSWER_STALE : ANSWER_GOOD);
    answer->count = question->count;
    answer->brings = question->wishes;
    if (answer->brings & WISH_INFO) {
        memcpy(answer->authority_id, header->authority_id, SHA256_LEN);
        answer->class_names = header->class_names;
    }
    if (answer->brings & WISH_PROOF)
        prove(answerer);
    look_up(answerer);
    size_t len = answer_write(out, max, answer);
    if (len == 0) {
        begin_answer(answerer, ANSWER_TOO_LONG);
        len = answer_write(out, max, answer);
    }
    return len;
}

/* --- frames ----------------------------------------------------------------------------------- */

size_t answer_refuse(uint8_t *out, enum refusal reason) {
    frame_write_header(out, FRAME_REFUSE, (uint8_t)reason, FRAME_HEADER_LEN);
    return FRAME_HEADER_LEN;
}

size_t answer_ask(struct answerer *answerer, uint8_t *ask, size_t ask_len, size_t max,
                  uint8_t *out) {
    const struct ticket *ticket =
        ask_len >= ASK_LEN(0) ? open_ticket(answerer, ask + ASK_TICKET) : NULL;
    int is_question =
        ticket != NULL ? question_open(&answerer->question, ask, ask_len, ticket->session_key) : 0;
    size_t len;
    if (is_question == 0) {
        count(answerer->counts, COUNT_REFUSED_SESSION);
        return answer_refuse(out, REFUSED_SESSION);
    }
    if (is_question == QUESTION_BAD) {
        begin_answer(answerer, ANSWER_MALFORMED);
        count(answerer->counts, COUNT_REFUSED_MALFORMED);
        len = answer_write(out, max, &answerer->answer);
    } else {
        len = answer_question(answerer, max, out);
        count(answerer->counts, COUNT_ASKS);
    }
    answer_seal(out, len, ask, ask_len, ticket->session_key, next_nonce(answerer));
    return len;
}
