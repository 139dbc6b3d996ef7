#include "base/file.h"

#include "base/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t file_read(const char *path, void *buffer, size_t max, struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, "%s", path);
    size_t len = 0;
    for (;;) {
        uint8_t beyond;
        bool full = len == max;
        ssize_t n = read(fd, full ? &beyond : (uint8_t *)buffer + len, full ? 1 : max - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set_errno(error, "%s", path);
            close(fd);
            return ERR_SYSTEM;
        }
        if (n == 0)
            break;
        if (full) {
            close(fd);
            return error_set(error, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
        }
        len += (size_t)n;
    }
    close(fd);
    return (ssize_t)len;
}

/* Goes on after each part that one system call has moved. `bytes` is not written to where
 * `is_write` is true. 0, or ERR_SYSTEM with errno set. */
static int move_all(int fd, uint8_t *bytes, size_t len, uint64_t offset, bool is_write) {
    while (len > 0) {
        ssize_t n =
            is_write ? pwrite(fd, bytes, len, (off_t)offset) : pread(fd, bytes, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = EIO;
        if (n <= 0)
            return ERR_SYSTEM;
        bytes += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int file_write_at(int fd, const void *bytes, size_t len, uint64_t offset) {
    union {
        const void *in;
        uint8_t *out;
    } p = {bytes};
    return move_all(fd, p.out, len, offset, true);
}

int file_read_at(int fd, void *bytes, size_t len, uint64_t offset) {
    return move_all(fd, bytes, len, offset, false);
}

void file_write_out(int fd, uint64_t offset, uint64_t len) {
    int saved = errno;
    sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
    errno = saved;
}

void file_folder(char *folder, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        format_text(folder, PATH_MAX, ".");
    else
        format_text(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

int atomic_file_open(struct atomic_file *file, const char *path, mode_t mode, struct error *error) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t prefix_len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

    file->fd = -1;
    if (strlen(path) + 32 > PATH_MAX)
        return error_set(error, ERR_LIMIT, "%s: the name is too long", path);
    if (path[prefix_len] == '\0')
        return error_set(error, ERR_FORMAT, "\"%s\" is not the name of a file", path);
    format_text(file->path, sizeof file->path, "%s", path);
    format_text(file->temporary, sizeof file->temporary, "%.*s.%s.%ld.tmp", (int)prefix_len, path,
                path + prefix_len, (long)getpid());
    file_folder(folder, path);

    file->is_unnamed = false;
    if (access("/proc/self/fd", X_OK) == 0) {
        file->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
        file->is_unnamed = file->fd >= 0;
    }
    if (file->fd < 0) {
        unlink(file->temporary); /* left by a crashed process of the same number */
        file->fd = open(file->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
    }
    if (file->fd < 0 || fchmod(file->fd, mode) != 0) {
        error_set_errno(error, "%s: cannot be created", path);
        atomic_file_abort(file);
        return ERR_SYSTEM;
    }
    return 0;
}

static int sync_folder(const char *path) {
    char folder[PATH_MAX];
    file_folder(folder, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    /* Some network file systems cannot sync a folder; the rename itself has happened. */
    return result != 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

int atomic_file_commit(struct atomic_file *file, bool replace, struct error *error) {
    if (fsync(file->fd) != 0)
        goto failed;
    if (file->is_unnamed) {
        char link_path[64];
        format_text(link_path, sizeof link_path, "/proc/self/fd/%d", file->fd);
        unlink(file->temporary);
        if (linkat(AT_FDCWD, link_path, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) != 0)
            goto failed;
        file->is_unnamed = false;
    }
    if (replace ? rename(file->temporary, file->path) : link(file->temporary, file->path))
        goto failed;
    if (!replace)
        unlink(file->temporary);
    close(file->fd);
    file->fd = -1;
    if (sync_folder(file->path) != 0)
        return error_set_errno(error, "%s: its folder cannot be synced", file->path);
    return 0;

failed:;
    int code = errno == EEXIST ? ERR_EXISTS : ERR_SYSTEM;
    if (code == ERR_EXISTS)
        error_set(error, code, "%s: exists already", file->path);
    else
        error_set_errno(error, "%s: cannot be written", file->path);
    atomic_file_abort(file);
    return code;
}

void atomic_file_abort(struct atomic_file *file) {
    int saved = errno;
    if (file->fd >= 0) {
        if (!file->is_unnamed)
            unlink(file->temporary);
        close(file->fd);
        file->fd = -1;
    }
    errno = saved;
}

int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, bool replace,
                 struct error *error) {
    struct atomic_file file;
    int code = atomic_file_open(&file, path, mode, error);
    if (code != 0)
        return code;
    if (file_write_at(file.fd, bytes, len, 0) != 0) {
        error_set_errno(error, "%s: cannot be written", path);
        atomic_file_abort(&file);
        return ERR_SYSTEM;
    }
    return atomic_file_commit(&file, replace, error);
}
