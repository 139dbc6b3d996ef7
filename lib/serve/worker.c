#include "serve/worker.h"

#include "base/bytes.h"
#include "base/date.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "net/socket.h"
#include "serve/channel.h"
#include "serve/connection.h"
#include "serve/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ACCEPTS_MAX 64  /* before other events get their turn */
#define UNDER_WAY_MAX 4 /* requests at a key-holder: one at work, a few behind it */
#define REPORT_MS 60000 /* between lines of counters */

/* What epoll gives back: a connection_id, or one of these. */
#define EVENT_OTHER ((uint64_t)1 << 63)
#define EVENT_LISTENER (EVENT_OTHER + 1)
#define EVENT_ORDERS (EVENT_OTHER + 2)
#define EVENT_KEY_HOLDER (EVENT_OTHER + 3) /* plus its index */

struct counters {
    uint64_t accepted;
    uint64_t answered;
    uint64_t valid;
    uint64_t refused; /* bad ciphertext, other protocols, malformed */
    uint64_t timed_out;
    uint64_t evicted;  /* to make room for newer ones */
    uint64_t withheld; /* answers, because the database is past its valid-until */
};

struct worker {
    const struct serve_settings *settings;
    struct db *db;
    const struct worker_channels *channels;
    struct connection_key key;
    int epoll;
    int is_draining;
    int is_over;
    struct connection *connections;
    uint32_t *free_slots;
    uint32_t free_count;
    struct list by_age;
    struct list queue; /* connections waiting for a key-holder */
    unsigned under_way[SERVE_PROCESSES_MAX];
    struct counters counters;
    struct counters reported;
    int64_t next_report_ms;
};

/* --- connections ------------------------------------------------------------------------------ */

/* Names a slot and its use: what comes late for a closed connection finds nobody. */
static uint64_t connection_id(const struct connection *connection) {
    return (uint64_t)(connection->generation & 0x7FFFFFFF) << 32 | connection->index;
}

static struct connection *find_connection(struct worker *worker, uint64_t id) {
    uint32_t index = (uint32_t)id;
    struct connection *connection = &worker->connections[index];
    if (index >= worker->settings->connection_max || connection->fd < 0 ||
        connection_id(connection) != id)
        return NULL;
    return connection;
}

static void close_connection(struct worker *worker, struct connection *connection,
                             const char *reason) {
    if (strcmp(reason, "malformed") == 0 || strcmp(reason, "unknown_protocol") == 0 ||
        strcmp(reason, "undecipherable") == 0)
        worker->counters.refused++;
    close(connection->fd); /* epoll forgets it */
    connection->fd = -1;
    connection->generation++;
    list_remove(&connection->age);
    list_remove(&connection->queue);
    wipe(&connection->legacy, sizeof connection->legacy);
    worker->free_slots[worker->free_count++] = connection->index;
    if (worker->settings->is_once)
        worker->is_over = 1;
}

static void watch(struct worker *worker, struct connection *connection, uint32_t interest) {
    if (connection->interest == interest)
        return;
    struct epoll_event event = {.events = interest, .data.u64 = connection_id(connection)};
    epoll_ctl(worker->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    connection->interest = interest;
}

static void send_requests(struct worker *worker);

static void advance(struct worker *worker, struct connection *connection) {
    const char *reason = "";
    switch (connection_advance(connection, &worker->key, worker->settings->is_legacy, &reason)) {
    case CONNECTION_READ:
        watch(worker, connection, EPOLLIN);
        break;
    case CONNECTION_WRITE:
        watch(worker, connection, EPOLLOUT);
        break;
    case CONNECTION_DECRYPT:
        watch(worker, connection, 0);
        list_append(&worker->queue, &connection->queue);
        send_requests(worker);
        break;
    case CONNECTION_WAIT:
        watch(worker, connection, 0);
        break;
    case CONNECTION_CLOSE:
        close_connection(worker, connection, reason);
        break;
    }
}

/* Closes the oldest connection that is not being answered just now, to make room. 1 or 0. */
static int evict(struct worker *worker) {
    for (struct list *link = worker->by_age.next; link != &worker->by_age; link = link->next) {
        struct connection *connection = LIST_ENTRY(link, struct connection, age);
        if (!connection->is_waiting) {
            worker->counters.evicted++;
            close_connection(worker, connection, "evicted");
            return 1;
        }
    }
    return 0;
}

static void add_connection(struct worker *worker, int fd) {
    uint32_t slot = worker->free_slots[--worker->free_count];
    struct connection *connection = &worker->connections[slot];
    connection_init(connection, fd, net_now_ms() + worker->settings->deadline_ms);
    connection->interest = EPOLLIN;
    list_append(&worker->by_age, &connection->age);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = connection_id(connection)};
    worker->counters.accepted++;
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        close_connection(worker, connection, "lost");
        return;
    }
    advance(worker, connection);
}

static void accept_connections(struct worker *worker) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (worker->free_count == 0 && !evict(worker))
            return;
        int fd = accept4(worker->channels->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict(worker))
            continue;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        add_connection(worker, fd);
        if (worker->settings->is_once) {
            epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->channels->listener, NULL);
            return;
        }
    }
}

