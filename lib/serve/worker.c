#include "serve/worker.h"

#include "audit/block.h"
#include "base/bytes.h"
#include "base/date.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "net/socket.h"
#include "serve/connections.h"
#include "serve/datagram.h"
#include "serve/log.h"
#include "serve/succession.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 256
/* how many batches of datagrams are answered before other events get their turn */
#define DATAGRAM_ROUNDS 8
/* while openings wait, a worker that has been busy for this long pauses */
#define BUSY_US 1000
#define REST_US 100      /* how long it pauses, so that key-holders get a tenth of the core */
#define SHED_MS 1000     /* how often jobs that wait in vain are looked for */
#define DRAIN_MS 1000    /* how long the rest of a frame is waited for when the server ends */
#define RECORDER_MS 3000 /* how long the recorder may take to write */
#define REPORT_MS 60000  /* how often the counters are logged */

/* The data of an epoll event: a connection's number, or one of these. */
#define EVENT_OTHER CONNECTIONS_OTHER
#define EVENT_LISTENER (EVENT_OTHER + 1)
#define EVENT_ORDERS (EVENT_OTHER + 2)
#define EVENT_REPLIES (EVENT_OTHER + 3)
#define EVENT_DATAGRAMS (EVENT_OTHER + 4)
#define EVENT_XDP (EVENT_OTHER + 5)

struct worker {
    const struct serve_settings *settings;
    struct db *db;
    struct succession succession; /* replaces `db` when there is a new release */
    const struct worker_place *place;
    int epoll;
    bool is_draining;
    int64_t drain_since_ms;
    bool is_over;
    struct random random;
    struct reception reception;
    struct answerer answerer;
    struct audit_desk desk;
    struct requests requests;
    struct connections connections;
    struct datagram_server datagrams;
    struct counts *counts;
    uint64_t reported;
    int64_t busy_since_us; /* when it last paused for the key-holders */
    int64_t idle_us;       /* how long it has waited for events since then */
    bool is_xdp_due;       /* the rings held more frames than one turn may answer */
    int64_t next_report_ms;
    int64_t next_shed_ms; /* when a job may wait in vain */
    struct epoll_event events[EVENTS_MAX];
};

/* --- key-holders ------------------------------------------------------------------------------ */

/* Looks a decrypted question of the original protocol up. Returns the answer's text; NULL where
 * there is none. */
static const char *answer_legacy(struct worker *worker, const struct channel_reply *reply) {
    static struct terms terms;
    struct inquired inquired = {.kind = ASK_LEGACY};
    struct db_answer answer;
    struct outcome outcome;
    struct moment now = {.unix_s = time(NULL), .is_day = false};
    const struct db *db = worker->db;
    const struct release_facts *facts = &db->header.facts;
    if (reply->result != CHANNEL_GOOD ||
        !legacy_question_digest(inquired.digest, reply->bytes, reply->len))
        return NULL;
    static const uint8_t nobody[KIOSK_ID_LEN];
    enum recording recording = answerer_record(&worker->answerer, 1);
    if (recording != RECORDING_DONE)
        count(worker->counts,
              recording == RECORDING_FAILED ? COUNT_REFUSED_RECORD : COUNT_UNRECORDED);
    if (recording == RECORDING_FAILED)
        return NULL;
    db_ask(db, worker->answerer.source.lookup_key, &inquired, &answer);
    const struct audit_asked asked = {.kiosk = nobody,
                                      .digest = inquired.digest,
                                      .kind = ASK_LEGACY,
                                      .found = answer.is_found ? FOUND_LEGACY : FOUND_NOTHING,
                                      .terms = answer.terms};
    if (recording == RECORDING_DONE)
        answerer_note(&worker->answerer, &asked);
    count(worker->counts, COUNT_LEGACY);
    count_add(&worker->counts->found[answer.is_found ? FOUND_LEGACY : FOUND_NOTHING], 1);
    bool is_good = db_decide(&answer, facts, &db->sets, moment_day(&now, facts->utc_offset_s),
                             now.unix_s, NULL, 0, &terms, &outcome) == 0;
    return is_good && outcome.verdict == VERDICT_VALID ? LEGACY_VALID : LEGACY_INVALID;
}

