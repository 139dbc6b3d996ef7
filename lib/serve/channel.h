/* The messages between the server's processes. They travel over socket pairs that keep message
 * boundaries.
 *
 * Each worker has a pair of its own to the key-holders: requests go one way, replies the other. The far
 * ends are shared by all key-holders, which take requests when they are free, one of each worker in turn.
 * The parent keeps all ends open and hands them to whichever process replaces one that has failed, so
 * that a request that is still in a pair is not lost with a key-holder. */
#ifndef DLV_SERVE_CHANNEL_H
#define DLV_SERVE_CHANNEL_H

#include "wire/identity.h"
#include "wire/receipt_frame.h"

#include <stdbool.h>
#include <stdint.h>

enum channel_work {
    CHANNEL_LEGACY = 1,   /* decrypt a question of the original protocol */
    CHANNEL_OPEN = 2,     /* answer an OPEN frame */
    CHANNEL_IDENTIFY = 3, /* answer an IDENTIFY frame */
    CHANNEL_RENEW = 4,    /* answer a RENEW frame */
    CHANNEL_UNWRAP = 5,   /* answer an UNWRAP frame */
    CHANNEL_RECEIPT = 6   /* answer a RECEIPT frame */
};

/* The work that a frame of this type makes. */
static inline enum channel_work channel_work_of(uint8_t frame_type) {
    return frame_type == FRAME_IDENTIFY  ? CHANNEL_IDENTIFY
           : frame_type == FRAME_RENEW   ? CHANNEL_RENEW
           : frame_type == FRAME_UNWRAP  ? CHANNEL_UNWRAP
           : frame_type == FRAME_RECEIPT ? CHANNEL_RECEIPT
                                         : CHANNEL_OPEN;
}

/* The longest of what these are about. */
#define CHANNEL_BYTES_MAX IDENTIFY_LEN
_Static_assert(CHANNEL_BYTES_MAX >= OPEN_MAX && CHANNEL_BYTES_MAX >= RSA_LEN_MAX,
               "requests have room for every kind of work");

enum channel_result {
    CHANNEL_BAD = 0,         /* the reply holds nothing */
    CHANNEL_GOOD = 1,        /* it holds an answer */
    CHANNEL_NOT_ADMITTED = 2 /* it holds an answer that does not admit the client */
};

/* A worker has no more requests for receipts under way: they are signed together. */
#define RECEIPTS_UNDER_WAY_MAX 24

/* Worker to key-holders. */
struct channel_request {
    uint64_t id;   /* the reply carries it, too */
    uint16_t work; /* enum channel_work */
    uint16_t len;
    uint8_t bytes[CHANNEL_BYTES_MAX];
};

/* Key-holder to worker. Every reply to the same work has the same length, whatever the result, so that its length
 * says nothing. */
struct channel_reply {
    uint64_t id;
    uint32_t result; /* enum channel_result */
    uint32_t len;
    /* of a receipt that is given, to be recorded: */
    uint8_t kiosk[KIOSK_ID_LEN], claim[RECEIPT_CLAIM_LEN];
    uint8_t bytes[RECEIPTED_LEN];
};

/* How much of it is sent. */
size_t channel_reply_len(enum channel_work work);

/* Whether this can be a reply: of a length that one has, and about no more bytes than there are. */
bool channel_reply_is_sound(const struct channel_reply *reply, size_t len);

/* Parent to worker. */
enum channel_order {
    CHANNEL_DATABASE = 'D', /* a new one; the lists of changes before are not good any more */
    CHANNEL_CHANGES = 'C',  /* a list of changes that leads to it */
    CHANNEL_DRAIN = 'Q',
    CHANNEL_AGAIN = 'A' /* a key-holder has failed: send unanswered requests again */
};

/* A pair of connected, non-blocking sockets, closed on exec. 0 or ERR_SYSTEM. */
int channel_pair(int fds[2]);

/* Drops all messages that wait at this end. */
void channel_drain(int channel);

/* Whether this can be a request: of this length in bytes, and about no more bytes than there are. */
bool channel_request_is_sound(const struct channel_request *request, size_t len);

/* Sends an order, with a descriptor where `fd` is not -1. 0 or ERR_SYSTEM. */
int channel_send_order(int channel, enum channel_order order, int fd);

/* Receives the next order, and its descriptor at *fd (-1 where it has none), which the caller
 * closes. 0 at the end of the stream; ERR_SYSTEM on failure, with errno EAGAIN where no order is
 * waiting. */
int channel_receive_order(int channel, int *fd);

/* Worker to parent: the worker has everything it needs, and starts to answer. */
void channel_say_ready(int channel);

/* Whether the worker has said that it is ready. Does not wait. */
bool channel_is_ready(int channel);

#endif
