#include "serve/answerer.h"

#include "base/bytes.h"
#include "net/socket.h"
#include "serve/log.h"

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

/* --- the audit log ---------------------------------------------------------------------------- */

enum recording answerer_record(void *context, unsigned count) {
    struct answerer *answerer = context;
    if (answerer->desk == NULL || audit_desk_await_room(answerer->desk, count))
        return RECORDING_DONE;
    return answerer->settings->is_audit_optional ? RECORDING_SKIPPED : RECORDING_FAILED;
}

void answerer_note(struct answerer *answerer, const struct audit_asked *asked) {
    struct audit_note note = {.release = answerer->source.db->header.facts.sequence,
                              .asked = asked->kind,
                              .is_proved = asked->is_proved,
                              .is_repeated = asked->is_repeated,
                              .is_slip = asked->is_slip,
                              .found = (uint8_t)asked->found};
    if (answerer->desk == NULL)
        return;
    note.time_ms = net_unix_ms();
    memcpy(note.kiosk, asked->kiosk, sizeof note.kiosk);
    memcpy(note.digest, asked->digest, SHA256_LEN);
    if (asked->found != FOUND_NOTHING)
        note.status = terms_status(asked->terms);
    for (unsigned i = 0; asked->matches != NULL && i < sizeof note.matches; i++)
        note.matches[i] = asked->matches[FIELD_NAME + i];
    note.card = asked->card;
    audit_desk_note(answerer->desk, &note);
}

/* Notes what was answered. */
static void note_answers(struct answerer *answerer) {
    const struct answer *answer = &answerer->memory.answer;
    const struct question *question = &answerer->memory.question;
    bool are_proofs = question->what == WHAT_PROOFS;
    if (answer->is_unrecorded) {
        count(answerer->counts, COUNT_UNRECORDED);
        return;
    }
    if (answer->status != ANSWER_GOOD || (question->what != WHAT_ANSWERS && !are_proofs))
        return;
    for (unsigned i = 0; i < answer->count; i++) {
        struct audit_asked asked = {.kiosk = answerer->known->opened.kiosk,
                                    .digest = question->items[i].digest,
                                    .kind = question->items[i].kind,
                                    .is_proved = are_proofs,
                                    .is_slip = question->is_about_slips,
                                    .is_repeated = !answerer->was_new};
        if (are_proofs) {
            const struct proof *proof = &answer->proofs[i];
            asked.found = found_by_proof(proof);
            asked.terms = proof->entries[proof->entry_count - 1].entry + ENTRY_TERMS;
        } else {
            const struct db_answer *entry = &answer->entries[i];
            asked.found = found_by_entry(entry);
            asked.terms = entry->terms;
            asked.matches = entry->matches;
            asked.card = entry->card_state;
        }
        answerer_note(answerer, &asked);
    }
}

/* --- quotas ----------------------------------------------------------------------------------- */

/* Says in the log which kiosk this is about. */
static void tell(const struct answerer *answerer, const char *event) {
    const uint8_t *id = answerer->known->opened.kiosk;
    const struct kiosk *kiosk = board_find_kiosk(answerer->board, id);
    if (kiosk != NULL)
        serve_log(answerer->settings, "%s name=%s", event, kiosk->name);
}

/* Whose quota a question is taken from that no kiosk pays for: its network's. Over UDP anybody can write
 * any source into a datagram, so what comes that way is counted apart; and so is what came before. */
static uint64_t payer(const struct answerer *answerer) {
    bool is_udp = answerer->peer != NULL;
    uint64_t network =
        is_udp ? admission_network(answerer->admission, answerer->peer) : answerer->network;
    return (network | 8) ^ (is_udp ? 1 : 0) ^ (answerer->was_new ? 0 : 2);
}

/* A response_source's wait. What a kiosk asks for the first time is the kiosk's; what comes again may be
 * a listener's replay, and is its source's. */
static uint32_t take_quota(void *context, const struct ticket *ticket, unsigned count) {
    struct answerer *answerer = context;
    const struct quota *quota = &answerer->known->quota;
    answerer->asker = load_le64(ticket->kiosk);
    answerer->use = NULL;
    /* What is about no licence costs nothing. It is not remembered either: who sends a million of them must not make
     * the server forget what others have asked. */
    if (count == 0)
        return 0;
    answerer->is_repeated = seen_before(answerer->seen, answerer->frame_hash);
    answerer->was_new = !answerer->is_repeated;
    bool is_kiosks = answerer->asker != 0 && answerer->was_new;
    struct quota_result result = {.wait_s = 0};
    if (!is_kiosks)
        quota = answerer->anonymous;
    if (quota != NULL) {
        uint64_t who = is_kiosks ? answerer->asker : payer(answerer);
        struct quota_use *use = quotas_find(answerer->quotas, who);
        result = quotas_take(use, quota, count, net_now_us());
        answerer->use = is_kiosks ? use : NULL;
    }
    if (is_kiosks && result.runs_out)
        tell(answerer, result.wait_s > 0 ? "kiosk_quota_spent" : "kiosk_quota_low");
    if (result.wait_s == 0)
        seen_add(answerer->seen, answerer->frame_hash);
    answerer->was_new &= result.wait_s == 0;
    return result.wait_s;
}

/* A response_source's quota. */
static void tell_quota(void *context, const struct ticket *ticket, struct quota_left *left) {
    struct answerer *answerer = context;
    uint64_t who = load_le64(ticket->kiosk);
    const struct quota *quota = who != 0 ? &answerer->known->quota : answerer->anonymous;
    if (quota != NULL)
        quotas_left(quotas_find(answerer->quotas, who != 0 ? who : payer(answerer)), quota,
                    net_now_us(), left);
}