/* Records that a receipt is given. False where that cannot be done, and must be. */
static bool record_receipt(struct worker *worker, const struct channel_reply *reply) {
    const struct audit_asked asked = {
        .kiosk = reply->kiosk, .digest = reply->claim, .kind = AUDIT_RECEIPT};
    enum recording recording = answerer_record(&worker->answerer, 1);
    if (recording == RECORDING_DONE)
        answerer_note(&worker->answerer, &asked);
    else
        count(worker->counts,
              recording == RECORDING_FAILED ? COUNT_REFUSED_RECORD : COUNT_UNRECORDED);
    return recording != RECORDING_FAILED;
}

static void take_connection_reply(struct worker *worker, struct connection *connection,
                                  const struct channel_reply *reply) {
    const char *text = NULL;
    if (connection->job.work == CHANNEL_RECEIPT && reply->result == CHANNEL_GOOD &&
        !record_receipt(worker, reply)) {
        connections_refuse(&worker->connections, connection);
        return;
    }
    if (connection->job.work == CHANNEL_LEGACY) {
        if (release_is_stale(&worker->db->header.facts, time(NULL))) {
            count(worker->counts, COUNT_WITHHELD);
            connections_close(&worker->connections, connection);
            return;
        }
        text = answer_legacy(worker, reply);
    }
    connections_take_reply(&worker->connections, connection, reply, text);
}

static void count_reply(struct counts *counts, enum channel_work work, enum channel_result result) {
    if (work == CHANNEL_OPEN)
        count(counts, result == CHANNEL_GOOD ? COUNT_OPENED : COUNT_REFUSED_OPENING);
    if (work == CHANNEL_RENEW)
        count(counts, result == CHANNEL_GOOD ? COUNT_RENEWED : COUNT_REFUSED_SESSION);
    if (work == CHANNEL_UNWRAP && result == CHANNEL_GOOD)
        count(counts, COUNT_UNWRAPPED);
    if (work == CHANNEL_RECEIPT && result == CHANNEL_GOOD)
        count(counts, COUNT_RECEIPTS);
    if ((work == CHANNEL_IDENTIFY || work == CHANNEL_UNWRAP || work == CHANNEL_RECEIPT) &&
        result != CHANNEL_GOOD)
        count(counts, result == CHANNEL_BAD ? COUNT_REFUSED_SESSION : COUNT_REFUSED_KIOSK);
}

static void take_replies(struct worker *worker) {
    struct channel_reply reply;
    struct job *job;
    while (requests_take_reply(&worker->requests, &reply, &job)) {
        if (job != NULL)
            count_reply(worker->counts, job->work, (enum channel_result)reply.result);
        if (job != NULL && job->shows_network && job->work != CHANNEL_OPEN &&
            reply.result == CHANNEL_GOOD)
            admission_note_kiosk(&worker->reception.admission, job->network);
        if (job != NULL && job->is_datagram)
            datagram_take_reply(&worker->datagrams, job, &reply);
        else if (job != NULL)
            take_connection_reply(worker, LIST_ENTRY(job, struct connection, job), &reply);
        wipe(&reply, sizeof reply);
    }
}

/* A job waits in vain. */
static void shed(void *context, struct job *job) {
    struct worker *worker = context;
    if (job->is_datagram) {
        count(worker->counts, COUNT_REFUSED_BUSY);
        datagram_take_reply(&worker->datagrams, job, NULL);
    } else {
        connections_refuse(&worker->connections, LIST_ENTRY(job, struct connection, job));
    }
}

/* A key-holder has failed. Its requests go to another one; those that fail a second time are given
 * up. */
