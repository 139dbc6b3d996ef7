/* Load on a server: questions or openings, as many as it takes or at a fixed rate, from one thread.
 *
 * Questions are made beforehand and asked again and again, each time with another nonce and sealed anew: a server treats
 * a frame that it has seen as a listener's replay. One answer in LOAD_CHECK_EVERY is opened.
 *
 * At a fixed rate times count from when a question was due, not from when it could be sent: a
 * server that stalls is charged for those that had to wait behind (no coordinated omission). */
#ifndef DLV_LOAD_LOAD_H
#define DLV_LOAD_LOAD_H

#include "client/client.h"
#include "histogram.h"

#include <stdbool.h>

#define LOAD_CONNECTIONS_MAX 16384
#define LOAD_CHECK_EVERY 64

struct load_settings {
    const char *server; /* host:port */
    const struct key_set *server_keys;
    const struct rsa_private *kiosk; /* NULL: anonymous */
    bool is_udp;
    bool is_unchecked;    /* any datagram is an answer: what a bare echo of the same frames takes */
    bool is_openings;     /* open sessions instead of asking */
    bool is_receipts;     /* have receipts given, over TCP */
    unsigned connections; /* sockets */
    unsigned window;      /* frames under way on each */
    unsigned digests;     /* in a frame */
    bool is_proved;       /* answers are to be proved */
    uint64_t rate;        /* frames a second; 0: as fast as answers come */
    int64_t duration_ms;
    int64_t timeout_ms; /* of an answer: then it is lost, and its place free */
};

struct load_result {
    uint64_t answered; /* frames */
    uint64_t refused;
    uint64_t lost;  /* no answer in time, or the connection */
    uint64_t wrong; /* not an answer to the question, or not sealed by the server */
    double seconds;
    struct histogram latency; /* of those answered */
};

/* Runs it. 0, or a negative code with the reason where it cannot begin. */
int load_run(const struct load_settings *settings, struct load_result *result, struct error *error);

#endif
