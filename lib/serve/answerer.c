#include "serve/answerer.h"

#include "base/bytes.h"

#include <string.h>

/* A nonce that never comes twice in a session, on whatever server: it is random, except for the
 * last four bytes, which count. */
static const uint8_t *next_nonce(struct answerer *answerer) {
    uint8_t *counter = answerer->nonce + ASK_RANDOM_LEN - 4;
    uint32_t next = load_le32(counter) + 1;
    store_le32(counter, next);
    bool is_round = next <= 1; /* the counter has just begun, or has come round */
    if (is_round)
        random_bytes(answerer->random, answerer->nonce, ASK_RANDOM_LEN - 4);
    return answerer->nonce;
}

void answerer_renew_nonces(struct answerer *answerer) {
    store_le32(answerer->nonce + ASK_RANDOM_LEN - 4, 0);
}

/* What a proof shows: FOUND_NOTHING, or the kind of the entry that was found. */
static unsigned found_by_proof(const struct proof *proof) {
    return proof->is_presence ? FOUND_LICENCE + terms_kind(proof->entries[0].entry + ENTRY_TERMS)
                              : FOUND_NOTHING;
}

static unsigned found_by_entry(const struct db_answer *entry) {
    return entry->is_found ? FOUND_LICENCE + entry->kind : FOUND_NOTHING;
}

static void count_answers(const struct answerer *answerer) {
    const struct answer *answer = &answerer->memory.answer;
    bool are_proofs = answerer->memory.question.what == WHAT_PROOFS;
    struct counts *counts = answerer->counts;
    for (unsigned i = 0; i < answer->count; i++) {
        unsigned found =
            are_proofs ? found_by_proof(&answer->proofs[i]) : found_by_entry(&answer->entries[i]);
        count_add(&counts->found[found], 1);
    }
    count(counts, COUNT_ASKS);
}

size_t answerer_ask(struct answerer *answerer, uint8_t *ask, size_t ask_len, uint8_t *out) {
    const struct ticket *ticket = NULL;
    size_t len;
    if (ask_len >= ASK_LEN_MIN)
        ticket = ticket_cache_open(&answerer->tickets, answerer->board, ask + ASK_TICKET,
                                   answerer->source.now_s);
    uint8_t tag[AEAD_TAG_LEN] = {0};
    if (ask_len >= ASK_LEN_MIN)
        memcpy(tag, ask + ask_len - AEAD_TAG_LEN, sizeof tag);
    answerer->was_new = false;
    switch (respond(&answerer->source, ticket, ask, ask_len, next_nonce(answerer),
                    &answerer->memory, out, &len)) {
    case RESPONSE_ANSWER:
        answerer->was_new = !seen_before(answerer->seen, tag);
        answerer->asker = load_le64(ticket->kiosk);
        count_answers(answerer);
        break;
    case RESPONSE_NOT_ENROLLED:
        count(answerer->counts, COUNT_REFUSED_KIOSK);
        break;
    case RESPONSE_MALFORMED:
        count(answerer->counts, COUNT_REFUSED_MALFORMED);
        break;
    case RESPONSE_REFUSE:
        count(answerer->counts, COUNT_REFUSED_SESSION);
        break;
    }
    return len;
}
