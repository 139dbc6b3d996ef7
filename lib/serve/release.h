/* The release of the database that the server answers from, and the one that may take its place. */
#ifndef DLV_SERVE_RELEASE_H
#define DLV_SERVE_RELEASE_H

#include "serve/serve.h"

#include <stdbool.h>

struct release {
    const struct serve_settings *settings;
    int fd;                      /* of the file in use */
    struct db_header header;     /* of it */
    uint8_t page_id[SHA256_LEN]; /* SHA-256 of its header page */
    pid_t checker;               /* verifies the next one; 0: there is none */
    int checker_reason;          /* where it says what is wrong */
    int next_fd;                 /* that file */
    bool is_reload_due;          /* it was asked for again meanwhile */
};

/* Opens the database and checks it in full. 0, or a negative code with the reason. */
int release_open(struct release *release, struct error *error);

/* Begins to check the file that is there now, in a process of its own; the old one stays in use
 * until that has ended well. Says on the log what comes of it. */
void release_reload(struct release *release);

/* Once the checker's end has been seen: 1 where its file is now the one in use and is to be handed
 * to the workers, else 0. Then, if is_reload_due, reload again. */
bool release_finish_reload(struct release *release, int status);

#endif
