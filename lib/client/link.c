#include "client/link.h"

#include "base/format.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* Before a frame is sent again over UDP: at first always as long, then twice as long each time. Longer where
 * many are under way. */
#define UDP_RETRY_MS 100
#define UDP_LONG_RETRY_MS 200
#define UDP_FEW_FRAMES 16
#define UDP_EAGER_MS 2000
#define NEXT_SERVER_MS 250 /* RFC 8305, section 8: "Connection Attempt Delay" */
#define UDP_ALONE_MS 1000  /* before TCP is tried, too */
#define STALL_MS 1500 /* nothing has come for as long, and for several round trips: it stalls */
#define STALL_ROUND_TRIPS 4
#define PAUSE_MS 200 /* before a server is asked again that may do better soon; doubled each time */
#define OTHER_KEY_MS 1000 /* for other servers, after one has said that it has another key */
#define DATAGRAMS_MAX 64  /* taken before the clock is looked at */
/* Anybody may send a COOKIE, so whichever comes is tried; but the frame is not sent again for each. */
#define COOKIE_PAUSE_MS 10
#define NEVER_MS INT64_MAX

/* What an exchange works with. */
struct exchange {
    struct link *link;
    const struct link_frames *frames;
    unsigned formed;     /* frames that were written into slots */
    unsigned answered;   /* of these */
    int64_t start_ms;    /* when the first was sent */
    int64_t progress_ms; /* when the last answer came */
    struct error *error;
};

static int64_t sooner(int64_t a, int64_t b) {
    return a < b ? a : b;
}

const char *link_name(const struct link *link) {
    return link->servers[link->server].name;
}

enum link_result link_fail(const struct link *link, enum link_result result, struct error *error,
                           const char *what) {
    error_set(error, ERR_FORMAT, "%s: %s", link_name(link), what);
    return result;
}

/* Whether a send(2) or connect(2) has failed only just now: no route, no buffers, no network yet. */
static bool is_passing(int number) {
    return number == ENETUNREACH || number == EHOSTUNREACH || number == ENETDOWN ||
           number == ENOBUFS || number == ENOMEM || number == EADDRNOTAVAIL || number == EPERM ||
           number == ECONNREFUSED;
}

/* What a failure of the socket, which errno names, comes to. */
static enum link_result fail_errno(const struct link *link, const char *doing,
                                   struct error *error) {
    bool is_no_way = is_passing(errno) && errno != ECONNREFUSED;
    error_set_errno(error, "%s: %s", link_name(link), doing);
    return is_no_way ? LINK_NO_WAY : LINK_LOST;
}

/* "over UDP" */
static const char *over(const struct lane *lane) {
    return lane->is_udp ? "UDP" : "TCP";
}

