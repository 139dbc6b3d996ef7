/* The server's child processes. Each is started with only the rights that its role needs. One that
 * fails is replaced; if it fails again and again, each replacement waits longer. */
#ifndef DLV_SERVE_CHILDREN_H
#define DLV_SERVE_CHILDREN_H

#include "audit/block.h"
#include "serve/audit_rings.h"
#include "serve/board.h"
#include "serve/channel.h"
#include "serve/kernel_bypass.h"
#include "serve/release.h"

#include <stdbool.h>

struct child {
    pid_t pid; /* 0: not running */
    int64_t started_ms;
    int64_t restart_ms; /* when it is to be started again, while it is not running; 0: never */
    unsigned starts;
    unsigned failures; /* failures in a row */
    bool is_ready;     /* a worker has said that it is ready since it was started */
};

struct children {
    struct serve_settings *settings;
    struct release *release;
    struct board *board;
    int board_fd;
    struct tally *tally;
    struct quotas *quotas;
    int audit_folder; /* of the audit log, open and locked; -1: nothing is recorded */
    struct audit_rings audit;
    uint8_t audit_run[AUDIT_RUN_LEN];
    int listener;                 /* TCP */
    bool is_given;                /* it and the UDP socket are a service manager's */
    struct kernel_bypass *bypass; /* NULL: none */
    uint16_t port;
    int datagrams[SERVE_PROCESSES_MAX]; /* the UDP socket of each worker; -1: none */
    /* between each worker, at [0], and all key-holders, at [1] */
    int channels[SERVE_PROCESSES_MAX][2];
    int orders[SERVE_PROCESSES_MAX]; /* to each worker; -1: not running */
    struct child workers[SERVE_PROCESSES_MAX];
    struct child key_holders[SERVE_PROCESSES_MAX];
    struct child recorder;
    unsigned workers_alive;
    unsigned restarts;
    bool is_draining;
    bool is_stopped; /* no worker is started (children_stop_workers) */
    /* every worker has been ready once, so a failure from now on is not a failed start of the
     * server */
    bool has_served;
};

/* Starts all children. Key-holders alone inherit the private keys of the settings. 0, or ERR_SYSTEM with
 * the reason. */
int children_start(struct children *children, struct error *error);

/* Whether all workers have said that they are ready, and the recorder can write. */
bool children_are_ready(struct children *children);

/* Records that a child has ended: logs it, and plans its replacement. Other processes are ignored.
 * 0, or a negative code where the server cannot go on. */
int children_note_end(struct children *children, pid_t pid, int status, struct error *error);

/* Starts the children that are due. Returns the milliseconds until the next one is due, at most
 * `max`. */
int64_t children_restart_due(struct children *children, int64_t max);

/* Starts new key-holders, with the keys that the settings have now, in place of those that run; their
 * work is repeated. 0, or ERR_SYSTEM with the reason: then it is tried again later. */
int children_replace_key_holders(struct children *children, struct error *error);

/* Sends an order to all workers, with a descriptor where fd is not -1. */
void children_order(struct children *children, enum channel_order order, int fd);

/* Ends all workers at once, and waits for that; no others are started until children_start_workers. */
void children_stop_workers(struct children *children);
void children_start_workers(struct children *children);

/* Has the recorder write and sign what workers, of whom none is left, have noted; waits for that a while. 0, or
 * ERR_SYSTEM with the reason where not all of it is recorded. */
int children_end_recorder(struct children *children, struct error *error);

/* Ends all children that are still running, at once. */
void children_kill(struct children *children);

#endif
