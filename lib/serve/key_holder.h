/* The process that has the private key. It reads requests, writes replies, and does nothing else.
 */
#ifndef DLV_SERVE_KEY_HOLDER_H
#define DLV_SERVE_KEY_HOLDER_H

#include "serve/board.h"
#include "serve/channel.h"

#include <stdbool.h>

struct key_holder {
    struct private_key_set *keys; /* wiped at the end */
    const struct board *board;
    bool is_legacy_allowed; /* else nothing is ever merely decrypted */
    int requests;           /* from all workers; waits */
    unsigned worker_count;
    const int *replies; /* to each worker */
};

/* Serves until there is nobody left who could ask. Returns the process's exit status. */
int key_holder_run(const struct key_holder *holder, struct random *random);

#endif
