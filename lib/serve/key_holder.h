/* The process that has the private key. It reads requests, writes replies, and does nothing else.
 */
#ifndef DLV_SERVE_KEY_HOLDER_H
#define DLV_SERVE_KEY_HOLDER_H

#include "serve/board.h"
#include "serve/receipts.h"

#include <stdbool.h>

struct key_holder {
    struct private_key_set *keys; /* wiped at the end */
    const struct board *board;
    struct receipt_signer *signer; /* likewise; NULL: no receipts are given */
    bool is_legacy_allowed;        /* else nothing is ever merely decrypted */
    bool is_anonymous_allowed;     /* to have receipts */
    unsigned worker_count;
    const int *channels; /* to each worker */
};

/* Serves the workers in turn for as long as the process lives. A worker that sends what no worker of ours
 * sends is not served any more, until the parent has started another one in its place; the others do
 * not notice. Returns the process's exit status where it cannot go on. */
int key_holder_run(const struct key_holder *holder, struct random *random);

#endif
