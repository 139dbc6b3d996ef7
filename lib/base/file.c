#include "base/file.h"

#include "base/format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int file_name_missing(const char *path, struct error *error) {
    return *path == '\0'
               ? error_set(error, ERR_FORMAT, "the name of a file is empty (an unset variable?)")
               : 0;
}

#define PIPE_MS 5000 /* how long the next bytes of a pipe are waited for */

/* A pipe that nobody writes to would be waited for, for ever. */
static int open_to_read(const char *path, struct error *error) {
    if (file_name_missing(path, error) != 0)
        return ERR_FORMAT;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? error_set_errno(error, "%s", path) : fd;
}

/* Whether a service manager has put the file there for this process. */
static bool is_credential(const char *path) {
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t len = folder != NULL ? strlen(folder) : 0;
    while (len > 0 && folder[len - 1] == '/')
        len--;
    return len > 0 && strncmp(path, folder, len) == 0 && path[len] == '/' &&
           strchr(path + len + 1, '/') == NULL;
}

static int check_private(int fd, const char *path, struct error *error) {
    struct stat status;
    if (is_credential(path))
        return 0;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, "%s", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return error_set(error, ERR_FORMAT,
                         "%s: a secret that belongs to another user (number %u), who can read and "
                         "change it: make it your own (chown)",
                         path, (unsigned)status.st_uid);
    /* A service that is given a file of root's by its group cannot have it otherwise. */
    bool is_given = status.st_uid == 0 && geteuid() != 0 && status.st_gid == getegid();
    if ((status.st_mode & (is_given ? 037 : 077)) != 0)
        return error_set(
            error, ERR_FORMAT,
            "%s: a secret that other users can read or change: chmod 600 it, and make a "
            "new one if somebody may have",
            path);
    return 0;
}

static ssize_t read_all(int fd, const char *path, void *buffer, size_t max, struct error *error) {
    size_t len = 0;
    for (;;) {
        uint8_t beyond;
        bool full = len == max;
        ssize_t n = read(fd, full ? &beyond : (uint8_t *)buffer + len, full ? 1 : max - len);
        struct pollfd waited_for = {.fd = fd, .events = POLLIN};
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && poll(&waited_for, 1, PIPE_MS) > 0)))
            continue;
        if (n < 0)
            return error_set_errno(error, "%s", path);
        if (n == 0)
            return (ssize_t)len;
        if (full)
            return error_set(error, ERR_LIMIT, "%s: larger than %zu bytes", path, max);
        len += (size_t)n;
    }
}

ssize_t file_read(const char *path, void *buffer, size_t max, struct error *error) {
    int fd = open_to_read(path, error);
    if (fd < 0)
        return fd;
    ssize_t len = read_all(fd, path, buffer, max, error);
    close(fd);
    return len;
}

