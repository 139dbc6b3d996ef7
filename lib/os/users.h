/* The users of this machine, as /etc/passwd has them. */
#ifndef DLV_OS_USERS_H
#define DLV_OS_USERS_H

#include <stdbool.h>
#include <sys/types.h>

/* The user and his group, by name, or by number as digits. False where there is none. (The C library's
 * getpwnam, which could ask a daemon, too, is four kilobytes.) */
bool users_find(const char *name, uid_t *uid, gid_t *gid);

#endif
