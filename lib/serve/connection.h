/* One TCP connection of a client: bytes come in, its protocol takes a step, bytes go out. Nothing
 * here ever waits. */
#ifndef DLV_SERVE_CONNECTION_H
#define DLV_SERVE_CONNECTION_H

#include "base/list.h"
#include "serve/answerer.h"
#include "serve/holders.h"
#include "serve/requests.h"
#include "wire/legacy.h"

#include <stdbool.h>

/* Why a connection is closed, as far as it is counted. */
enum connection_end { END_ORDINARY, END_MALFORMED, END_UNKNOWN_PROTOCOL };

/* This is small because most connections are idle. What only some need is allocated while they need
 * it. */
struct connection {
    int fd;
    uint32_t index;
    uint32_t generation; /* counts the uses of the slot, so that a late event finds nobody */
    uint32_t interest;   /* what epoll watches for */
    int64_t deadline_ms;
    int64_t active_ms;            /* when it came, or has last asked what was new */
    struct list age;              /* in the order of deadlines */
    uint8_t address[ADDRESS_LEN]; /* whose it is */
    bool is_proxied;              /* a header that says so comes first (wire/proxy.h) */
    uint64_t network;             /* that it comes from (admission_network) */
    uint64_t asker;               /* the kiosk that has asked on it last; 0: none has */
    struct holding holding;       /* the kiosk, or else the network, whose it is */
    struct job job;
    uint8_t protocol;
    uint8_t end;     /* enum connection_end */
    bool is_waiting; /* its job is with the key-holders */
    bool closes;     /* once everything has been sent */
    /* has opened a session, or asked what was not asked before, since its owner last reset this */
    bool is_active;
    uint8_t repeats; /* questions in a row that had come before, on whatever connection */
    bool rests;      /* its owner reads nothing more from it for a while */
    int64_t rests_until_ms;
    struct list rest; /* in the order of those times */
    uint32_t in_len; /* bytes at `in`: the beginning of a frame, an OPEN frame, or frames that could
                        not be answered yet */
    uint32_t out_at; /* bytes at `out` that have been sent */
    uint32_t out_len;
    uint8_t *in;
    uint8_t *out; /* what could not be sent yet */
    struct legacy_server *legacy;
};

#define CONNECTION_IN_MAX 16384
#define CONNECTIONS_BUFFERED_MAX (64u << 20) /* bytes of `in` and `out` of all (holders.h) */

/* What all connections of a worker share. */
struct connection_host {
    struct answerer *answerer;
    bool is_legacy_allowed;
    struct holders holders;
    uint8_t in[CONNECTION_IN_MAX];
    uint8_t out[CONNECTION_IN_MAX + FRAME_MAX];
};

enum connection_step {
    CONNECTION_READ,  /* nothing to do until more can be read */
    CONNECTION_WRITE, /* nothing to do until more can be written */
    CONNECTION_JOB,   /* its job is to be given to a key-holder; then connection_wait */
    CONNECTION_WAIT,  /* its job is with the key-holders; then connection_take_reply */
    CONNECTION_CLOSE  /* it is over */
};

/* For an accepted socket. The structure is zeroed, except for index and generation. */
void connection_init(struct connection *connection, int fd, int64_t deadline_ms);

/* Gives back all that it has, except the descriptor and itself. */
void connection_end(struct connection *connection, struct connection_host *host);

/* Goes on as far as it can without waiting. */
enum connection_step connection_advance(struct connection *connection,
                                        struct connection_host *host);

/* Its job has been given to a key-holder. */
void connection_wait(struct connection *connection);

/* The job of a CONNECTION_JOB is not done: `frame` (a refusal) is sent instead, and then the
 * connection ends. Then advance. */
void connection_refuse(struct connection *connection, struct connection_host *host,
                       const uint8_t *frame, size_t len);

/* The key-holder's reply to its job. For a session `reply` counts; for the original protocol
 * `text`, the answer, which is NULL where there is none. Then advance. False: close it without a
 * word. */
bool connection_take_reply(struct connection *connection, struct connection_host *host,
                           const struct channel_reply *reply, const char *text);

#endif
