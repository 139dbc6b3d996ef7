/* The session protocol over UDP: a frame a datagram, many datagrams a system call. */
#ifndef DLV_SERVE_DATAGRAM_H
#define DLV_SERVE_DATAGRAM_H

#include "serve/answerer.h"
#include "serve/reception.h"
#include "serve/requests.h"

#include <netinet/in.h>
#include <stdbool.h>

#define DATAGRAM_BATCH 64
#define DATAGRAM_JOBS 256 /* openings that wait at once */

/* Where a datagram came from, and which of our addresses it was sent to. The reply goes back the
 * same way. */
struct datagram_route {
    struct sockaddr_storage peer;
    uint8_t address[ADDRESS_LEN]; /* of the peer */
    socklen_t peer_len;
    size_t control_len;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* An opening that waits, or the place of one that was answered. */
struct datagram_job {
    struct job job;
    bool is_used; /* it waits */
    struct datagram_route route;
    uint8_t bytes[CHANNEL_BYTES_MAX];
    int64_t answered_ms; /* when it was; 0: never */
    size_t answer_len;   /* 0: it has none */
    uint8_t answer[RSA_LEN_MAX];
};

struct datagram_server {
    int fd;
    bool is_v6; /* its address family */
    struct answerer *answerer;
    const struct reception *reception;
    struct requests *requests;
    struct mmsghdr received[DATAGRAM_BATCH];
    struct mmsghdr replies[DATAGRAM_BATCH];
    struct iovec in_vectors[DATAGRAM_BATCH];
    struct iovec out_vectors[DATAGRAM_BATCH];
    struct datagram_route routes[DATAGRAM_BATCH];
    uint8_t in[DATAGRAM_BATCH][FRAME_DATAGRAM_MAX + 1]; /* one more shows that it is too long */
    uint8_t out[DATAGRAM_BATCH][FRAME_DATAGRAM_MAX];
    struct datagram_job jobs[DATAGRAM_JOBS];
};

/* The structure is zeroed, except for fd, answerer, reception and requests. */
void datagram_init(struct datagram_server *server);

/* Handles what has come, one batch. Returns how many datagrams that were. */
int datagram_serve(struct datagram_server *server);

/* Takes a key-holder's reply; NULL: none will come. */
void datagram_take_reply(struct datagram_server *server, struct job *job,
                         const struct channel_reply *reply);

/* The answer to one frame that came from `route`, whose peer is set, at `out`, which holds FRAME_DATAGRAM_MAX bytes.
 * Returns its length; 0: there is none, or it comes later (datagram_take_reply). What carried the
 * frame does not matter. */
size_t datagram_answer(struct datagram_server *server, struct datagram_route *route, uint8_t *in,
                       size_t len, uint8_t *out);

#endif
