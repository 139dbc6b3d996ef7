#include "serve/connections.h"

#include "net/socket.h"
#include "wire/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64 /* how many connections are accepted before other events get their turn */
#define REST_MS 2000
#define LEFT_ALONE_MS 2000 /* for how long after it has come or asked, if another can go instead */

int connections_open(struct connections *all) {
    list_init(&all->young);
    list_init(&all->live);
    list_init(&all->resting);
    all->slots = calloc(all->settings->connection_max, sizeof(struct connection *));
    all->free_slots = calloc(all->settings->connection_max, sizeof *all->free_slots);
    all->host.holders.max = all->settings->connection_max;
    return all->slots != NULL && all->free_slots != NULL ? holders_open(&all->host.holders)
                                                         : ERR_MEMORY;
}

void connections_free(struct connections *all) {
    for (uint32_t i = 0; i < all->slots_used; i++)
        free(all->slots[i]);
    free(all->slots);
    free(all->free_slots);
    holders_free(&all->host.holders);
}

/* --- slots ------------------------------------------------------------------------------------ */

/* Names a slot together with how often it was used, so that a late event for a closed connection
 * does not reach the connection that has the slot now. */
static uint64_t connection_id(const struct connection *connection) {
    return (uint64_t)(connection->generation & 0x7FFFFFFF) << 32 | connection->index;
}

static struct connection *find_connection(struct connections *all, uint64_t id) {
    uint32_t index = (uint32_t)id;
    struct connection *connection = index < all->slots_used ? all->slots[index] : NULL;
    return connection != NULL && connection->fd >= 0 && connection_id(connection) == id ? connection
                                                                                        : NULL;
}

uint32_t connections_count(const struct connections *all) {
    return all->slots_used - all->free_count;
}

static void count_end(struct connections *all, enum connection_end end) {
    if (end == END_MALFORMED)
        count(all->counts, COUNT_REFUSED_MALFORMED);
    if (end == END_UNKNOWN_PROTOCOL)
        count(all->counts, COUNT_REFUSED_VERSION);
}

void connections_close(struct connections *all, struct connection *connection) {
    count(all->counts, COUNT_CLOSED);
    count_end(all, (enum connection_end)connection->end);
    close(connection->fd); /* this removes it from epoll, too */
    requests_cancel(all->requests, &connection->job);
    connection_end(connection, &all->host);
    holders_take_back(&all->host.holders, &connection->holding);
    list_remove(&connection->age);
    list_remove(&connection->rest);
    connection->fd = -1;
    connection->generation++;
    all->free_slots[all->free_count++] = connection->index;
    if (all->settings->is_once)
        all->is_over = true;
}

/* A slot for a new connection; NULL where there is no memory. */
static struct connection *take_slot(struct connections *all) {
    uint32_t index, generation = 0;
    if (all->free_count > 0) {
        index = all->free_slots[all->free_count - 1];
        generation = all->slots[index]->generation;
    } else {
        index = all->slots_used;
        all->slots[index] = malloc(sizeof **all->slots);
        if (all->slots[index] == NULL)
            return NULL;
    }
    if (all->free_count > 0)
        all->free_count--;
    else
        all->slots_used++;
    struct connection *connection = all->slots[index];
    memset(connection, 0, sizeof *connection);
    connection->index = index;
    connection->generation = generation;
    return connection;
}

/* --- going on --------------------------------------------------------------------------------- */

