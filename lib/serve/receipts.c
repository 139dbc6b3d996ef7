#include "serve/receipts.h"

#include "base/bytes.h"
#include "net/socket.h"

#include <string.h>
#include <unistd.h>

static void answer(int channel, struct channel_reply *reply) {
    /* Never waits: a worker has fewer requests under way than its socket holds replies. */
    ssize_t sent = write(channel, reply, channel_reply_len(CHANNEL_RECEIPT));
    (void)sent; /* that worker has failed, and its clients ask again */
}

void receipts_add(struct receipt_batch *batch, const struct receipt_signer *signer,
                  const struct session_host *host, struct channel_request *request,
                  const uint8_t release_id[SHA256_LEN], const br_prng_class **source, int channel) {
    int64_t now_ms = net_unix_ms();
    if (batch->count == RECEIPT_BATCH_MAX)
        receipts_sign(batch, signer);
    struct channel_reply *reply = &batch->items[batch->count].reply;
    bool is_given =
        signer != NULL && now_ms / 1000 >= signer->from_s && now_ms / 1000 <= signer->until_s;
    reply->id = request->id;
    reply->len = RECEIPTED_LEN;
    reply->result = CHANNEL_BAD;
    switch (receipt_order_begin(host, is_given, request->bytes, request->len, now_ms, release_id,
                                source, &batch->items[batch->count].order, reply->bytes)) {
    case ADMISSION_GOOD:
        reply->result = CHANNEL_GOOD;
        if (batch->count == 0)
            batch->since_ms = net_now_ms();
        batch->items[batch->count++].channel = channel;
        return;
    case ADMISSION_NOT_ENROLLED:
        reply->result = CHANNEL_NOT_ADMITTED;
        break;
    case ADMISSION_FOREIGN:
        memset(reply->bytes, 0, sizeof reply->bytes);
        break;
    }
    answer(channel, reply);
}

bool receipts_are_due(const struct receipt_batch *batch, bool is_idle) {
    return batch->count > 0 && (is_idle || net_now_ms() - batch->since_ms >= RECEIPTS_WAIT_MS);
}

void receipts_sign(struct receipt_batch *batch, const struct receipt_signer *signer) {
    static struct receipt_tree tree;
    uint8_t digest[SHA256_LEN], signature[RSA_LEN_MAX];
    if (batch->count == 0)
        return;
    tree.count = batch->count;
    for (unsigned i = 0; i < batch->count; i++)
        receipt_leaf(tree.levels[0][i], &batch->items[i].order.receipt);
    receipt_signed_digest(digest, batch->count, signer->certificate, signer->certificate_len,
                          receipt_tree_finish(&tree));
    bool is_signed = rsa_sign(&signer->key, digest, signature);
    for (unsigned i = 0; i < batch->count; i++) {
        struct receipt *receipt = &batch->items[i].order.receipt;
        receipt_place(receipt, &tree, i);
        receipt->signature_len = signer->key.public.n_len;
        memcpy(receipt->signature, signature, receipt->signature_len);
        receipt->certificate_len = signer->certificate_len;
        memcpy(receipt->certificate, signer->certificate, signer->certificate_len);
        struct channel_reply *reply = &batch->items[i].reply;
        receipt_order_give(&batch->items[i].order, reply->bytes);
        memcpy(reply->kiosk, receipt->kiosk, KIOSK_ID_LEN);
        memcpy(reply->claim, receipt->claim, RECEIPT_CLAIM_LEN);
        if (!is_signed)
            reply->result = CHANNEL_BAD;
        answer(batch->items[i].channel, reply);
    }
    wipe(batch->items, batch->count * sizeof *batch->items);
    batch->count = 0;
}
