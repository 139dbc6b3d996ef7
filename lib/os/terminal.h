/* A terminal that a program has for itself. */
#ifndef DLV_OS_TERMINAL_H
#define DLV_OS_TERMINAL_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
    int fd; /* non-blocking, and this process's alone */
    bool is_raw;
    bool is_locked; /* nobody can switch to another virtual terminal */
    struct termios before;
    char path[TTY_NAME_MAX];
};

/* Opens the terminal that standard input is. 0, or a negative code with the reason. */
int terminal_open(struct terminal *terminal, struct error *error);

/* Takes bytes as they come, without echo, signals or line editing. 0 or ERR_SYSTEM with errno set. */
int terminal_enter(struct terminal *terminal);

/* Whether it is as terminal_enter has left it. Where the system has hung it up, as the end of the process does whose
 * session it was, it is opened again. Safe in signal handlers. */
bool terminal_is_left_raw(struct terminal *terminal);

/* Puts it back as it was before. Safe in signal handlers. */
void terminal_leave(struct terminal *terminal);

/* Forbids switching to another virtual terminal, where this is one. False where the process may not do that (it takes
 * CAP_SYS_TTY_CONFIG). */
bool terminal_lock(struct terminal *terminal);

/* Whether this process is in the foreground, or the terminal is not one that has such. */
bool terminal_is_ours(const struct terminal *terminal);

/* Whether all that was written has left this machine, or nobody knows. */
bool terminal_is_drained(const struct terminal *terminal);

/* Its size; 80 by 25 where it is not known. */
void terminal_size(const struct terminal *terminal, unsigned *rows, unsigned *columns);

#endif
