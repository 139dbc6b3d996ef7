/* The process that talks to clients. */
#ifndef DLV_SERVE_WORKER_H
#define DLV_SERVE_WORKER_H

#include "os/file_use.h"
#include "serve/audit_rings.h"
#include "serve/board.h"
#include "serve/change_lists.h"
#include "serve/kernel_bypass.h"
#include "serve/serve.h"

struct worker_place {
    unsigned index;
    int listener;                     /* TCP, of all workers */
    int datagrams;                    /* UDP, its own; -1: none */
    struct xdp_socket *xdp;           /* NULL: none */
    uint16_t port;                    /* that both listen on */
    int orders;                       /* from the parent */
    int key_holders;                  /* the channel to them */
    int db_fd;                        /* of the file that `db` is, */
    struct file_state db_state;       /* as it was when it was checked */
    const struct change_lists *lists; /* that lead to it */
    const struct board *board;
    struct tally *tally;
    struct quotas *quotas;
    const struct audit_desk *desk; /* NULL: nothing is recorded */
};

/* Its exit status where the file of the database is not the one that was checked any more. */
#define WORKER_LOST_FILE 3

/* Serves until told to drain, or until the parent is gone. `db` is open. Calls `confine` when
 * all is opened that it will ever open. Returns the process's exit status: 2, before it has served
 * anybody, where it cannot. */
int worker_run(const struct serve_settings *settings, struct db *db,
               const struct worker_place *place,
               int (*confine)(const struct sandbox *sandbox, const struct worker_place *place,
                              struct error *error));

#endif
