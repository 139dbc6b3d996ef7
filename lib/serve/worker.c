#include "serve/worker.h"

#include "base/bytes.h"
#include "base/date.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "net/socket.h"
#include "serve/connection.h"
#include "serve/datagram.h"
#include "serve/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define ACCEPTS_MAX 64    /* before other events get their turn */
#define DATAGRAM_ROUNDS 8 /* likewise, in batches */
#define QUEUE_MAX 512     /* openings over TCP that may wait for a key-holder */
#define BUSY_US 1000      /* while openings wait, a worker that has been busy for so long ... */
#define REST_US 100       /* ... leaves the core to key-holders for this long: a tenth of it */
#define REPORT_MS 60000   /* between lines of counters */

/* What epoll gives back: a connection_id, or one of these. */
#define EVENT_OTHER ((uint64_t)1 << 63)
#define EVENT_LISTENER (EVENT_OTHER + 1)
#define EVENT_ORDERS (EVENT_OTHER + 2)
#define EVENT_REPLIES (EVENT_OTHER + 3)
#define EVENT_DATAGRAMS (EVENT_OTHER + 4)
#define EVENT_XDP (EVENT_OTHER + 5)

struct worker {
    const struct serve_settings *settings;
    struct db *db;
    const struct worker_place *place;
    int epoll;
    int is_draining;
    int is_over;
    struct connection **connections; /* NULL: this slot was never used */
    uint32_t slots_used;
    uint32_t *free_slots;
    uint32_t free_count;
    struct list young; /* connections without a session, by deadline */
    struct list live;  /* those with one, by deadline: the longest idle first */
    struct random random;
    struct admission admission;
    struct answerer answerer;
    struct requests requests;
    struct connection_host host;
    struct datagram_server datagrams;
    struct counts *counts;
    uint64_t reported;
    int64_t busy_since_us; /* since then it has left the core for ... */
    int64_t idle_us;       /* ... so long */
    int is_xdp_due;        /* there is more in the rings than could be done in a turn */
    int64_t next_report_ms;
    struct epoll_event events[EVENTS_MAX];
};

/* --- connections ------------------------------------------------------------------------------ */

/* Names a slot and its use: what comes late for a closed connection finds nobody. */
static uint64_t connection_id(const struct connection *connection) {
    return (uint64_t)(connection->generation & 0x7FFFFFFF) << 32 | connection->index;
}

static struct connection *find_connection(struct worker *worker, uint64_t id) {
    uint32_t index = (uint32_t)id;
    struct connection *connection = index < worker->slots_used ? worker->connections[index] : NULL;
    return connection != NULL && connection->fd >= 0 && connection_id(connection) == id ? connection
                                                                                        : NULL;
}

static uint32_t open_count(const struct worker *worker) {
    return worker->slots_used - worker->free_count;
}

static void count_refusal(struct worker *worker, const char *reason) {
    if (strcmp(reason, "malformed") == 0)
        count(worker->counts, COUNT_REFUSED_MALFORMED);
    if (strcmp(reason, "unknown_protocol") == 0)
        count(worker->counts, COUNT_REFUSED_VERSION);
    if (strcmp(reason, "undecipherable") == 0)
        count(worker->counts, COUNT_REFUSED_OPENING);
}

static void close_connection(struct worker *worker, struct connection *connection,
                             const char *reason) {
    count(worker->counts, COUNT_CLOSED);
    count_refusal(worker, reason);
    close(connection->fd); /* epoll forgets it */
    requests_cancel(&worker->requests, &connection->job);
    connection_end(connection, &worker->host);
    list_remove(&connection->age);
    connection->fd = -1;
    connection->generation++;
    worker->free_slots[worker->free_count++] = connection->index;
    if (worker->settings->is_once)
        worker->is_over = 1;
}

/* A slot for a new connection; NULL where there is no memory. */
static struct connection *take_slot(struct worker *worker) {
    uint32_t index, generation = 0;
    if (worker->free_count > 0) {
        index = worker->free_slots[worker->free_count - 1];
        generation = worker->connections[index]->generation;
    } else {
        index = worker->slots_used;
        worker->connections[index] = malloc(sizeof **worker->connections);
        if (worker->connections[index] == NULL)
            return NULL;
    }
    if (worker->free_count > 0)
        worker->free_count--;
    else
        worker->slots_used++;
    struct connection *connection = worker->connections[index];
    memset(connection, 0, sizeof *connection);
    connection->index = index;
    connection->generation = generation;
    return connection;
}