static void tell(const struct link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(const struct link *link, const char *format, ...) {
    char line[LINK_SERVER_SIZE + 256];
    va_list arguments;
    if (link->tell == NULL)
        return;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    link->tell(link->tell_context, line);
}

/* --- the servers ------------------------------------------------------------------------------ */

int link_init(struct link *link, const char *servers, bool is_udp, struct error *error) {
    memset(link, 0, sizeof *link);
    link->is_udp = is_udp;
    for (unsigned i = 0; i < LINK_LANES_MAX; i++)
        link->lanes[i].fd = -1;
    while (*servers != '\0') {
        size_t len = strcspn(servers, ",");
        char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
        struct link_server *server = &link->servers[link->server_count];
        if (link->server_count == LINK_SERVERS_MAX || len >= LINK_SERVER_SIZE)
            return error_set(error, ERR_FORMAT, "more than %d servers, or a name that is too long",
                             LINK_SERVERS_MAX);
        memcpy(server->name, servers, len);
        server->lookup.fd = -1;
        link->server_count++;
        if (net_split(server->name, "8080", host, port, error) != 0)
            return ERR_FORMAT;
        servers += len + (servers[len] == ',');
    }
    return link->server_count > 0 ? 0 : error_set(error, ERR_FORMAT, "no server is named");
}

bool link_has_servers(const struct link *link) {
    for (unsigned i = 0; i < link->server_count; i++) {
        if (!link->servers[i].is_out || link->servers[i].again_ms != 0)
            return true;
    }
    return false;
}

static void let_in(struct link_server *server) {
    server->is_out = server->is_looked_up = false;
    server->again_ms = 0;
    server->lanes = 0;
}

void link_let_all_in(struct link *link) {
    for (unsigned i = 0; i < link->server_count; i++) {
        let_in(&link->servers[i]);
        link->servers[i].pause_ms = PAUSE_MS;
    }
}

/* Whether a server that has failed may do better soon. */
static bool may_do_better(const struct link_server *server) {
    switch (server->result) {
    case LINK_BUSY:
    case LINK_NO_WAY:
    case LINK_STALLED:
        return true;
    case LINK_LOST:
        return server->was_good || server->was_connected;
    default:
        return false;
    }
}

/* How many ways there are to a server. */
static unsigned way_count(const struct link *link, const struct link_server *server) {
    return server->lookup.count * (link->is_udp ? 2 : 1);
}

static void close_lane(struct lane *lane) {
    if (lane->fd >= 0)
        close(lane->fd);
    lane->fd = -1;
}

void link_leave_out(struct link *link, enum link_result result, const struct error *reason) {
    struct link_server *server = &link->servers[link->server];
    server->is_out = true;
    server->result = result;
    server->reason = *reason;
    server->again_ms = may_do_better(server) ? net_now_ms() + server->pause_ms : 0;
    server->pause_ms *= 2;
    tell(link, "%.900s", reason->text);
    net_lookup_end(&server->lookup);
    for (unsigned i = 0; i < LINK_LANES_MAX; i++) {
        if (link->lanes[i].server == link->server)
            close_lane(&link->lanes[i]);
    }
}

/* Closes all but one lane. */
static void close_others(struct link *link, const struct lane *kept) {
    for (unsigned i = 0; i < LINK_LANES_MAX; i++) {
        if (&link->lanes[i] != kept)
            close_lane(&link->lanes[i]);
    }
    for (unsigned i = 0; i < link->server_count; i++) {
        net_lookup_end(&link->servers[i].lookup);
        link->servers[i].is_looked_up = false;
        link->servers[i].lanes = 0;
    }
}

void link_close(struct link *link) {
    close_others(link, NULL);
    link->lane = NULL;
}

/* --- finding one ------------------------------------------------------------------------------ */

/* A lane has failed. Its server is out, unless it was the network and there is another address. */
static void leave_lane(struct link *link, struct lane *lane, enum link_result result,
                       const struct error *reason) {
    struct link_server *server = &link->servers[lane->server];
    bool is_network = result == LINK_LOST || result == LINK_NO_WAY;
    close_lane(lane);
    server->lanes--;
    link->server = lane->server;
    link->next_ms = 0;
    if (!is_network || (server->lanes == 0 && server->next_address == way_count(link, server)))
        link_leave_out(link, result, reason);
    else
        tell(link, "%.900s", reason->text);
}

/* Opens a lane to the next address of a server that was looked up. */
static void open_lane(struct link *link, unsigned server_at, int64_t now_ms) {
    struct link_server *server = &link->servers[server_at];
    const struct net_address *address =
        &server->lookup.addresses[server->next_address % server->lookup.count];
    struct lane *lane = link->lanes;
    struct error reason;
    while (lane < link->lanes + LINK_LANES_MAX && lane->fd >= 0)
        lane++;
    if (lane == link->lanes + LINK_LANES_MAX)
        return; /* it is tried as soon as another one has failed */
    lane->is_udp = link->is_udp && server->next_address < server->lookup.count;
    server->next_address++;
    server->lanes++;
    link->server = server_at;
    lane->server = server_at;
    lane->start_ms = now_ms;
    lane->next = 0;
    lane->written = lane->in_len = 0;
    lane->has_hint = lane->is_connected = false;
    lane->cookie_ms = 0;
    memset(lane->cookie, 0, COOKIE_LEN);
    lane->fd = socket(address->address.ss_family,
                      (lane->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (lane->fd >= 0 && !lane->is_udp)
        net_send_at_once(lane->fd);
    tell(link, "%s: trying address %u of %u over %s", server->name,
         (server->next_address - 1) % server->lookup.count + 1, server->lookup.count, over(lane));
    if (lane->fd >= 0 &&
        connect(lane->fd, (const struct sockaddr *)&address->address, address->len) == 0)
        lane->is_connected = true;
    else if (lane->fd < 0 || errno != EINPROGRESS)
        leave_lane(link, lane, fail_errno(link, "no connection", &reason), &reason);
}

/* Looks the name of a server up, and opens a lane where the address is there at once. */
static void look_up(struct link *link, unsigned server_at, int64_t now_ms) {
    struct link_server *server = &link->servers[server_at];
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    struct error reason, error;
    link->server = server_at;
    server->is_looked_up = true;
    server->was_connected = false;
    server->next_address = 0;
    if (net_split(server->name, "8080", host, port, &reason) != 0 ||
        net_lookup_begin(&server->lookup, host, port, &reason) != 0)
        link_leave_out(link, link_fail(link, LINK_LOST, &error, reason.text), &error);
    else if (server->lookup.fd < 0)
        open_lane(link, server_at, now_ms);
}

/* Takes the addresses of a server, and tries the first one. */
static void take_addresses(struct link *link, unsigned server_at, int64_t now_ms) {
    struct error reason, error;
    link->server = server_at;
    int code = net_lookup_take(&link->servers[server_at].lookup, &reason);
    if (code == 0) {
        open_lane(link, server_at, now_ms);
        link->next_ms = sooner(link->next_ms, now_ms + NEXT_SERVER_MS);
        return;
    }
    link_fail(link, LINK_LOST, &error, reason.text);
    link_leave_out(link, code == ERR_TIMEOUT ? LINK_NO_WAY : LINK_LOST, &error);
    link->next_ms = 0;
}

/* Whether there is a lane for a server's first address; or for a further one, which must leave one for each server
 * that has none. */
static bool has_room(const struct link *link, bool is_further) {
    unsigned free = 0, wanted = 0;
    for (unsigned i = 0; i < LINK_LANES_MAX; i++)
        free += link->lanes[i].fd < 0;
    for (unsigned i = 0; i < link->server_count && is_further; i++)
        wanted += !link->servers[i].is_out && link->servers[i].lanes == 0;
    return free > wanted;
}

/* Tries one more server, or else one more address. False where there is none. */
static bool try_next(struct link *link, int64_t now_ms) {
    for (unsigned pass = 0; pass < 2 && has_room(link, pass == 1); pass++) {
        for (unsigned i = 0; i < link->server_count; i++) {
            unsigned at = (link->first + i) % link->server_count;
            struct link_server *server = &link->servers[at];
            if (server->is_out && server->again_ms != 0 && now_ms >= server->again_ms)
                let_in(server);
            if (server->is_out)
                continue;
            if (!server->is_looked_up)
                look_up(link, at, now_ms);
            else if (pass == 1 && server->lookup.fd < 0 &&
                     server->next_address < way_count(link, server) &&
                     (server->next_address < server->lookup.count ||
                      (now_ms >= link->search_ms + UDP_ALONE_MS && !link->hears_udp)))
                open_lane(link, at, now_ms);
            else
                continue;
            return true;
        }
    }
    return false;
}

/* When a server that was left out for a while is tried again. */
static int64_t next_again(const struct link *link) {
    int64_t at_ms = NEVER_MS;
    for (unsigned i = 0; i < link->server_count; i++) {
        if (link->servers[i].is_out && link->servers[i].again_ms != 0)
            at_ms = sooner(at_ms, link->servers[i].again_ms);
    }
    return at_ms;
}

/* Tries what is due. */
static void try_more(struct link *link, int64_t now_ms) {
    if (now_ms >= next_again(link))
        link->next_ms = 0;
    while (link->lane == NULL && now_ms >= link->next_ms) {
        link->next_ms = now_ms + NEXT_SERVER_MS;
        if (!try_next(link, now_ms))
            link->next_ms =
                link->is_udp && !link->hears_udp && now_ms < link->search_ms + UDP_ALONE_MS
                    ? link->search_ms + UDP_ALONE_MS
                    : NEVER_MS;
    }
}

/* The lane that has answered is taken, and the others are left. */
static void choose(struct link *link, struct lane *lane) {
    if (link->lane != NULL)
        return;
    link->lane = lane;
    link->first = lane->server;
    link->servers[lane->server].was_good = true;
    link->rtt_ms = net_now_ms() - lane->start_ms;
    tell(link, "%s: it answers over %s after %lld ms", link->servers[lane->server].name, over(lane),
         (long long)link->rtt_ms);
    close_others(link, lane);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Keeps the first of these. */
static void note_hint(struct lane *lane, enum link_result result, const struct error *reason) {
    if (lane->has_hint)
        return;
    lane->has_hint = true;
    lane->hint = result;
    lane->hint_reason = *reason;
    lane->hint_ms = net_now_ms();
}

/* Writes frames into slots: the first one alone until it is known who answers. False where one does
 * not fit. */
static bool fill_slots(struct exchange *exchange) {
    struct link *link = exchange->link;
    const struct link_frames *frames = exchange->frames;
    unsigned window = link->lane != NULL ? LINK_WINDOW : 1;
    for (unsigned i = 0; i < window && exchange->formed < frames->count; i++) {
        struct link_slot *slot = &link->slots[i];
        if (slot->is_used)
            continue;
        slot->index = exchange->formed++;
        slot->len = frames->form(frames->context, slot->index, slot->frame);
        slot->is_used = slot->len > 0;
        slot->again_ms = 0;
        slot->retry_ms = frames->count > UDP_FEW_FRAMES ? UDP_LONG_RETRY_MS : UDP_RETRY_MS;
        if (!slot->is_used)
            return false;
    }
    return true;
}

/* Sends a datagram. What has failed only just now counts as lost on the way. */
static enum link_result send_datagram(struct exchange *exchange, struct lane *lane,
                                      struct link_slot *slot) {
    size_t cookie_at = exchange->frames->cookie_at;
    if (cookie_at > 0)
        memcpy(slot->frame + cookie_at, lane->cookie, COOKIE_LEN);
    if (send(lane->fd, slot->frame, slot->len, MSG_NOSIGNAL) >= 0 || errno == EAGAIN ||
        errno == EINTR)
        return LINK_DONE;
    bool is_lost = is_passing(errno);
    enum link_result result = fail_errno(exchange->link, exchange->frames->doing, exchange->error);
    if (!is_lost)
        return result;
    note_hint(lane, LINK_NO_WAY, exchange->error);
    return LINK_DONE;
}

/* Sends what the lane was not sent yet, and over UDP what is due again. */
static enum link_result send_datagrams(struct exchange *exchange, struct lane *lane,
                                       int64_t now_ms) {
    enum link_result result = LINK_DONE;
    for (unsigned i = 0; i < LINK_WINDOW && result == LINK_DONE; i++) {
        struct link_slot *slot = &exchange->link->slots[i];
        if (slot->is_used && (slot->index >= lane->next || now_ms >= slot->again_ms))
            result = send_datagram(exchange, lane, slot);
    }
    lane->next = exchange->formed;
    return result;
}

/* After all lanes were sent what is due. */
static void put_off(struct exchange *exchange, int64_t now_ms) {
    for (unsigned i = 0; i < LINK_WINDOW; i++) {
        struct link_slot *slot = &exchange->link->slots[i];
        if (!slot->is_used || now_ms < slot->again_ms)
            continue;
        slot->again_ms = now_ms + slot->retry_ms;
        if (now_ms - exchange->start_ms >= UDP_EAGER_MS)
            slot->retry_ms *= 2;
    }
}

static const struct link_slot *slot_of(const struct link *link, unsigned index) {
    const struct link_slot *slot = link->slots;
    while (!slot->is_used || slot->index != index)
        slot++;
    return slot;
}

/* Writes as much as the connection takes. */
static enum link_result write_stream(struct exchange *exchange, struct lane *lane) {
    while (lane->next < exchange->formed) {
        const struct link_slot *slot = slot_of(exchange->link, lane->next);
        ssize_t n =
            send(lane->fd, slot->frame + lane->written, slot->len - lane->written, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN
                       ? LINK_DONE
                       : fail_errno(exchange->link, exchange->frames->doing, exchange->error);
        lane->written += (size_t)n;
        if (lane->written == slot->len) {
            lane->next++;
            lane->written = 0;
        }
    }
    return LINK_DONE;
}

/* --- receiving -------------------------------------------------------------------------------- */

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

/* What a REFUSE frame comes to. It is not authenticated. But it holds no verdict either, so whoever
 * forges it can only make us go elsewhere; over UDP not even that, if the server answers. */
static enum link_result take_refusal(const struct exchange *exchange, struct lane *lane,
                                     const struct frame *frame) {
    enum link_result result = refusal_of(exchange->link, frame, exchange->error);
    if (!lane->is_udp)
        return result;
    note_hint(lane, result, exchange->error);
    return LINK_WAIT;
}

/* Whether there is one lane. */
static bool is_alone(const struct link *link) {
    unsigned count = 0;
    for (unsigned i = 0; i < LINK_LANES_MAX; i++)
        count += link->lanes[i].fd >= 0;
    return count == 1;
}

/* A server was heard over UDP: TCP, which suffers more from losses, is not needed, unless that ended soon before. */
static void hear_udp(struct link *link) {
    link->hears_udp = !link->udp_stalled;
    for (unsigned i = 0; i < LINK_LANES_MAX && link->hears_udp; i++) {
        struct lane *lane = &link->lanes[i];
        if (lane->fd < 0 || lane->is_udp || lane == link->lane)
            continue;
        close_lane(lane);
        link->servers[lane->server].lanes--;
    }
}

/* Sends the first frame once more, with the cookie that came. */
static enum link_result take_cookie(struct exchange *exchange, struct lane *lane,
                                    const uint8_t *cookie) {
    int64_t now_ms = net_now_ms();
    struct link_slot *slot = &exchange->link->slots[0];
    if (now_ms < lane->cookie_ms + COOKIE_PAUSE_MS || memcmp(lane->cookie, cookie, COOKIE_LEN) == 0)
        return LINK_WAIT;
    hear_udp(exchange->link);
    lane->cookie_ms = now_ms;
    memcpy(lane->cookie, cookie, COOKIE_LEN);
    slot->retry_ms = UDP_RETRY_MS;
    /* Where others are tried, too, one of them must not put off what these are sent. */
    if (is_alone(exchange->link))
        slot->again_ms = now_ms + slot->retry_ms;
    if (slot->is_used)
        send_datagram(exchange, lane, slot);
    return LINK_WAIT;
}

/* Takes a frame. LINK_DONE where all are answered. */
static enum link_result take_frame(struct exchange *exchange, struct lane *lane, uint8_t *bytes,
                                   size_t len) {
    struct link *link = exchange->link;
    const struct link_frames *frames = exchange->frames;
    struct link_slot *slot = NULL;
    struct frame frame;
    if (frame_read_header(&frame, bytes, len) != FRAME_OK || len > FRAME_MAX)
        return lane->is_udp ? LINK_WAIT
                            : link_fail(link, LINK_DISTRUSTED, exchange->error,
                                        "it does not speak this protocol");
    if (frame.type == FRAME_REFUSE)
        return take_refusal(exchange, lane, &frame);
    if (frame.type == FRAME_COOKIE && lane->is_udp && frames->cookie_at > 0)
        return len == FRAME_HEADER_LEN + COOKIE_LEN
                   ? take_cookie(exchange, lane, bytes + FRAME_HEADER_LEN)
                   : LINK_WAIT;
    enum link_result result = frames->take(frames->context, bytes, len, &slot, exchange->error);
    if (result != LINK_DONE)
        return result;
    /* Who has the session's key can guess a frame of which he has only the start. */
    if (!lane->is_udp && slot->index >= lane->next)
        return link_fail(link, LINK_DISTRUSTED, exchange->error,
                         "an answer to a question that it has not heard in full");
    choose(link, lane);
    slot->is_used = false;
    lane->has_hint = false;
    exchange->answered++;
    exchange->progress_ms = net_now_ms();
    if (frames->extension_ms > 0)
        *frames->deadline_ms = exchange->progress_ms + frames->extension_ms;
    if (!fill_slots(exchange))
        return link_fail(link, LINK_REFUSED, exchange->error, "a question is too long for a frame");
    return exchange->answered == frames->count ? LINK_DONE : LINK_WAIT;
}

static enum link_result receive_datagrams(struct exchange *exchange, struct lane *lane) {
    enum link_result result = LINK_WAIT;
    for (unsigned i = 0; i < DATAGRAMS_MAX && result == LINK_WAIT; i++) {
        ssize_t n = recv(lane->fd, lane->in, sizeof lane->in, 0);
        if (n >= 0) {
            result = take_frame(exchange, lane, lane->in, (size_t)n);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR)
            break;
        bool is_lost = is_passing(errno);
        result = fail_errno(exchange->link, exchange->frames->doing, exchange->error);
        if (is_lost) {
            note_hint(lane, LINK_LOST, exchange->error);
            result = LINK_WAIT;
        }
    }
    return result;
}

/* Takes all frames that are there in full, and moves the rest to the start. */
static enum link_result take_stream(struct exchange *exchange, struct lane *lane) {
    enum link_result result = LINK_WAIT;
    size_t at = 0;
    while (result == LINK_WAIT) {
        struct frame frame;
        enum frame_result is = frame_read_header(&frame, lane->in + at, lane->in_len - at);
        if (is == FRAME_FOREIGN || is == FRAME_OTHER_VERSION ||
            (is == FRAME_OK && frame.len > FRAME_MAX))
            return link_fail(exchange->link, LINK_DISTRUSTED, exchange->error,
                             "it does not speak this protocol");
        if (is != FRAME_OK || lane->in_len - at < frame.len)
            break;
        result = take_frame(exchange, lane, lane->in + at, frame.len);
        at += frame.len;
    }
    memmove(lane->in, lane->in + at, lane->in_len - at);
    lane->in_len -= at;
    return result;
}

static enum link_result receive_stream(struct exchange *exchange, struct lane *lane) {
    ssize_t n = recv(lane->fd, lane->in + lane->in_len, sizeof lane->in - lane->in_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return LINK_WAIT;
    if (n == 0)
        errno = ECONNRESET;
    if (n <= 0) {
        fail_errno(exchange->link, exchange->frames->doing, exchange->error);
        return LINK_LOST;
    }
    lane->in_len += (size_t)n;
    return take_stream(exchange, lane);
}

/* A connection is there, or has failed. */
static enum link_result finish_connecting(struct exchange *exchange, struct lane *lane) {
    int problem = 0;
    socklen_t len = sizeof problem;
    getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &problem, &len);
    errno = problem;
    if (problem != 0)
        return fail_errno(exchange->link, "no connection", exchange->error);
    lane->is_connected = true;
    exchange->link->servers[lane->server].was_connected = true;
    return LINK_WAIT;
}

/* --- the exchange ----------------------------------------------------------------------------- */

/* Whether an outcome ends the exchange, also where another server might still answer: it is not about
 * one server alone, or its server was chosen. */
static bool ends_all(const struct exchange *exchange, enum link_result result) {
    switch (result) {
    case LINK_DONE:
    case LINK_OVER_QUOTA:
    case LINK_SESSION_ENDED:
    case LINK_NOT_BELIEVED:
    case LINK_CHANGED:
        return true;
    case LINK_BUSY:
        return exchange->frames->ends_when_busy || exchange->link->lane != NULL;
    default:
        return exchange->link->lane != NULL;
    }
}

/* What has come of a lane: LINK_WAIT where the exchange goes on, also without it. */
static enum link_result settle(struct exchange *exchange, struct lane *lane,
                               enum link_result result) {
    if (result == LINK_WAIT || ends_all(exchange, result))
        return result;
    const struct error reason = *exchange->error;
    if (result == LINK_WRONG_KEY && exchange->frames->has_other_keys &&
        exchange->link->other_key_ms == 0)
        exchange->link->other_key_ms = net_now_ms() + OTHER_KEY_MS;
    leave_lane(exchange->link, lane, result, &reason);
    return LINK_WAIT;
}

/* Sends over a lane, and believes what was hinted at long enough ago. */
static enum link_result serve_lane(struct exchange *exchange, struct lane *lane, int64_t now_ms) {
    struct link *link = exchange->link;
    link->server = lane->server;
    if (lane->has_hint && now_ms >= lane->hint_ms + LINK_DOUBT_MS) {
        *exchange->error = lane->hint_reason;
        return settle(exchange, lane, lane->hint);
    }
    if (!lane->is_connected)
        return LINK_WAIT;
    enum link_result result =
        lane->is_udp ? send_datagrams(exchange, lane, now_ms) : write_stream(exchange, lane);
    return result == LINK_DONE ? LINK_WAIT : settle(exchange, lane, result);
}

static enum link_result serve_lanes(struct exchange *exchange, int64_t now_ms) {
    struct link *link = exchange->link;
    enum link_result result = LINK_WAIT;
    for (unsigned i = 0; i < LINK_LANES_MAX && result == LINK_WAIT; i++) {
        if (link->lanes[i].fd >= 0)
            result = serve_lane(exchange, &link->lanes[i], now_ms);
    }
    put_off(exchange, now_ms);
    return result;
}

/* The time is over: for each server that is left, what is known of it by then. */
static enum link_result time_out(struct exchange *exchange, enum link_result result,
                                 const char *reason) {
    struct link *link = exchange->link;
    for (unsigned i = 0; i < link->server_count; i++) {
        struct link_server *server = &link->servers[i];
        if (server->is_out || (link->lane != NULL && link->lane->server != i))
            continue;
        server->result = result;
        link->server = i;
        error_set(&server->reason, ERR_TIMEOUT, "%s: %s (%s)", server->name, reason,
                  exchange->frames->doing);
        for (unsigned j = 0; j < LINK_LANES_MAX; j++) {
            const struct lane *lane = &link->lanes[j];
            if (lane->fd >= 0 && lane->server == i && lane->has_hint) {
                server->result = lane->hint;
                server->reason = lane->hint_reason;
            }
        }
        server->is_out = true;
        server->again_ms = result == LINK_STALLED ? net_now_ms() : 0;
    }
    link->udp_stalled = link->lane != NULL && link->lane->is_udp;
    *exchange->error = link->servers[link->server].reason;
    return link->servers[link->server].result;
}

static int64_t stall_at(const struct exchange *exchange) {
    const struct link *link = exchange->link;
    int64_t patience_ms = STALL_ROUND_TRIPS * link->rtt_ms;
    if (link->lane == NULL)
        return NEVER_MS;
    return exchange->progress_ms + (patience_ms > STALL_MS ? patience_ms : STALL_MS);
}

/* When there is something to do, also where nothing comes. */
static int64_t next_event(const struct exchange *exchange) {
    const struct link *link = exchange->link;
    int64_t at_ms = sooner(*exchange->frames->deadline_ms, stall_at(exchange));
    if (link->lane == NULL)
        at_ms = sooner(at_ms, sooner(link->next_ms, next_again(link)));
    if (link->lane == NULL && link->other_key_ms != 0)
        at_ms = sooner(at_ms, link->other_key_ms);
    for (unsigned i = 0;
         i < LINK_WINDOW && (link->lane != NULL ? link->lane->is_udp : link->is_udp); i++) {
        if (link->slots[i].is_used)
            at_ms = sooner(at_ms, link->slots[i].again_ms);
    }
    for (unsigned i = 0; i < LINK_LANES_MAX; i++) {
        if (link->lanes[i].fd >= 0 && link->lanes[i].has_hint)
            at_ms = sooner(at_ms, link->lanes[i].hint_ms + LINK_DOUBT_MS);
    }
    return at_ms;
}

/* Waits until something comes or is to be done. */
static void wait_for(const struct exchange *exchange, struct pollfd *lanes,
                     struct pollfd *lookups) {
    const struct link *link = exchange->link;
    int64_t left_ms = next_event(exchange) - net_now_ms();
    for (unsigned i = 0; i < LINK_LANES_MAX; i++) {
        const struct lane *lane = &link->lanes[i];
        bool is_full = lane->is_connected && (lane->is_udp || lane->next == exchange->formed);
        lanes[i] = (struct pollfd){.fd = lane->fd, .events = is_full ? POLLIN : POLLIN | POLLOUT};
    }
    for (unsigned i = 0; i < LINK_SERVERS_MAX; i++)
        lookups[i] = (struct pollfd){.fd = i < link->server_count ? link->servers[i].lookup.fd : -1,
                                     .events = POLLIN};
    left_ms = left_ms < 0 ? 0 : left_ms;
    /* Interrupted, it comes back, and looks at the clock. */
    if (poll(lanes, LINK_LANES_MAX + LINK_SERVERS_MAX, (int)sooner(left_ms, 1000000)) < 0)
        memset(lanes, 0, (LINK_LANES_MAX + LINK_SERVERS_MAX) * sizeof *lanes);
}

static enum link_result take_events(struct exchange *exchange) {
    struct pollfd events[LINK_LANES_MAX + LINK_SERVERS_MAX];
    struct pollfd *lookups = events + LINK_LANES_MAX;
    struct link *link = exchange->link;
    enum link_result result = LINK_WAIT;
    wait_for(exchange, events, lookups);
    for (unsigned i = 0; i < LINK_LANES_MAX && result == LINK_WAIT; i++) {
        struct lane *lane = &link->lanes[i];
        if (lane->fd < 0 || events[i].revents == 0)
            continue;
        link->server = lane->server;
        if (!lane->is_connected)
            result = finish_connecting(exchange, lane);
        else if ((events[i].revents & ~POLLOUT) != 0)
            result =
                lane->is_udp ? receive_datagrams(exchange, lane) : receive_stream(exchange, lane);
        result = settle(exchange, lane, result);
    }
    for (unsigned i = 0; i < link->server_count && result == LINK_WAIT; i++) {
        if (lookups[i].revents != 0 && link->servers[i].lookup.fd >= 0)
            take_addresses(link, i, net_now_ms());
    }
    return result;
}

/* No server is left, or those that are take too long while another one has another key. */
static enum link_result give_up(struct exchange *exchange) {
    struct link *link = exchange->link;
    for (unsigned i = 0; link->other_key_ms != 0 && i < link->server_count; i++) {
        if (link->servers[i].is_out && link->servers[i].result == LINK_WRONG_KEY)
            link->server = i;
    }
    *exchange->error = link->servers[link->server].reason;
    return link->servers[link->server].result;
}

/* Carries it out until something decides. */
static enum link_result carry_out(struct exchange *exchange) {
    struct link *link = exchange->link;
    enum link_result result = LINK_WAIT;
    if (!fill_slots(exchange))
        return link_fail(link, LINK_REFUSED, exchange->error, "a question is too long for a frame");
    while (result == LINK_WAIT) {
        int64_t now_ms = net_now_ms();
        if (now_ms >= *exchange->frames->deadline_ms)
            return time_out(exchange, LINK_TIMED_OUT, "no answer within the time allowed");
        if (now_ms >= stall_at(exchange))
            return time_out(exchange, LINK_STALLED, "no answer any more");
        try_more(link, now_ms);
        result = serve_lanes(exchange, now_ms);
        bool is_over =
            !link_has_servers(link) || (link->other_key_ms != 0 && now_ms >= link->other_key_ms);
        if (result == LINK_WAIT && link->lane == NULL && is_over)
            return give_up(exchange);
        if (result == LINK_WAIT)
            result = take_events(exchange);
    }
    return result;
}

enum link_result link_exchange(struct link *link, const struct link_frames *frames,
                               struct error *error) {
    struct exchange exchange = {
        .link = link, .frames = frames, .start_ms = net_now_ms(), .error = error};
    exchange.progress_ms = exchange.start_ms;
    for (unsigned i = 0; i < LINK_WINDOW; i++)
        link->slots[i].is_used = false;
    link->other_key_ms = 0;
    if (link->lane == NULL) {
        link->next_ms = 0;
        link->search_ms = exchange.start_ms;
        link->hears_udp = false;
    } else {
        link->server = link->lane->server;
        link->lane->next = 0;
        link->lane->written = 0;
        link->lane->has_hint = false;
    }
    enum link_result result = carry_out(&exchange);
    if (result != LINK_DONE)
        link_close(link);
    return result;
}
