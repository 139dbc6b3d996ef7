#include "audit/block.h"

#include "base/bytes.h"
#include "crypto/secret_file.h"

#include <string.h>

static const uint8_t mark[] = {'d', 'l', 'v', 'a', 'u', 'd', 'i', 't', 1};

#define KIND 9
#define LEN 12
#define NUMBER 16
#define TIME 24
#define BEFORE 32

void audit_block_encode(uint8_t bytes[AUDIT_HEADER_LEN], const struct audit_block *block) {
    memset(bytes, 0, AUDIT_HEADER_LEN);
    memcpy(bytes, mark, sizeof mark);
    bytes[KIND] = block->kind;
    store_le32(bytes + LEN, block->len);
    store_le64(bytes + NUMBER, block->number);
    store_le64(bytes + TIME, (uint64_t)block->time_ms);
    memcpy(bytes + BEFORE, block->before, SHA256_LEN);
}

static bool is_length_of_kind(const struct audit_block *block) {
    switch (block->kind) {
    case AUDIT_START:
        return block->len == AUDIT_START_LEN;
    case AUDIT_QUESTIONS:
        return block->len > 0 && block->len % AUDIT_RECORD_LEN == 0 &&
               block->len <= AUDIT_BLOCK_MAX - AUDIT_HEADER_LEN;
    case AUDIT_CHECKPOINT:
        return block->len >= RSA_LEN_MAX / 2 && block->len <= RSA_LEN_MAX;
    default:
        return false;
    }
}

bool audit_block_decode(struct audit_block *block, const uint8_t bytes[AUDIT_HEADER_LEN]) {
    block->kind = bytes[KIND];
    block->len = load_le32(bytes + LEN);
    block->number = load_le64(bytes + NUMBER);
    block->time_ms = (int64_t)load_le64(bytes + TIME);
    memcpy(block->before, bytes + BEFORE, SHA256_LEN);
    return memcmp(bytes, mark, sizeof mark) == 0 && block->number >= 1 &&
           block->number <= INT64_MAX && load_le64(bytes + TIME) <= AUDIT_TIME_MAX_MS &&
           load_le16(bytes + KIND + 1) == 0 && is_length_of_kind(block);
}

void audit_checkpoint_digest(uint8_t digest[SHA256_LEN], const uint8_t header[AUDIT_HEADER_LEN]) {
    sha256_for(digest, "dlv audit checkpoint", header, AUDIT_HEADER_LEN);
}

/* --- records ---------------------------------------------------------------------------------- */

#define COUNT 8
#define WORKER 14
#define KIOSK AUDIT_RECORD_KIOSK
#define TAG (KIOSK + AUDIT_KIOSK_LEN)
#define RELEASE 48
#define ASKED 56
#define FLAGS 57 /* 1: proved, 2: repeated, 4: slip */
#define FOUND 58
#define STATUS 59
#define CARD 60
#define MATCHES 62

bool audit_record_is_sound(const uint8_t bytes[AUDIT_RECORD_LEN]) {
    bool is_sound = bytes[ASKED] >= 1 && bytes[ASKED] <= AUDIT_RECEIPT && bytes[FLAGS] <= 7 &&
                    bytes[FOUND] <= 4 && bytes[STATUS] <= 7 && bytes[CARD] <= 3 &&
                    bytes[CARD + 1] == 0 && load_le16(bytes + WORKER) < AUDIT_WORKERS_MAX &&
                    load_le64(bytes) <= AUDIT_TIME_MAX_MS;
    if (bytes[ASKED] == AUDIT_RECEIPT)
        is_sound &= bytes_are_zero(bytes + FLAGS, AUDIT_RECORD_LEN - FLAGS);
    for (unsigned i = 0; i < 4; i++)
        is_sound &= (bytes[MATCHES + i / 2] >> i % 2 * 4 & 15) <= 4;
    return is_sound;
}

void audit_record_encode(uint8_t bytes[AUDIT_RECORD_LEN], const struct audit_record *record) {
    memset(bytes, 0, AUDIT_RECORD_LEN);
    store_le64(bytes, (uint64_t)record->time_ms);
    store_le64(bytes + COUNT, record->count);
    store_le16(bytes + WORKER, (uint16_t)record->worker);
    memcpy(bytes + KIOSK, record->kiosk, AUDIT_KIOSK_LEN);
    memcpy(bytes + TAG, record->tag, AUDIT_TAG_LEN);
    store_le64(bytes + RELEASE, record->release);
    bytes[ASKED] = record->asked;
    bytes[FLAGS] = (uint8_t)(record->is_proved | record->is_repeated << 1 | record->is_slip << 2);
    bytes[FOUND] = record->found;
    bytes[STATUS] = record->status;
    bytes[CARD] = record->card;
    for (unsigned i = 0; i < 4; i++)
        bytes[MATCHES + i / 2] |= (uint8_t)((record->matches[i] & 15) << i % 2 * 4);
}

void audit_record_decode(struct audit_record *record, const uint8_t bytes[AUDIT_RECORD_LEN]) {
    record->time_ms = (int64_t)load_le64(bytes);
    record->count = load_le64(bytes + COUNT) & 0xFFFFFFFFFFFF;
    record->worker = load_le16(bytes + WORKER);
    memcpy(record->kiosk, bytes + KIOSK, AUDIT_KIOSK_LEN);
    memcpy(record->tag, bytes + TAG, AUDIT_TAG_LEN);
    record->release = load_le64(bytes + RELEASE);
    record->asked = bytes[ASKED];
    record->is_proved = (bytes[FLAGS] & 1) != 0;
    record->is_repeated = (bytes[FLAGS] & 2) != 0;
    record->is_slip = (bytes[FLAGS] & 4) != 0;
    record->found = bytes[FOUND];
    record->status = bytes[STATUS];
    record->card = bytes[CARD];
    for (unsigned i = 0; i < 4; i++)
        record->matches[i] = bytes[MATCHES + i / 2] >> i % 2 * 4 & 15;
}

int audit_key_load(struct audit_key *key, const char *path, struct error *error) {
    uint8_t bytes[SECRET_LEN];
    int code = secret_load(bytes, path, "an audit key", error);
    if (code == 0)
        br_hmac_key_init(&key->prepared, &br_sha256_vtable, bytes, sizeof bytes);
    wipe(bytes, sizeof bytes);
    return code;
}

void audit_tag(uint8_t tag[AUDIT_TAG_LEN], const struct audit_key *key,
               const uint8_t digest[SHA256_LEN]) {
    br_hmac_context context;
    br_hmac_init(&context, &key->prepared, AUDIT_TAG_LEN);
    br_hmac_update(&context, digest, SHA256_LEN);
    br_hmac_out(&context, tag);
}
