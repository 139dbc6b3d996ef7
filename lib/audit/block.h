/* The audit log's blocks and records (AUDIT.md): which questions a server has answered, in a chain of
 * blocks each of which names the one before by its SHA-256, signed now and then.
 *
 * A question's number is there only as an HMAC-SHA-256 under a key of the audit's own, so the log is no list
 * of people. All numbers are little-endian. */
#ifndef DLV_AUDIT_BLOCK_H
#define DLV_AUDIT_BLOCK_H

#include "base/error.h"
#include "crypto/rsa.h"
#include "crypto/sha256.h"

#include <bearssl_hmac.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_HEADER_LEN 64
#define AUDIT_RECORD_LEN 64
#define AUDIT_RECORD_KIOSK 16  /* where the kiosk stands in a record; the tag is behind it */
#define AUDIT_RECORD_VALUES 8  /* the last bytes of a record, which are values of few kinds */
#define AUDIT_RECORDS_MAX 4096 /* in a block */
#define AUDIT_BLOCK_MAX (AUDIT_HEADER_LEN + AUDIT_RECORDS_MAX * AUDIT_RECORD_LEN)
#define AUDIT_RUN_LEN 16
#define AUDIT_START_LEN (2 * SHA256_LEN + AUDIT_RUN_LEN)
#define AUDIT_TAG_LEN 16
#define AUDIT_KIOSK_LEN 16
#define AUDIT_WORKERS_MAX 64
#define AUDIT_TIME_MAX_MS 253402300799999 /* in the year 9999 */

enum audit_kind {
    AUDIT_START = 1,     /* a server begins to record: who it is */
    AUDIT_QUESTIONS = 2, /* records */
    AUDIT_CHECKPOINT = 3 /* a signature of all before */
};

/* The header of a block. Its number counts from 1. */
struct audit_block {
    uint8_t kind; /* enum audit_kind */
    uint32_t len; /* of the content behind the header, in bytes */
    uint64_t number;
    int64_t time_ms; /* Unix milliseconds */
    /* of the block before, header and content; zeros where there is none */
    uint8_t before[SHA256_LEN];
};

void audit_block_encode(uint8_t bytes[AUDIT_HEADER_LEN], const struct audit_block *block);

/* False where these bytes are no header of a block. */
bool audit_block_decode(struct audit_block *block, const uint8_t bytes[AUDIT_HEADER_LEN]);

/* What a checkpoint signs, by its header (RFC 8017, 8.2). */
void audit_checkpoint_digest(uint8_t digest[SHA256_LEN], const uint8_t header[AUDIT_HEADER_LEN]);

/* What is noted is not a question, but that a receipt was given; the digest is its claim. */
#define AUDIT_RECEIPT 4

/* One question, or one licence of a question about several. */
struct audit_record {
    int64_t time_ms;
    unsigned worker;
    uint64_t count; /* of this worker's, since the server was started; the first is 0 */
    /* the first bytes of its key's id; zeros: nobody in particular */
    uint8_t kiosk[AUDIT_KIOSK_LEN];
    uint8_t tag[AUDIT_TAG_LEN]; /* audit_tag */
    uint64_t release;           /* sequence number */
    uint8_t asked;              /* by what: enum ask_kind (db/answer.h); or AUDIT_RECEIPT */
    bool is_proved;
    /* it may have been meant by a number that was not found, and the client asked by itself */
    bool is_slip;
    /* the same frame had come before: a client's repetition, or a listener's replay */
    bool is_repeated;
    uint8_t found;      /* 0 nothing, else 1 + enum entry_kind */
    uint8_t status;     /* of the licence that was found, as its terms have it */
    uint8_t card;       /* enum card_state */
    uint8_t matches[4]; /* of name, phone, birth date and card, as in answers */
};

/* Whether these bytes are a record: every value is one that has a meaning. */
bool audit_record_is_sound(const uint8_t bytes[AUDIT_RECORD_LEN]);

void audit_record_encode(uint8_t bytes[AUDIT_RECORD_LEN], const struct audit_record *record);
void audit_record_decode(struct audit_record *record, const uint8_t bytes[AUDIT_RECORD_LEN]);

/* The audit's own key, prepared for many tags. Secret: wipe after use. */
struct audit_key {
    br_hmac_key_context prepared;
};

/* Loads it from a file of 32 bytes. 0, ERR_SYSTEM or ERR_FORMAT with the reason. */
int audit_key_load(struct audit_key *key, const char *path, struct error *error);

/* What stands for the digest that was asked about. */
void audit_tag(uint8_t tag[AUDIT_TAG_LEN], const struct audit_key *key,
               const uint8_t digest[SHA256_LEN]);

#endif
