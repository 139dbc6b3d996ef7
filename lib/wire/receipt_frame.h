/* Asking for receipts (PROTOCOL.md, "Receipts"), as functions from bytes to bytes. What a receipt says is in
 * db/receipt.h. */
#ifndef DLV_WIRE_RECEIPT_FRAME_H
#define DLV_WIRE_RECEIPT_FRAME_H

#include "db/receipt.h"
#include "wire/session_frame.h"

/* What a RECEIPT frame seals, at IDENTIFY_BODY: the claim, then zeros. */

/* Offsets in what a RECEIPTED frame seals. Behind them come path, signature and certificate, then zeros. */
#define RECEIPTED_TIME SEALED_ANSWER
#define RECEIPTED_RELEASE (RECEIPTED_TIME + 8)
#define RECEIPTED_INDEX (RECEIPTED_RELEASE + SHA256_LEN)
#define RECEIPTED_COUNT (RECEIPTED_INDEX + 1)
#define RECEIPTED_PATH_LEN (RECEIPTED_COUNT + 1)
#define RECEIPTED_ZERO (RECEIPTED_PATH_LEN + 1)
#define RECEIPTED_SIGNATURE_LEN (RECEIPTED_ZERO + 1)
#define RECEIPTED_CERTIFICATE_LEN (RECEIPTED_SIGNATURE_LEN + 2)
#define RECEIPTED_PATH (RECEIPTED_CERTIFICATE_LEN + 2)
#define RECEIPTED_SEALED_LEN                                                                       \
    (RECEIPTED_PATH + RECEIPT_PATH_MAX * MERKLE_NODE_LEN + RSA_LEN_MAX + CERTIFICATE_MAX)
#define RECEIPTED_LEN SEALED_ANSWER_LEN(RECEIPTED_SEALED_LEN)

/* For the client: writes and seals a RECEIPT frame. `random` must be fresh. */
void receipt_ask(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                 const uint8_t claim[RECEIPT_CLAIM_LEN], const uint8_t random[ASK_RANDOM_LEN]);

/* For the client: takes the RECEIPTED frame that came for `asked`. Kiosk and claim of the receipt are left to the
 * caller, and nothing is checked (receipt_check). ADMISSION_NOT_ENROLLED: the server gives none. */
enum admission_status receipt_take(const struct session *session, const uint8_t *asked,
                                   const uint8_t *frame, size_t len, struct receipt *receipt);

/* For the server: a receipt that is to be given. Secret: wipe after use. */
struct receipt_order {
    struct ticket ticket;
    struct receipt receipt;
};

/* Opens a RECEIPT frame in place, and begins the answer. `release_id` is of the release in use; `is_given`: there is a key
 * that signs. ADMISSION_GOOD: what is signed is in the order; it is to be placed and signed, and then given.
 * ADMISSION_NOT_ENROLLED: the answer is whole. */
enum admission_status receipt_order_begin(const struct session_host *host, bool is_given,
                                          uint8_t *frame, size_t len, int64_t now_ms,
                                          const uint8_t release_id[SHA256_LEN],
                                          const br_prng_class **source, struct receipt_order *order,
                                          uint8_t answer[RECEIPTED_LEN]);

/* Completes the answer. */
void receipt_order_give(const struct receipt_order *order, uint8_t answer[RECEIPTED_LEN]);

#endif
