#include "wire/answer.h"

#include "base/bytes.h"

#include <string.h>

/* What the seal of an answer covers besides its body: the frame's own head, and the question's
 * tag. */
#define ANSWER_AAD_LEN (ANSWER_BODY + AEAD_TAG_LEN)

static void answer_aad(uint8_t aad[ANSWER_AAD_LEN], const uint8_t *frame, const uint8_t *ask,
                       size_t ask_len) {
    memcpy(aad, frame, ANSWER_BODY);
    memcpy(aad + ANSWER_BODY, ask + ask_len - AEAD_TAG_LEN, AEAD_TAG_LEN);
}

/* --- the client's side ------------------------------------------------------------------------ */

/* Reads a proof and moves *at behind it. False where there is none. */
static bool read_proof(struct proof *proof, const uint8_t **at, const uint8_t *end) {
    const uint8_t *p = *at;
    if (end - p < 1 || *p < 1 || *p > 2)
        return false;
    proof->entry_count = *p++;
    for (unsigned i = 0; i < proof->entry_count; i++) {
        struct proof_entry *entry = &proof->entries[i];
        if (end - p < 8 + DB_ENTRY_LEN + 1)
            return false;
        entry->index = load_le64(p);
        memcpy(entry->key, p + 8, DB_KEY_LEN);
        memcpy(entry->attributes, p + 8 + DB_KEY_LEN, DB_ATTRIBUTES_LEN);
        entry->path_len = p[8 + DB_ENTRY_LEN];
        p += 8 + DB_ENTRY_LEN + 1;
        if (entry->path_len > PROOF_PATH_MAX || end - p < (long)entry->path_len * MERKLE_NODE_LEN)
            return false;
        memcpy(entry->path, p, entry->path_len * MERKLE_NODE_LEN);
        p += entry->path_len * MERKLE_NODE_LEN;
    }
    *at = p;
    return true;
}

static bool read_entry(struct db_answer *entry, const uint8_t bytes[ANSWER_ENTRY_LEN]) {
    memset(entry, 0, sizeof *entry);
    if (!bytes_are_zero(bytes + 1, 7) || bytes[0] >= VERDICT_COUNT)
        return false;
    entry->verdict = (enum verdict)bytes[0];
    entry->is_found = entry->verdict != VERDICT_UNKNOWN;
    return entry->is_found ? db_attributes_decode(&entry->licence, bytes + 8)
                           : bytes_are_zero(bytes + 8, DB_ATTRIBUTES_LEN);
}

/* Reads the body of an answer that has been authenticated. False where it is malformed. */
static bool read_answer(struct answer *answer, const uint8_t *body, size_t len) {
    const uint8_t *at = body + ANSWER_HEAD_LEN, *end = body + len;
    if (len < ANSWER_HEAD_LEN || body[36] > ANSWER_TOO_LONG || body[37] > QUESTION_MAX ||
        (body[38] & ~(WISH_INFO | WISH_PROOF)) != 0 || body[39] != 0)
        return false;
    answer->server_time_s = (int64_t)load_le64(body);
    answer->facts.sequence = load_le64(body + 8);
    answer->facts.created_s = (int64_t)load_le64(body + 16);
    answer->facts.valid_until_s = (int64_t)load_le64(body + 24);
    answer->facts.utc_offset_s = (int32_t)load_le32(body + 32);
    answer->status = (enum answer_status)body[36];
    answer->count = body[37];
    answer->brings = body[38];
    if (!release_is_time(answer->server_time_s) || !release_is_time(answer->facts.created_s) ||
        !release_is_time(answer->facts.valid_until_s) || answer->facts.sequence > INT64_MAX ||
        answer->facts.utc_offset_s < -UTC_OFFSET_MAX_S ||
        answer->facts.utc_offset_s > UTC_OFFSET_MAX_S)
        return false;
    if (end - at < (long)(answer->count * ANSWER_ENTRY_LEN))
        return false;
    for (unsigned i = 0; i < answer->count; i++, at += ANSWER_ENTRY_LEN) {
        if (!read_entry(&answer->entries[i], at))
            return false;
    }
    if (answer->brings & WISH_INFO) {
        if (end - at < ANSWER_INFO_LEN)
            return false;
        memcpy(answer->facts.authority_id, at, SHA256_LEN);
        memcpy(answer->facts.class_names.name, at + SHA256_LEN,
               sizeof answer->facts.class_names.name);
        at += ANSWER_INFO_LEN;
        if (!class_names_are_valid(&answer->facts.class_names))
            return false;
    }
    if (answer->brings & WISH_PROOF) {
        if (answer->count > QUESTION_PROVED_MAX || end - at < DB_PAGE)
            return false;
        answer->header_page = at;
        at += DB_PAGE;
        for (unsigned i = 0; i < answer->count; i++) {
            if (!read_proof(&answer->proofs[i], &at, end))
                return false;
        }
    }
    return at == end;
}

