#include "wire/answer.h"

#include "base/bytes.h"
#include "db/release.h"

#include <string.h>

/* What the seal of an answer covers besides its body: the frame's own head, and the question's
 * tag. */
#define ANSWER_AAD_LEN (ANSWER_BODY + AEAD_TAG_LEN)

static void answer_aad(uint8_t aad[ANSWER_AAD_LEN], const uint8_t *frame, const uint8_t *ask,
                       size_t ask_len) {
    memcpy(aad, frame, ANSWER_BODY);
    memcpy(aad + ANSWER_BODY, ask + ask_len - AEAD_TAG_LEN, AEAD_TAG_LEN);
}

void quota_left_encode(uint8_t bytes[QUOTA_LEFT_LEN], const struct quota_left *left) {
    const uint32_t numbers[] = {left->minute,       left->burst,    left->day,
                                left->burst_left,   left->day_left, left->sync_mib,
                                left->sync_mib_left};
    for (size_t i = 0; i < 7; i++)
        store_le32(bytes + 4 * i, numbers[i]);
}

void quota_left_decode(struct quota_left *left, const uint8_t bytes[QUOTA_LEFT_LEN]) {
    uint32_t *const numbers[] = {&left->minute,       &left->burst,    &left->day,
                                 &left->burst_left,   &left->day_left, &left->sync_mib,
                                 &left->sync_mib_left};
    for (size_t i = 0; i < 7; i++)
        *numbers[i] = load_le32(bytes + 4 * i);
}

size_t answer_room(const struct question *question, const struct db_header *header) {
    size_t further = header->further_max, item = FOUND_FURTHER + further;
    if (question->what == WHAT_PROOFS) {
        unsigned levels = merkle_held_level(header->count);
        /* Neighbours share their paths but for the lowest nodes. */
        item = PROOF_ENTRIES + 2 * (PROVED_FURTHER + further) + (levels + 8) * MERKLE_NODE_LEN;
    }
    size_t len = ANSWER_LEN(question->count * item);
    return len < FRAME_MAX ? len : FRAME_MAX;
}

/* --- the client's side ------------------------------------------------------------------------ */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Takes `len` bytes. NULL where there are fewer. */
static const uint8_t *take(struct reader *reader, size_t len) {
    if ((size_t)(reader->end - reader->at) < len)
        return NULL;
    const uint8_t *bytes = reader->at;
    reader->at += len;
    return bytes;
}

static bool take_further(struct reader *reader, size_t len, struct further *further) {
    *further = (struct further){take(reader, len), len};
    return len <= FURTHER_MAX && further->bytes != NULL;
}

static bool read_found(struct reader *reader, struct db_answer *entry) {
    const uint8_t *kind = take(reader, 1);
    *entry = db_answer_none();
    if (kind == NULL || *kind > 1 + ENTRY_LEGACY)
        return false;
    if (*kind == 0)
        return true;
    const uint8_t *bytes = take(reader, FOUND_FURTHER - 1);
    if (bytes == NULL)
        return false;
    bytes -= 1;
    entry->is_found = true;
    entry->is_whole = false;
    entry->kind = (uint8_t)(bytes[FOUND_KIND] - 1);
    entry->card_state = bytes[FOUND_CARD];
    memcpy(entry->matches + 1, bytes + FOUND_MATCHES, FIELD_COUNT - 1);
    memcpy(entry->terms, bytes + FOUND_TERMS, DB_TERMS_LEN);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (entry->matches[field] > FIELD_NOT_KEPT)
            return false;
    }
    return entry->card_state <= CARD_STOLEN &&
           take_further(reader, load_le16(bytes + FOUND_FURTHER_LEN), &entry->further);
}

static bool read_proof(struct reader *reader, struct proof *proof) {
    const uint8_t *head = take(reader, PROOF_ENTRIES);
    if (head == NULL)
        return false;
    proof->entry_count = head[PROOF_ENTRY_COUNT];
    proof->node_count = head[PROOF_NODE_COUNT];
    if (proof->entry_count < 1 || proof->entry_count > 2 || proof->node_count > PROOF_NODES_MAX)
        return false;
    for (unsigned i = 0; i < proof->entry_count; i++) {
        struct proof_entry *entry = &proof->entries[i];
        const uint8_t *bytes = take(reader, PROVED_FURTHER);
        if (bytes == NULL)
            return false;
        entry->index = load_le64(bytes + PROVED_INDEX);
        memcpy(entry->entry, bytes + PROVED_ENTRY, DB_ENTRY_LEN);
        if (!take_further(reader, load_le16(bytes + PROVED_FURTHER_LEN), &entry->further))
            return false;
    }
    const uint8_t *nodes = take(reader, (size_t)proof->node_count * MERKLE_NODE_LEN);
    if (nodes == NULL)
        return false;
    memcpy(proof->nodes, nodes, (size_t)proof->node_count * MERKLE_NODE_LEN);
    return true;
}

