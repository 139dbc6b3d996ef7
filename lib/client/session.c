#include "client/session.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UDP_RETRY_MS 300 /* before the first repetition; doubled each time */
#define BUSY_WAIT_MS 200 /* likewise, where a server is busy */
#define ADDRESSES_MAX 16 /* of a name, tried over UDP */

unsigned client_count_max(const struct client_settings *settings) {
    return settings->is_udp ? (FRAME_DATAGRAM_MAX - ASK_LEN(0)) / SHA256_LEN : QUESTION_MAX;
}

int client_init(struct client *client, const struct client_settings *settings,
                struct error *error) {
    client->settings = *settings;
    client->fd = -1;
    client->is_open = 0;
    client->server_at = 0;
    client->skewed[0] = '\0';
    return random_open(&client->random, error);
}

/* The session stays: any connection will do for it. */
static void disconnect(struct client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void forget_session(struct client *client) {
    client->is_open = 0;
    wipe(&client->session, sizeof client->session);
}

void client_close(struct client *client) {
    disconnect(client);
    forget_session(client);
    wipe(client, sizeof *client);
    client->fd = -1;
}

/* --- frames ----------------------------------------------------------------------------------- */

static int failed(const struct client *client, int code, const char *doing, struct error *error) {
    if (code == ERR_TIMEOUT)
        return error_set(error, code, "%s: no answer within the time allowed (%s)", client->server,
                         doing);
    if (code == ERR_SYSTEM)
        return error_set_errno(error, "%s: %s", client->server, doing);
    return error_set(error, code, "%s: %s", client->server, doing);
}

/* The next whole frame over TCP into client->in; its length. What is behind it is dropped: nothing
 * comes unasked. */
static long receive_stream(struct client *client, int64_t deadline_ms) {
    struct frame frame;
    size_t in_len = 0;
    for (;;) {
        enum frame_result result = frame_read_header(&frame, client->in, in_len);
        if (result == FRAME_FOREIGN || result == FRAME_OTHER_VERSION)
            return ERR_FORMAT;
        size_t want = result == FRAME_OK ? frame.len : FRAME_HEADER_LEN;
        if (result == FRAME_OK && in_len == frame.len)
            return frame.len;
        ssize_t n = net_receive(client->fd, client->in + in_len, want - in_len, deadline_ms);
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return n == 0 ? ERR_SYSTEM : (long)n;
        in_len += (size_t)n;
    }
}

/* Takes a frame that came: 1 where it is what was waited for, 0 to wait on, or a negative code. */
typedef int (*take_frame)(struct client *client, size_t len, void *context, struct error *error);

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Sends a frame and waits for what belongs to it. Over UDP it is sent again while nothing comes,
 * and what comes from elsewhere is passed over. */
static int exchange(struct client *client, const uint8_t *frame, size_t len, take_frame take,
                    void *context, int64_t deadline_ms, const char *doing, struct error *error) {
    int64_t retry_ms = client->settings.is_udp ? UDP_RETRY_MS : INT64_MAX / 4;
    for (;; retry_ms *= 2) {
        int64_t until_ms = earlier(deadline_ms, net_now_ms() + retry_ms);
        int code = net_send(client->fd, frame, len, deadline_ms);
        while (code == 0) {
            long n = client->settings.is_udp
                         ? net_receive(client->fd, client->in, sizeof client->in, until_ms)
                         : receive_stream(client, until_ms);
            code = n >= 0 ? take(client, (size_t)n, context, error) : (int)n;
            if (code == 1)
                return 0;
            if (n >= 0 && code < 0)
                return code; /* it has said why */
            if (code == ERR_FORMAT)
                return error_set(error, code, "%s: it does not speak this protocol",
                                 client->server);
        }
        if (code != ERR_TIMEOUT || until_ms == deadline_ms)
            return failed(client, code, doing, error);
    }
}

/* Not authenticated, but no verdict either: who forges it can only make us go elsewhere. */
static int take_refusal(struct client *client, const struct frame *frame, struct error *error) {
    switch (frame->detail) {
    case REFUSED_VERSION:
        return error_set(error, ERR_LIMIT, "%s: it speaks another version of the protocol",
                         client->server);
    case REFUSED_BUSY:
        client->is_busy = 1;
        return error_set(error, ERR_TIMEOUT, "%s: it is busy", client->server);
    case REFUSED_SESSION:
        return error_set(error, ERR_EXISTS, "%s: the session has ended", client->server);
    default:
        return error_set(error, ERR_LIMIT,
                         "%s: it opens no session: this kiosk is not enrolled (or not any more), "
                         "or --server-key is not its key",
                         client->server);
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

static int take_accept(struct client *client, size_t len, void *context, struct error *error) {
    int *has_cookie = context;
    struct frame frame;
    if (frame_read_header(&frame, client->in, len) != FRAME_OK)
        return client->settings.is_udp ? 0 : ERR_FORMAT;
    if (client->settings.is_udp && frame.type == FRAME_COOKIE && !*has_cookie) {
        *has_cookie = opening_set_cookie(&client->opening, client->in, len);
        if (*has_cookie && net_send(client->fd, client->opening.frame, client->opening.frame_len,
                                    net_now_ms() + 1000) != 0)
            return failed(client, ERR_SYSTEM, "opening a session", error);
        return 0;
    }
    if (frame.type == FRAME_REFUSE)
        return take_refusal(client, &frame, error);
    if (opening_finish(&client->opening, client->in, len, &client->session))
        return 1;
    if (client->settings.is_udp)
        return 0;
    return error_set(error, ERR_SIGNATURE, "%s: it has not the key that --server-key names",
                     client->server);
}

/* Opens a session on the connection that is there. */
static int open_session(struct client *client, int64_t deadline_ms, struct error *error) {
    int has_cookie = 0;
    if (!opening_begin(&client->opening, client->settings.server_key, client->settings.kiosk,
                       &client->random.drbg.vtable))
        return error_set(error, ERR_LIMIT, "the key of the server or of the kiosk does not do");
    int code = exchange(client, client->opening.frame, client->opening.frame_len, take_accept,
                        &has_cookie, deadline_ms, "opening a session", error);
    wipe(&client->opening, sizeof client->opening);
    if (code != 0)
        return code;
    client->is_open = 1;
    client->renew_ms = net_now_ms() + (int64_t)client->session.lifetime_s * 900;
    return 0;
}

/* --- one server ------------------------------------------------------------------------------- */

/* Connects; over UDP, to the nth of the name's addresses. ERR_LIMIT where it has not so many. */
static int reach(struct client *client, unsigned nth, int64_t deadline_ms, struct error *error) {
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    int code = net_split(client->server, "8080", host, port, error);
    if (code != 0)
        return code;
    client->fd = client->settings.is_udp ? net_connect_datagrams(host, port, nth, error)
                                         : net_connect(host, port, deadline_ms, error);
    return client->fd < 0 ? client->fd : 0;
}

struct ask_context {
    struct answer *answer;
    size_t ask_len;
};

static int take_answer(struct client *client, size_t len, void *context, struct error *error) {
    const struct ask_context *state = context;
    struct frame frame;
    struct error reason;
    if (frame_read_header(&frame, client->in, len) != FRAME_OK)
        return client->settings.is_udp ? 0 : ERR_FORMAT;
    if (frame.type == FRAME_REFUSE)
        return take_refusal(client, &frame, error);
    int code = answer_open(state->answer, client->in, len, client->ask, state->ask_len,
                           client->session.key, &reason);
    if (code == 0)
        return 1;
    if (client->settings.is_udp && code == ERR_SIGNATURE)
        return 0; /* of an earlier question, or not the server's */
    return error_set(error, code, "%s: %.900s", client->server, reason.text);
}

/* Whether the answer says what such an answer can say. */
static int check_answer(const struct client *client, const struct question *question,
                        const struct answer *answer, struct error *error) {
    if (answer->status == ANSWER_MALFORMED || answer->status == ANSWER_TOO_LONG)
        return error_set(error, ERR_FORMAT, "%s: it does not take this question", client->server);
    int is_consistent =
        answer->count == question->count && (answer->brings & question->wishes) == question->wishes;
    uint32_t day = moment_day(&question->at, answer->utc_offset_s);
    for (unsigned i = 0; i < answer->count && is_consistent; i++) {
        const struct db_answer *entry = &answer->entries[i];
        enum verdict verdict =
            entry->is_found ? licence_verdict(&entry->licence, day) : VERDICT_UNKNOWN;
        is_consistent =
            entry->verdict == verdict && (!entry->is_found || question->kind == KIND_ANY ||
                                          entry->licence.kind == question->kind);
    }
    if (!is_consistent)
        return error_set(error, ERR_FORMAT, "%s: an answer that contradicts itself",
                         client->server);
    return 0;
}

/* A clock that is too far from ours is one of two that is wrong; what another server's says, or the
 * date of the database, tells which. */
static int check_clock(struct client *client, const struct answer *answer, struct error *error) {
    int64_t now_s = time(NULL), max_s = client->settings.max_skew_s;
    int64_t skew_s = answer->server_time_s - now_s;
    if (skew_s <= max_s && -skew_s <= max_s)
        return 0;
    const char *verdict = "one of the two is wrong";
    if (client->skewed[0] != '\0' && strcmp(client->skewed, client->server) != 0 &&
        llabs(client->skew_s - skew_s) <= max_s)
        verdict = "another server's clock agrees with its: this machine's looks wrong";
    else if (now_s < answer->created_s - max_s)
        verdict = "this machine's is behind the database's date: it looks wrong";
    else if (answer->server_time_s < answer->created_s - max_s)
        verdict = "the server's is behind the database's date: it looks wrong";
    if (client->skewed[0] == '\0') {
        client->skew_s = skew_s;
        memcpy(client->skewed, client->server, sizeof client->skewed);
    }
    return error_set(
        error, ERR_CONFLICT, "%s: its clock is %lld seconds %s this machine's; %s (--max-skew)",
        client->server, llabs((long long)skew_s), skew_s > 0 ? "ahead of" : "behind", verdict);
}

/* One question in the session that is there. */
static int ask_once(struct client *client, const struct question *question, struct answer *answer,
                    int64_t deadline_ms, struct error *error) {
    uint8_t random[ASK_RANDOM_LEN];
    struct ask_context context = {.answer = answer};
    /* Room for an answer with the names of the classes: over UDP none is longer than its question.
     */
    size_t len_min = client->settings.is_udp && question->wishes & WISH_INFO
                         ? ANSWER_LEN(question->count) + ANSWER_INFO_LEN
                         : 0;
    random_bytes(&client->random, random, sizeof random);
    context.ask_len = question_seal(client->ask, question, client->session.key,
                                    client->session.ticket, random, len_min);
    int code = exchange(client, client->ask, context.ask_len, take_answer, &context, deadline_ms,
                        "asking", error);
    return code == 0 ? check_answer(client, question, answer, error) : code;
}

/* Whether to wait and ask the same server again: it is busy, and there is no other. */
static int waits(const struct client *client, int64_t wait_ms, int64_t deadline_ms) {
    if (!client->is_busy || strchr(client->settings.servers, ',') != NULL ||
        net_now_ms() + wait_ms >= deadline_ms)
        return 0;
    const struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return 1;
}

/* Asks on the connection that is there, opening a session where there is none. */
static int converse(struct client *client, const struct question *question, struct answer *answer,
                    int64_t deadline_ms, struct error *error) {
    int code = client->is_open && net_now_ms() < client->renew_ms
                   ? 0
                   : open_session(client, deadline_ms, error);
    return code == 0 ? ask_once(client, question, answer, deadline_ms, error) : code;
}

/* Asks the current server once; over UDP, at the first of its addresses that answers. */
static int attempt(struct client *client, const struct question *question, struct answer *answer,
                   int64_t deadline_ms, struct error *error) {
    int code = ERR_SYSTEM;
    for (unsigned nth = 0; nth < ADDRESSES_MAX; nth++) {
        struct error reason;
        int reached = client->fd >= 0 ? 0 : reach(client, nth, deadline_ms, &reason);
        if (reached == ERR_LIMIT && nth > 0)
            return code; /* no more addresses: why the last one failed */
        code = reached == 0 ? converse(client, question, answer, deadline_ms, &reason) : reached;
        if (code == 0)
            return 0;
        disconnect(client);
        *error = reason;
        if (!client->settings.is_udp || code != ERR_SYSTEM)
            return code;
    }
    return code;
}

/* Asks the current server, and again where it was but an old connection or session that failed. */
static int ask_server(struct client *client, const struct question *question, struct answer *answer,
                      struct error *error) {
    int64_t deadline_ms = net_now_ms() + client->settings.timeout_ms, wait_ms = BUSY_WAIT_MS;
    for (;;) {
        int was_connected = client->fd >= 0, was_open = client->is_open;
        client->is_busy = 0;
        int code = attempt(client, question, answer, deadline_ms, error);
        if (code == 0)
            return 0;
        if (code == ERR_EXISTS || code == ERR_SIGNATURE || code == ERR_FORMAT)
            forget_session(client);
        int may_repeat = (code == ERR_EXISTS && was_open) || (code == ERR_SYSTEM && was_connected);
        if (may_repeat)
            continue;
        if (!waits(client, wait_ms, deadline_ms))
            return code;
        wait_ms *= 2;
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Goes on to the server at `at` in the list. 1, or 0 at the list's end. */
static int choose(struct client *client, size_t at) {
    const char *name = client->settings.servers + at;
    size_t len = strcspn(name, ",");
    if (len >= sizeof client->server)
        len = sizeof client->server - 1;
    client->server_at = at;
    memcpy(client->server, name, len);
    client->server[len] = '\0';
    return len > 0;
}

static size_t next_at(const struct client *client) {
    const char *name = client->settings.servers + client->server_at;
    size_t len = strcspn(name, ",");
    return name[len] == ',' ? client->server_at + len + 1 : 0;
}

static int run_check(const struct client *client, const struct question *question,
                     const struct answer *answer, struct error *error) {
    int code = client->settings.check(client->settings.context, question, answer, error);
    return code == 0 ? 0 : error_prefix(error, code, client->server);
}

int client_ask(struct client *client, const struct question *question, struct answer *answer,
               struct error *error) {
    size_t first = client->server_at;
    int code;
    do {
        if (!choose(client, client->server_at)) {
            code = error_set(error, ERR_FORMAT, "no server is named");
        } else {
            code = ask_server(client, question, answer, error);
            if (code == 0)
                code = check_clock(client, answer, error);
            if (code == 0)
                code = run_check(client, question, answer, error);
        }
        if (code == 0)
            return 0;
        disconnect(client);
        client->server_at = next_at(client);
    } while (client->server_at != first);
    return code;
}
