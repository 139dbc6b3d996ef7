/* The release of the database that the server answers from, and the one that may take its place. */
#ifndef DLV_SERVE_RELEASE_H
#define DLV_SERVE_RELEASE_H

#include "serve/serve.h"

#include <stdbool.h>

struct release {
    const struct serve_settings *settings;
    int fd;                  /* of the file in use */
    struct db_header header; /* the header of that file */
    pid_t checker;           /* the process that verifies the next file; 0: there is none */
    int checker_reason;      /* where that process writes what is wrong */
    int next_fd;             /* the file that it verifies */
    unsigned taken_count;    /* files that took the place of the one before */
    unsigned refused_count;
    bool is_reload_due; /* another reload was asked for while one was under way */
};

/* Opens the database for the first time and checks it in full. 0, or a negative code with the
 * reason. */
int release_open(struct release *release, struct error *error);

/* Starts a process that checks the file that is at the path now. The old file stays in use until
 * that process has ended with success. The result goes to the log. */
void release_reload(struct release *release);

/* To be called when the checking process has ended. Returns true where its file is in use now and
 * must be handed to the workers. Where is_reload_due is set, the caller then reloads again. */
bool release_finish_reload(struct release *release, int status);

#endif
