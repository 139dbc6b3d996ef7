/* A file that this process has checked and goes on reading: that nobody changes it meanwhile (Linux). */
#ifndef DLV_OS_FILE_USE_H
#define DLV_OS_FILE_USE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* By what a change is recognised: another file, length, or time of the last change of its content. */
struct file_state {
    dev_t device;
    ino_t inode;
    off_t len;
    int64_t changed_s;
    int64_t changed_ns;
    /* without a lease, who owns the file could put these times back: then that of the last change of anything
     * about it counts, too, which nobody can; but not of a file without a name, which changed by losing it */
    bool counts_touches;
    int64_t touched_s;
    int64_t touched_ns;
};

/* How the open file is now; zeros where it cannot be asked. */
struct file_state file_state_of(int fd);

/* Whether the open file is still as it was. */
bool file_is_as(int fd, const struct file_state *state);

/* Takes a read lease (fcntl(2), F_SETLEASE): who wants to open the file for writing, or to cut it short,
 * waits until it is released, at most /proc/sys/fs/lease-break-time; this process is sent SIGIO. False with
 * errno set where there is none to be had: EAGAIN while somebody has the file open for writing, EACCES
 * where it is another user's and this process lacks CAP_LEASE, EINVAL or EOPNOTSUPP on file systems that
 * have none. */
bool file_lease_take(int fd);

/* Whether the lease is still whole: nobody waits for it. */
bool file_lease_holds(int fd);

/* Gives it back, so that whoever waits goes on. */
void file_lease_release(int fd);

#endif