/* --- releases and lists of changes ------------------------------------------------------------ */

/* Takes the piece of the release in use. False where the question is about another, or beyond its end. */
static bool take_release(struct answerer *answerer, const struct question *question,
                         uint64_t *total, struct answer *answer) {
    const struct db *db = answerer->source.db;
    uint64_t offset = (uint64_t)question->offset * SYNC_UNIT;
    *total = db_file_len(&db->header);
    if (memcmp(question->release_id, db->header.id, SHA256_LEN) != 0 || offset > *total)
        return false;
    answer->piece.bytes = (const uint8_t *)db->map + offset;
    answer->piece.len = *total - offset < SYNC_PIECE ? (size_t)(*total - offset) : SYNC_PIECE;
    return true;
}

static bool take_changes(struct answerer *answerer, const struct question *question,
                         uint64_t *total, struct answer *answer) {
    uint64_t offset = (uint64_t)question->offset * SYNC_UNIT;
    ssize_t len = change_lists_read(&answerer->lists, question->release_id, offset, answerer->piece,
                                    SYNC_PIECE, total);
    answer->piece.bytes = answerer->piece;
    answer->piece.len = len > 0 ? (size_t)len : 0;
    return len >= 0;
}

#define REPEATED_WAIT_S 1

/* A response_source's fetch. What has come before may be a listener's replay: nothing is spent on it. */
static void fetch(void *context, const struct ticket *ticket, const struct question *question,
                  struct answer *answer) {
    struct answerer *answerer = context;
    const struct quota *quota = &answerer->known->quota;
    uint64_t total = 0;
    answerer->use = NULL;
    answerer->asker = load_le64(ticket->kiosk);
    answerer->is_repeated = seen_before(answerer->seen, answerer->frame_hash);
    answerer->was_new = !answerer->is_repeated;
    answer->status = ANSWER_NO_RIGHT;
    if (answerer->asker == 0 || quota->sync_mib == 0)
        return;
    answer->status = ANSWER_OVER_QUOTA;
    answer->total_len = REPEATED_WAIT_S;
    if (!answerer->was_new)
        return;
    bool is_here = question->what == WHAT_RELEASE
                       ? take_release(answerer, question, &total, answer)
                       : take_changes(answerer, question, &total, answer);
    struct quota_use *use = quotas_find(answerer->quotas, answerer->asker);
    /* A short piece costs as much as a whole one, or many of them would fill the memory of frames for little. */
    answer->total_len = quotas_take_bytes(use, quota, SYNC_PIECE, net_now_us());
    if (answer->total_len > 0)
        return;
    seen_add(answerer->seen, answerer->frame_hash);
    answer->status = is_here ? ANSWER_GOOD : ANSWER_OTHER_RELEASE;
    answer->total_len = is_here ? (uint32_t)((total + SYNC_UNIT - 1) / SYNC_UNIT) : 0;
}

void answerer_init(struct answerer *answerer) {
    answerer->source.wait = take_quota;
    answerer->source.quota = tell_quota;
    answerer->source.record = answerer_record;
    answerer->source.context = answerer;
}

/* --- questions -------------------------------------------------------------------------------- */

/* Notes what a kiosk has not found. */
static void note_missed(struct answerer *answerer) {
    const struct answer *answer = &answerer->memory.answer;
    enum question_what what = answerer->memory.question.what;
    unsigned missed = 0;
    if (answerer->use == NULL || (what != WHAT_ANSWERS && what != WHAT_PROOFS))
        return;
    for (unsigned i = 0; i < answer->count; i++)
        missed +=
            what == WHAT_PROOFS ? !answer->proofs[i].is_presence : !answer->entries[i].is_found;
    unsigned asked = answer->count;
    if (answerer->memory.question.is_about_slips) {
        missed = missed == asked;
        asked = asked > 0;
    }
    if (quotas_note_missed(answerer->use, asked, missed))
        tell(answerer, "kiosk_seeks_numbers");
}

size_t answerer_ask(struct answerer *answerer, const uint8_t *peer, uint64_t network, uint8_t *ask,
                    size_t ask_len, uint8_t *out) {
    const struct known_ticket *known = NULL;
    size_t len;
    if (ask_len >= ASK_LEN_MIN)
        known = ticket_cache_open(&answerer->tickets, answerer->board, ask + ASK_TICKET,
                                  answerer->source.now_s);
    if (known != NULL)
        seen_hash(answerer->frame_hash, answerer->board->seen_key, ask, ask_len);
    answerer->known = known;
    answerer->peer = peer;
    answerer->network = network;
    answerer->was_new = answerer->is_repeated = false;
    answerer->source.fetch = peer == NULL ? fetch : NULL;
    switch (respond(&answerer->source, known != NULL ? &known->opened : NULL, ask, ask_len,
                    next_nonce(answerer), &answerer->memory, out, &len)) {
    case RESPONSE_ANSWER:
        note_answers(answerer);
        note_missed(answerer);
        count_answers(answerer);
        break;
    case RESPONSE_PIECE:
        count(answerer->counts, COUNT_PIECES);
        break;
    case RESPONSE_OVER_QUOTA:
        count(answerer->counts, COUNT_REFUSED_QUOTA);
        break;
    case RESPONSE_UNRECORDED:
        count(answerer->counts, COUNT_REFUSED_RECORD);
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
