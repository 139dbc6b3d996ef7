/* The release of the database that the server answers from, and the one that may take its place.
 *
 * Releases come by rename: the file in use stays what it is. One that is overwritten in place is lost: its
 * bytes are not the ones that were checked. A lease, where there can be one, makes the writer wait until
 * nobody answers from it any more; else a change is noticed, by the workers before each batch. Then nothing
 * is answered until the path holds a release that has been checked in full, which is looked for. */
#ifndef DLV_SERVE_RELEASE_H
#define DLV_SERVE_RELEASE_H

#include "os/file_use.h"
#include "serve/change_lists.h"
#include "serve/serve.h"

#include <stdbool.h>

struct release {
    const struct serve_settings *settings;
    int fd;                  /* of the file in use */
    struct file_state state; /* how it was when it was checked */
    bool is_leased;
    bool is_lost;                 /* it was changed: nothing is answered from it */
    struct db_header header;      /* the header of that file */
    struct change_lists lists;    /* that lead to it */
    pid_t checker;                /* the process that verifies the next file; 0: there is none */
    int checker_reason;           /* where that process writes what is wrong */
    int next_fd;                  /* the file that it verifies */
    struct file_state next_state; /* of that file, or of the last one that was tried */
    bool next_is_leased;
    int64_t next_try_ms, tried_until_ms;
    bool is_awaited;      /* it has been told that somebody writes to the file at the path */
    unsigned taken_count; /* files that took the place of the one before */
    unsigned refused_count;
    bool is_reload_due; /* another reload was asked for while one was under way */
};

/* Opens the database for the first time and checks it in full. 0, or a negative code with the
 * reason. */
int release_open(struct release *release, struct error *error);

/* Starts a process that checks the file that is at the path now. The old file stays in use until
 * that process has ended with success. The result goes to the log. */
void release_reload(struct release *release);

/* Whether the file in use is not the one that was checked any more. */
bool release_has_changed(const struct release *release);

/* Somebody waits to write to a file (SIGIO). Gives up the check of a next one, where it is that. True where it
 * is the one in use. */
bool release_take_break(struct release *release);

/* It is not answered from any more, so whoever waits to write may. `reason` goes to the log. */
void release_lose(struct release *release, const char *reason);

/* After a loss: looks whether the path holds another file than was tried last, and checks that. */
void release_seek(struct release *release, int64_t now_ms);

/* To be called when the checking process has ended. Returns true where its file is in use now and
 * must be handed to the workers. Where is_reload_due is set, the caller then reloads again. */
bool release_finish_reload(struct release *release, int status);

#endif
