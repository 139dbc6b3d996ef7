#include "serve/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void connection_init(struct connection *connection, int fd, int64_t deadline_ms) {
    connection->fd = fd;
    connection->interest = 0;
    connection->deadline_ms = deadline_ms;
    list_init(&connection->age);
    list_init(&connection->queue);
    connection->is_decided = 0;
    connection->is_waiting = 0;
    connection->closes = 0;
    connection->out = NULL;
    connection->out_len = 0;
}

static void say(struct connection *connection, const char *text, size_t len) {
    connection->out = text;
    connection->out_len = len;
}

void connection_answer(struct connection *connection, const char *text) {
    connection->is_waiting = 0;
    legacy_server_answered(&connection->legacy);
    say(connection, text, strlen(text));
}

static enum connection_step end(const char **reason, const char *why) {
    *reason = why;
    return CONNECTION_CLOSE;
}

/* Sends what there is to send. CONNECTION_READ: all is sent. */
static enum connection_step flush(struct connection *connection, const char **reason) {
    while (connection->out_len > 0) {
        ssize_t n = send(connection->fd, connection->out, connection->out_len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? CONNECTION_WRITE : end(reason, "lost");
        connection->out += n;
        connection->out_len -= (size_t)n;
    }
    return connection->closes ? end(reason, "done") : CONNECTION_READ;
}

/* The first byte chooses the protocol. */
static enum connection_step decide(struct connection *connection, const struct connection_key *key,
                                   int is_legacy_allowed, const char **reason) {
    char first;
    ssize_t n = recv(connection->fd, &first, 1, MSG_PEEK);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CONNECTION_READ : end(reason, "lost");
    if (n == 0)
        return end(reason, "left");
    if (first != LEGACY_HELLO[0] || !is_legacy_allowed)
        return end(reason, "unknown_protocol");
    legacy_server_init(&connection->legacy, key->modulus_len);
    connection->is_decided = 1;
    return CONNECTION_WAIT;
}

/* Takes one message off the socket, or a part of it. CONNECTION_WAIT: go on. */
static enum connection_step take(struct connection *connection, const struct connection_key *key,
                                 const char **reason) {
    uint8_t bytes[RSA_LEN_MAX];
    size_t want = legacy_server_wants(&connection->legacy);
    size_t used;
    ssize_t n = recv(connection->fd, bytes, want, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? CONNECTION_READ : end(reason, "lost");
    if (n == 0)
        return end(reason, "left");
    switch (legacy_server_take(&connection->legacy, bytes, (size_t)n, &used)) {
    case LEGACY_SERVER_SEND_KEY:
        say(connection, key->pem, key->pem_len);
        return CONNECTION_WAIT;
    case LEGACY_SERVER_DECRYPT:
        connection->is_waiting = 1;
        return CONNECTION_DECRYPT;
    case LEGACY_SERVER_SEND_STOPPED:
        say(connection, LEGACY_STOPPED, strlen(LEGACY_STOPPED));
        connection->closes = 1;
        return CONNECTION_WAIT;
    case LEGACY_SERVER_REFUSE:
        return end(reason, "malformed");
    case LEGACY_SERVER_WAIT:
    default:
        return CONNECTION_WAIT;
    }
}

enum connection_step connection_advance(struct connection *connection,
                                        const struct connection_key *key, int is_legacy_allowed,
                                        const char **reason) {
    if (connection->is_waiting)
        return CONNECTION_WAIT;
    for (;;) {
        enum connection_step step = flush(connection, reason);
        if (step != CONNECTION_READ)
            return step;
        step = connection->is_decided ? take(connection, key, reason)
                                      : decide(connection, key, is_legacy_allowed, reason);
        if (step != CONNECTION_WAIT)
            return step;
    }
}
