#include "serve/requests.h"

#include "base/bytes.h"
#include "net/socket.h"

#include <string.h>
#include <sys/socket.h>

/* requests for each key-holder: one that it works on, and some that wait */
#define PER_KEY_HOLDER 4

enum refusal job_refusal(const struct job *job) {
    return job->work == CHANNEL_OPEN || job->work == CHANNEL_LEGACY ? REFUSED_OPENING
                                                                    : REFUSED_SESSION;
}

void requests_init(struct requests *requests, int key_holders, unsigned key_holder_count,
                   uint64_t first_id) {
    requests->key_holders = key_holders;
    requests->limit = key_holder_count * PER_KEY_HOLDER;
    if (requests->limit > UNDER_WAY_MAX - RECEIPTS_UNDER_WAY_MAX)
        requests->limit = UNDER_WAY_MAX - RECEIPTS_UNDER_WAY_MAX;
    requests->next_id = first_id;
    for (unsigned i = 0; i < QUEUE_COUNT; i++)
        list_init(&requests->lines[i].jobs);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool send_request(const struct requests *requests, const struct channel_request *request) {
    return send(requests->key_holders, request, sizeof *request, MSG_NOSIGNAL) ==
           (ssize_t)sizeof *request;
}

/* How many requests for such work are under way. */
static unsigned *under_way_of(struct requests *requests, enum channel_work work) {
    return work == CHANNEL_RECEIPT ? &requests->receipts_under_way : &requests->under_way_count;
}

/* Sends one request. False where the socket is full. */
static bool start(struct requests *requests, struct job *job) {
    unsigned place = 0;
    while (requests->under_way[place].is_used)
        place++;
    struct under_way *slot = &requests->under_way[place];
    struct channel_request *request = &slot->request;
    request->id = requests->next_id * UNDER_WAY_MAX + place;
    request->work = (uint16_t)job->work;
    request->len = (uint16_t)job->len;
    memcpy(request->bytes, job->bytes, job->len);
    if (!send_request(requests, request))
        return false;
    requests->next_id++;
    slot->is_used = true;
    slot->is_repeated = 0;
    slot->job = job;
    job->under_way = (int)place;
    ++*under_way_of(requests, job->work);
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

static struct job_line *line_of(struct requests *requests, const struct job *job) {
    return &requests->lines[job->queue];
}

static uint16_t *count_of(struct job_line *line, const struct job *job) {
    return &line->by_network[job->network % QUEUE_NETWORKS];
}

static void leave(struct requests *requests, struct job *job) {
    struct job_line *line = line_of(requests, job);
    list_remove(&job->link);
    line->count--;
    --*count_of(line, job);
    requests->waiting_count--;
}

static const unsigned shares[QUEUE_COUNT] = {230, 10, 10, 4, 2};

/* Whether a job of the line can be sent now. */
static bool is_ready(const struct requests *requests, const struct job_line *line) {
    bool has_room = line == &requests->lines[QUEUE_RECEIPTS]
                        ? requests->receipts_under_way < RECEIPTS_UNDER_WAY_MAX
                        : requests->under_way_count < requests->limit;
    return line->count > 0 && has_room;
}

/* The line that is to be served next: the first one that has something left of its share. */
static struct job_line *next_line(struct requests *requests) {
    struct job_line *first = NULL;
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        struct job_line *line = &requests->lines[i];
        if (is_ready(requests, line) && line->credit > 0)
            return line;
        if (is_ready(requests, line) && first == NULL)
            first = line;
    }
    for (unsigned i = 0; i < QUEUE_COUNT && first != NULL; i++)
        requests->lines[i].credit = shares[i];
    return first;
}

static void send_waiting(struct requests *requests) {
    struct job_line *line;
    while ((line = next_line(requests)) != NULL) {
        struct job *job = LIST_ENTRY(line->jobs.next, struct job, link);
        if (!start(requests, job))
            return;
        leave(requests, job);
        line->credit--;
    }
}

/* Gives up the newest job of the network that has most in the line, if that is more than `own`. */
static bool make_room(struct requests *requests, struct job_line *line, unsigned own) {
    unsigned most = 0;
    for (unsigned i = 1; i < QUEUE_NETWORKS; i++) {
        if (line->by_network[i] > line->by_network[most])
            most = i;
    }
    if (line->by_network[most] <= own)
        return false;
    for (struct list *link = line->jobs.previous; link != &line->jobs; link = link->previous) {
        struct job *job = LIST_ENTRY(link, struct job, link);
        if (job->network % QUEUE_NETWORKS != most)
            continue;
        leave(requests, job);
        requests->shed(requests->shed_context, job);
        return true;
    }
    return false;
}

/* How long the next job of the line will wait: until all that wait are done, or, where that is sooner,
 * those before it, of which the line's share is done in each round. */
static int64_t expected_wait_ms(const struct requests *requests, const struct job_line *line) {
    unsigned round = shares[line - requests->lines];
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        if (&requests->lines[i] != line && requests->lines[i].count > 0)
            round += shares[i];
    }
    int64_t all = requests->waiting_count;
    int64_t own = (int64_t)line->count * round / shares[line - requests->lines];
    return (all < own ? all : own) * requests->spacing_us / 1000;
}