static void repeat_requests(struct worker *worker) {
    struct job *job;
    while (requests_repeat(&worker->requests, &job)) {
        if (job != NULL && job->is_datagram)
            datagram_take_reply(&worker->datagrams, job, NULL);
        else if (job != NULL)
            connections_close(&worker->connections, LIST_ENTRY(job, struct connection, job));
    }
}

/* --- orders ----------------------------------------------------------------------------------- */

static void drain(struct worker *worker) {
    worker->is_draining = true;
    worker->drain_since_ms = net_now_ms();
    epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->place->listener, NULL);
    close(worker->place->listener);
}

static void take_orders(struct worker *worker) {
    int fd;
    int order = channel_receive_order(worker->place->orders, &fd);
    if (order == 0) {
        worker->is_over = true; /* the parent has ended */
    } else if (order == CHANNEL_DATABASE && fd >= 0) {
        succession_begin(&worker->succession, fd, !atomic_load(&worker->place->board->is_unleased),
                         &board_keys(worker->place->board)->served);
        change_lists_close(&worker->answerer.lists);
    } else if (order == CHANNEL_CHANGES && fd >= 0) {
        change_lists_add(&worker->answerer.lists, fd);
    } else if (order == CHANNEL_DRAIN && !worker->is_draining) {
        drain(worker);
    } else if (order == CHANNEL_AGAIN) {
        repeat_requests(worker);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

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
    uint64_t answered = 0, nothing = atomic_load(&worker->counts->found[FOUND_NOTHING]);
    for (int i = 0; i < FOUND_COUNT; i++)
        answered += atomic_load(&worker->counts->found[i]);
    serve_log(worker->settings,
              "counters accepted=%llu answered=%llu found=%llu opened=%llu refused=%llu "
              "timed_out=%llu evicted=%llu withheld=%llu open=%u",
              total(worker, COUNT_ACCEPTED), (unsigned long long)answered,
              (unsigned long long)(answered - nothing), total(worker, COUNT_OPENED),
              total(worker, COUNT_REFUSED_OPENING) + total(worker, COUNT_REFUSED_KIOSK) +
                  total(worker, COUNT_REFUSED_SESSION) + total(worker, COUNT_REFUSED_VERSION) +
                  total(worker, COUNT_REFUSED_MALFORMED) + total(worker, COUNT_REFUSED_BUSY) +
                  total(worker, COUNT_REFUSED_LIMIT),
              total(worker, COUNT_TIMED_OUT), total(worker, COUNT_EVICTED),
              total(worker, COUNT_WITHHELD), connections_count(&worker->connections));
}

static int wait_ms(const struct worker *worker, int64_t now_ms) {
    if (worker->is_xdp_due || succession_is_due(&worker->succession))
        return 0;
    int64_t next = worker->next_report_ms < worker->next_shed_ms ? worker->next_report_ms
                                                                 : worker->next_shed_ms;
    next = connections_deadline(&worker->connections, next);
    return next <= now_ms ? 0 : (int)(next - now_ms);
}

/* Records how long the frames that were answered since `before` took, from when the worker woke up
 * until now. */
static void note_latency(struct worker *worker, uint64_t before, int64_t woken_us) {
    uint64_t n = count_read(worker->counts, COUNT_ASKS) - before;
    if (n == 0)
        return;
    uint64_t us = (uint64_t)(net_now_us() - woken_us);
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
    struct connection_host *host = &worker->connections.host;
    uint64_t first_id;
    worker->counts = &place->tally->counts[place->index];
    worker->reception =
        (struct reception){.admission = {.board = place->board,
                                         .tally = place->tally,
                                         .per_second = settings->openings_per_second,
                                         .per_source = settings->openings_per_source},
                           .counts = worker->counts};
    worker->answerer.source = (struct response_source){
        .db = worker->db, .lookup_key = settings->is_keyed ? &settings->lookup_key : NULL};
    worker->answerer.board = place->board;
    worker->answerer.seen = &place->tally->seen;
    worker->answerer.quotas = place->quotas;
    worker->answerer.desk = place->desk != NULL ? &worker->desk : NULL;
    if (place->desk != NULL)
        worker->desk = *place->desk;
    worker->answerer.admission = &worker->reception.admission;
    worker->answerer.anonymous =
        settings->anonymous_quota.minute > 0 ? &settings->anonymous_quota : NULL;
    worker->answerer.settings = settings;
    worker->answerer.lists = *place->lists;
    answerer_init(&worker->answerer);
    worker->answerer.counts = worker->counts;
    worker->answerer.random = &worker->random;
    worker->answerer.source.is_anonymous_allowed = settings->is_anonymous;
    host->answerer = &worker->answerer;
    host->is_legacy_allowed = settings->is_legacy;
    random_bytes(&worker->random, &first_id, sizeof first_id);
    requests_init(&worker->requests, place->key_holders, settings->key_holder_count, first_id >> 8);
    worker->requests.shed = shed;
    worker->requests.shed_context = worker;
    worker->datagrams.fd = place->datagrams;
    worker->datagrams.answerer = &worker->answerer;
    worker->datagrams.reception = &worker->reception;
    worker->datagrams.requests = &worker->requests;
    datagram_init(&worker->datagrams);
}

static int open_worker(struct worker *worker, struct error *error) {
    const struct serve_settings *settings = worker->settings;
    const struct worker_place *place = worker->place;
    worker->next_report_ms = net_now_ms() + REPORT_MS;
    int code = random_open(&worker->random, error);
    if (code != 0)
        return code;
    prepare_hosts(worker);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    worker->connections.settings = settings;
    worker->connections.listener = place->listener;
    worker->connections.epoll = worker->epoll;
    worker->connections.requests = &worker->requests;
    worker->connections.reception = &worker->reception;
    worker->connections.counts = worker->counts;
    if (connections_open(&worker->connections) != 0 || worker->epoll < 0 ||
        watch_fd(worker, place->listener, EPOLLIN | EPOLLEXCLUSIVE, EVENT_LISTENER) ||
        watch_fd(worker, place->orders, EPOLLIN, EVENT_ORDERS) ||
        watch_fd(worker, place->key_holders, EPOLLIN, EVENT_REPLIES) ||
        (place->datagrams >= 0 && watch_fd(worker, place->datagrams, EPOLLIN, EVENT_DATAGRAMS)) ||
        (place->xdp != NULL && watch_fd(worker, place->xdp->fd, EPOLLIN, EVENT_XDP)))
        return error_set_errno(error, "a worker");
    return succession_init(&worker->succession, settings, worker->db, place->db_fd,
                           &place->db_state, error);
}

static void serve_xdp(struct worker *worker) {
    struct xdp_socket *xdp = worker->place->xdp;
    worker->is_xdp_due = true;
    for (int i = 0; i < DATAGRAM_ROUNDS && worker->is_xdp_due; i++)
        worker->is_xdp_due = kernel_bypass_serve(xdp, &worker->datagrams, worker->place->port);
}

/* Look-ups come first; replies of key-holders and new connections wait until they are done. */
static void take_event(struct worker *worker, const struct epoll_event *event) {
    if (event->data.u64 != EVENT_DATAGRAMS) {
        connections_take_event(&worker->connections, event->data.u64, event->events);
        return;
    }
    for (int i = 0; i < DATAGRAM_ROUNDS; i++) {
        if (datagram_serve(&worker->datagrams) < DATAGRAM_BATCH)
            return;
    }
}

static void take_late_event(struct worker *worker, uint64_t data) {
    if (data == EVENT_REPLIES)
        take_replies(worker);
    else if (data == EVENT_LISTENER && !worker->is_draining)
        connections_accept(&worker->connections);
}

/* Pauses where openings wait and the worker has been busy for long: key-holders have the lowest
 * priority, and a worker that is always busy would leave them almost no time. Returns the time
 * now. */
static int64_t rest_if_due(struct worker *worker) {
    int64_t start_us = net_now_us();
    if (start_us - worker->busy_since_us < BUSY_US)
        return start_us;
    if (worker->requests.under_way_count + worker->requests.receipts_under_way > 0 &&
        worker->idle_us < REST_US) {
        const struct timespec rest = {0, REST_US * 1000};
        nanosleep(&rest, NULL);
        start_us = net_now_us();
    }
    worker->busy_since_us = start_us;
    worker->idle_us = 0;
    return start_us;
}

/* Whether the recorder could write a short while ago. */
static void note_recorder(struct worker *worker, int64_t now_ms) {
    struct audit_desk *desk = &worker->desk;
    if (worker->answerer.desk == NULL)
        return;
    int64_t alive_ms = atomic_load_explicit(&desk->progress->alive_ms, memory_order_relaxed);
    desk->is_alive = alive_ms != 0 && now_ms - alive_ms < RECORDER_MS;
    desk->has_waited = false;
}

/* False where the file of the database was changed: then nothing is answered from it. */
static bool take_events(struct worker *worker) {
    struct epoll_event *events = worker->events;
    int64_t before_us = rest_if_due(worker);
    int n = epoll_wait(worker->epoll, events, EVENTS_MAX, wait_ms(worker, before_us / 1000));
    int64_t woken_us = net_now_us();
    worker->idle_us += woken_us - before_us;
    uint64_t asks = count_read(worker->counts, COUNT_ASKS);
    worker->answerer.source.now_s = time(NULL);
    note_recorder(worker, woken_us / 1000);
    if (random_refresh(&worker->random)) { /* once a second */
        answerer_renew_nonces(&worker->answerer);
        ticket_cache_forget(&worker->answerer.tickets, worker->place->board,
                            worker->answerer.source.now_s);
    }
    /* Before the questions: what is asked after a new release was announced is answered from it. */
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == EVENT_ORDERS)
            take_orders(worker);
    }
    if (!succession_is_intact(&worker->succession))
        return false;
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 < EVENT_OTHER || events[i].data.u64 == EVENT_DATAGRAMS)
            take_event(worker, &events[i]);
        else if (events[i].data.u64 == EVENT_XDP)
            worker->is_xdp_due = true;
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
    succession_step(&worker->succession);
    if (worker->is_draining)
        /* so that their clients go to another server */
        connections_close_idle(&worker->connections,
                               woken_us / 1000 - worker->drain_since_ms >= DRAIN_MS);
    atomic_store_explicit(&worker->counts->named[COUNT_QUEUE], worker->requests.waiting_count,
                          memory_order_relaxed);
    return true;
}

