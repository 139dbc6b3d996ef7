/* A worker's requests to the key-holders: a bounded queue of those that wait, and those that were
 * sent and have no reply yet. */
#ifndef DLV_SERVE_REQUESTS_H
#define DLV_SERVE_REQUESTS_H

#include "base/list.h"
#include "serve/channel.h"

#include <stdbool.h>

#define UNDER_WAY_MAX 64

/* A piece of work for a key-holder. It is a member of the connection or datagram that it belongs
 * to. */
struct job {
    struct list link; /* links it into the queue while it waits there */
    enum channel_work work;
    uint64_t network;    /* that it came from (admission_network) */
    uint8_t queue;       /* enum job_queue */
    bool shows_network;  /* that a kiosk is there, if it turns out to be one's */
    int64_t deadline_ms; /* after this nobody waits for it any more */
    /* it is a member of a struct datagram_job; otherwise of a struct connection */
    bool is_datagram;
    /* its place among the requests that were sent; -1: it has not been sent */
    int under_way;
    const uint8_t *bytes; /* must stay valid until it has been sent */
    size_t len;
};

/* What a client is told whose job has no answer. */
enum refusal job_refusal(const struct job *job);

struct under_way {
    struct job *job; /* NULL where the place is free, or where the client has left */
    bool is_used;
    int is_repeated;
    struct channel_request request;
};

/* Jobs wait by kind, and each kind has its share of the key-holders' time, so that none can keep out
 * another: of 256 jobs 230 are renewals and identifications, each of which takes a tenth of the time of the others;
 * ten are receipts, many of which are signed at once; ten are of those who have shown a renewal ticket, or come from
 * networks where kiosks have been seen, four from others, and two are of the original protocol. Within a kind whoever came first is first. */
enum job_queue { QUEUE_SHORT, QUEUE_RECEIPTS, QUEUE_KNOWN, QUEUE_OTHER, QUEUE_LEGACY, QUEUE_COUNT };

#define QUEUE_MAX 512        /* jobs of each kind that wait */
#define QUEUE_NETWORKS 1024  /* places to count by network */
#define JOB_DEADLINE_MS 4000 /* how long a client may have to wait for a job */

struct job_line {
    struct list jobs;
    unsigned count;
    unsigned credit;                     /* of its share in this round */
    uint16_t by_network[QUEUE_NETWORKS]; /* how many of its jobs are of each network */
};

struct requests {
    int key_holders; /* the channel to them */
    /* how many requests may be sent without a reply: a few more than keep the key-holders busy */
    unsigned limit;
    unsigned under_way_count; /* without receipts */
    unsigned receipts_under_way;
    unsigned waiting_count;
    uint64_t next_id; /* the lowest bits are its place among the requests that were sent */
    struct job_line lines[QUEUE_COUNT];
    int64_t last_reply_us;
    int64_t spacing_us; /* between replies, on average, while jobs wait */
    /* What is to be done with a job that will not be done: its client is told to come later. */
    void (*shed)(void *context, struct job *job);
    void *shed_context;
    struct under_way under_way[UNDER_WAY_MAX];
};

/* `first_id` must be random, so that a reply to the process that was here before is not taken for
 * one to this process. */
void requests_init(struct requests *requests, int key_holders, unsigned key_holder_count,
                   uint64_t first_id);

/* Puts a job into the queue, and sends as many requests as can be sent. Where its kind has QUEUE_MAX jobs
 * waiting, the network that has most of them gives one up (shed is called for it); where it cannot be done
 * by its deadline, as things go, or no network has more than its own, false: the job was not taken. */
bool requests_add(struct requests *requests, struct job *job, int64_t now_ms);

/* Gives up the jobs whose deadline is over. When the next one's is, or `otherwise` if that is sooner. */
int64_t requests_shed_overdue(struct requests *requests, int64_t now_ms, int64_t otherwise);

/* Cancels a job, whether it waits or was sent. A reply to it will be dropped. */
void requests_cancel(struct requests *requests, struct job *job);

/* Receives the next reply, and the job that it belongs to (NULL where the job was cancelled). False
 * where no reply is waiting. */
bool requests_take_reply(struct requests *requests, struct channel_reply *reply, struct job **job);

/* To be called when a key-holder has failed. Every request without a reply is sent again, once; the
 * first reply to it counts. A job whose request had been repeated before is given up: each call
 * returns one of them at *job, and false when there are no more. */
bool requests_repeat(struct requests *requests, struct job **job);

#endif
