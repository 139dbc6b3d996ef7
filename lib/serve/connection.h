/* A client's TCP connection: bytes in, steps of its protocol, bytes out. It never waits. */
#ifndef DLV_SERVE_CONNECTION_H
#define DLV_SERVE_CONNECTION_H

#include "base/list.h"
#include "serve/answer.h"
#include "serve/requests.h"
#include "wire/legacy.h"

/* Small, because most are idle: what only some need is allocated while they need it. */
struct connection {
    int fd;
    uint32_t index;
    uint32_t generation; /* counts the slot's uses, so that a late event finds nobody */
    uint32_t interest;   /* what epoll watches for */
    int64_t deadline_ms;
    struct list age; /* in the order of deadlines */
    struct job job;
    uint8_t protocol;
    uint8_t is_waiting; /* for a key-holder */
    uint8_t closes;     /* once everything is sent */
    uint8_t is_active;  /* has asked or opened well since its owner last reset this */
    uint32_t in_len;    /* the beginning of a frame, or an OPEN frame, or what could not be */
    uint32_t out_at;    /* answered yet; and what could not be sent yet */
    uint32_t out_len;
    uint8_t *in;
    uint8_t *out;
    struct legacy_server *legacy;
};

#define CONNECTION_IN_MAX 16384
#define CONNECTIONS_BUFFERED_MAX (64u << 20) /* bytes of `in` and `out` of all together */

/* What all connections of a worker share. */
struct connection_host {
    struct answerer *answerer;
    int is_legacy_allowed;
    size_t modulus_len;
    size_t pem_len;
    char pem[RSA_LEN_MAX * 3]; /* what every legacy connection is sent first */
    size_t buffered;
    uint8_t in[CONNECTION_IN_MAX];
    uint8_t out[CONNECTION_IN_MAX + FRAME_MAX];
};

enum connection_step {
    CONNECTION_READ,  /* nothing to do before more can be read */
    CONNECTION_WRITE, /* nothing to do before more can be written */
    CONNECTION_JOB,   /* job is to be done by a key-holder; then connection_take_reply */
    CONNECTION_WAIT,  /* that is under way */
    CONNECTION_CLOSE  /* over; *reason says why */
};

/* For an accepted socket; the structure is zeroed but for index and generation. */
void connection_init(struct connection *connection, int fd, int64_t deadline_ms);

/* Gives back all that it has but the descriptor and itself. */
void connection_end(struct connection *connection, struct connection_host *host);

/* Goes on as far as it can without waiting. */
enum connection_step connection_advance(struct connection *connection, struct connection_host *host,
                                        const char **reason);

/* The key-holder's reply to its job. `text` is the answer of the original protocol, NULL where
 * there is none; of an opening the reply itself counts. Then advance. 1, or 0: close it without a
 * word. */
int connection_take_reply(struct connection *connection, struct connection_host *host,
                          const struct channel_reply *reply, const char *text);

/* Its job cannot be done: refuses. Then advance. */
void connection_refuse(struct connection *connection, struct connection_host *host,
                       enum refusal reason);

#endif