static bool is_drained(const struct worker *worker) {
    return worker->is_draining && connections_count(&worker->connections) == 0;
}

int worker_run(const struct serve_settings *settings, struct db *db,
               const struct worker_place *place,
               int (*confine)(const struct sandbox *sandbox, const struct worker_place *place,
                              struct error *error)) {
    static struct worker worker;
    struct error error;
    worker.settings = settings;
    worker.db = db;
    worker.place = place;
    int code = open_worker(&worker, &error);
    if (code == 0)
        code = confine(&settings->sandbox, place, &error);
    if (code != 0) {
        serve_log(settings, "worker_failed reason=\"%s\"", error.text);
        return 2;
    }
    channel_say_ready(place->orders);
    bool is_intact = succession_is_intact(&worker.succession);
    while (is_intact && !worker.is_over && !worker.connections.is_over && !is_drained(&worker)) {
        is_intact = take_events(&worker);
        int64_t now_ms = net_now_ms();
        connections_close_overdue(&worker.connections, now_ms);
        worker.next_shed_ms = requests_shed_overdue(&worker.requests, now_ms, now_ms + SHED_MS);
        if (now_ms >= worker.next_report_ms) {
            worker.next_report_ms = now_ms + REPORT_MS;
            report(&worker);
        }
    }
    report(&worker);
    db_close(db);
    connections_free(&worker.connections);
    wipe(&worker.random, sizeof worker.random);
    wipe(&worker.answerer, sizeof worker.answerer);
    return is_intact ? 0 : WORKER_LOST_FILE;
}