static bool read_items(struct answer *answer, enum question_what what, struct reader *reader) {
    if (what != WHAT_ANSWERS && what != WHAT_PROOFS) {
        answer->piece.bytes = reader->at;
        answer->piece.len = (size_t)(reader->end - reader->at);
        return answer->count == 0;
    }
    if (answer->total_len != 0 ||
        answer->count > (what == WHAT_PROOFS ? QUESTION_PROVED_MAX : QUESTION_MAX))
        return false;
    for (unsigned i = 0; i < answer->count; i++) {
        if (what == WHAT_PROOFS ? !read_proof(reader, &answer->proofs[i])
                                : !read_found(reader, &answer->entries[i]))
            return false;
    }
    return bytes_are_zero(reader->at, (size_t)(reader->end - reader->at));
}

/* Reads the body of an answer that has been authenticated. False where it is malformed. */
static bool read_answer(struct answer *answer, enum question_what what, const uint8_t *body,
                        size_t len) {
    struct reader reader = {body + ANSWER_ITEMS, body + len};
    answer->server_time_s = (int64_t)load_le64(body + ANSWER_TIME);
    answer->status = (enum answer_status)body[ANSWER_STATUS];
    answer->count = body[ANSWER_COUNT];
    answer->is_unrecorded = body[ANSWER_UNRECORDED_AT] != 0;
    answer->total_len = load_le32(body + ANSWER_TOTAL_LEN);
    memcpy(answer->release_id, body + ANSWER_RELEASE, SHA256_LEN);
    if (body[ANSWER_STATUS] > ANSWER_UNRECORDED ||
        body[ANSWER_UNRECORDED_AT] > (answer->count > 0) ||
        !bytes_are_zero(body + ANSWER_ZERO, ANSWER_TOTAL_LEN - ANSWER_ZERO) ||
        !release_is_time(answer->server_time_s))
        return false;
    if (answer->status != ANSWER_GOOD)
        return answer->count == 0 &&
               (answer->total_len != 0) == (answer->status == ANSWER_OVER_QUOTA) &&
               bytes_are_zero(reader.at, (size_t)(reader.end - reader.at));
    return read_items(answer, what, &reader);
}

int answer_open(struct answer *answer, enum question_what what, uint8_t *frame, size_t len,
                const uint8_t *ask, size_t ask_len, const uint8_t session_key[SESSION_KEY_LEN],
                struct error *error) {
    struct frame header;
    uint8_t aad[ANSWER_AAD_LEN];
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_ANSWER ||
        header.len != len || (question_is_sync(what) ? len < ANSWER_LEN(0) : len != ask_len) ||
        frame[ANSWER_NONCE] != NONCE_ANSWER ||
        memcmp(frame + ANSWER_QUESTION_NONCE, ask + ASK_NONCE, AEAD_NONCE_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "not an answer to this question");
    size_t body_len = len - ANSWER_BODY - AEAD_TAG_LEN;
    answer_aad(aad, frame, ask, ask_len);
    if (!aead_open(session_key, frame + ANSWER_NONCE, aad, sizeof aad, frame + ANSWER_BODY,
                   body_len, frame + ANSWER_BODY + body_len))
        return error_set(error, ERR_SIGNATURE, "an answer that was not sealed by the server");
    if (!read_answer(answer, what, frame + ANSWER_BODY, body_len))
        return error_set(error, ERR_FORMAT, "an answer that is malformed");
    return 0;
}

/* --- the server's side ------------------------------------------------------------------------ */

struct writer {
    uint8_t *at;
    uint8_t *end;
};

/* Room for `len` bytes. NULL where there is none. */
static uint8_t *room(struct writer *writer, size_t len) {
    if ((size_t)(writer->end - writer->at) < len)
        return NULL;
    uint8_t *bytes = writer->at;
    writer->at += len;
    return bytes;
}

