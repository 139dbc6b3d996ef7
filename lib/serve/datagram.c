#include "serve/datagram.h"

#include "base/bytes.h"
#include "net/socket.h"
#include "wire/session.h"

#include <string.h>

/* --- openings --------------------------------------------------------------------------------- */

#define ANSWER_KEPT_MS 4000 /* for who sends the same again, because it was lost on the way */

/* Whether this very frame came from there before, but for its cookie. */
static bool is_same(const struct datagram_job *job, const struct datagram_route *route,
                    const uint8_t *frame, size_t len) {
    return job->job.len == len && job->bytes[FRAME_TYPE] == frame[FRAME_TYPE] &&
           memcmp(job->bytes + OPEN_KEY_ID, frame + OPEN_KEY_ID, len - OPEN_KEY_ID) == 0 &&
           memcmp(job->route.address, route->address, ADDRESS_LEN) == 0;
}

/* The place of a frame that came before; NULL: it did not, or its answer is not kept any more. */
static const struct datagram_job *find_same(const struct datagram_server *server,
                                            const struct datagram_route *route,
                                            const uint8_t *frame, size_t len) {
    int64_t since_ms = net_now_ms() - ANSWER_KEPT_MS;
    for (unsigned i = 0; i < DATAGRAM_JOBS && len > OPEN_KEY_ID; i++) {
        const struct datagram_job *job = &server->jobs[i];
        bool is_kept = job->is_used || (job->answer_len > 0 && job->answered_ms > since_ms);
        if (is_kept && is_same(job, route, frame, len))
            return job;
    }
    return NULL;
}

/* The free place that was answered longest ago; NULL: none is free. */
static struct datagram_job *find_place(struct datagram_server *server, const uint8_t *frame) {
    struct datagram_job *found = NULL;
    /* Some places are never a stranger's. */
    unsigned own =
        frame[FRAME_TYPE] == FRAME_OPEN ? DATAGRAM_JOBS - DATAGRAM_JOBS / 4 : DATAGRAM_JOBS;
    for (unsigned i = 0; i < own; i++) {
        struct datagram_job *job = &server->jobs[i];
        if (!job->is_used && (found == NULL || job->answered_ms < found->answered_ms))
            found = job;
    }
    return found;
}

static size_t take_open(struct datagram_server *server, const struct datagram_route *route,
                        uint8_t *frame, size_t len, uint8_t *out) {
    const struct datagram_job *same = find_same(server, route, frame, len);
    if (same != NULL) {
        size_t answer_len = same->is_used ? 0 : same->answer_len;
        memcpy(out, same->answer, answer_len);
        return answer_len;
    }
    struct datagram_job *job = find_place(server, frame);
    struct job next = {.work = channel_work_of(frame[FRAME_TYPE]), .is_datagram = true, .len = len};
    size_t reply_len = reception_take(server->reception, route->address, true,
                                      job != NULL ? &next : NULL, frame, len, out);
    if (reply_len > 0)
        return reply_len;
    next.bytes = job->bytes;
    job->job = next;
    job->is_used = true;
    job->answer_len = 0;
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
        if (frame.len == len && frame_is_costly(frame.type) && frame.type != FRAME_RECEIPT)
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
    size_t len;
    if (reply == NULL || reply->result == CHANNEL_BAD) {
        len = respond_refuse(owner->answer, reply == NULL ? REFUSED_BUSY : job_refusal(job));
    } else {
        len = owner->answer_len = reply->len;
        memcpy(owner->answer, reply->bytes, len);
    }
    owner->answered_ms = net_now_ms();
    struct iovec vector = {owner->answer, len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    set_route(&message, &owner->route);
    ssize_t done = sendmsg(server->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)done; /* where it fails, the reply counts as lost on the way */
    owner->is_used = false;
}
