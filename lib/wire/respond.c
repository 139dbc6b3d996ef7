#include "wire/respond.h"

#include "base/bytes.h"

#include <string.h>

static void look_up(const struct response_source *source, const struct question *question,
                    struct answer *answer) {
    if (question->count == 1)
        db_ask(source->db, source->lookup_key, question->items, answer->entries);
    else
        db_ask_batch(source->db, source->lookup_key, question->items, question->count,
                     answer->entries);
}

static bool prove(const struct response_source *source, const struct question *question,
                  unsigned level, struct answer *answer) {
    uint8_t key[DB_KEY_LEN];
    for (unsigned i = 0; i < question->count; i++) {
        lookup_key_apply(source->lookup_key, question->items[i].digest, key);
        if (!db_prove(source->db, key, level, &answer->proofs[i]))
            return false;
    }
    return true;
}

static void begin_answer(const struct response_source *source, enum answer_status status,
                         struct answer *answer) {
    answer->server_time_s = source->now_s;
    answer->status = status;
    answer->count = 0;
    answer->is_unrecorded = false;
    answer->total_len = 0;
    memcpy(answer->release_id, source->db->header.id, SHA256_LEN);
}

/* Has the piece of a release or list of changes given that was asked for. */
static void fetch(const struct response_source *source, const struct ticket *ticket,
                  const struct question *question, struct answer *answer) {
    begin_answer(source, ANSWER_MALFORMED, answer);
    if (source->fetch != NULL)
        source->fetch(source->context, ticket, question, answer);
}

static void tell_quota(const struct response_source *source, const struct ticket *ticket,
                       struct response_memory *memory) {
    struct answer *answer = &memory->answer;
    struct quota_left left = {.minute = 0};
    if (source->quota != NULL)
        source->quota(source->context, ticket, &left);
    quota_left_encode(memory->quota, &left);
    bool is_within = memory->question.offset <= QUOTA_LEFT_LEN;
    begin_answer(source, is_within ? ANSWER_GOOD : ANSWER_MALFORMED, answer);
    if (!is_within)
        return;
    answer->total_len = QUOTA_LEFT_LEN;
    answer->piece.bytes = memory->quota + memory->question.offset;
    answer->piece.len = QUOTA_LEFT_LEN - memory->question.offset;
}

/* Takes what was asked for from `offset` on. */
static bool take_piece(const struct response_source *source, const struct question *question,
                       struct answer *answer) {
    const struct db *db = source->db;
    const struct db_section *dictionary = &db->header.sections[DB_DICTIONARY];
    const uint8_t *bytes = db->map;
    uint64_t total = DB_HEAD_LEN;
    unsigned level = merkle_held_level(db->header.count);
    if (question->what == WHAT_DICTIONARY) {
        bytes += dictionary->offset;
        total = dictionary->len;
    } else if (question->what == WHAT_NODES) {
        total = merkle_level_count(db->header.count, level) * MERKLE_NODE_LEN;
        /* of a tree that has nothing but one block, the level is below those that are stored */
        bytes = level < MERKLE_STORED_LEVEL
                    ? db->merkle
                    : db->merkle + merkle_level_start(db->header.count, level) * MERKLE_NODE_LEN;
    }
    if (question->offset > total)
        return false;
    answer->total_len = (uint32_t)total;
    answer->piece.bytes = bytes + question->offset;
    answer->piece.len = (size_t)(total - question->offset);
    return true;
}

void respond_fill(const struct response_source *source, const struct question *question,
                  unsigned proof_level, struct answer *answer) {
    bool is_meant = bytes_are_zero(question->release_id, SHA256_LEN) ||
                    memcmp(question->release_id, source->db->header.id, SHA256_LEN) == 0;
    begin_answer(source, is_meant ? ANSWER_GOOD : ANSWER_OTHER_RELEASE, answer);
    if (!is_meant)
        return;
    answer->count = question->count;
    bool is_good = true;
    if (question->what == WHAT_ANSWERS)
        look_up(source, question, answer);
    else if (question->what == WHAT_PROOFS)
        is_good = prove(source, question, proof_level, answer);
    else
        is_good = take_piece(source, question, answer);
    if (!is_good)
        begin_answer(source, ANSWER_MALFORMED, answer);
}

