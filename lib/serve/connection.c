#include "serve/connection.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { UNDECIDED, LEGACY, SESSION, LINGERING };

void connection_init(struct connection *connection, int fd, int64_t deadline_ms) {
    connection->fd = fd;
    connection->deadline_ms = deadline_ms;
    connection->protocol = UNDECIDED;
    list_init(&connection->age);
    list_init(&connection->job.link);
    connection->job.under_way = -1;
}

static enum connection_step end(const char **reason, const char *why) {
    *reason = why;
    return CONNECTION_CLOSE;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Copies `len` bytes into memory of the connection's; NULL where all have too much. */
static uint8_t *keep(struct connection_host *host, const uint8_t *bytes, size_t len) {
    if (host->buffered + len > CONNECTIONS_BUFFERED_MAX)
        return NULL;
    uint8_t *kept = malloc(len);
    if (kept != NULL) {
        memcpy(kept, bytes, len);
        host->buffered += len;
    }
    return kept;
}

static void drop(struct connection_host *host, uint8_t **kept, uint32_t *len) {
    host->buffered -= *len;
    free(*kept);
    *kept = NULL;
    *len = 0;
}

void connection_end(struct connection *connection, struct connection_host *host) {
    drop(host, &connection->in, &connection->in_len);
    drop(host, &connection->out, &connection->out_len);
    if (connection->legacy != NULL)
        wipe(connection->legacy, sizeof *connection->legacy);
    free(connection->legacy);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Sends what can be sent at once. CONNECTION_WAIT: all of it; *sent bytes in any case. */
static enum connection_step send_now(const struct connection *connection, const uint8_t *bytes,
                                     size_t len, size_t *sent, const char **reason) {
    *sent = 0;
    while (*sent < len) {
        ssize_t n = send(connection->fd, bytes + *sent, len - *sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? CONNECTION_WRITE : end(reason, "lost");
        *sent += (size_t)n;
    }
    return CONNECTION_WAIT;
}

/* Sends, or keeps what cannot be sent yet. CONNECTION_WAIT: go on. */
static enum connection_step say(struct connection *connection, struct connection_host *host,
                                const void *bytes, size_t len, const char **reason) {
    size_t sent;
    enum connection_step step = send_now(connection, bytes, len, &sent, reason);
    if (step != CONNECTION_WRITE)
        return step;
    connection->out = keep(host, (const uint8_t *)bytes + sent, len - sent);
    if (connection->out == NULL)
        return end(reason, "memory");
    connection->out_at = 0;
    connection->out_len = (uint32_t)(len - sent);
    return CONNECTION_WRITE;
}

/* Sends what was kept. CONNECTION_WAIT: there is nothing left. */
static enum connection_step flush(struct connection *connection, struct connection_host *host,
                                  const char **reason) {
    size_t sent;
    if (connection->out == NULL)
        return CONNECTION_WAIT;
    enum connection_step step = send_now(connection, connection->out + connection->out_at,
                                         connection->out_len - connection->out_at, &sent, reason);
    connection->out_at += (uint32_t)sent;
    if (step == CONNECTION_WAIT)
        drop(host, &connection->out, &connection->out_len);
    return step;
}

/* After the last word: the client gets it only if what it has sent is read, too. */
static enum connection_step linger(struct connection *connection, struct connection_host *host,
                                   const char **reason) {
    if (connection->protocol != LINGERING) {
        connection->protocol = LINGERING;
        shutdown(connection->fd, SHUT_WR);
    }
    ssize_t n = recv(connection->fd, host->in, sizeof host->in, 0);
    if (n == 0)
        return end(reason, "done");
    return n > 0 || errno == EAGAIN || errno == EINTR ? CONNECTION_READ : end(reason, "lost");
}

/* --- the original protocol -------------------------------------------------------------------- */

/* Takes one message off the socket, or a part of it. CONNECTION_WAIT: go on. */
static enum connection_step take_legacy(struct connection *connection, struct connection_host *host,
                                        const char **reason) {
    size_t want = legacy_server_wants(connection->legacy);
    size_t used;
    ssize_t n = recv(connection->fd, host->in, want, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CONNECTION_READ : end(reason, "lost");
    if (n == 0)
        return end(reason, "left");
    switch (legacy_server_take(connection->legacy, host->in, (size_t)n, &used)) {
    case LEGACY_SERVER_SEND_KEY:
        return say(connection, host, host->pem, host->pem_len, reason);
    case LEGACY_SERVER_DECRYPT:
        connection->is_waiting = 1;
        connection->job.work = CHANNEL_LEGACY;
        connection->job.bytes = connection->legacy->buffer;
        connection->job.len = connection->legacy->modulus_len;
        return CONNECTION_JOB;
    case LEGACY_SERVER_SEND_STOPPED:
        connection->closes = 1;
        return say(connection, host, LEGACY_STOPPED, strlen(LEGACY_STOPPED), reason);
    case LEGACY_SERVER_REFUSE:
        return end(reason, "malformed");
    case LEGACY_SERVER_WAIT:
    default:
        return CONNECTION_WAIT;
    }
}

/* --- sessions --------------------------------------------------------------------------------- */

/* What is left over in the host's buffer waits in the connection's own. */
static enum connection_step keep_rest(struct connection *connection, struct connection_host *host,
                                      size_t at, size_t have, enum connection_step step,
                                      const char **reason) {
    if (at == have)
        return step;
    connection->in = keep(host, host->in + at, have - at);
    if (connection->in == NULL)
        return end(reason, "memory");
    connection->in_len = (uint32_t)(have - at);
    return step;
}

/* An OPEN frame waits for a key-holder; nothing may follow it before the answer. */
static enum connection_step begin_opening(struct connection *connection,
                                          struct connection_host *host, size_t at, size_t have,
                                          size_t frame_len, const char **reason) {
    if (have - at != frame_len)
        return end(reason, "malformed");
    if (frame_len != OPEN_LEN(host->modulus_len)) { /* for another key than ours */
        count(host->answerer->counts, COUNT_REFUSED_OPENING);
        connection_refuse(connection, host, REFUSED_OPENING);
        return CONNECTION_WAIT;
    }
    memset(host->in + at + OPEN_COOKIE, 0, COOKIE_LEN);
    enum connection_step step = keep_rest(connection, host, at, have, CONNECTION_JOB, reason);
    connection->is_waiting = step == CONNECTION_JOB;
    connection->job.work = CHANNEL_OPEN;
    connection->job.bytes = connection->in;
    connection->job.len = frame_len;
    return step;
}

/* Answers the whole frames at the host's buffer from *at on. CONNECTION_WAIT: all of them. */
static enum connection_step answer_frames(struct connection *connection,
                                          struct connection_host *host, size_t *at, size_t have,
                                          size_t *out_len, const char **reason) {
    struct frame frame;
    while (*at < have && sizeof host->out - *out_len >= FRAME_MAX) {
        switch (frame_read_header(&frame, host->in + *at, have - *at)) {
        case FRAME_WAIT:
            return CONNECTION_WAIT;
        case FRAME_OTHER_VERSION:
            count(host->answerer->counts, COUNT_REFUSED_VERSION);
            *out_len += answer_refuse(host->out + *out_len, REFUSED_VERSION);
            *at = have;
            connection->closes = 1;
            return CONNECTION_WAIT;
        case FRAME_FOREIGN:
            return end(reason, "malformed");
        case FRAME_OK:
            break;
        }
        if (frame.len > FRAME_TO_SERVER_MAX)
            return end(reason, "malformed");
        if (have - *at < frame.len)
            return CONNECTION_WAIT;
        if (frame.type == FRAME_OPEN)
            return CONNECTION_JOB;
        if (frame.type != FRAME_ASK)
            return end(reason, "malformed");
        size_t len =
            answer_ask(host->answerer, host->in + *at, frame.len, FRAME_MAX, host->out + *out_len);
        connection->is_active |= len > FRAME_HEADER_LEN;
        *out_len += len;
        *at += frame.len;
    }
    return CONNECTION_WAIT;
}

/* Reads once and answers what has come. */
static enum connection_step take_session(struct connection *connection,
                                         struct connection_host *host, const char **reason) {
    size_t have = connection->in_len, at = 0, out_len = 0;
    if (have > 0) {
        memcpy(host->in, connection->in, have);
        drop(host, &connection->in, &connection->in_len);
    }
    ssize_t n = sizeof host->in > have
                    ? recv(connection->fd, host->in + have, sizeof host->in - have, 0)
                    : -1;
    if (n == 0)
        return end(reason, "left");
    if (n < 0 && sizeof host->in > have && errno != EAGAIN && errno != EINTR)
        return end(reason, "lost");
    have += n > 0 ? (size_t)n : 0;
    enum connection_step step = answer_frames(connection, host, &at, have, &out_len, reason);
    if (step == CONNECTION_CLOSE)
        return step;
    if (out_len > 0) {
        enum connection_step sent = say(connection, host, host->out, out_len, reason);
        if (sent != CONNECTION_WAIT)
            return sent == CONNECTION_CLOSE ? sent
                                            : keep_rest(connection, host, at, have, sent, reason);
    }
    if (step == CONNECTION_JOB) {
        struct frame frame;
        frame_read_header(&frame, host->in + at, have - at);
        return begin_opening(connection, host, at, have, frame.len, reason);
    }
    if (at < have && sizeof host->out - out_len < FRAME_MAX) /* answers were long: go on */
        return keep_rest(connection, host, at, have, CONNECTION_WAIT, reason);
    return keep_rest(connection, host, at, have,
                     connection->closes ? CONNECTION_WAIT : CONNECTION_READ, reason);
}

/* --- both ------------------------------------------------------------------------------------- */

/* The first byte chooses the protocol. */
static enum connection_step decide(struct connection *connection, struct connection_host *host,
                                   const char **reason) {
    uint8_t first;
    struct frame frame;
    ssize_t n = recv(connection->fd, &first, 1, MSG_PEEK);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CONNECTION_READ : end(reason, "lost");
    if (n == 0)
        return end(reason, "left");
    if (frame_read_header(&frame, &first, 1) == FRAME_WAIT) {
        connection->protocol = SESSION;
        return CONNECTION_WAIT;
    }
    if (first != LEGACY_HELLO[0] || !host->is_legacy_allowed)
        return end(reason, "unknown_protocol");
    connection->legacy = malloc(sizeof *connection->legacy);
    if (connection->legacy == NULL)
        return end(reason, "memory");
    legacy_server_init(connection->legacy, host->modulus_len);
    connection->protocol = LEGACY;
    return CONNECTION_WAIT;
}

enum connection_step connection_advance(struct connection *connection, struct connection_host *host,
                                        const char **reason) {
    if (connection->is_waiting)
        return CONNECTION_WAIT;
    for (;;) {
        enum connection_step step = flush(connection, host, reason);
        if (step != CONNECTION_WAIT)
            return step;
        if (connection->closes)
            return connection->protocol == LEGACY ? end(reason, "done")
                                                  : linger(connection, host, reason);
        step = connection->protocol == SESSION  ? take_session(connection, host, reason)
               : connection->protocol == LEGACY ? take_legacy(connection, host, reason)
                                                : decide(connection, host, reason);
        if (step != CONNECTION_WAIT)
            return step;
    }
}

/* Says what a key-holder's reply brought; what cannot be sent now is sent by connection_advance. */
static int answer_job(struct connection *connection, struct connection_host *host,
                      const void *bytes, size_t len) {
    const char *reason;
    connection->is_waiting = 0;
    drop(host, &connection->in, &connection->in_len);
    return say(connection, host, bytes, len, &reason) != CONNECTION_CLOSE;
}

int connection_take_reply(struct connection *connection, struct connection_host *host,
                          const struct channel_reply *reply, const char *text) {
    if (connection->protocol == LEGACY) {
        if (text == NULL)
            return 0;
        legacy_server_answered(connection->legacy);
        return answer_job(connection, host, text, strlen(text));
    }
    if (!reply->is_good) {
        connection_refuse(connection, host, REFUSED_OPENING);
        return 1;
    }
    connection->is_active = 1;
    return answer_job(connection, host, reply->bytes, reply->len);
}

void connection_refuse(struct connection *connection, struct connection_host *host,
                       enum refusal reason) {
    uint8_t refusal[FRAME_HEADER_LEN];
    connection->closes = 1;
    answer_job(connection, host, refusal, answer_refuse(refusal, reason));
}
