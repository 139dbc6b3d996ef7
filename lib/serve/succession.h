/* How a worker changes from one release of the database to the next between two answers.
 *
 * Reading, mapping and perhaps locking gigabytes takes about a second, and so does releasing them.
 * So both are done in small parts, and the worker answers questions in between. */
#ifndef DLV_SERVE_SUCCESSION_H
#define DLV_SERVE_SUCCESSION_H

#include "os/file_use.h"
#include "serve/serve.h"

#include <stdbool.h>

struct succession {
    const struct serve_settings *settings;
    struct db *current; /* the release that answers come from */
    struct db next;     /* the release that will replace it; not mapped where there is none */
    int fd, next_fd;    /* of their files, */
    struct file_state state, next_state; /* as they were when they were checked */
    size_t prepared;                     /* how many of its bytes are prepared */
    struct db last; /* the release that was replaced, while it is still mapped */
    size_t released;
};

/* Prepares the first release as the settings demand (populated, locked), all at once. Takes the descriptor
 * over. 0 or ERR_SYSTEM. */
int succession_init(struct succession *succession, const struct serve_settings *settings,
                    struct db *current, int fd, const struct file_state *state,
                    struct error *error);

/* Whether the file that answers come from is as it was. Takes a system call. */
bool succession_is_intact(const struct succession *succession);

/* Starts to change to the release in `fd`, which one of the authorities has signed and the parent has checked in
 * full; this function takes the descriptor over. A change that was still under way is given up. Where something
 * goes wrong, the reason goes to the log and the current release stays. */
void succession_begin(struct succession *succession, int fd, bool is_leased,
                      const struct key_set *authorities);

/* Whether a part of a change is still to be done. */
bool succession_is_due(const struct succession *succession);

/* Does the next part. This takes a tenth of a millisecond where the file is in the page cache. */
void succession_step(struct succession *succession);

#endif