size_t respond_health(const struct response_source *source, const uint8_t *frame, size_t len,
                      uint8_t out[HEALTH_LEN]) {
    const struct release_facts *facts = &source->db->header.facts;
    if (len != HEALTH_LEN || release_is_stale(facts, source->now_s) ||
        !bytes_are_zero(frame + FRAME_HEADER_LEN, HEALTH_LEN - FRAME_HEADER_LEN))
        return 0;
    frame_write_header(out, FRAME_HEALTHY, 0, HEALTH_LEN);
    store_le64(out + FRAME_HEADER_LEN, facts->sequence);
    return HEALTH_LEN;
}

size_t respond_refuse(uint8_t out[FRAME_HEADER_LEN], enum refusal reason) {
    frame_write_header(out, FRAME_REFUSE, (uint8_t)reason, FRAME_HEADER_LEN);
    return FRAME_HEADER_LEN;
}

enum response respond(const struct response_source *source, const struct ticket *ticket,
                      uint8_t *ask, size_t ask_len, const uint8_t nonce[ASK_RANDOM_LEN],
                      struct response_memory *memory, uint8_t *out, size_t *len) {
    struct question *question = &memory->question;
    struct answer *answer = &memory->answer;
    enum question_result result = ticket != NULL
                                      ? question_open(question, ask, ask_len, ticket->session_key)
                                      : QUESTION_FOREIGN;
    if (result == QUESTION_FOREIGN) {
        *len = respond_refuse(out, REFUSED_SESSION);
        return RESPONSE_REFUSE;
    }
    *len = ask_len;
    uint32_t wait_s = 0;
    bool is_sync = result == QUESTION_GOOD && question_is_sync(question->what);
    bool may_ask =
        source->is_anonymous_allowed || !bytes_are_zero(ticket->kiosk, sizeof ticket->kiosk);
    bool is_about = result == QUESTION_GOOD &&
                    (question->what == WHAT_ANSWERS || question->what == WHAT_PROOFS);
    enum recording recording = RECORDING_DONE;
    if (may_ask && is_about && source->record != NULL)
        recording = source->record(source->context, question->count);
    bool is_unrecorded = recording == RECORDING_FAILED;
    if (may_ask && result == QUESTION_GOOD && !is_sync && !is_unrecorded && source->wait != NULL)
        wait_s = source->wait(source->context, ticket, question->count);
    if (!may_ask) {
        begin_answer(source, ANSWER_NOT_ENROLLED, answer);
    } else if (is_unrecorded) {
        begin_answer(source, ANSWER_UNRECORDED, answer);
    } else if (wait_s > 0) {
        begin_answer(source, ANSWER_OVER_QUOTA, answer);
        answer->total_len = wait_s;
    } else if (is_sync) {
        fetch(source, ticket, question, answer);
        if (answer->status == ANSWER_GOOD)
            *len = ANSWER_LEN(answer->piece.len);
    } else if (result == QUESTION_GOOD && question->what == WHAT_QUOTA) {
        tell_quota(source, ticket, memory);
    } else if (result == QUESTION_GOOD)
        respond_fill(source, question, merkle_held_level(source->db->header.count), answer);
    else
        begin_answer(source, ANSWER_MALFORMED, answer);
    answer->is_unrecorded = recording == RECORDING_SKIPPED && answer->count > 0;
    if (!answer_write(out, *len, answer, question->what)) {
        begin_answer(source, ANSWER_TOO_LONG, answer);
        answer_write(out, *len, answer, question->what);
    }
    answer_seal(out, *len, ask, ask_len, ticket->session_key, nonce);
    if (!may_ask)
        return RESPONSE_NOT_ENROLLED;
    if (is_unrecorded)
        return RESPONSE_UNRECORDED;
    if (answer->status == ANSWER_OVER_QUOTA)
        return RESPONSE_OVER_QUOTA;
    if (is_sync && answer->status != ANSWER_MALFORMED)
        return answer->status == ANSWER_NO_RIGHT ? RESPONSE_NOT_ENROLLED : RESPONSE_PIECE;
    return result == QUESTION_GOOD ? RESPONSE_ANSWER : RESPONSE_MALFORMED;
}