/* --- key-holders ------------------------------------------------------------------------------ */

/* Hands waiting ciphertexts to key-holders that have room, the least busy first. */
static void send_requests(struct worker *worker) {
    while (!list_is_empty(&worker->queue)) {
        unsigned best = 0;
        for (unsigned i = 1; i < worker->channels->key_holder_count; i++) {
            if (worker->under_way[i] < worker->under_way[best])
                best = i;
        }
        if (worker->under_way[best] >= UNDER_WAY_MAX)
            return;
        struct connection *connection = LIST_ENTRY(worker->queue.next, struct connection, queue);
        struct channel_request request = {.id = connection_id(connection),
                                          .hash = RSA_SHA1,
                                          .len = (uint32_t)connection->legacy.modulus_len};
        memcpy(request.ciphertext, connection->legacy.buffer, request.len);
        if (send(worker->channels->key_holders[best], &request, sizeof request, MSG_NOSIGNAL) !=
            (ssize_t)sizeof request)
            return; /* it is gone, and the parent will end us */
        worker->under_way[best]++;
        list_remove(&connection->queue);
    }
}

/* What the database says to a decrypted question; NULL where there is no answer. */
static const char *answer_question(struct worker *worker, const struct channel_reply *reply) {
    uint8_t digest[SHA256_LEN];
    struct db_answer answer;
    struct moment now = {.unix_s = time(NULL), .is_day = 0};
    const struct db_header *header = &worker->db->header;
    if (!reply->is_decrypted || !legacy_question_digest(digest, reply->message, reply->len))
        return NULL;
    db_ask(worker->db, worker->settings->is_keyed ? &worker->settings->lookup_key : NULL, digest,
           KIND_ANY, moment_day(&now, header->utc_offset_s), &answer);
    worker->counters.answered++;
    worker->counters.valid += answer.verdict == VERDICT_VALID;
    return answer.verdict == VERDICT_VALID ? LEGACY_VALID : LEGACY_INVALID;
}

static void take_reply(struct worker *worker, const struct channel_reply *reply) {
    struct connection *connection = find_connection(worker, reply->id);
    if (connection == NULL || !connection->is_waiting)
        return; /* its client has left */
    if (db_check_valid_until(&worker->db->header, "", time(NULL), NULL) != 0) {
        worker->counters.withheld++;
        close_connection(worker, connection, "withheld");
        return;
    }
    const char *text = answer_question(worker, reply);
    if (text == NULL) {
        close_connection(worker, connection, "undecipherable");
        return;
    }
    connection_answer(connection, text);
    advance(worker, connection);
}

static void take_replies(struct worker *worker, unsigned key_holder) {
    struct channel_reply reply;
    for (;;) {
        ssize_t n = recv(worker->channels->key_holders[key_holder], &reply, sizeof reply, 0);
        if (n != (ssize_t)sizeof reply || reply.len > sizeof reply.message) {
            /* Its end: the parent notices too and ends us; until then do not spin. */
            if (n == 0)
                epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->channels->key_holders[key_holder],
                          NULL);
            break;
        }
        worker->under_way[key_holder]--;
        take_reply(worker, &reply);
        wipe(&reply, sizeof reply);
    }
    send_requests(worker);
}

/* --- orders ----------------------------------------------------------------------------------- */

/* What the settings want of a database before it is asked. */
static int prepare_database(const struct worker *worker, const struct db *db, struct error *error) {
    int code = worker->settings->populates ? db_populate(db, worker->settings->db_path, error) : 0;
    if (code == 0 && worker->settings->locks)
        code = db_lock(db, worker->settings->db_path, error);
    return code;
}

/* The parent has checked the file in full; here it takes the old one's place between two answers.
 */
static void switch_database(struct worker *worker, int fd) {
    struct db next;
    struct error error;
    int code =
        db_open_fd(&next, fd, worker->settings->db_path, &worker->settings->authority, &error);
    close(fd);
    if (code == 0) {
        code = prepare_database(worker, &next, &error);
        if (code != 0)
            db_close(&next);
    }
    if (code != 0) {
        serve_log(worker->settings, "switch_failed reason=\"%s\"", error.text);
        return;
    }
    db_close(worker->db);
    *worker->db = next;
}

static void drain(struct worker *worker) {
    worker->is_draining = 1;
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->channels->listener, NULL);
    close(worker->channels->listener);
}

