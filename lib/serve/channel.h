/* What the server's processes say to each other, over socket pairs that keep message boundaries.
 *
 * One pair leads from all workers to all key-holders, who take requests as they have time; one
 * leads back to each worker. The ends belong to the parent, which gives them again to whoever
 * replaces a process that has failed: a request that is still in the pair is not lost. */
#ifndef DLV_SERVE_CHANNEL_H
#define DLV_SERVE_CHANNEL_H

#include "wire/session.h"

#include <stdbool.h>
#include <stdint.h>

enum channel_work {
    CHANNEL_LEGACY = 1, /* decrypt a question of the original protocol */
    CHANNEL_OPEN = 2    /* answer an OPEN frame */
};

/* Worker to key-holders. */
struct channel_request {
    uint64_t id; /* comes back with the reply */
    uint32_t worker;
    uint16_t work; /* enum channel_work */
    uint16_t len;
    uint8_t bytes[OPEN_MAX];
};

/* Key-holder to worker. A reply is always as long, whatever came out. */
struct channel_reply {
    uint64_t id;
    uint32_t is_good;
    uint32_t len;
    uint8_t bytes[RSA_LEN_MAX];
};

/* Parent to worker. */
enum channel_order {
    CHANNEL_DATABASE = 'D',
    CHANNEL_DRAIN = 'Q',
    CHANNEL_AGAIN = 'A' /* a key-holder has failed: ask again what is not answered */
};

/* A pair of connected, non-blocking sockets, closed on exec. 0 or ERR_SYSTEM. */
int channel_pair(int fds[2]);

/* Sends an order, with a descriptor where `fd` is not -1. 0 or ERR_SYSTEM. */
int channel_send_order(int channel, enum channel_order order, int fd);

/* The next order, its descriptor at *fd (-1: none; the caller closes it). 0 at the end of the
 * stream, ERR_SYSTEM (EAGAIN: none now). */
int channel_receive_order(int channel, int *fd);

/* Worker to parent: it has all that it needs, and begins. */
void channel_say_ready(int channel);

/* Whether it has said so. Does not wait. */
bool channel_is_ready(int channel);

#endif