static void watch(struct worker *worker, struct connection *connection, uint32_t interest) {
    if (connection->interest == interest)
        return;
    struct epoll_event event = {.events = interest, .data.u64 = connection_id(connection)};
    epoll_ctl(worker->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    connection->interest = interest;
}

/* Who has asked well may idle for longer. */
static void renew(struct worker *worker, struct connection *connection) {
    connection->is_active = 0;
    connection->deadline_ms = net_now_ms() + worker->settings->idle_ms;
    list_remove(&connection->age);
    list_append(&worker->live, &connection->age);
}

/* Whether the client may have a session opened now; counts why not. */
static int is_admitted(struct worker *worker, const struct connection *connection,
                       enum refusal *refusal) {
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    *refusal = REFUSED_BUSY;
    if (getpeername(connection->fd, (struct sockaddr *)&peer, &len) != 0 ||
        !admission_take(&worker->admission, &peer)) {
        count(worker->counts, COUNT_REFUSED_LIMIT);
        return 0;
    }
    if (worker->requests.waiting_count >= QUEUE_MAX) {
        count(worker->counts, COUNT_REFUSED_BUSY);
        return 0;
    }
    return 1;
}

static void advance(struct worker *worker, struct connection *connection) {
    const char *reason = "";
    enum refusal refusal;
    for (;;) {
        enum connection_step step = connection_advance(connection, &worker->host, &reason);
        if (connection->is_active)
            renew(worker, connection);
        switch (step) {
        case CONNECTION_READ:
            watch(worker, connection, EPOLLIN);
            return;
        case CONNECTION_WRITE:
            watch(worker, connection, EPOLLOUT);
            return;
        case CONNECTION_WAIT:
            watch(worker, connection, 0);
            return;
        case CONNECTION_CLOSE:
            close_connection(worker, connection, reason);
            return;
        case CONNECTION_JOB:
            break;
        }
        if (connection->job.work == CHANNEL_LEGACY || is_admitted(worker, connection, &refusal)) {
            if (connection->job.work == CHANNEL_OPEN)
                count(worker->counts, COUNT_OPENINGS);
            watch(worker, connection, 0);
            requests_add(&worker->requests, &connection->job);
            return;
        }
        connection_refuse(connection, &worker->host, refusal);
    }
}

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
 * the longest. 1 or 0. */
static int evict(struct worker *worker) {
    struct connection *connection = oldest(&worker->young);
    if (connection == NULL)
        connection = oldest(&worker->live);
    if (connection == NULL)
        return 0;
    count(worker->counts, COUNT_EVICTED);
    close_connection(worker, connection, "evicted");
    return 1;
}

static void add_connection(struct worker *worker, int fd) {
    struct connection *connection = take_slot(worker);
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection_init(connection, fd, net_now_ms() + worker->settings->deadline_ms);
    connection->interest = EPOLLIN;
    list_append(&worker->young, &connection->age);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = connection_id(connection)};
    count(worker->counts, COUNT_ACCEPTED);
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        close_connection(worker, connection, "lost");
        return;
    }
    advance(worker, connection);
}

static void accept_connections(struct worker *worker) {
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (open_count(worker) == worker->settings->connection_max && !evict(worker))
            return;
        int fd = accept4(worker->place->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE) && evict(worker))
            continue;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0)
            return;
        add_connection(worker, fd);
        if (worker->settings->is_once) {
            epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->place->listener, NULL);
            return;
        }
    }
}

/* --- key-holders ------------------------------------------------------------------------------ */

/* What the database says to a decrypted question; NULL where there is no answer. */
static const char *answer_legacy(struct worker *worker, const struct channel_reply *reply) {
    uint8_t digest[SHA256_LEN];
    struct db_answer answer;
    struct moment now = {.unix_s = time(NULL), .is_day = 0};
    const struct db_header *header = &worker->db->header;
    if (!reply->is_good || !legacy_question_digest(digest, reply->bytes, reply->len))
        return NULL;
    db_ask(worker->db, worker->answerer.lookup_key, digest, KIND_ANY,
           moment_day(&now, header->utc_offset_s), &answer);
    count(worker->counts, COUNT_LEGACY);
    count_add(&worker->counts->verdicts[answer.verdict], 1);
    return answer.verdict == VERDICT_VALID ? LEGACY_VALID : LEGACY_INVALID;
}

