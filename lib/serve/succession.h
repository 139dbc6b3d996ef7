/* One release of the database takes the place of another in a worker, between two answers.
 *
 * To read, map and perhaps lock gigabytes takes a second, to let go of them likewise: it is done in
 * parts, and the worker answers between them. */
#ifndef DLV_SERVE_SUCCESSION_H
#define DLV_SERVE_SUCCESSION_H

#include "serve/serve.h"

#include <stdbool.h>

struct succession {
    const struct serve_settings *settings;
    struct db *current; /* what is answered from */
    struct db next;     /* not mapped: there is none */
    size_t prepared;    /* bytes of it */
    struct db last;     /* what was answered from before, if it is still mapped */
    size_t released;
};

/* Does for the first release all that the settings want of one. 0 or ERR_SYSTEM. */
int succession_init(struct succession *succession, const struct serve_settings *settings,
                    struct db *current, struct error *error);

/* Begins with the release in `fd`, which is taken over and has been checked in full. One that was
 * on its way is given up. Says on the log what goes wrong: then the current one stays. */
void succession_begin(struct succession *succession, int fd);

/* Whether there is a part to do; and does it, if there is: a tenth of a millisecond for what is in
 * the page cache. */
bool succession_is_due(const struct succession *succession);
void succession_step(struct succession *succession);

#endif