ssize_t file_read_secret(const char *path, void *buffer, size_t max, struct error *error) {
    int fd = open_to_read(path, error);
    if (fd < 0)
        return fd;
    int code = check_private(fd, path, error);
    ssize_t len = code == 0 ? read_all(fd, path, buffer, max, error) : code;
    close(fd);
    return len;
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

int file_copy(int from, int to, uint64_t len, struct error *error) {
    static uint8_t piece[1 << 16];
    for (uint64_t at = 0; at < len;) {
        size_t want = len - at < sizeof piece ? (size_t)(len - at) : sizeof piece;
        if (file_read_at(from, piece, want, at) != 0)
            return error_set_errno(error, "cannot be read");
        if (file_write_at(to, piece, want, at) != 0)
            return error_set_errno(error, "its copy cannot be written");
        at += want;
        if (at % (16u << 20) == 0)
            file_write_out(to, at - (16u << 20), 16u << 20);
    }
    return 0;
}

int file_drop_cached(int fd) {
    if (fsync(fd) != 0)
        return ERR_SYSTEM;
    /* A file system that has no cache to drop from takes no advice. */
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
}

void file_folder(char *folder, const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        format_text(folder, PATH_MAX, ".");
    else
        format_text(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* --- what stands under a name ------------------------------------------------------------------ */

/* A name, what it leads to, and what stands there. */
struct place {
    char path[PATH_MAX]; /* without symbolic links at its end */
    bool is_there;
    struct stat status; /* where it is there */
};

static const char *type_name(mode_t mode) {
    return S_ISDIR(mode)                    ? "a directory"
           : S_ISCHR(mode) || S_ISBLK(mode) ? "a device"
           : S_ISFIFO(mode)                 ? "a pipe"
                                            : "no regular file";
}

static int look_at(struct place *place, const char *path, struct error *error) {
    const char *slash = strrchr(path, '/');
    place->path[0] = '\0';
    if (strlen(path) + 32 > PATH_MAX)
        return error_set(error, ERR_LIMIT, "%s: the name is too long", path);
    if (*path == '\0' || (slash != NULL && slash[1] == '\0'))
        return error_set(error, ERR_FORMAT, "\"%s\" is not the name of a file", path);
    format_text(place->path, sizeof place->path, "%s", path);
    place->is_there = lstat(path, &place->status) == 0;
    if (place->is_there && S_ISLNK(place->status.st_mode) &&
        (realpath(path, place->path) == NULL || stat(place->path, &place->status) != 0))
        return error_set_errno(error, "%s: a symbolic link that leads nowhere", path);
    if (!place->is_there && errno != ENOENT)
        return error_set_errno(error, "%s", path);
    return 0;
}

/* Whether a regular file is as files of this kind are. An empty one is. */
static bool has_mark(const struct place *place, const struct file_kind *kind, struct error *error,
                     int *code) {
    char start[64];
    size_t len = kind->mark != NULL ? strlen(kind->mark) : 0;
    off_t size = place->status.st_size;
    *code = 0;
    if (size == 0)
        return true;
    if (kind->exact_len != 0 && size != (off_t)kind->exact_len)
        return false;
    if (len == 0)
        return true;
    int fd = open(place->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, start, len) : -1;
    if (n < 0)
        *code = error_set_errno(error, "%s", place->path);
    if (fd >= 0)
        close(fd);
    return n == (ssize_t)len && memcmp(start, kind->mark, len) == 0;
}

static bool is_key(const struct place *place) {
    static const struct file_kind pem = {.mark = "-----BEGIN "};
    struct error ignored;
    int code;
    return place->status.st_size > 0 && has_mark(place, &pem, &ignored, &code);
}

static int check_place(const struct place *place, const struct file_kind *kind,
                       enum file_replacing replacing, struct error *error) {
    int code = 0;
    if (!place->is_there)
        return 0;
    if (!S_ISREG(place->status.st_mode))
        return error_set(error, ERR_FORMAT, "%s: is %s, which is never replaced", place->path,
                         type_name(place->status.st_mode));
    if (replacing == REPLACE_NOTHING)
        return error_set(error, ERR_EXISTS, "%s: exists already", place->path);
    if (replacing == REPLACE_KIND && !has_mark(place, kind, error, &code) && code == 0)
        code = error_set(error, ERR_EXISTS, "%s: exists, and is not %s", place->path, kind->what);
    /* A key is lost for good, so nothing but another key ever takes its place. */
    if (replacing == REPLACE_ANY && is_key(place) && code == 0)
        code = error_set(error, ERR_FORMAT, "%s: is a key, which is never replaced", place->path);
    return code;
}

int file_resolve(char resolved[PATH_MAX], const char *path, struct error *error) {
    struct place place;
    int code = look_at(&place, path, error);
    memcpy(resolved, place.path, PATH_MAX);
    return code;
}

int file_check_place(const char *path, const struct file_kind *kind, enum file_replacing replacing,
                     struct error *error) {
    struct atomic_file file;
    int code = atomic_file_open(&file, path, kind, replacing, error);
    if (code == 0)
        atomic_file_abort(&file);
    return code;
}

int file_remove(const char *path, const struct file_kind *kind, struct error *error) {
    struct place place;
    int code = look_at(&place, path, error);
    if (code != 0 || !place.is_there || !S_ISREG(place.status.st_mode) ||
        !has_mark(&place, kind, error, &code))
        return code;
    return unlink(place.path) == 0 ? 0 : error_set_errno(error, "%s: cannot be removed", path);
}

/* --- files that appear at once ----------------------------------------------------------------- */

/* Whether the name is that of a file under construction, for the file called `base`:
 * ".BASE.NUMBER.tmp". */
static bool is_temporary_of(const char *name, const char *base) {
    size_t len = strlen(base);
    if (name[0] != '.' || strncmp(name + 1, base, len) != 0 || name[1 + len] != '.')
        return false;
    const char *number = name + 2 + len;
    size_t digits = strspn(number, "0123456789");
    return digits > 0 && strcmp(number + digits, ".tmp") == 0;
}

/* Removes what killed processes have left of files under this name. A file that is being written is
 * locked. Failures are left to others. */
static void remove_leftovers(const char *folder, const char *base) {
    DIR *names = opendir(folder);
    const struct dirent *entry;
    while (names != NULL && (entry = readdir(names)) != NULL) {
        if (!is_temporary_of(entry->d_name, base))
            continue;
        int fd =
            openat(dirfd(names), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(names), entry->d_name, 0);
        close(fd);
    }
    if (names != NULL)
        closedir(names);
}

/* Gives the new file the owner and the mode of the one that it replaces. Only root can give files away,
 * so an owner that cannot be kept is no failure. */
static int set_access(int fd, const struct place *place, const struct file_kind *kind) {
    mode_t mode = place->status.st_mode & 07777;
    if (!place->is_there)
        return 0;
    if (kind->is_private)
        mode &= S_IRWXU;
    if (fchown(fd, place->status.st_uid, place->status.st_gid) != 0)
        errno = 0;
    return fchmod(fd, mode);
}

int file_set_access(int fd, const char *like, const struct file_kind *kind) {
    struct place place = {.is_there = false};
    place.is_there = stat(like, &place.status) == 0;
    return place.is_there ? set_access(fd, &place, kind) : fchmod(fd, kind->mode);
}

int atomic_file_open(struct atomic_file *file, const char *path, const struct file_kind *kind,
                     enum file_replacing replacing, struct error *error) {
    struct place place;
    char folder[PATH_MAX];
    file->fd = -1;
    int code = look_at(&place, path, error);
    if (code == 0)
        code = check_place(&place, kind, replacing, error);
    if (code != 0)
        return code;
    const char *slash = strrchr(place.path, '/');
    const char *base = slash == NULL ? place.path : slash + 1;
    memcpy(file->path, place.path, sizeof file->path);
    format_text(file->temporary, sizeof file->temporary, "%.*s.%s.%ld.tmp",
                (int)(base - place.path), place.path, base, (long)getpid());
    file_folder(folder, place.path);
    remove_leftovers(folder, base);

    /* A file that replaces none has the mode of its kind, as far as the umask lets it. */
    mode_t mode = place.is_there ? S_IRUSR | S_IWUSR : kind->mode;
    file->is_unnamed = false;
    file->replaces = replacing != REPLACE_NOTHING;
    if (access("/proc/self/fd", X_OK) == 0) {
        file->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
        file->is_unnamed = file->fd >= 0;
    }
    if (file->fd < 0)
        file->fd = open(file->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode);
    if (file->fd < 0 || flock(file->fd, LOCK_EX | LOCK_NB) != 0 ||
        set_access(file->fd, &place, kind) != 0) {
        error_set_errno(error, "%s: cannot be created", path);
        atomic_file_abort(file);
        return ERR_SYSTEM;
    }
    return 0;
}

int file_sync_folder(const char *path) {
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

int atomic_file_commit(struct atomic_file *file, struct error *error) {
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
    if (file->replaces ? rename(file->temporary, file->path) : link(file->temporary, file->path))
        goto failed;
    if (!file->replaces)
        unlink(file->temporary);
    close(file->fd);
    file->fd = -1;
    if (file_sync_folder(file->path) != 0)
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

int file_write(const char *path, const void *bytes, size_t len, const struct file_kind *kind,
               enum file_replacing replacing, struct error *error) {
    struct atomic_file file;
    int code = atomic_file_open(&file, path, kind, replacing, error);
    if (code != 0)
        return code;
    if (file_write_at(file.fd, bytes, len, 0) != 0) {
        error_set_errno(error, "%s: cannot be written", path);
        atomic_file_abort(&file);
        return ERR_SYSTEM;
    }
    return atomic_file_commit(&file, error);
}