static void take_connection_reply(struct worker *worker, struct connection *connection,
                                  const struct channel_reply *reply) {
    const char *text = NULL;
    if (connection->job.work == CHANNEL_LEGACY) {
        if (db_check_valid_until(&worker->db->header, "", time(NULL), NULL) != 0) {
            count(worker->counts, COUNT_WITHHELD);
            close_connection(worker, connection, "withheld");
            return;
        }
        text = answer_legacy(worker, reply);
    }
    if (connection_take_reply(connection, &worker->host, reply, text))
        advance(worker, connection);
    else
        close_connection(worker, connection, "undecipherable");
}

static void take_replies(struct worker *worker) {
    struct channel_reply reply;
    struct job *job;
    while (requests_take_reply(&worker->requests, &reply, &job)) {
        if (job != NULL && job->work == CHANNEL_OPEN)
            count(worker->counts, reply.is_good ? COUNT_OPENED : COUNT_REFUSED_OPENING);
        if (job != NULL && job->is_datagram)
            datagram_take_reply(&worker->datagrams, job, &reply);
        else if (job != NULL)
            take_connection_reply(worker, LIST_ENTRY(job, struct connection, job), &reply);
        wipe(&reply, sizeof reply);
    }
}

/* A key-holder has failed: its work is for another, or for nobody if that fails, too. */
static void repeat_requests(struct worker *worker) {
    struct job *job;
    while (requests_repeat(&worker->requests, &job)) {
        if (job != NULL && job->is_datagram)
            datagram_take_reply(&worker->datagrams, job, NULL);
        else if (job != NULL)
            close_connection(worker, LIST_ENTRY(job, struct connection, job), "lost");
    }
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
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->place->listener, NULL);
    close(worker->place->listener);
}

/* While draining, those who have a session and ask nothing just now are sent to another server. */
static void close_idle(struct worker *worker) {
    for (struct list *link = worker->live.next; link != &worker->live;) {
        struct connection *connection = LIST_ENTRY(link, struct connection, age);
        link = link->next;
        if (!connection->is_waiting && connection->out == NULL && connection->in == NULL)
            close_connection(worker, connection, "draining");
    }
}

