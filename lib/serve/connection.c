#include "serve/connection.h"

#include "base/bytes.h"
#include "wire/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { UNDECIDED, LEGACY, SESSION, LINGERING };

/* A client asks again over TCP what it has asked over UDP, but few questions at most; and of those that are new one in
 * hundreds is taken for an old one (serve/seen.h). Who goes on like that replays what he has heard. */
#define REPEATS_MAX 3

/* Most functions below return whether the connection can go on at once. Where it cannot, *step says
 * what it waits for. */

void connection_init(struct connection *connection, int fd, int64_t deadline_ms) {
    connection->fd = fd;
    connection->deadline_ms = deadline_ms;
    connection->protocol = UNDECIDED;
    list_init(&connection->age);
    list_init(&connection->rest);
    list_init(&connection->job.link);
    connection->job.under_way = -1;
}

static bool stop(enum connection_step *step, enum connection_step at) {
    *step = at;
    return false;
}

static bool close_it(struct connection *connection, enum connection_end end,
                     enum connection_step *step) {
    connection->end = (uint8_t)end;
    return stop(step, CONNECTION_CLOSE);
}

/* After a recv(2) that brought nothing: waits for more, unless the connection is lost. */
static bool wait_to_read(struct connection *connection, enum connection_step *step) {
    if (errno == EAGAIN || errno == EINTR)
        return stop(step, CONNECTION_READ);
    return close_it(connection, END_ORDINARY, step);
}

/* --- memory ----------------------------------------------------------------------------------- */

/* A copy of `len` bytes in memory of the connection's own; NULL where its holder has too much. */
static uint8_t *keep(struct connection *connection, struct connection_host *host,
                     const uint8_t *bytes, size_t len) {
    if (!holders_buffer(&host->holders, &connection->holding, (uint32_t)len,
                        CONNECTIONS_BUFFERED_MAX))
        return NULL;
    uint8_t *kept = malloc(len);
    if (kept != NULL)
        memcpy(kept, bytes, len);
    else
        holders_unbuffer(&host->holders, &connection->holding, (uint32_t)len);
    return kept;
}

static void drop(struct connection *connection, struct connection_host *host, uint8_t **kept,
                 uint32_t *len) {
    holders_unbuffer(&host->holders, &connection->holding, *len);
    free(*kept);
    *kept = NULL;
    *len = 0;
}

