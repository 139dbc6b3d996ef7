#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define UDP_RETRY_MS 300 /* before a frame is sent again the first time; doubled each time */

enum link_result link_fail(const struct link *link, enum link_result result, struct error *error,
                           const char *what) {
    error_set(error, ERR_FORMAT, "%s: %s", link->server, what);
    return result;
}

/* What a failure of the socket comes to. */
static enum link_result socket_failed(const struct link *link, int code, const char *doing,
                                      struct error *error) {
    if (code == ERR_TIMEOUT) {
        error_set(error, code, "%s: no answer within the time allowed (%s)", link->server, doing);
        return LINK_TIMED_OUT;
    }
    error_set_errno(error, "%s: %s", link->server, doing);
    return LINK_LOST;
}

enum link_result link_open(struct link *link, unsigned nth, int64_t deadline_ms,
                           struct error *error) {
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    if (net_split(link->server, "8080", host, port, error) != 0)
        return LINK_REFUSED;
    link->in_at = link->in_end = 0;
    link->fd = link->is_udp ? net_connect_datagrams(host, port, nth, error)
                            : net_connect(host, port, deadline_ms, error);
    if (link->fd >= 0)
        return LINK_DONE;
    enum link_result result = link->fd == ERR_TIMEOUT ? LINK_TIMED_OUT
                              : link->fd == ERR_LIMIT ? LINK_NO_ADDRESS
                                                      : LINK_LOST;
    link->fd = -1;
    return result;
}

void link_close(struct link *link) {
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

/* Moves what was not taken yet to the start of the buffer. */
static void make_room(struct link *link) {
    memmove(link->in, link->in + link->in_at, link->in_end - link->in_at);
    link->in_end -= link->in_at;
    link->in_at = 0;
}

/* Receives the next whole frame over TCP. Its length, or a negative code. */
static long receive_stream(struct link *link, uint8_t **bytes, int64_t deadline_ms) {
    for (;;) {
        struct frame frame;
        size_t have = link->in_end - link->in_at;
        *bytes = link->in + link->in_at;
        enum frame_result result = frame_read_header(&frame, *bytes, have);
        if (result == FRAME_FOREIGN || result == FRAME_OTHER_VERSION ||
            (result == FRAME_OK && frame.len > FRAME_MAX))
            return ERR_FORMAT;
        if (result == FRAME_OK && have >= frame.len) {
            link->in_at += frame.len;
            return frame.len;
        }
        make_room(link);
        ssize_t n = net_receive(link->fd, link->in + link->in_end, sizeof link->in - link->in_end,
                                deadline_ms);
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return n == 0 ? ERR_SYSTEM : (long)n;
        link->in_end += (size_t)n;
    }
}

static long receive_datagram(struct link *link, uint8_t **bytes, int64_t deadline_ms) {
    *bytes = link->in;
    return net_receive(link->fd, link->in, sizeof link->in, deadline_ms);
}

enum link_result link_send(const struct link *link, const uint8_t *frames, size_t len,
                           int64_t deadline_ms, const char *doing, struct error *error) {
    int code = net_send(link->fd, frames, len, deadline_ms);
    return code == 0 ? LINK_DONE : socket_failed(link, code, doing, error);
}

enum link_result link_receive(struct link *link, link_take *take, void *context,
                              int64_t deadline_ms, const char *doing, struct error *error) {
    enum link_result result = LINK_WAIT;
    while (result == LINK_WAIT) {
        uint8_t *bytes;
        long n = link->is_udp ? receive_datagram(link, &bytes, deadline_ms)
                              : receive_stream(link, &bytes, deadline_ms);
        if (n == ERR_FORMAT)
            return link_fail(link, LINK_DISTRUSTED, error, "it does not speak this protocol");
        if (n < 0)
            return socket_failed(link, (int)n, doing, error);
        result = take(context, bytes, (size_t)n, error);
    }
    return result;
}

enum link_result link_exchange(struct link *link, const uint8_t *frame, size_t len, link_take *take,
                               void *context, int64_t deadline_ms, const char *doing,
                               struct error *error) {
    int64_t retry_ms = link->is_udp ? UDP_RETRY_MS : INT64_MAX / 4;
    for (;; retry_ms *= 2) {
        int64_t retry_at_ms = net_now_ms() + retry_ms;
        int64_t until_ms = deadline_ms < retry_at_ms ? deadline_ms : retry_at_ms;
        enum link_result result = link_send(link, frame, len, deadline_ms, doing, error);
        if (result == LINK_DONE)
            result = link_receive(link, take, context, until_ms, doing, error);
        if (result != LINK_TIMED_OUT || until_ms == deadline_ms)
            return result;
    }
}

enum link_result link_take_refusal(const struct link *link, const struct frame *frame,
                                   struct error *error) {
    switch (frame->detail) {
    case REFUSED_VERSION:
        return link_fail(link, LINK_REFUSED, error, "it speaks another version of the protocol");
    case REFUSED_BUSY:
        return link_fail(link, LINK_BUSY, error, "it is busy");
    case REFUSED_SESSION:
        return link_fail(link, LINK_SESSION_ENDED, error, "the session has ended");
    default:
        return link_fail(link, LINK_WRONG_KEY, error,
                         "it opens no session: it has another key than the one given");
    }
}