static void take_orders(struct worker *worker) {
    int fd;
    int order = channel_receive_order(worker->place->orders, &fd);
    if (order == 0) {
        worker->is_over = 1; /* the parent is gone */
    } else if (order == CHANNEL_DATABASE && fd >= 0) {
        switch_database(worker, fd);
    } else if (order == CHANNEL_DRAIN && !worker->is_draining) {
        drain(worker);
    } else if (order == CHANNEL_AGAIN) {
        repeat_requests(worker);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void close_overdue(struct worker *worker, struct list *list, int64_t now_ms) {
    while (!list_is_empty(list)) {
        struct connection *first = LIST_ENTRY(list->next, struct connection, age);
        if (first->deadline_ms > now_ms)
            return;
        count(worker->counts, COUNT_TIMED_OUT);
        close_connection(worker, first, "timed_out");
    }
}

static unsigned long long total(const struct worker *worker, enum count_name name) {
    return count_read(worker->counts, name);
}

static void report(struct worker *worker) {
    uint64_t events = 0;
    for (int i = 0; i < COUNT_QUEUE; i++)
        events += count_read(worker->counts, (enum count_name)i);
    if (events == worker->reported)
        return;
    worker->reported = events;
    uint64_t valid = atomic_load(&worker->counts->verdicts[VERDICT_VALID]), answered = 0;
    for (int i = 0; i < VERDICT_COUNT; i++)
        answered += atomic_load(&worker->counts->verdicts[i]);
    serve_log(worker->settings,
              "counters accepted=%llu answered=%llu valid=%llu opened=%llu refused=%llu "
              "timed_out=%llu evicted=%llu withheld=%llu open=%u",
              total(worker, COUNT_ACCEPTED), (unsigned long long)answered,
              (unsigned long long)valid, total(worker, COUNT_OPENED),
              total(worker, COUNT_REFUSED_OPENING) + total(worker, COUNT_REFUSED_SESSION) +
                  total(worker, COUNT_REFUSED_VERSION) + total(worker, COUNT_REFUSED_MALFORMED) +
                  total(worker, COUNT_REFUSED_BUSY) + total(worker, COUNT_REFUSED_LIMIT),
              total(worker, COUNT_TIMED_OUT), total(worker, COUNT_EVICTED),
              total(worker, COUNT_WITHHELD), open_count(worker));
}

static int64_t first_deadline(const struct list *list, int64_t otherwise) {
    if (list_is_empty(list))
        return otherwise;
    int64_t first = LIST_ENTRY(list->next, struct connection, age)->deadline_ms;
    return first < otherwise ? first : otherwise;
}

static int wait_ms(const struct worker *worker, int64_t now_ms) {
    if (worker->is_xdp_due)
        return 0;
    int64_t next = first_deadline(&worker->young, worker->next_report_ms);
    next = first_deadline(&worker->live, next);
    return next <= now_ms ? 0 : (int)(next - now_ms);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Notes how long the frames answered since `before` took, from our waking up to now. */
static void note_latency(struct worker *worker, uint64_t before, int64_t woken_us) {
    uint64_t n = count_read(worker->counts, COUNT_ASKS) - before;
    if (n == 0)
        return;
    uint64_t us = (uint64_t)(now_us() - woken_us);
    unsigned bucket = 0;
    while (bucket < LATENCY_BUCKETS - 1 && us > (uint64_t)1 << bucket)
        bucket++;
    count_add(&worker->counts->latency[bucket], n);
    count_add(&worker->counts->latency_sum_us, n * us);
}

/* --- the loop --------------------------------------------------------------------------------- */

static int watch_fd(struct worker *worker, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void prepare_hosts(struct worker *worker) {
    const struct serve_settings *settings = worker->settings;
    const struct worker_place *place = worker->place;
    char pem[RSA_PEM_MAX];
    uint64_t first_id;
    worker->counts = &place->tally->counts[place->index];
    worker->admission = (struct admission){.board = place->board,
                                           .tally = place->tally,
                                           .per_second = settings->openings_per_second,
                                           .per_source = settings->openings_per_source};
    worker->answerer.db = worker->db;
    worker->answerer.lookup_key = settings->is_keyed ? &settings->lookup_key : NULL;
    worker->answerer.board = place->board;
    worker->answerer.counts = worker->counts;
    worker->answerer.random = &worker->random;
    worker->host.answerer = &worker->answerer;
    worker->host.is_legacy_allowed = settings->is_legacy;
    worker->host.modulus_len = settings->key.public.n_len;
    /* The original's exportKey() writes no line feed at the end. */
    worker->host.pem_len = rsa_public_write_pem(&settings->key.public, pem) - 1;
    memcpy(worker->host.pem, pem, worker->host.pem_len);
    random_bytes(&worker->random, &first_id, sizeof first_id);
    requests_init(&worker->requests, place->index, place->requests, place->replies,
                  settings->key_holder_count, first_id >> 8);
    worker->datagrams.fd = place->datagrams;
    worker->datagrams.modulus_len = worker->host.modulus_len;
    worker->datagrams.answerer = &worker->answerer;
    worker->datagrams.admission = &worker->admission;
    worker->datagrams.requests = &worker->requests;
    datagram_init(&worker->datagrams);
}

static int open_worker(struct worker *worker, struct error *error) {
    const struct serve_settings *settings = worker->settings;
    const struct worker_place *place = worker->place;
    list_init(&worker->young);
    list_init(&worker->live);
    worker->next_report_ms = net_now_ms() + REPORT_MS;
    int code = random_open(&worker->random, error);
    if (code != 0)
        return code;
    prepare_hosts(worker);
    worker->connections = calloc(settings->connection_max, sizeof(struct connection *));
    worker->free_slots = calloc(settings->connection_max, sizeof *worker->free_slots);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (worker->connections == NULL || worker->free_slots == NULL || worker->epoll < 0 ||
        watch_fd(worker, place->listener, EPOLLIN | EPOLLEXCLUSIVE, EVENT_LISTENER) ||
        watch_fd(worker, place->orders, EPOLLIN, EVENT_ORDERS) ||
        watch_fd(worker, place->replies, EPOLLIN, EVENT_REPLIES) ||
        (place->datagrams >= 0 && watch_fd(worker, place->datagrams, EPOLLIN, EVENT_DATAGRAMS)) ||
        (place->xdp != NULL && watch_fd(worker, place->xdp->fd, EPOLLIN, EVENT_XDP)))
        return error_set_errno(error, "a worker");
    return prepare_database(worker, worker->db, error);
}

static void serve_xdp(struct worker *worker) {
    struct xdp_socket *xdp = worker->place->xdp;
    worker->is_xdp_due = 1;
    for (int i = 0; i < DATAGRAM_ROUNDS && worker->is_xdp_due; i++)
        worker->is_xdp_due = kernel_bypass_serve(xdp, &worker->datagrams, worker->place->port);
}

/* Look-ups first: replies of key-holders and new connections wait until those are done. */
static void take_event(struct worker *worker, const struct epoll_event *event) {
    struct connection *connection = find_connection(worker, event->data.u64);
    if (event->data.u64 == EVENT_DATAGRAMS) {
        for (int i = 0; i < DATAGRAM_ROUNDS; i++) {
            if (datagram_serve(&worker->datagrams) < DATAGRAM_BATCH)
                return;
        }
    } else if (connection != NULL) {
        if (event->events & EPOLLERR || (connection->is_waiting && event->events & EPOLLHUP))
            close_connection(worker, connection, "lost");
        else
            advance(worker, connection);
    }
}

static void take_late_event(struct worker *worker, uint64_t data) {
    if (data == EVENT_REPLIES)
        take_replies(worker);
    else if (data == EVENT_ORDERS)
        take_orders(worker);
    else if (data == EVENT_LISTENER && !worker->is_draining)
        accept_connections(worker);
}

/* Key-holders give way to all others. A worker that is busy all the time would leave them little.
 */
static void rest_if_due(struct worker *worker) {
    int64_t start_us = now_us();
    if (start_us - worker->busy_since_us < BUSY_US)
        return;
    if (worker->requests.under_way_count > 0 && worker->idle_us < REST_US) {
        const struct timespec rest = {0, REST_US * 1000};
        nanosleep(&rest, NULL);
        start_us = now_us();
    }
    worker->busy_since_us = start_us;
    worker->idle_us = 0;
}

static void take_events(struct worker *worker) {
    struct epoll_event *events = worker->events;
    rest_if_due(worker);
    int64_t before_us = now_us();
    int n = epoll_wait(worker->epoll, events, EVENTS_MAX, wait_ms(worker, net_now_ms()));
    int64_t woken_us = now_us();
    worker->idle_us += woken_us - before_us;
    uint64_t asks = count_read(worker->counts, COUNT_ASKS);
    worker->answerer.now_s = time(NULL);
    if (worker->is_xdp_due)
        serve_xdp(worker);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 < EVENT_OTHER || events[i].data.u64 == EVENT_DATAGRAMS)
            take_event(worker, &events[i]);
        else if (events[i].data.u64 == EVENT_XDP)
            worker->is_xdp_due = 1;
    }
    if (worker->is_xdp_due)
        serve_xdp(worker);
    note_latency(worker, asks, woken_us);
    asks = count_read(worker->counts, COUNT_ASKS);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 >= EVENT_OTHER)
            take_late_event(worker, events[i].data.u64);
    }
    note_latency(worker, asks, woken_us);
    if (worker->is_draining)
        close_idle(worker);
    atomic_store_explicit(&worker->counts->named[COUNT_QUEUE], worker->requests.waiting_count,
                          memory_order_relaxed);
}

