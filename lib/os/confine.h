/* What a process gives up once it has all that it needs (Linux): its user, the file system, the
 * network, and every system call but those its role is made of.
 *
 * Each is for the rest of the process's life. What the kernel does not know (Landlock before 5.13)
 * is left out; what it knows and refuses is an error. */
#ifndef DLV_OS_CONFINE_H
#define DLV_OS_CONFINE_H

#include "base/error.h"

#include <sys/types.h>

/* Another user, none of its groups but `gid`, no capability. Only where started as root. 0 or
 * ERR_SYSTEM. */
int confine_user(uid_t uid, gid_t gid, struct error *error);

/* No file can be opened by its name, nothing bound or connected, no signal sent to a process
 * outside (Landlock). 0 or ERR_SYSTEM. */
int confine_files(struct error *error);

/* Files can still be read, but nothing is written, made, removed or executed outside `folder`
 * (NULL: nowhere) (Landlock). 0 or ERR_SYSTEM. */
int confine_writing(const char *folder, struct error *error);

enum confine_role {
    CONFINE_WORKER,    /* sockets that are there, memory, epoll */
    CONFINE_KEY_HOLDER /* read, write, end */
};

/* Any other system call ends the process (seccomp). Not in a build with sanitizers, which make
 * calls of their own. 0 or ERR_SYSTEM. */
int confine_calls(enum confine_role role, struct error *error);

#endif
