/* Receipts, as key-holders sign them: all that wait together, by one signature. */
#ifndef DLV_SERVE_RECEIPTS_H
#define DLV_SERVE_RECEIPTS_H

#include "serve/channel.h"

/* The key that signs receipts, and its certificate. Secret, and it must not be copied or moved (crypto/rsa.h). */
struct receipt_signer {
    struct rsa_private key;
    int64_t from_s, until_s; /* that the certificate is good for */
    size_t certificate_len;
    uint8_t certificate[CERTIFICATE_MAX];
};

/* Large: for static memory. Secret: wiped as it is signed. */
struct receipt_batch {
    unsigned count;
    struct {
        int channel; /* to the worker */
        struct receipt_order order;
        struct channel_reply reply;
    } items[RECEIPT_BATCH_MAX];
};

/* Opens a request for a receipt, and puts it into the batch, where there must be room; what needs no signature is answered
 * at once. `signer` may be NULL. */
void receipts_add(struct receipt_batch *batch, const struct receipt_signer *signer,
                  const struct session_host *host, struct channel_request *request, int64_t now_ms,
                  const br_prng_class **source, int channel);

/* Signs the batch, answers, and empties it. */
void receipts_sign(struct receipt_batch *batch, const struct receipt_signer *signer);

#endif
