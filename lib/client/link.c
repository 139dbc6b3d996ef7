#include "client/link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Before a frame is sent again over UDP: at first always as long, then twice as long each time. */
#define UDP_RETRY_MS 200
#define UDP_EAGER_MS 2000

/* Whether a send(2) or connect(2) has failed only just now: no route, no buffers, no network yet. */
static bool is_passing(int number) {
    return number == ENETUNREACH || number == EHOSTUNREACH || number == ENETDOWN ||
           number == ENOBUFS || number == ENOMEM || number == EADDRNOTAVAIL || number == EPERM ||
           number == ECONNREFUSED;
}

enum link_result link_fail(const struct link *link, enum link_result result, struct error *error,
                           const char *what) {
    error_set(error, ERR_FORMAT, "%s: %s", link->server, what);
    return result;
}

/* Keeps the first of these. */
static void note_hint(struct link *link, enum link_result result, const struct error *reason) {
    if (link->has_hint)
        return;
    link->has_hint = true;
    link->hint = result;
    link->hint_reason = *reason;
    link->hint_ms = net_now_ms();
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
    bool is_no_way = is_passing(errno) && errno != ECONNREFUSED;
    enum link_result result = link->fd == ERR_TIMEOUT ? LINK_TIMED_OUT
                              : link->fd == ERR_LIMIT ? LINK_NO_ADDRESS
                              : is_no_way             ? LINK_NO_WAY
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
        if (net_now_ms() >= deadline_ms)
            return socket_failed(link, ERR_TIMEOUT, doing, error);
        long n = link->is_udp ? receive_datagram(link, &bytes, deadline_ms)
                              : receive_stream(link, &bytes, deadline_ms);
        if (n == ERR_FORMAT)
            return link_fail(link, LINK_DISTRUSTED, error, "it does not speak this protocol");
        if (n < 0 && link->is_udp && n != ERR_TIMEOUT && is_passing(errno)) {
            socket_failed(link, (int)n, doing, error);
            note_hint(link, LINK_LOST, error);
            continue;
        }
        if (n < 0)
            return socket_failed(link, (int)n, doing, error);
        result = take(context, bytes, (size_t)n, error);
    }
    return result;
}

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Sends a datagram. What has failed only just now counts as lost on the way. */
static enum link_result send_datagram(struct link *link, const uint8_t *frame, size_t len,
                                      int64_t deadline_ms, const char *doing, struct error *error) {
    enum link_result result = link_send(link, frame, len, deadline_ms, doing, error);
    if (result != LINK_LOST || !is_passing(errno))
        return result;
    note_hint(link, LINK_NO_WAY, error);
    return LINK_DONE;
}

static enum link_result exchange_datagrams(struct link *link, const uint8_t *frame, size_t len,
                                           link_take *take, void *context, int64_t deadline_ms,
                                           const char *doing, struct error *error) {
    int64_t start_ms = net_now_ms(), retry_ms = UDP_RETRY_MS;
    link->has_hint = false;
    for (;;) {
        int64_t now_ms = net_now_ms(), until_ms = sooner(deadline_ms, now_ms + retry_ms);
        enum link_result result = send_datagram(link, frame, len, deadline_ms, doing, error);
        if (result == LINK_DONE)
            result = link_receive(link, take, context, until_ms, doing, error);
        if (result != LINK_TIMED_OUT)
            return result;
        bool is_believed = link->has_hint && net_now_ms() >= link->hint_ms + LINK_DOUBT_MS;
        if (is_believed || (link->has_hint && until_ms == deadline_ms)) {
            *error = link->hint_reason;
            return link->hint;
        }
        if (until_ms == deadline_ms)
            return result;
        if (now_ms - start_ms >= UDP_EAGER_MS)
            retry_ms *= 2;
    }
}

enum link_result link_exchange(struct link *link, const uint8_t *frame, size_t len, link_take *take,
                               void *context, int64_t deadline_ms, const char *doing,
                               struct error *error) {
    if (link->is_udp)
        return exchange_datagrams(link, frame, len, take, context, deadline_ms, doing, error);
    enum link_result result = link_send(link, frame, len, deadline_ms, doing, error);
    return result == LINK_DONE ? link_receive(link, take, context, deadline_ms, doing, error)
                               : result;
}

static enum link_result refusal_of(const struct link *link, const struct frame *frame,
                                   struct error *error) {
    switch (frame->detail) {
    case REFUSED_VERSION:
        return link_fail(link, LINK_REFUSED, error, "it speaks another version of the protocol");
    case REFUSED_BUSY:
        return link_fail(link, LINK_BUSY, error, "it is busy");
    case REFUSED_SESSION:
        return link_fail(link, LINK_SESSION_ENDED, error, "the session has ended");
    case REFUSED_OPENING:
        return link_fail(link, LINK_WRONG_KEY, error,
                         "it opens no session: it has another key than the one given");
    default:
        return link_fail(link, LINK_REFUSED, error, "it refuses, without a reason that is known");
    }
}

enum link_result link_take_refusal(struct link *link, const struct frame *frame,
                                   struct error *error) {
    enum link_result result = refusal_of(link, frame, error);
    if (!link->is_udp)
        return result;
    note_hint(link, result, error);
    return LINK_WAIT;
}
