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

/* How long the first of a batch may wait while there is other work: receipts take a tenth of a busy key-holder's time. */
#define RECEIPTS_WAIT_MS 10

/* Large: for static memory. Secret: wiped as it is signed. */
struct receipt_batch {
    unsigned count;
    int64_t since_ms; /* when the first one came, by net_now_ms */
    struct {
        int channel; /* to the worker */
        struct receipt_order order;
        struct channel_reply reply;
    } items[RECEIPT_BATCH_MAX];
};

/* Opens a request for a receipt, and puts it into the batch, which is signed first where it is full; what needs no signature
 * is answered at once. `signer` may be NULL. */
void receipts_add(struct receipt_batch *batch, const struct receipt_signer *signer,
                  const struct session_host *host, struct channel_request *request,
                  const uint8_t release_id[SHA256_LEN], const br_prng_class **source, int channel);

/* Whether the batch is to be signed now, where it `is_idle`: nothing else waits. */
bool receipts_are_due(const struct receipt_batch *batch, bool is_idle);

/* Signs the batch, answers, and empties it. */
void receipts_sign(struct receipt_batch *batch, const struct receipt_signer *signer);

#endif
