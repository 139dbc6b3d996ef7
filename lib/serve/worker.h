/* The process that talks to clients. */
#ifndef DLV_SERVE_WORKER_H
#define DLV_SERVE_WORKER_H

#include "serve/serve.h"

struct worker_channels {
    int listener;
    int orders; /* from the parent */
    unsigned key_holder_count;
    int key_holders[SERVE_PROCESSES_MAX];
};

/* Serves until told to drain, or until the parent is gone. `db` is open. Returns the process's exit
 * status. */
int worker_run(const struct serve_settings *settings, struct db *db,
               const struct worker_channels *channels);

#endif
