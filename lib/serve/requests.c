#include "serve/requests.h"

#include "base/bytes.h"

#include <string.h>
#include <sys/socket.h>

/* requests for each key-holder: one that it works on, and some that wait */
#define PER_KEY_HOLDER 4

enum refusal job_refusal(const struct job *job) {
    return job->work == CHANNEL_IDENTIFY ? REFUSED_SESSION : REFUSED_OPENING;
}

void requests_init(struct requests *requests, uint32_t worker, int to_key_holders,
                   int from_key_holders, unsigned key_holder_count, uint64_t first_id) {
    requests->to_key_holders = to_key_holders;
    requests->from_key_holders = from_key_holders;
    requests->worker = worker;
    requests->limit = key_holder_count * PER_KEY_HOLDER;
    if (requests->limit > UNDER_WAY_MAX)
        requests->limit = UNDER_WAY_MAX;
    requests->next_id = first_id;
    list_init(&requests->openings);
    list_init(&requests->legacy);
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool send_request(const struct requests *requests, const struct channel_request *request) {
    return send(requests->to_key_holders, request, sizeof *request, MSG_NOSIGNAL) ==
           (ssize_t)sizeof *request;
}

/* Sends one request. False where the socket is full. */
static bool start(struct requests *requests, struct job *job) {
    unsigned place = 0;
    while (requests->under_way[place].is_used)
        place++;
    struct under_way *slot = &requests->under_way[place];
    struct channel_request *request = &slot->request;
    request->id = requests->next_id * UNDER_WAY_MAX + place;
    request->worker = requests->worker;
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
    list_remove(&job->link);
    requests->waiting_count--;
    requests->under_way_count++;
    return true;
}

static void send_waiting(struct requests *requests) {
    while (requests->under_way_count < requests->limit) {
        struct list *queue =
            list_is_empty(&requests->openings) ? &requests->legacy : &requests->openings;
        if (list_is_empty(queue) || !start(requests, LIST_ENTRY(queue->next, struct job, link)))
            return;
    }
}

void requests_add(struct requests *requests, struct job *job) {
    job->under_way = -1;
    list_append(job->work == CHANNEL_LEGACY ? &requests->legacy : &requests->openings, &job->link);
    requests->waiting_count++;
    send_waiting(requests);
}

/* --- receiving -------------------------------------------------------------------------------- */

static struct job *release(struct requests *requests, struct under_way *slot) {
    struct job *job = slot->job;
    slot->is_used = false;
    slot->job = NULL;
    requests->under_way_count--;
    if (job != NULL)
        job->under_way = -1;
    return job;
}

void requests_cancel(struct requests *requests, struct job *job) {
    if (job->under_way >= 0) {
        requests->under_way[job->under_way].job = NULL;
        job->under_way = -1;
    } else if (!list_is_empty(&job->link)) {
        list_remove(&job->link);
        requests->waiting_count--;
    }
}

bool requests_take_reply(struct requests *requests, struct channel_reply *reply, struct job **job) {
    for (;;) {
        ssize_t n = recv(requests->from_key_holders, reply, sizeof *reply, 0);
        if (n != (ssize_t)sizeof *reply || reply->len > sizeof reply->bytes) {
            send_waiting(requests);
            return false;
        }
        struct under_way *slot = &requests->under_way[reply->id % UNDER_WAY_MAX];
        if (slot->is_used && slot->request.id == reply->id) {
            *job = release(requests, slot);
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
