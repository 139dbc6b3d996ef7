#include "os/file_use.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* linux/magic.h, which not all headers of the kernel that dlv is built with have in full. */
#define NFS_SUPER_MAGIC 0x6969
#define CIFS_SUPER_MAGIC 0xff534d42
#define SMB2_SUPER_MAGIC 0xfe534d42

struct file_state file_state_of(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return (struct file_state){.len = 0};
    return (struct file_state){.device = status.st_dev,
                               .inode = status.st_ino,
                               .len = status.st_size,
                               .changed_s = status.st_mtim.tv_sec,
                               .changed_ns = status.st_mtim.tv_nsec,
                               .touched_s = status.st_nlink > 0 ? status.st_ctim.tv_sec : 0,
                               .touched_ns = status.st_nlink > 0 ? status.st_ctim.tv_nsec : 0};
}

static bool is_touched(const struct file_state *now, const struct file_state *state) {
    return state->counts_touches && now->touched_s != 0 &&
           (now->touched_s != state->touched_s || now->touched_ns != state->touched_ns);
}

bool file_is_as(int fd, const struct file_state *state) {
    const struct file_state now = file_state_of(fd);
    return now.device == state->device && now.inode == state->inode && now.len == state->len &&
           now.changed_s == state->changed_s && now.changed_ns == state->changed_ns &&
           !is_touched(&now, state);
}

/* The file systems whose server may have no lease to give, which they say by EAGAIN, too. */
static bool is_remote(int fd) {
    struct statfs file_system;
    if (fstatfs(fd, &file_system) != 0)
        return false;
    uint32_t type = (uint32_t)file_system.f_type;
    return type == NFS_SUPER_MAGIC || type == CIFS_SUPER_MAGIC || type == SMB2_SUPER_MAGIC;
}

bool file_lease_take(int fd) {
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
        return true;
    if (errno == EAGAIN)
        errno = is_remote(fd) ? EOPNOTSUPP : EAGAIN;
    return false;
}

bool file_lease_holds(int fd) {
    return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

void file_lease_release(int fd) {
    fcntl(fd, F_SETLEASE, F_UNLCK);
}
