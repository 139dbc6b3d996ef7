/* The session protocol over UDP: a frame a datagram, many datagrams a system call. */
#ifndef DLV_SERVE_DATAGRAM_H
#define DLV_SERVE_DATAGRAM_H

#include "serve/admission.h"
#include "serve/answer.h"
#include "serve/requests.h"

#include <netinet/in.h>

#define DATAGRAM_BATCH 64
#define DATAGRAM_JOBS 256 /* openings that wait at once */

/* Where a datagram came from, and the address of ours that it was sent to: the reply goes back the
 * same way. */
struct datagram_route {
    struct sockaddr_storage peer;
    socklen_t peer_len;
    size_t control_len;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct datagram_job {
    struct job job;
    int is_used;
    struct datagram_route route;
    uint8_t bytes[OPEN_MAX];
};

struct datagram_server {
    int fd;
    int is_v6; /* its address family */
    size_t modulus_len;
    struct answerer *answerer;
    const struct admission *admission;
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

/* Zeroed but for fd, modulus_len, answerer, admission and requests. */
void datagram_init(struct datagram_server *server);

/* Handles what has come, one batch. Returns how many datagrams that were. */
int datagram_serve(struct datagram_server *server);

/* A key-holder's reply; NULL: it will not come. */
void datagram_take_reply(struct datagram_server *server, struct job *job,
                         const struct channel_reply *reply);

/* One frame in, at most one out: what a frame that came from `route` is answered; 0: nothing. It
 * does not matter what carried it. `out` holds FRAME_DATAGRAM_MAX bytes. */
size_t datagram_answer(struct datagram_server *server, const struct datagram_route *route,
                       uint8_t *in, size_t len, uint8_t *out);

#endif
