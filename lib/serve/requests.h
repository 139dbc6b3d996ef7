/* A worker's side of the way to the key-holders: a bounded queue, and what is under way. */
#ifndef DLV_SERVE_REQUESTS_H
#define DLV_SERVE_REQUESTS_H

#include "base/list.h"
#include "serve/channel.h"

#include <stdbool.h>

#define UNDER_WAY_MAX 64

/* Something that waits for a key-holder; part of whatever it is done for. */
struct job {
    struct list link; /* in the queue, or alone */
    enum channel_work work;
    bool is_datagram;     /* part of a struct datagram_job, else of a struct connection */
    int under_way;        /* its place there; -1: not yet */
    const uint8_t *bytes; /* valid until it is under way */
    size_t len;
};

struct under_way {
    struct job *job; /* NULL: free, or its client has left */
    bool is_used;
    int is_repeated;
    struct channel_request request;
};

struct requests {
    int to_key_holders;
    int from_key_holders;
    uint32_t worker;
    unsigned limit; /* of requests under way: little more than keeps the key-holders busy */
    unsigned under_way_count;
    unsigned waiting_count;
    uint64_t next_id; /* its place under way are the lowest bits */
    struct list openings;
    struct list legacy; /* after the openings: one of these is one question, not a session's */
    struct under_way under_way[UNDER_WAY_MAX];
};

/* `first_id` is random: replies to a process that stood here before must find nobody. */
void requests_init(struct requests *requests, uint32_t worker, int to_key_holders,
                   int from_key_holders, unsigned key_holder_count, uint64_t first_id);

/* Puts a job into the queue and sends what can be sent. */
void requests_add(struct requests *requests, struct job *job);

/* Takes a job out, wherever it is; its reply will be dropped. */
void requests_cancel(struct requests *requests, struct job *job);

/* The next reply that has come, and its job (NULL: it was cancelled). 1, or 0: none now. */
bool requests_take_reply(struct requests *requests, struct channel_reply *reply, struct job **job);

/* A key-holder has failed with a request: sends again all that are under way, those that were
 * already repeated excepted; the first reply counts. Jobs that are given up are taken out, one a
 * call, at *job; 0 at the end. */
bool requests_repeat(struct requests *requests, struct job **job);

#endif