static void take_orders(struct worker *worker) {
    int fd;
    int order = channel_receive_order(worker->channels->orders, &fd);
    if (order == 0) {
        worker->is_over = 1; /* the parent is gone */
    } else if (order == CHANNEL_DATABASE && fd >= 0) {
        switch_database(worker, fd);
    } else if (order == CHANNEL_DRAIN && !worker->is_draining) {
        drain(worker);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void close_overdue(struct worker *worker, int64_t now_ms) {
    while (!list_is_empty(&worker->by_age)) {
        struct connection *oldest = LIST_ENTRY(worker->by_age.next, struct connection, age);
        if (oldest->deadline_ms > now_ms)
            return;
        worker->counters.timed_out++;
        close_connection(worker, oldest, "timed_out");
    }
}

static void report(struct worker *worker) {
    const struct counters *counters = &worker->counters;
    if (memcmp(counters, &worker->reported, sizeof *counters) == 0)
        return;
    worker->reported = *counters;
    serve_log(worker->settings,
              "counters accepted=%llu answered=%llu valid=%llu refused=%llu timed_out=%llu "
              "evicted=%llu withheld=%llu open=%u",
              (unsigned long long)counters->accepted, (unsigned long long)counters->answered,
              (unsigned long long)counters->valid, (unsigned long long)counters->refused,
              (unsigned long long)counters->timed_out, (unsigned long long)counters->evicted,
              (unsigned long long)counters->withheld,
              worker->settings->connection_max - worker->free_count);
}

static int wait_ms(const struct worker *worker, int64_t now_ms) {
    int64_t next = worker->next_report_ms;
    if (!list_is_empty(&worker->by_age)) {
        const struct connection *oldest = LIST_ENTRY(worker->by_age.next, struct connection, age);
        if (oldest->deadline_ms < next)
            next = oldest->deadline_ms;
    }
    return next <= now_ms ? 0 : (int)(next - now_ms);
}

/* --- the loop --------------------------------------------------------------------------------- */

static int watch_fd(struct worker *worker, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_worker(struct worker *worker) {
    const struct serve_settings *settings = worker->settings;
    char pem[RSA_PEM_MAX];
    list_init(&worker->by_age);
    list_init(&worker->queue);
    /* The original's exportKey() writes no line feed at the end. */
    worker->key.pem_len = rsa_public_write_pem(&settings->key.public, pem) - 1;
    memcpy(worker->key.pem, pem, worker->key.pem_len);
    worker->key.modulus_len = settings->key.public.n_len;
    worker->next_report_ms = net_now_ms() + REPORT_MS;

    /* All that is ever allocated: a slot for each connection. */
    worker->connections = calloc(settings->connection_max, sizeof *worker->connections);
    worker->free_slots = calloc(settings->connection_max, sizeof *worker->free_slots);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->connections == NULL || worker->free_slots == NULL || worker->epoll < 0)
        return ERR_SYSTEM;
    for (uint32_t i = settings->connection_max; i-- > 0;) {
        worker->connections[i].fd = -1;
        worker->connections[i].index = i;
        worker->free_slots[worker->free_count++] = i;
    }
    if (watch_fd(worker, worker->channels->listener, EPOLLIN | EPOLLEXCLUSIVE, EVENT_LISTENER) ||
        watch_fd(worker, worker->channels->orders, EPOLLIN, EVENT_ORDERS))
        return ERR_SYSTEM;
    for (unsigned i = 0; i < worker->channels->key_holder_count; i++) {
        if (watch_fd(worker, worker->channels->key_holders[i], EPOLLIN, EVENT_KEY_HOLDER + i))
            return ERR_SYSTEM;
    }
    return 0;
}

static void take_event(struct worker *worker, const struct epoll_event *event) {
    uint64_t data = event->data.u64;
    if (data == EVENT_LISTENER) {
        if (!worker->is_draining)
            accept_connections(worker);
    } else if (data == EVENT_ORDERS) {
        take_orders(worker);
    } else if (data >= EVENT_KEY_HOLDER) {
        take_replies(worker, (unsigned)(data - EVENT_KEY_HOLDER));
    } else {
        struct connection *connection = find_connection(worker, data);
        if (connection == NULL)
            return; /* closed by an event before this one */
        if (event->events & EPOLLERR || (connection->is_waiting && event->events & EPOLLHUP))
            close_connection(worker, connection, "lost");
        else
            advance(worker, connection);
    }
}

int worker_run(const struct serve_settings *settings, struct db *db,
               const struct worker_channels *channels) {
    static struct worker worker;
    struct epoll_event events[EVENTS_MAX];
    struct error error;
    worker.settings = settings;
    worker.db = db;
    worker.channels = channels;
    if (open_worker(&worker) != 0) {
        serve_log(settings, "worker_failed reason=\"%s\"", strerror(errno));
        return 2;
    }
    if (prepare_database(&worker, db, &error) != 0) {
        serve_log(settings, "worker_failed reason=\"%s\"", error.text);
        return 2;
    }
    while (!worker.is_over && !(worker.is_draining && list_is_empty(&worker.by_age))) {
        int n = epoll_wait(worker.epoll, events, EVENTS_MAX, wait_ms(&worker, net_now_ms()));
        for (int i = 0; i < n; i++)
            take_event(&worker, &events[i]);
        int64_t now_ms = net_now_ms();
        close_overdue(&worker, now_ms);
        if (now_ms >= worker.next_report_ms) {
            worker.next_report_ms = now_ms + REPORT_MS;
            report(&worker);
        }
    }
    report(&worker);
    db_close(db);
    free(worker.connections);
    free(worker.free_slots);
    return 0;
}
