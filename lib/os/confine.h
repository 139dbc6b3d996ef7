/* What a process gives up once it has all that it needs (Linux): its user, the file system, the
 * network, and every system call except those that its role is made of. Each is for the rest of the
 * process's life.
 *
 * A protection that cannot be had is an error, never a silence: who wants to run without it must
 * say so (struct sandbox). */
#ifndef DLV_OS_CONFINE_H
#define DLV_OS_CONFINE_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

enum sandbox_part { SANDBOX_NOTHING, SANDBOX_SECCOMP, SANDBOX_LANDLOCK };

/* Which protections are left out on purpose. */
struct sandbox {
    bool without_seccomp;
    bool without_landlock;
};

/* Whether this machine and this build have all protections that are not left out, and root what it needs
 * to give itself up (confine_user). 0, or ERR_SYSTEM with the reason and the part that is missing. */
int confine_check(const struct sandbox *sandbox, enum sandbox_part *missing, struct error *error);

/* Becomes another user, with no group but `gid` and no capability. Only where started as root. 0 or
 * ERR_SYSTEM. */
int confine_user(uid_t uid, gid_t gid, struct error *error);

/* From now on no file can be opened by its name, but for those in the folder that is open at `folder` (-1:
 * none), nothing bound or connected, and no signal sent to a process outside (Landlock). 0 or ERR_SYSTEM. */
int confine_files(const struct sandbox *sandbox, int folder, struct error *error);

/* From now on files can still be read, but nothing is written, made, removed or executed outside
 * these two folders (NULL: nowhere) (Landlock). 0 or ERR_SYSTEM. */
int confine_writing(const struct sandbox *sandbox, const char *folder, const char *other,
                    struct error *error);

/* Keeps, of the capabilities of this process, only those that a parent of confined children needs: to make them
 * another user, to end them, to set priorities, to read files whosever they are and take leases on them, to
 * listen on a port below 1024; and, where it writes files, to replace them and have them keep their owner.
 * Nothing it executes can have more. 0 or ERR_SYSTEM. */
int confine_parent(bool writes_files, struct error *error);

enum confine_role {
    CONFINE_WORKER,     /* sockets that are open, memory, epoll */
    CONFINE_KEY_HOLDER, /* read, write, poll, end */
    CONFINE_RECORDER,   /* these, and to make and write files */
    CONFINE_PARENT /* all that its children may do, files, sockets, making and ending processes */
};

/* From now on any other system call ends the process; in the parent, it fails (seccomp). What the parent
 * may do its children start with. `shared`: sockets that other processes have, too, so a worker must not
 * shut them down. A build with sanitizers has no lists, because sanitizers make calls of their own. 0 or
 * ERR_SYSTEM. */
int confine_calls(const struct sandbox *sandbox, enum confine_role role, const int *shared,
                  unsigned shared_count, struct error *error);

/* Whether this build has such lists for this machine. */
bool confine_has_calls(void);

#endif