int answer_open(struct answer *answer, uint8_t *frame, size_t len, const uint8_t *ask,
                size_t ask_len, const uint8_t session_key[SESSION_KEY_LEN], struct error *error) {
    struct frame header;
    uint8_t aad[ANSWER_AAD_LEN];
    if (frame_read_header(&header, frame, len) != FRAME_OK || header.type != FRAME_ANSWER ||
        header.len != len || len < ANSWER_LEN(0) || frame[ANSWER_NONCE] != NONCE_ANSWER ||
        memcmp(frame + ANSWER_QUESTION_NONCE, ask + ASK_NONCE, AEAD_NONCE_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "not an answer to this question");
    size_t body_len = len - ANSWER_BODY - AEAD_TAG_LEN;
    answer_aad(aad, frame, ask, ask_len);
    if (!aead_open(session_key, frame + ANSWER_NONCE, aad, sizeof aad, frame + ANSWER_BODY,
                   body_len, frame + ANSWER_BODY + body_len))
        return error_set(error, ERR_SIGNATURE, "an answer that was not sealed by the server");
    if (!read_answer(answer, frame + ANSWER_BODY, body_len))
        return error_set(error, ERR_FORMAT, "an answer that is malformed");
    return 0;
}

/* --- the server's side ------------------------------------------------------------------------ */

static size_t proof_len(const struct proof *proof) {
    size_t len = 1;
    for (unsigned i = 0; i < proof->entry_count; i++)
        len += 8 + DB_ENTRY_LEN + 1 + proof->entries[i].path_len * MERKLE_NODE_LEN;
    return len;
}

static uint8_t *put(uint8_t *out, const void *bytes, size_t len) {
    memcpy(out, bytes, len);
    return out + len;
}

static uint8_t *put_proof(uint8_t *out, const struct proof *proof) {
    *out++ = (uint8_t)proof->entry_count;
    for (unsigned i = 0; i < proof->entry_count; i++) {
        const struct proof_entry *entry = &proof->entries[i];
        store_le64(out, entry->index);
        out = put(out + 8, entry->key, DB_KEY_LEN);
        out = put(out, entry->attributes, DB_ATTRIBUTES_LEN);
        *out++ = (uint8_t)entry->path_len;
        out = put(out, entry->path, entry->path_len * MERKLE_NODE_LEN);
    }
    return out;
}

size_t answer_write(uint8_t *frame, size_t max, const struct answer *answer) {
    uint8_t *out = frame + ANSWER_BODY;
    size_t len = ANSWER_LEN(answer->count);
    if (answer->brings & WISH_INFO)
        len += ANSWER_INFO_LEN;
    if (answer->brings & WISH_PROOF) {
        len += DB_PAGE;
        for (unsigned i = 0; i < answer->count; i++)
            len += proof_len(&answer->proofs[i]);
    }
    if (len > max)
        return 0;
    store_le64(out, (uint64_t)answer->server_time_s);
    store_le64(out + 8, answer->facts.sequence);
    store_le64(out + 16, (uint64_t)answer->facts.created_s);
    store_le64(out + 24, (uint64_t)answer->facts.valid_until_s);
    store_le32(out + 32, (uint32_t)answer->facts.utc_offset_s);
    out[36] = (uint8_t)answer->status;
    out[37] = (uint8_t)answer->count;
    out[38] = (uint8_t)answer->brings;
    out[39] = 0;
    out += ANSWER_HEAD_LEN;
    for (unsigned i = 0; i < answer->count; i++, out += ANSWER_ENTRY_LEN) {
        memset(out, 0, ANSWER_ENTRY_LEN);
        out[0] = (uint8_t)answer->entries[i].verdict;
        if (answer->entries[i].is_found)
            db_attributes_encode(out + 8, &answer->entries[i].licence);
    }
    if (answer->brings & WISH_INFO) {
        out = put(out, answer->facts.authority_id, SHA256_LEN);
        out = put(out, answer->facts.class_names.name, sizeof answer->facts.class_names.name);
    }
    if (answer->brings & WISH_PROOF) {
        out = put(out, answer->header_page, DB_PAGE);
        for (unsigned i = 0; i < answer->count; i++)
            out = put_proof(out, &answer->proofs[i]);
    }
    return len;
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
