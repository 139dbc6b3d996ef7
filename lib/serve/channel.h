/* What the server's processes say to each other, over socket pairs that keep message boundaries. */
#ifndef DLV_SERVE_CHANNEL_H
#define DLV_SERVE_CHANNEL_H

#include "crypto/rsa.h"

#include <stdint.h>

/* Worker to key-holder: decrypt this. */
struct channel_request {
    uint64_t id;   /* comes back with the reply */
    uint32_t hash; /* enum rsa_hash */
    uint32_t len;
    uint8_t ciphertext[RSA_LEN_MAX];
};

/* Key-holder to worker. A reply is always as long, whatever came out. */
struct channel_reply {
    uint64_t id;
    uint32_t is_decrypted;
    uint32_t len;
    uint8_t message[RSA_LEN_MAX];
};

/* Parent to worker. */
enum channel_order { CHANNEL_DATABASE = 'D', CHANNEL_DRAIN = 'Q' };

/* A pair of connected, non-blocking sockets, closed on exec. 0 or ERR_SYSTEM. */
int channel_pair(int fds[2]);

/* Sends an order, with a descriptor where `fd` is not -1. 0 or ERR_SYSTEM. */
int channel_send_order(int channel, enum channel_order order, int fd);

/* The next order, its descriptor at *fd (-1: none; the caller closes it). 0 at the end of the
 * stream, ERR_SYSTEM (EAGAIN: none now). */
int channel_receive_order(int channel, int *fd);

#endif
