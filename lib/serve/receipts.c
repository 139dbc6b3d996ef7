#include "serve/receipts.h"

#include "base/bytes.h"

#include <string.h>
#include <unistd.h>

static void answer(int channel, struct channel_reply *reply) {
    /* Never waits: a worker has fewer requests under way than its socket holds replies. */
    ssize_t sent = write(channel, reply, channel_reply_len(CHANNEL_RECEIPT));
    (void)sent; /* that worker has failed, and its clients ask again */
}

void receipts_add(struct receipt_batch *batch, const struct receipt_signer *signer,
                  const struct session_host *host, struct channel_request *request, int64_t now_ms,
                  const br_prng_class **source, int channel) {
    struct channel_reply *reply = &batch->items[batch->count].reply;
    bool is_given =
        signer != NULL && now_ms / 1000 >= signer->from_s && now_ms / 1000 <= signer->until_s;
    reply->id = request->id;
    reply->len = RECEIPTED_LEN;
    reply->result = CHANNEL_BAD;
    switch (receipt_order_begin(host, is_given, request->bytes, request->len, now_ms,
                                request->release_id, source, &batch->items[batch->count].order,
                                reply->bytes)) {
    case ADMISSION_GOOD:
        reply->result = CHANNEL_GOOD;
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

void receipts_sign(struct receipt_batch *batch, const struct receipt_signer *signer) {
    uint8_t leaves[RECEIPT_BATCH_MAX][MERKLE_NODE_LEN], root[MERKLE_NODE_LEN], digest[SHA256_LEN],
        signature[RSA_LEN_MAX];
    if (batch->count == 0)
        return;
    for (unsigned i = 0; i < batch->count; i++)
        receipt_leaf(leaves[i], &batch->items[i].order.receipt);
    for (unsigned i = 0; i < batch->count; i++)
        receipt_place(&batch->items[i].order.receipt, i, leaves, batch->count, root);
    receipt_signed_digest(digest, root);
    bool is_signed = rsa_sign(&signer->key, digest, signature);
    for (unsigned i = 0; i < batch->count; i++) {
        struct receipt *receipt = &batch->items[i].order.receipt;
        receipt->signature_len = signer->key.public.n_len;
        memcpy(receipt->signature, signature, receipt->signature_len);
        receipt->certificate_len = signer->certificate_len;
        memcpy(receipt->certificate, signer->certificate, signer->certificate_len);
        receipt_order_give(&batch->items[i].order, batch->items[i].reply.bytes);
        if (!is_signed)
            batch->items[i].reply.result = CHANNEL_BAD;
        answer(batch->items[i].channel, &batch->items[i].reply);
    }
    wipe(batch->items, batch->count * sizeof *batch->items);
    batch->count = 0;
}