static void watch(struct connections *all, struct connection *connection, uint32_t interest) {
    if (connection->interest == interest)
        return;
    struct epoll_event event = {.events = interest, .data.u64 = connection_id(connection)};
    epoll_ctl(all->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    connection->interest = interest;
}

/* Gives a client that has asked with success a longer time to be idle. From then on the connection counts
 * as its kiosk's, not its network's: a whole country may come through one gateway. */
static void renew(struct connections *all, struct connection *connection) {
    holders_give(&all->host.holders, &connection->holding,
                 connection->asker != 0 ? connection->asker : connection->network);
    connection->is_active = false;
    connection->active_ms = net_now_ms();
    connection->deadline_ms = connection->active_ms + all->settings->idle_ms;
    list_remove(&connection->age);
    list_append(&all->live, &connection->age);
}

/* Reads nothing from the connection for a while, so that a replay takes no time from others. */
static void let_rest(struct connections *all, struct connection *connection) {
    watch(all, connection, 0);
    connection->rests_until_ms = net_now_ms() + REST_MS;
    list_remove(&connection->rest);
    list_append(&all->resting, &connection->rest);
}

static void wake_rested(struct connections *all, int64_t now_ms) {
    while (!list_is_empty(&all->resting)) {
        struct connection *first = LIST_ENTRY(all->resting.next, struct connection, rest);
        if (first->rests_until_ms > now_ms)
            return;
        list_remove(&first->rest);
        first->rests = false;
        watch(all, first, EPOLLIN);
    }
}

/* Gives the connection's job to the key-holders. An opening that is not received is refused. True
 * where it was given. */
static bool start_job(struct connections *all, struct connection *connection) {
    uint8_t reply[RECEPTION_REPLY_MAX];
    const uint8_t *peer = connection->address;
    bool is_legacy = connection->job.work == CHANNEL_LEGACY;
    size_t len = 0;
    bool is_taken = !is_legacy || reception_take_legacy(all->reception, peer, &connection->job);
    if (!is_legacy)
        len = reception_take(all->reception, peer, false, &connection->job, connection->in,
                             connection->in_len, reply);
    if (len == 0 && is_taken) {
        connection_wait(connection);
        if (requests_add(all->requests, &connection->job, net_now_ms()))
            return true;
        len = reception_busy(all->reception, reply);
    }
    connection_refuse(connection, &all->host, reply, is_legacy ? 0 : len);
    return false;
}

/* The connection is its network's, until a kiosk shows itself. */
static void note_network(struct connections *all, struct connection *connection) {
    connection->network = admission_network(&all->reception->admission, connection->address);
    holders_give(&all->host.holders, &connection->holding, connection->network);
}

/* Takes the header that a balancer sends first. False where the connection is not for going on: it waits
 * for more of it, or was closed. */
static bool take_proxy_header(struct connections *all, struct connection *connection) {
    uint8_t bytes[PROXY_HEADER_MAX], address[PROXY_ADDRESS_LEN];
    size_t header_len = 0;
    ssize_t n = recv(connection->fd, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        watch(all, connection, EPOLLIN);
        return false;
    }
    enum proxy_result result =
        n > 0 ? proxy_read(bytes, (size_t)n, &header_len, address) : PROXY_FOREIGN;
    /* Balancers send it in one piece, so one that has not come in full is none. */
    if (result == PROXY_FOREIGN || result == PROXY_WAIT ||
        recv(connection->fd, bytes, header_len, 0) != (ssize_t)header_len) {
        connection->end = END_MALFORMED;
        connections_close(all, connection);
        return false;
    }
    connection->is_proxied = false;
    if (result == PROXY_SOURCE)
        memcpy(connection->address, address, ADDRESS_LEN);
    note_network(all, connection);
    return true;
}

static void advance(struct connections *all, struct connection *connection) {
    if (connection->is_proxied && !take_proxy_header(all, connection))
        return;
    for (;;) {
        enum connection_step step = connection_advance(connection, &all->host);
        if (connection->is_active)
            renew(all, connection);
        switch (step) {
        case CONNECTION_READ:
            if (connection->rests)
                let_rest(all, connection);
            else
                watch(all, connection, EPOLLIN);
            return;
        case CONNECTION_WRITE:
            watch(all, connection, EPOLLOUT);
            return;
        case CONNECTION_WAIT:
            watch(all, connection, 0);
            return;
        case CONNECTION_CLOSE:
            connections_close(all, connection);
            return;
        case CONNECTION_JOB:
            break;
        }
        if (start_job(all, connection)) {
            watch(all, connection, 0);
            return;
        }
    }
}

void connections_refuse(struct connections *all, struct connection *connection) {
    uint8_t reply[RECEPTION_REPLY_MAX];
    size_t len = reception_busy(all->reception, reply);
    connection_refuse(connection, &all->host, reply, connection->legacy != NULL ? 0 : len);
    advance(all, connection);
}

/* --- new connections -------------------------------------------------------------------------- */

static struct connection *connection_of(struct holding *holding) {
    return LIST_ENTRY(holding, struct connection, holding);
}

/* It is not being answered just now, ... */
static bool is_free(const void *context, struct holding *holding) {
    (void)context;
    return !connection_of(holding)->is_waiting;
}

/* ... nor has it just come, or just asked. */
static bool may_go(const void *context, struct holding *holding) {
    const int64_t *now_ms = context;
    return is_free(NULL, holding) && *now_ms - connection_of(holding)->active_ms >= LEFT_ALONE_MS;
}

/* Closes a connection to make room: of whoever holds the most, the one that has been silent for longest.
 * False where every connection is being answered just now. */
static bool evict(struct connections *all) {
    const struct holders *holders = &all->host.holders;
    int64_t now_ms = net_now_ms();
    /* Who holds the most goes first, even if all that he has has just come. */
    struct holding *holding = holders_choose(holders, holders->most, may_go, &now_ms);
    if (holding == NULL)
        holding = holders_choose(holders, 1, is_free, NULL);
    if (holding == NULL)
        return false;
    count(all->counts, COUNT_EVICTED);
    connections_close(all, connection_of(holding));
    return true;
}

/* Whether a connection from this address begins with a header that names its source. */
static bool is_proxy(const struct serve_settings *settings, const uint8_t address[ADDRESS_LEN]) {
    for (unsigned i = 0; i < settings->proxy_count; i++) {
        const struct serve_network *network = &settings->proxies[i];
        unsigned whole = network->bits / 8, rest = network->bits % 8;
        uint8_t mask = (uint8_t)(0xFF00u >> rest);
        if (memcmp(network->address, address, whole) == 0 &&
            (rest == 0 || ((network->address[whole] ^ address[whole]) & mask) == 0))
            return true;
    }
    return false;
}

static void add_connection(struct connections *all, int fd, const struct sockaddr_storage *peer) {
    struct connection *connection = take_slot(all);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection_init(connection, fd, net_now_ms() + all->settings->deadline_ms);
    connection->interest = EPOLLIN;
    connection->active_ms = net_now_ms();
    admission_address(connection->address, peer);
    connection->is_proxied = is_proxy(all->settings, connection->address);
    note_network(all, connection);
    list_append(&all->young, &connection->age);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = connection_id(connection)};
    count(all->counts, COUNT_ACCEPTED);
    if (epoll_ctl(all->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        connections_close(all, connection);
        return;
    }
    advance(all, connection);
}

void connections_accept(struct connections *all) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_len = sizeof peer;
        int fd = accept4(all->listener, (struct sockaddr *)&peer, &peer_len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict(all))
            continue;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        if (connections_count(all) == all->settings->connection_max && !evict(all)) {
            close(fd);
            return;
        }
        add_connection(all, fd, &peer);
        if (all->settings->is_once) {
            epoll_ctl(all->epoll, EPOLL_CTL_DEL, all->listener, NULL);
            return;
        }
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void close_overdue(struct connections *all, struct list *list, int64_t now_ms) {
    while (!list_is_empty(list)) {
        struct connection *first = LIST_ENTRY(list->next, struct connection, age);
        if (first->deadline_ms > now_ms)
            return;
        count(all->counts, COUNT_TIMED_OUT);
        connections_close(all, first);
    }
}

static int64_t first_deadline(const struct list *list, int64_t otherwise) {
    if (list_is_empty(list))
        return otherwise;
    int64_t first = LIST_ENTRY(list->next, struct connection, age)->deadline_ms;
    return first < otherwise ? first : otherwise;
}

static void close_idle(struct connections *all, struct list *list, bool is_late) {
    for (struct list *link = list->next; link != list;) {
        struct connection *connection = LIST_ENTRY(link, struct connection, age);
        bool is_between = connection->in == NULL && connection->legacy == NULL;
        link = link->next;
        if (!connection->is_waiting && connection->out == NULL && (is_between || is_late))
            connections_close(all, connection);
    }
}

void connections_close_idle(struct connections *all, bool is_late) {
    close_idle(all, &all->young, is_late);
    close_idle(all, &all->live, is_late);
}

void connections_take_event(struct connections *all, uint64_t data, uint32_t events) {
    struct connection *connection = find_connection(all, data);
    if (connection == NULL)
        return; /* an earlier event has closed it */
    if (events & EPOLLERR || (connection->is_waiting && events & EPOLLHUP))
        connections_close(all, connection);
    else
        advance(all, connection);
}

void connections_take_reply(struct connections *all, struct connection *connection,
                            const struct channel_reply *reply, const char *text) {
    if (connection_take_reply(connection, &all->host, reply, text)) {
        advance(all, connection);
        return;
    }
    count(all->counts, COUNT_REFUSED_OPENING);
    connections_close(all, connection);
}

void connections_close_overdue(struct connections *all, int64_t now_ms) {
    close_overdue(all, &all->young, now_ms);
    close_overdue(all, &all->live, now_ms);
    wake_rested(all, now_ms);
}

int64_t connections_deadline(const struct connections *all, int64_t otherwise) {
    otherwise = first_deadline(&all->live, first_deadline(&all->young, otherwise));
    if (list_is_empty(&all->resting))
        return otherwise;
    int64_t first = LIST_ENTRY(all->resting.next, struct connection, rest)->rests_until_ms;
    return first < otherwise ? first : otherwise;
}
