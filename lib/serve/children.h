/* The server's child processes: starting them, each confined to what its role needs, and replacing
 * those that fail, the sooner they fail again the later. */
#ifndef DLV_SERVE_CHILDREN_H
#define DLV_SERVE_CHILDREN_H

#include "serve/board.h"
#include "serve/channel.h"
#include "serve/kernel_bypass.h"
#include "serve/release.h"

#include <stdbool.h>

struct child {
    pid_t pid; /* 0: not running */
    int64_t started_ms;
    int64_t restart_ms; /* when it is due, while not running; 0: never */
    unsigned starts;
    unsigned failures; /* in a row */
    bool is_ready;     /* a worker's word, since its start */
};

struct children {
    struct serve_settings *settings;
    struct release *release;
    struct board *board;
    struct tally *tally;
    int listener;                 /* TCP */
    struct kernel_bypass *bypass; /* NULL: none */
    uint16_t port;
    int datagrams[SERVE_PROCESSES_MAX]; /* UDP, of each worker; -1: none */
    int requests[2];                    /* [0] workers send, [1] key-holders receive */
    int replies[SERVE_PROCESSES_MAX][2];
    int orders[SERVE_PROCESSES_MAX]; /* to each worker; -1: not running */
    struct child workers[SERVE_PROCESSES_MAX];
    struct child key_holders[SERVE_PROCESSES_MAX];
    unsigned workers_alive;
    unsigned restarts;
    bool is_draining;
    bool has_served; /* all were ready: from now on, a failure is no bad start */
};

/* Starts all. The private key in the settings is wiped from this process. 0, or ERR_SYSTEM with the
 * reason. */
int children_start(struct children *children, struct error *error);

/* Whether all workers have said that they are ready. */
bool children_are_ready(struct children *children);

/* Takes note of a child's end: logs it, and plans its replacement. 0, or a negative code where the
 * server cannot go on. A process that is no child of these is ignored. */
int children_note_end(struct children *children, pid_t pid, int status, struct error *error);

/* Starts those whose time has come. Milliseconds until the next, at most `max`. */
int64_t children_restart_due(struct children *children, int64_t max);

/* An order to all workers, with a descriptor where fd is not -1. */
void children_order(struct children *children, enum channel_order order, int fd);

/* Ends all that still run, at once. */
void children_kill(struct children *children);

#endif