void connection_end(struct connection *connection, struct connection_host *host) {
    drop(connection, host, &connection->in, &connection->in_len);
    drop(connection, host, &connection->out, &connection->out_len);
    if (connection->legacy != NULL)
        wipe(connection->legacy, sizeof *connection->legacy);
    free(connection->legacy);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Sends what can be sent at once, *sent bytes. True: that is all of it. */
static bool send_now(struct connection *connection, const uint8_t *bytes, size_t len, size_t *sent,
                     enum connection_step *step) {
    *sent = 0;
    while (*sent < len) {
        ssize_t n = send(connection->fd, bytes + *sent, len - *sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return stop(step, CONNECTION_WRITE);
        if (n < 0)
            return close_it(connection, END_ORDINARY, step);
        *sent += (size_t)n;
    }
    return true;
}

/* Sends, and keeps what cannot be sent yet. */
static bool say(struct connection *connection, struct connection_host *host, const void *bytes,
                size_t len, enum connection_step *step) {
    size_t sent;
    if (send_now(connection, bytes, len, &sent, step))
        return true;
    if (*step != CONNECTION_WRITE)
        return false;
    connection->out = keep(connection, host, (const uint8_t *)bytes + sent, len - sent);
    if (connection->out == NULL)
        return close_it(connection, END_ORDINARY, step);
    connection->out_at = 0;
    connection->out_len = (uint32_t)(len - sent);
    return false;
}

/* Sends what was kept. */
static bool flush(struct connection *connection, struct connection_host *host,
                  enum connection_step *step) {
    size_t sent;
    if (connection->out == NULL)
        return true;
    bool is_all = send_now(connection, connection->out + connection->out_at,
                           connection->out_len - connection->out_at, &sent, step);
    connection->out_at += (uint32_t)sent;
    if (is_all)
        drop(connection, host, &connection->out, &connection->out_len);
    return is_all;
}

/* Reads what is left after the last message was sent. Closing a socket that holds unread bytes
 * would reset the connection, and the client could lose that message. */
static bool linger(struct connection *connection, struct connection_host *host,
                   enum connection_step *step) {
    if (connection->protocol != LINGERING) {
        connection->protocol = LINGERING;
        shutdown(connection->fd, SHUT_WR);
    }
    ssize_t n = recv(connection->fd, host->in, sizeof host->in, 0);
    if (n > 0)
        return stop(step, CONNECTION_READ);
    return n == 0 ? close_it(connection, END_ORDINARY, step) : wait_to_read(connection, step);
}

/* --- the original protocol -------------------------------------------------------------------- */

/* The key that clients of the original protocol are sent. */
static const struct rsa_public *legacy_key(const struct connection_host *host) {
    return &board_keys(host->answerer->board)->servers.keys[0];
}

static bool say_key(struct connection *connection, struct connection_host *host,
                    enum connection_step *step) {
    char pem[RSA_PEM_MAX];
    const struct rsa_public *key = legacy_key(host);
    /* The original script's exportKey() writes no line feed at the end. */
    size_t len = rsa_public_write_pem(key, pem) - 1;
    connection->legacy->modulus_len = key->n_len;
    return say(connection, host, pem, len, step);
}

/* Takes one message of the original protocol from the socket, or a part of one. */
static bool take_legacy(struct connection *connection, struct connection_host *host,
                        enum connection_step *step) {
    size_t want = legacy_server_wants(connection->legacy);
    size_t used;
    ssize_t n = recv(connection->fd, host->in, want, 0);
    if (n < 0)
        return wait_to_read(connection, step);
    if (n == 0)
        return close_it(connection, END_ORDINARY, step);
    switch (legacy_server_take(connection->legacy, host->in, (size_t)n, &used)) {
    case LEGACY_SERVER_SEND_KEY:
        return say_key(connection, host, step);
    case LEGACY_SERVER_DECRYPT:
        connection->job.work = CHANNEL_LEGACY;
        connection->job.bytes = connection->legacy->buffer;
        connection->job.len = connection->legacy->modulus_len;
        return stop(step, CONNECTION_JOB);
    case LEGACY_SERVER_SEND_STOPPED:
        connection->closes = true;
        return say(connection, host, LEGACY_STOPPED, strlen(LEGACY_STOPPED), step);
    case LEGACY_SERVER_REFUSE:
        return close_it(connection, END_MALFORMED, step);
    case LEGACY_SERVER_WAIT:
        break;
    }
    return true;
}

/* --- sessions --------------------------------------------------------------------------------- */

/* The bytes in the host's buffer, and how far they have been answered. */
struct input {
    size_t at;
    size_t end;
};

/* Keeps what is left in the host's buffer for later. False where that cannot be done. */
static bool keep_rest(struct connection *connection, struct connection_host *host,
                      const struct input *input, enum connection_step *step) {
    if (input->at == input->end)
        return true;
    connection->in = keep(connection, host, host->in + input->at, input->end - input->at);
    if (connection->in == NULL)
        return close_it(connection, END_ORDINARY, step);
    connection->in_len = (uint32_t)(input->end - input->at);
    return true;
}

/* Gives a frame that costs an RSA operation, or a renewal, to the key-holders. The client may send nothing more
 * before it is answered. */
static bool take_open(struct connection *connection, struct connection_host *host,
                      const struct input *input, size_t frame_len, enum connection_step *step) {
    if (input->end - input->at != frame_len)
        return close_it(connection, END_MALFORMED, step);
    if (!keep_rest(connection, host, input, step))
        return false;
    connection->job.work = channel_work_of(connection->in[FRAME_TYPE]);
    connection->job.bytes = connection->in;
    connection->job.len = frame_len;
    return stop(step, CONNECTION_JOB);
}

enum answering {
    ANSWERED,     /* every whole frame was answered, or as many as the output has room for */
    NOT_ANSWERED, /* the next frame is one for the key-holders */
    NOT_FRAMES    /* what comes next does not belong to this protocol */
};

/* Answers whoever balances servers, which needs no session; then it goes. */
static enum answering answer_health(struct connection *connection, struct connection_host *host,
                                    struct input *input, size_t *out_len,
                                    const struct frame *frame) {
    size_t len = respond_health(&host->answerer->source, host->in + input->at, frame->len,
                                host->out + *out_len);
    *out_len += len;
    input->at = input->end;
    connection->closes = true;
    return len > 0 ? ANSWERED : NOT_FRAMES;
}

/* Answers the whole frames in the host's buffer. `frame` is the last one that was looked at. */
static enum answering answer_frames(struct connection *connection, struct connection_host *host,
                                    struct input *input, size_t *out_len, struct frame *frame) {
    while (input->at < input->end && sizeof host->out - *out_len >= FRAME_MAX) {
        uint8_t *bytes = host->in + input->at;
        switch (frame_read_header(frame, bytes, input->end - input->at)) {
        case FRAME_WAIT:
            return ANSWERED;
        case FRAME_OTHER_VERSION:
            count(host->answerer->counts, COUNT_REFUSED_VERSION);
            *out_len += respond_refuse(host->out + *out_len, REFUSED_VERSION);
            input->at = input->end;
            connection->closes = true;
            return ANSWERED;
        case FRAME_FOREIGN:
            return NOT_FRAMES;
        case FRAME_OK:
            break;
        }
        if (frame->len > FRAME_MAX)
            return NOT_FRAMES;
        if (input->end - input->at < frame->len)
            return ANSWERED;
        if (frame_is_costly(frame->type))
            return NOT_ANSWERED;
        if (frame->type == FRAME_HEALTH)
            return answer_health(connection, host, input, out_len, frame);
        if (frame->type != FRAME_ASK)
            return NOT_FRAMES;
        size_t len = answerer_ask(host->answerer, NULL, connection->network, bytes, frame->len,
                                  host->out + *out_len);
        /* What a listener has replayed keeps no connection, and is nobody's. */
        if (host->answerer->was_new) {
            connection->is_active = true;
            connection->asker = host->answerer->asker;
            connection->repeats = 0;
        }
        if (host->answerer->is_repeated && connection->repeats < REPEATS_MAX)
            connection->repeats++;
        connection->rests = connection->repeats == REPEATS_MAX;
        *out_len += len;
        input->at += frame->len;
    }
    return ANSWERED;
}

/* Reads once, behind what was kept. */
static bool read_input(struct connection *connection, struct connection_host *host,
                       struct input *input, enum connection_step *step) {
    *input = (struct input){.end = connection->in_len};
    if (input->end > 0) {
        memcpy(host->in, connection->in, input->end);
        drop(connection, host, &connection->in, &connection->in_len);
    }
    size_t room = sizeof host->in - input->end;
    if (room == 0)
        return true;
    ssize_t n = recv(connection->fd, host->in + input->end, room, 0);
    bool is_lost = n < 0 && errno != EAGAIN && errno != EINTR;
    if (n == 0 || is_lost)
        return close_it(connection, END_ORDINARY, step);
    input->end += n > 0 ? (size_t)n : 0;
    return true;
}

/* Reads once and answers what has come. */
static bool take_session(struct connection *connection, struct connection_host *host,
                         enum connection_step *step) {
    struct input input;
    struct frame frame;
    size_t out_len = 0;
    if (!read_input(connection, host, &input, step))
        return false;
    enum answering answering = answer_frames(connection, host, &input, &out_len, &frame);
    if (answering == NOT_FRAMES)
        return close_it(connection, END_MALFORMED, step);
    if (out_len > 0 && !say(connection, host, host->out, out_len, step)) {
        if (*step == CONNECTION_WRITE)
            keep_rest(connection, host, &input, step);
        return false;
    }
    if (answering == NOT_ANSWERED)
        return take_open(connection, host, &input, frame.len, step);
    bool was_output_full = input.at < input.end && sizeof host->out - out_len < FRAME_MAX;
    if (!keep_rest(connection, host, &input, step))
        return false;
    return was_output_full || connection->closes || stop(step, CONNECTION_READ);
}

/* --- both ------------------------------------------------------------------------------------- */

/* The first byte chooses the protocol. */
static bool decide(struct connection *connection, struct connection_host *host,
                   enum connection_step *step) {
    uint8_t first;
    struct frame frame;
    ssize_t n = recv(connection->fd, &first, 1, MSG_PEEK);
    if (n < 0)
        return wait_to_read(connection, step);
    if (n == 0)
        return close_it(connection, END_ORDINARY, step);
    if (frame_read_header(&frame, &first, 1) == FRAME_WAIT) {
        connection->protocol = SESSION;
        return true;
    }
    if (first != LEGACY_HELLO[0] || !host->is_legacy_allowed)
        return close_it(connection, END_UNKNOWN_PROTOCOL, step);
    connection->legacy = malloc(sizeof *connection->legacy);
    if (connection->legacy == NULL)
        return close_it(connection, END_ORDINARY, step);
    legacy_server_init(connection->legacy, legacy_key(host)->n_len);
    connection->protocol = LEGACY;
    return true;
}

/* Takes one step of the protocol. */
static bool take_step(struct connection *connection, struct connection_host *host,
                      enum connection_step *step) {
    if (connection->closes)
        return connection->protocol == LEGACY ? close_it(connection, END_ORDINARY, step)
                                              : linger(connection, host, step);
    switch (connection->protocol) {
    case SESSION:
        return take_session(connection, host, step);
    case LEGACY:
        return take_legacy(connection, host, step);
    default:
        return decide(connection, host, step);
    }
}

enum connection_step connection_advance(struct connection *connection,
                                        struct connection_host *host) {
    enum connection_step step = CONNECTION_WAIT;
    if (connection->is_waiting)
        return step;
    while (flush(connection, host, &step) && take_step(connection, host, &step)) {
    }
    return step;
}

void connection_wait(struct connection *connection) {
    connection->is_waiting = true;
}

/* Sends the result of the connection's job. connection_advance sends what cannot be sent now. */
static bool answer_job(struct connection *connection, struct connection_host *host,
                       const void *bytes, size_t len) {
    enum connection_step step;
    connection->is_waiting = false;
    drop(connection, host, &connection->in, &connection->in_len);
    return say(connection, host, bytes, len, &step) || step != CONNECTION_CLOSE;
}

void connection_refuse(struct connection *connection, struct connection_host *host,
                       const uint8_t *frame, size_t len) {
    connection->closes = true;
    answer_job(connection, host, frame, len);
}

bool connection_take_reply(struct connection *connection, struct connection_host *host,
                           const struct channel_reply *reply, const char *text) {
    if (connection->protocol == LEGACY) {
        if (text == NULL)
            return false;
        legacy_server_answered(connection->legacy);
        return answer_job(connection, host, text, strlen(text));
    }
    if (reply->result == CHANNEL_BAD) {
        uint8_t refusal[FRAME_HEADER_LEN];
        connection_refuse(connection, host, refusal,
                          respond_refuse(refusal, job_refusal(&connection->job)));
        return true;
    }
    connection->is_active = reply->result == CHANNEL_GOOD;
    return answer_job(connection, host, reply->bytes, reply->len);
}
