#include "wire/respond.h"

#include "db/find.h"

static void look_up(const struct response_source *source, const struct question *question,
                    struct answer *answer) {
    const struct db *db = source->db;
    uint32_t day = moment_day(&question->at, db->header.facts.utc_offset_s);
    if (question->count == 1)
        db_ask(db, source->lookup_key, question->digests, question->kind, day, answer->entries);
    else
        db_ask_batch(db, source->lookup_key, question->digests, question->count, question->kind,
                     day, answer->entries);
}

static void prove(const struct response_source *source, const struct question *question,
                  struct answer *answer) {
    uint8_t key[DB_KEY_LEN];
    for (unsigned i = 0; i < question->count; i++) {
        lookup_key_apply(source->lookup_key, question->digests + i * SHA256_LEN, key);
        db_prove(source->db, key, &answer->proofs[i]);
    }
    answer->header_page = source->db->map;
}

static void begin_answer(const struct response_source *source, enum answer_status status,
                         struct answer *answer) {
    answer->facts = source->db->header.facts;
    answer->server_time_s = source->now_s;
    answer->status = status;
    answer->brings = 0;
    answer->count = 0;
}

void respond_fill(const struct response_source *source, const struct question *question,
                  struct answer *answer) {
    bool is_stale = release_is_stale(&source->db->header.facts, source->now_s);
    begin_answer(source, is_stale ? ANSWER_STALE : ANSWER_GOOD, answer);
    answer->count = question->count;
    answer->brings = question->wishes;
    if (answer->brings & WISH_PROOF)
        prove(source, question, answer);
    look_up(source, question, answer);
}

/* Writes the body of the answer to memory->question. Returns the length of the frame. */
static size_t write_answer(const struct response_source *source, struct response_memory *memory,
                           size_t max, uint8_t *out) {
    struct answer *answer = &memory->answer;
    respond_fill(source, &memory->question, answer);
    size_t len = answer_write(out, max, answer);
    if (len != 0)
        return len;
    begin_answer(source, ANSWER_TOO_LONG, answer);
    return answer_write(out, max, answer);
}

size_t respond_refuse(uint8_t out[FRAME_HEADER_LEN], enum refusal reason) {
    frame_write_header(out, FRAME_REFUSE, (uint8_t)reason, FRAME_HEADER_LEN);
    return FRAME_HEADER_LEN;
}

enum response respond(const struct response_source *source, const struct ticket *ticket,
                      uint8_t *ask, size_t ask_len, const uint8_t nonce[ASK_RANDOM_LEN], size_t max,
                      struct response_memory *memory, uint8_t *out, size_t *len) {
    enum question_result result =
        ticket != NULL ? question_open(&memory->question, ask, ask_len, ticket->session_key)
                       : QUESTION_FOREIGN;
    if (result == QUESTION_FOREIGN) {
        *len = respond_refuse(out, REFUSED_SESSION);
        return RESPONSE_REFUSE;
    }
    if (result == QUESTION_GOOD) {
        *len = write_answer(source, memory, max, out);
    } else {
        begin_answer(source, ANSWER_MALFORMED, &memory->answer);
        *len = answer_write(out, max, &memory->answer);
    }
    answer_seal(out, *len, ask, ask_len, ticket->session_key, nonce);
    return result == QUESTION_GOOD ? RESPONSE_ANSWER : RESPONSE_MALFORMED;
}