static int is_drained(const struct worker *worker) {
    return worker->is_draining && list_is_empty(&worker->young) && list_is_empty(&worker->live);
}

int worker_run(const struct serve_settings *settings, struct db *db,
               const struct worker_place *place, int (*confine)(struct error *error)) {
    static struct worker worker;
    struct error error;
    worker.settings = settings;
    worker.db = db;
    worker.place = place;
    int code = open_worker(&worker, &error);
    if (code == 0)
        code = confine(&error);
    if (code != 0) {
        serve_log(settings, "worker_failed reason=\"%s\"", error.text);
        return 2;
    }
    channel_say_ready(place->orders);
    while (!worker.is_over && !is_drained(&worker)) {
        take_events(&worker);
        int64_t now_ms = net_now_ms();
        close_overdue(&worker, &worker.young, now_ms);
        close_overdue(&worker, &worker.live, now_ms);
        if (now_ms >= worker.next_report_ms) {
            worker.next_report_ms = now_ms + REPORT_MS;
            report(&worker);
        }
    }
    report(&worker);
    db_close(db);
    for (uint32_t i = 0; i < worker.slots_used; i++)
        free(worker.connections[i]);
    free(worker.connections);
    free(worker.free_slots);
    wipe(&worker.random, sizeof worker.random);
    wipe(&worker.answerer, sizeof worker.answerer);
    return 0;
}
