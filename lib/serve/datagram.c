#include "serve/datagram.h"

#include "base/bytes.h"
#include "net/socket.h"
#include "wire/session.h"

#include <string.h>

/* --- openings --------------------------------------------------------------------------------- */

/* A free job; NULL where there is none. *is_known says whether this very opening waits already: its
 * client has sent it again because no answer has come yet. */
static struct datagram_job *find_job(struct datagram_server *server,
                                     const struct datagram_route *route, const uint8_t *frame,
                                     size_t len, bool *is_known) {
    struct datagram_job *free_job = NULL;
    *is_known = false;
    /* Some places are never a stranger's. */
    unsigned own =
        frame[FRAME_TYPE] == FRAME_OPEN ? DATAGRAM_JOBS - DATAGRAM_JOBS / 4 : DATAGRAM_JOBS;
    for (unsigned i = 0; i < DATAGRAM_JOBS; i++) {
        struct datagram_job *job = &server->jobs[i];
        if (!job->is_used && i < own)
            free_job = job;
        if (!job->is_used || job->job.len != len ||
            memcmp(job->bytes + OPEN_SHARE, frame + OPEN_SHARE, X25519_LEN) !=
                0) /* or the ticket */
            continue;
        *is_known |= memcmp(route->address, job->route.address, ADDRESS_LEN) == 0;
    }
    return free_job;
}

static size_t take_open(struct datagram_server *server, const struct datagram_route *route,
                        uint8_t *frame, size_t len, uint8_t *out) {
    bool is_known;
    struct datagram_job *job = find_job(server, route, frame, len, &is_known);
    if (is_known)
        return 0;
    if (job != NULL)
        job->job = (struct job){.work = channel_work_of(frame[FRAME_TYPE]),
                                .is_datagram = true,
                                .bytes = job->bytes,
                                .len = len};
    size_t reply_len = reception_take(server->reception, route->address, true,
                                      job != NULL ? &job->job : NULL, frame, len, out);
    if (reply_len > 0)
        return reply_len;
    job->is_used = true;
    job->route = *route;
    memcpy(job->bytes, frame, len);
    list_init(&job->job.link);
    if (requests_add(server->requests, &job->job, net_now_ms()))
        return 0;
    job->is_used = false;
    return reception_busy(server->reception, out);
}

/* --- frames ----------------------------------------------------------------------------------- */

size_t datagram_answer(struct datagram_server *server, struct datagram_route *route, uint8_t *in,
                       size_t len, uint8_t *out) {
    admission_address(route->address, &route->peer);
    struct counts *counts = server->answerer->counts;
    struct frame frame;
    switch (frame_read_header(&frame, in, len)) {
    case FRAME_OTHER_VERSION:
        if (len < FRAME_HEADER_LEN)
            return 0;
        count(counts, COUNT_REFUSED_VERSION);
        return respond_refuse(out, REFUSED_VERSION);
    case FRAME_OK:
        if (frame.len == len && len <= FRAME_DATAGRAM_MAX && frame.type == FRAME_ASK)
            return answerer_ask(server->answerer, route->address, 0, in, len, out);
        if (frame.len == len && frame_is_costly(frame.type))
            return take_open(server, route, in, len, out);
        break;
    case FRAME_WAIT:
    case FRAME_FOREIGN:
        break;
    }
    count(counts, COUNT_REFUSED_MALFORMED);
    return 0;
}

/* --- the socket ------------------------------------------------------------------------------- */

void datagram_init(struct datagram_server *server) {
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    if (server->fd >= 0 && getsockname(server->fd, (struct sockaddr *)&own, &len) == 0)
        server->is_v6 = own.ss_family == AF_INET6;
    for (unsigned i = 0; i < DATAGRAM_BATCH; i++) {
        server->in_vectors[i] = (struct iovec){server->in[i], sizeof server->in[i]};
        server->out_vectors[i] = (struct iovec){server->out[i], 0};
    }
}

/* The interface that a datagram came in by need not be the one that leads back. */
static void forget_interface(struct datagram_route *route) {
    struct cmsghdr *header = (struct cmsghdr *)(void *)route->control;
    if (route->control_len < CMSG_LEN(0))
        return;
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(header), sizeof info);
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(header), &info, sizeof info);
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(header), sizeof info);
        info.ipi_ifindex = 0;
        info.ipi_spec_dst = info.ipi_addr;
        memcpy(CMSG_DATA(header), &info, sizeof info);
    } else {
        route->control_len = 0;
    }
}

static void set_route(struct msghdr *message, struct datagram_route *route) {
    message->msg_name = &route->peer;
    message->msg_namelen = route->peer_len;
    message->msg_control = route->control_len > 0 ? route->control : NULL;
    message->msg_controllen = (socklen_t)route->control_len;
}

static int receive(struct datagram_server *server) {
    for (unsigned i = 0; i < DATAGRAM_BATCH; i++) {
        struct datagram_route *route = &server->routes[i];
        server->received[i].msg_hdr = (struct msghdr){.msg_iov = &server->in_vectors[i],
                                                      .msg_iovlen = 1,
                                                      .msg_name = &route->peer,
                                                      .msg_namelen = sizeof route->peer,
                                                      .msg_control = route->control,
                                                      .msg_controllen = sizeof route->control};
    }
    return recvmmsg(server->fd, server->received, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
}

int datagram_serve(struct datagram_server *server) {
    unsigned replies = 0;
    int n = receive(server);
    for (int i = 0; i < n; i++) {
        struct msghdr *message = &server->received[i].msg_hdr;
        struct datagram_route *route = &server->routes[i];
        route->peer_len = message->msg_namelen;
        route->control_len = message->msg_controllen;
        forget_interface(route);
        size_t len = datagram_answer(server, route, server->in[i], server->received[i].msg_len,
                                     server->out[replies]);
        if (len == 0)
            continue;
        server->out_vectors[replies].iov_len = len;
        server->replies[replies].msg_hdr =
            (struct msghdr){.msg_iov = &server->out_vectors[replies], .msg_iovlen = 1};
        set_route(&server->replies[replies++].msg_hdr, route);
    }
    /* A reply that cannot be sent counts as lost on the way: its client asks again. It must not
     * hold up the replies behind it. */
    for (unsigned sent = 0; sent < replies;) {
        int done = net_send_messages(server->fd, server->replies + sent, replies - sent);
        sent += done > 0 ? (unsigned)done : 1;
    }
    if (n > 0)
        count_add(&server->answerer->counts->named[COUNT_DATAGRAMS], (uint64_t)n);
    return n > 0 ? n : 0;
}

void datagram_take_reply(struct datagram_server *server, struct job *job,
                         const struct channel_reply *reply) {
    struct datagram_job *owner = LIST_ENTRY(job, struct datagram_job, job);
    uint8_t refusal[FRAME_HEADER_LEN];
    const uint8_t *bytes = refusal;
    size_t len = 0;
    if (reply == NULL || reply->result == CHANNEL_BAD) {
        len = respond_refuse(refusal, reply == NULL ? REFUSED_BUSY : job_refusal(job));
    } else {
        bytes = reply->bytes;
        len = reply->len;
    }
    union {
        const uint8_t *in;
        void *out;
    } sent = {bytes};
    struct iovec vector = {sent.out, len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    set_route(&message, &owner->route);
    ssize_t done = sendmsg(server->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)done; /* where it fails, the reply counts as lost on the way */
    owner->is_used = false;
}
