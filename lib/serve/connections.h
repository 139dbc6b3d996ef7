/* All TCP connections of a worker: accepting them, watching them, making room, and ending those
 * whose time is over. What is said on one connection is the business of connection.h. */
#ifndef DLV_SERVE_CONNECTIONS_H
#define DLV_SERVE_CONNECTIONS_H

#include "serve/connection.h"
#include "serve/reception.h"
#include "serve/serve.h"

#include <stdbool.h>

struct connections {
    const struct serve_settings *settings;
    int listener;
    int epoll; /* events of connections have data below CONNECTIONS_OTHER */
    struct requests *requests;
    const struct reception *reception;
    struct counts *counts;
    struct connection_host host;
    struct connection **slots; /* NULL: this slot was never used */
    uint32_t slots_used;
    uint32_t *free_slots;
    uint32_t free_count;
    struct list young; /* connections without a session, by deadline */
    struct list live;  /* those with one, by deadline: the longest idle first */
    struct list resting;
    bool is_over; /* settings->is_once, and that one has ended */
};

#define CONNECTIONS_OTHER ((uint64_t)1 << 63)

/* Zeroed but for all above `slots`. 0 or ERR_MEMORY. */
int connections_open(struct connections *all);
void connections_free(struct connections *all);

/* Accepts connections that wait, some at a time. */
void connections_accept(struct connections *all);

/* Takes an event of epoll's about one connection, which may be gone by now. */
void connections_take_event(struct connections *all, uint64_t data, uint32_t events);

/* A key-holder's reply has come. `text` is as for connection_take_reply. */
void connections_take_reply(struct connections *all, struct connection *connection,
                            const struct channel_reply *reply, const char *text);

/* Its job will not be done: the client is told to come later. */
void connections_refuse(struct connections *all, struct connection *connection);

void connections_close(struct connections *all, struct connection *connection);

/* Closes connections whose time is over. */
void connections_close_overdue(struct connections *all, int64_t now_ms);

/* Closes those that ask nothing just now; where it is late, also those that have sent a part of
 * a frame, or are between two questions of the original protocol. */
void connections_close_idle(struct connections *all, bool is_late);

/* When the next connection's time is over, or `otherwise` if that comes first. */
int64_t connections_deadline(const struct connections *all, int64_t otherwise);

uint32_t connections_count(const struct connections *all);

#endif
