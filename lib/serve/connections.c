#include "serve/connections.h"

#include "net/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 64 /* how many connections are accepted before other events get their turn */
#define QUEUE_MAX 512  /* how many openings may wait for a key-holder */

int connections_open(struct connections *all) {
    list_init(&all->young);
    list_init(&all->live);
    all->slots = calloc(all->settings->connection_max, sizeof(struct connection *));
    all->free_slots = calloc(all->settings->connection_max, sizeof *all->free_slots);
    return all->slots != NULL && all->free_slots != NULL ? 0 : ERR_MEMORY;
}

void connections_free(struct connections *all) {
    for (uint32_t i = 0; i < all->slots_used; i++)
        free(all->slots[i]);
    free(all->slots);
    free(all->free_slots);
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
    list_remove(&connection->age);
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

/* Gives a client that has asked with success a longer time to be idle. */
static void renew(struct connections *all, struct connection *connection) {
    connection->is_active = false;
    connection->deadline_ms = net_now_ms() + all->settings->idle_ms;
    list_remove(&connection->age);
    list_append(&all->live, &connection->age);
}

/* Gives the connection's job to the key-holders. An opening that is not received is refused. True
 * where it was given. */
static bool start_job(struct connections *all, struct connection *connection) {
    uint8_t reply[RECEPTION_REPLY_MAX];
    struct sockaddr_storage peer = {0};
    socklen_t peer_len = sizeof peer;
    if (connection->job.work != CHANNEL_LEGACY) {
        bool has_room = all->requests->waiting_count < QUEUE_MAX;
        /* A connection without a peer is lost, and shares the limit of the address of zeros. */
        if (getpeername(connection->fd, (struct sockaddr *)&peer, &peer_len) != 0)
            peer.ss_family = AF_UNSPEC;
        size_t len = reception_take(all->reception, &peer, false, has_room, connection->in,
                                    connection->in_len, reply);
        if (len > 0) {
            connection_refuse(connection, &all->host, reply, len);
            return false;
        }
    }
    connection_wait(connection);
    requests_add(all->requests, &connection->job);
    return true;
}

static void advance(struct connections *all, struct connection *connection) {
    for (;;) {
        enum connection_step step = connection_advance(connection, &all->host);
        if (connection->is_active)
            renew(all, connection);
        switch (step) {
        case CONNECTION_READ:
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

/* --- new connections -------------------------------------------------------------------------- */

/* The first of `list` that is not being answered just now; NULL: there is none. */
static struct connection *oldest(struct list *list) {
    for (struct list *link = list->next; link != list; link = link->next) {
        struct connection *connection = LIST_ENTRY(link, struct connection, age);
        if (!connection->is_waiting)
            return connection;
    }
    return NULL;
}

/* Closes a connection to make room: the oldest without a session, else the one that has been idle
 * for longest. False where every connection is being answered just now. */
static bool evict(struct connections *all) {
    struct connection *connection = oldest(&all->young);
    if (connection == NULL)
        connection = oldest(&all->live);
    if (connection == NULL)
        return false;
    count(all->counts, COUNT_EVICTED);
    connections_close(all, connection);
    return true;
}

static void add_connection(struct connections *all, int fd) {
    struct connection *connection = take_slot(all);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection_init(connection, fd, net_now_ms() + all->settings->deadline_ms);
    connection->interest = EPOLLIN;
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
        if (connections_count(all) == all->settings->connection_max && !evict(all))
            return;
        int fd = accept4(all->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict(all))
            continue;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        add_connection(all, fd);
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

void connections_close_idle(struct connections *all) {
    for (struct list *link = all->live.next; link != &all->live;) {
        struct connection *connection = LIST_ENTRY(link, struct connection, age);
        link = link->next;
        if (!connection->is_waiting && connection->out == NULL && connection->in == NULL)
            connections_close(all, connection);
    }
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
}

int64_t connections_deadline(const struct connections *all, int64_t otherwise) {
    return first_deadline(&all->live, first_deadline(&all->young, otherwise));
}
