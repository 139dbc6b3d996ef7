/* What the parent process works with, and how it reads files again while the server runs: keys, the list of
 * kiosks, the ticket key, and the database (serve/release.h). Whatever is wrong is refused, told, and
 * changes nothing. */
#ifndef DLV_SERVE_RELOAD_H
#define DLV_SERVE_RELOAD_H

#include "serve/children.h"
#include "serve/stats.h"
#include "serve/tickets.h"

/* In memory that no child inherits (os/secret_memory.h). */
struct parent_secrets {
    struct random random;
    struct ticket_source tickets;
};

/* What was told of something that runs out. */
struct end_warning {
    uint64_t of; /* which it is */
    int at;      /* the fewest days left that were told */
};

struct parent {
    struct serve_settings *settings;
    struct release release;
    struct children children;
    struct board *board;
    struct tally *tally;
    struct quotas *quotas;
    struct parent_secrets *secrets;
    struct kernel_bypass bypass;
    int64_t next_stats_ms;
    unsigned reloads[RELOAD_COUNT];
    unsigned rounds; /* of reading everything again that are over */
    struct end_warning database_ends, receipts_end;
    int64_t drain_deadline_ms;
    bool is_port_awaited; /* it has been told that the port cannot be had */
};

/* Reads everything again. The database is checked by a process of its own; reload_finish is called when
 * that has ended, with its status. */
void reload_begin(struct parent *parent);

void reload_finish(struct parent *parent, int status);

/* The file of the database is not the one that was checked: nothing is answered any more, until there is one
 * that has been checked in full (release_seek). */
void reload_lose(struct parent *parent, const char *reason);

/* Serves again, once there is something to answer from and the port can be had. */
void reload_open_again(struct parent *parent);

/* Has the children know the keys that are good now. */
void reload_publish_keys(struct parent *parent);

/* Makes new ticket keys where a period is over. */
void reload_update_tickets(struct parent *parent);

/* Tells the service manager that the server is ready (or only how it is), and what is in use: `systemctl
 * status` shows it, so whoever has sent SIGHUP sees what came of it. */
void reload_notify(const struct parent *parent, bool is_ready);

#endif
