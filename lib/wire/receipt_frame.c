#include "wire/receipt_frame.h"

#include "base/bytes.h"

#include <string.h>

_Static_assert(RECEIPTED_LEN <= FRAME_MAX, "the longest receipt fits into a frame");

void receipt_ask(uint8_t frame[IDENTIFY_LEN], const struct session *session,
                 const uint8_t claim[RECEIPT_CLAIM_LEN], const uint8_t random[ASK_RANDOM_LEN]) {
    session_frame_begin(frame, FRAME_RECEIPT, session, random);
    memcpy(frame + IDENTIFY_BODY, claim, RECEIPT_CLAIM_LEN);
    session_frame_seal(frame, session);
}

/* Reads what an answer has sealed. False where it is malformed. */
static bool read_receipt(struct receipt *receipt, const uint8_t *body) {
    receipt->time_ms = (int64_t)load_le64(body + RECEIPTED_TIME);
    memcpy(receipt->release_id, body + RECEIPTED_RELEASE, SHA256_LEN);
    receipt->index = body[RECEIPTED_INDEX];
    receipt->count = body[RECEIPTED_COUNT];
    receipt->path_len = body[RECEIPTED_PATH_LEN];
    receipt->signature_len = load_le16(body + RECEIPTED_SIGNATURE_LEN);
    receipt->certificate_len = load_le16(body + RECEIPTED_CERTIFICATE_LEN);
    if (body[RECEIPTED_ZERO] != 0 || receipt->time_ms < 0 || receipt->count > RECEIPT_BATCH_MAX ||
        receipt->index >= receipt->count || receipt->path_len > RECEIPT_PATH_MAX ||
        receipt->signature_len > RSA_LEN_MAX || receipt->certificate_len > CERTIFICATE_MAX)
        return false;
    const uint8_t *at = body + RECEIPTED_PATH;
    size_t path_len = receipt->path_len * MERKLE_NODE_LEN;
    memcpy(receipt->path, at, path_len);
    memcpy(receipt->signature, at += path_len, receipt->signature_len);
    memcpy(receipt->certificate, at += receipt->signature_len, receipt->certificate_len);
    at += receipt->certificate_len;
    return bytes_are_zero(at, (size_t)(body + RECEIPTED_SEALED_LEN - at));
}

enum admission_status receipt_take(const struct session *session, const uint8_t *asked,
                                   const uint8_t *frame, size_t len, struct receipt *receipt) {
    uint8_t body[RECEIPTED_SEALED_LEN];
    if (!session_frame_open_answer(session, FRAME_RECEIPTED, asked, frame, len, body, sizeof body))
        return ADMISSION_FOREIGN;
    if (body[ADMITTED_STATUS] == ADMISSION_NOT_ENROLLED)
        return ADMISSION_NOT_ENROLLED;
    return read_receipt(receipt, body) ? ADMISSION_GOOD : ADMISSION_FOREIGN;
}

enum admission_status receipt_order_begin(const struct session_host *host, bool is_given,
                                          uint8_t *frame, size_t len, int64_t now_ms,
                                          const uint8_t release_id[SHA256_LEN],
                                          const br_prng_class **source, struct receipt_order *order,
                                          uint8_t answer[RECEIPTED_LEN]) {
    struct receipt *receipt = &order->receipt;
    int64_t now_s = now_ms / 1000;
    if (session_frame_open(host, FRAME_RECEIPT, frame, len, now_s, &order->ticket) == NULL)
        return ADMISSION_FOREIGN;
    const uint8_t *body = frame + IDENTIFY_BODY, *kiosk = order->ticket.kiosk;
    bool is_known = bytes_are_zero(kiosk, KIOSK_ID_LEN)
                        ? host->is_anonymous_allowed
                        : host->find_kiosk != NULL &&
                              host->find_kiosk(host->kiosks, kiosk, KIOSK_ID_LEN, now_s) != NULL;
    session_frame_begin_answer(answer, FRAME_RECEIPTED, frame, RECEIPTED_SEALED_LEN, source);
    if (!is_given || !is_known ||
        !bytes_are_zero(body + RECEIPT_CLAIM_LEN, IDENTITY_LEN - RECEIPT_CLAIM_LEN)) {
        answer[ADMIT_BODY + ADMITTED_STATUS] = ADMISSION_NOT_ENROLLED;
        session_frame_seal_answer(answer, RECEIPTED_SEALED_LEN, &order->ticket);
        wipe(&order->ticket, sizeof order->ticket);
        return ADMISSION_NOT_ENROLLED;
    }
    memcpy(receipt->kiosk, kiosk, RECEIPT_KIOSK_LEN);
    receipt->time_ms = now_ms;
    memcpy(receipt->release_id, release_id, SHA256_LEN);
    memcpy(receipt->claim, body, RECEIPT_CLAIM_LEN);
    return ADMISSION_GOOD;
}

void receipt_order_give(const struct receipt_order *order, uint8_t answer[RECEIPTED_LEN]) {
    const struct receipt *receipt = &order->receipt;
    uint8_t *body = answer + ADMIT_BODY, *at = body + RECEIPTED_PATH;
    size_t path_len = receipt->path_len * MERKLE_NODE_LEN;
    store_le64(body + RECEIPTED_TIME, (uint64_t)receipt->time_ms);
    memcpy(body + RECEIPTED_RELEASE, receipt->release_id, SHA256_LEN);
    body[RECEIPTED_INDEX] = (uint8_t)receipt->index;
    body[RECEIPTED_COUNT] = (uint8_t)receipt->count;
    body[RECEIPTED_PATH_LEN] = (uint8_t)receipt->path_len;
    store_le16(body + RECEIPTED_SIGNATURE_LEN, (uint16_t)receipt->signature_len);
    store_le16(body + RECEIPTED_CERTIFICATE_LEN, (uint16_t)receipt->certificate_len);
    memcpy(at, receipt->path, path_len);
    memcpy(at += path_len, receipt->signature, receipt->signature_len);
    memcpy(at + receipt->signature_len, receipt->certificate, receipt->certificate_len);
    session_frame_seal_answer(answer, RECEIPTED_SEALED_LEN, &order->ticket);
}
