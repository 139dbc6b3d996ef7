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

struct requests {
    int to_key_holders;
    int from_key_holders;
    uint32_t worker;
    /* how many requests may be sent without a reply: a few more than keep the key-holders busy */
    unsigned limit;
    unsigned under_way_count;
    unsigned waiting_count;
    uint64_t next_id; /* the lowest bits are its place among the requests that were sent */
    struct list openings;
    /* these come after the openings, because each brings one answer, not a session's worth */
    struct list legacy;
    struct under_way under_way[UNDER_WAY_MAX];
};

/* `first_id` must be random, so that a reply to the process that was here before is not taken for
 * one to this process. */
void requests_init(struct requests *requests, uint32_t worker, int to_key_holders,
                   int from_key_holders, unsigned key_holder_count, uint64_t first_id);

/* Puts a job into the queue, and sends as many requests as can be sent. */
void requests_add(struct requests *requests, struct job *job);

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