bool requests_add(struct requests *requests, struct job *job, int64_t now_ms) {
    struct job_line *line = line_of(requests, job);
    job->under_way = -1;
    if (requests->waiting_count == 0)
        requests->last_reply_us = now_ms * 1000;
    if (now_ms + expected_wait_ms(requests, line) > job->deadline_ms)
        return false;
    if (line->count == QUEUE_MAX && !make_room(requests, line, *count_of(line, job) + 1u))
        return false;
    list_append(&line->jobs, &job->link);
    line->count++;
    ++*count_of(line, job);
    requests->waiting_count++;
    send_waiting(requests);
    return true;
}

int64_t requests_shed_overdue(struct requests *requests, int64_t now_ms, int64_t otherwise) {
    for (unsigned i = 0; i < QUEUE_COUNT; i++) {
        struct job_line *line = &requests->lines[i];
        while (line->count > 0) {
            struct job *first = LIST_ENTRY(line->jobs.next, struct job, link);
            if (first->deadline_ms > now_ms) {
                otherwise = first->deadline_ms < otherwise ? first->deadline_ms : otherwise;
                break;
            }
            leave(requests, first);
            requests->shed(requests->shed_context, first);
        }
    }
    return otherwise;
}

/* --- receiving -------------------------------------------------------------------------------- */

static struct job *release(struct requests *requests, struct under_way *slot) {
    struct job *job = slot->job;
    slot->is_used = false;
    slot->job = NULL;
    --*under_way_of(requests, (enum channel_work)slot->request.work);
    if (job != NULL)
        job->under_way = -1;
    return job;
}

/* How fast replies come while jobs wait, averaged over some sixteen of them. */
static void note_spacing(struct requests *requests) {
    int64_t now_us = net_now_us(), last_us = requests->last_reply_us;
    requests->last_reply_us = now_us;
    if (requests->waiting_count == 0 || last_us == 0)
        requests->spacing_us -= requests->spacing_us / 16;
    else
        requests->spacing_us += (now_us - last_us - requests->spacing_us) / 16;
}

void requests_cancel(struct requests *requests, struct job *job) {
    if (job->under_way >= 0) {
        requests->under_way[job->under_way].job = NULL;
        job->under_way = -1;
    } else if (!list_is_empty(&job->link)) {
        leave(requests, job);
    }
}

bool requests_take_reply(struct requests *requests, struct channel_reply *reply, struct job **job) {
    for (;;) {
        ssize_t n = recv(requests->key_holders, reply, sizeof *reply, 0);
        if (n <= 0 || !channel_reply_is_sound(reply, (size_t)n)) {
            send_waiting(requests);
            return false;
        }
        struct under_way *slot = &requests->under_way[reply->id % UNDER_WAY_MAX];
        if (slot->is_used && slot->request.id == reply->id) {
            *job = release(requests, slot);
            note_spacing(requests);
            return true;
        }
        /* it is for the process that was here before, or is the second reply to a request */
        wipe(reply, sizeof *reply);
    }
}

bool requests_repeat(struct requests *requests, struct job **job) {
    for (unsigned i = 0; i < UNDER_WAY_MAX; i++) {
        struct under_way *slot = &requests->under_way[i];
        if (!slot->is_used || slot->is_repeated == 2)
            continue;
        if (slot->is_repeated == 0 && send_request(requests, &slot->request)) {
            slot->is_repeated = 2; /* that are left in this round */
            continue;
        }
        *job = release(requests, slot);
        return true;
    }
    for (unsigned i = 0; i < UNDER_WAY_MAX; i++)
        requests->under_way[i].is_repeated = requests->under_way[i].is_repeated != 0;
    return false;
}
