/* The process that has the private key. */
#ifndef DLV_SERVE_KEY_HOLDER_H
#define DLV_SERVE_KEY_HOLDER_H

#include "serve/serve.h"

/* Decrypts what comes over `channels` (one a worker) until all are closed, wipes the key, and
 * returns the process's exit status. */
int key_holder_run(struct rsa_private *key, const int *channels, unsigned channel_count);

#endif