static bool put_found(struct writer *writer, const struct db_answer *entry) {
    size_t further_len = further_len_without_cards(entry->further);
    uint8_t *out = room(writer, entry->is_found ? FOUND_FURTHER + further_len : 1);
    if (out == NULL)
        return false;
    out[FOUND_KIND] = 0;
    if (!entry->is_found)
        return true;
    out[FOUND_KIND] = (uint8_t)(1 + entry->kind);
    out[FOUND_CARD] = entry->card_state;
    memcpy(out + FOUND_MATCHES, entry->matches + 1, FIELD_COUNT - 1);
    memcpy(out + FOUND_TERMS, entry->terms, DB_TERMS_LEN);
    store_le16(out + FOUND_FURTHER_LEN, (uint16_t)further_len);
    if (further_len > 0)
        memcpy(out + FOUND_FURTHER, entry->further.bytes, further_len);
    return true;
}

static bool put_proof(struct writer *writer, const struct proof *proof) {
    uint8_t *out = room(writer, PROOF_ENTRIES);
    if (out == NULL)
        return false;
    out[PROOF_ENTRY_COUNT] = (uint8_t)proof->entry_count;
    out[PROOF_NODE_COUNT] = (uint8_t)proof->node_count;
    for (unsigned i = 0; i < proof->entry_count; i++) {
        const struct proof_entry *entry = &proof->entries[i];
        if ((out = room(writer, PROVED_FURTHER + entry->further.len)) == NULL)
            return false;
        store_le64(out + PROVED_INDEX, entry->index);
        memcpy(out + PROVED_ENTRY, entry->entry, DB_ENTRY_LEN);
        store_le16(out + PROVED_FURTHER_LEN, (uint16_t)entry->further.len);
        if (entry->further.len > 0)
            memcpy(out + PROVED_FURTHER, entry->further.bytes, entry->further.len);
    }
    size_t nodes_len = (size_t)proof->node_count * MERKLE_NODE_LEN;
    if ((out = room(writer, nodes_len)) == NULL)
        return false;
    memcpy(out, proof->nodes, nodes_len);
    return true;
}

static bool put_items(struct writer *writer, const struct answer *answer, enum question_what what) {
    bool fits = true;
    if (what != WHAT_ANSWERS && what != WHAT_PROOFS) {
        size_t max = (size_t)(writer->end - writer->at);
        size_t len = answer->piece.len < max ? answer->piece.len : max;
        if (len > 0)
            memcpy(room(writer, len), answer->piece.bytes, len);
    }
    for (unsigned i = 0; i < answer->count && fits; i++)
        fits = what == WHAT_PROOFS ? put_proof(writer, &answer->proofs[i])
                                   : put_found(writer, &answer->entries[i]);
    return fits;
}

bool answer_write(uint8_t *frame, size_t len, const struct answer *answer,
                  enum question_what what) {
    uint8_t *body = frame + ANSWER_BODY;
    struct writer writer = {body + ANSWER_ITEMS, frame + len - AEAD_TAG_LEN};
    memset(body, 0, ANSWER_ITEMS);
    store_le64(body + ANSWER_TIME, (uint64_t)answer->server_time_s);
    body[ANSWER_UNRECORDED_AT] = answer->is_unrecorded;
    body[ANSWER_STATUS] = (uint8_t)answer->status;
    body[ANSWER_COUNT] = (uint8_t)answer->count;
    store_le32(body + ANSWER_TOTAL_LEN, answer->total_len);
    memcpy(body + ANSWER_RELEASE, answer->release_id, SHA256_LEN);
    if (answer->status == ANSWER_GOOD && !put_items(&writer, answer, what))
        return false;
    memset(writer.at, 0, (size_t)(writer.end - writer.at));
    return true;
}

void answer_seal(uint8_t *frame, size_t len, const uint8_t *ask, size_t ask_len,
                 const uint8_t session_key[SESSION_KEY_LEN], const uint8_t nonce[ASK_RANDOM_LEN]) {
    uint8_t aad[ANSWER_AAD_LEN];
    size_t body_len = len - ANSWER_BODY - AEAD_TAG_LEN;
    frame_write_header(frame, FRAME_ANSWER, 0, len);
    memcpy(frame + ANSWER_QUESTION_NONCE, ask + ASK_NONCE, AEAD_NONCE_LEN);
    frame[ANSWER_NONCE] = NONCE_ANSWER;
    memcpy(frame + ANSWER_NONCE + 1, nonce, ASK_RANDOM_LEN);
    answer_aad(aad, frame, ask, ask_len);
    aead_seal(session_key, frame + ANSWER_NONCE, aad, sizeof aad, frame + ANSWER_BODY, body_len,
              frame + ANSWER_BODY + body_len);
}
