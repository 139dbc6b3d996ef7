#include "builder/local_copy.h"

#include "base/format.h"
#include "base/parallel.h"
#include "builder/changes.h"
#include "builder/release_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the header of the file, if there is one. */
int local_copy_read(struct local_copy *copy, struct error *error) {
    struct stat status;
    int code = db_read_header(&copy->header, copy->path, copy->authorities, error);
    copy->is_there = code == 0;
    if (code == ERR_SYSTEM && errno == ENOENT)
        return 0;
    copy->is_damaged = code == 0 && (stat(copy->path, &status) != 0 ||
                                     (uint64_t)status.st_size != db_file_len(&copy->header));
    return code;
}

/* Whether the name still leads to this file, which is nobody else's, and has no other name. */
static bool is_own(int fd, const char *path) {
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 && S_ISREG(named.st_mode) &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino &&
           named.st_nlink == 1 && named.st_uid == geteuid();
}

#define TRIES 5

/* Opens a file for parts of releases: what an earlier run has left, or a new one in the place of what is somebody
 * else's. A descriptor, or a negative code with the reason. */
int local_copy_open_part(const struct local_copy *copy, const char *path, struct error *error) {
    for (int i = 0; i < TRIES; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0 && errno != ELOOP)
            return error_set_errno(error, "%s", path);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
            bool is_busy = errno == EWOULDBLOCK;
            close(fd);
            return is_busy ? error_set(error, ERR_CONFLICT, "%s: another dlv sync is at work on it",
                                       copy->path)
                           : error_set_errno(error, "%s", path);
        }
        if (fd >= 0 && is_own(fd, path))
            return fd;
        /* It was put in its place, or removed, since it was opened; or somebody else has made it. */
        if (fd >= 0)
            close(fd);
        unlink(path);
    }
    return error_set(error, ERR_CONFLICT, "%s: cannot be made this user's own", path);
}

/* Finds out what is here, and keeps other runs away. */
int local_copy_open(struct local_copy *copy, struct error *error) {
    struct stat status;
    copy->lock = -1;
    if (release_folder_is_link(copy->name))
        return error_set(
            error, ERR_CONFLICT,
            "%s: is the link of a folder of releases: dlv install FILE DIR puts one there",
            copy->name);
    int code = 0;
    if (lstat(copy->name, &status) == 0)
        code = file_resolve(copy->path, copy->name, error);
    else
        format_text(copy->path, sizeof copy->path, "%s", copy->name);
    if (code == 0 &&
        format_text(copy->lists_path, PATH_MAX, "%s.sync-changes", copy->path) >= PATH_MAX)
        code = error_set(error, ERR_LIMIT, "%s: too long a name", copy->name);
    /* Before anything is made beside what may be no database; and again once no other run is at work. */
    if (code == 0)
        code = local_copy_read(copy, error);
    if (code != 0)
        return code;
    format_text(copy->whole_path, PATH_MAX, "%s.sync", copy->path);
    copy->lock = local_copy_open_part(copy, copy->whole_path, error);
    return copy->lock < 0 ? copy->lock : local_copy_read(copy, error);
}

/* Removes what was to hold parts of releases: once it is not needed any more, or where it is empty. */
void local_copy_remove_parts(const struct local_copy *copy, bool are_needed) {
    struct stat status;
    const char *paths[] = {copy->lists_path, copy->whole_path};
    for (int i = 0; i < 2; i++) {
        if (!are_needed || (stat(paths[i], &status) == 0 && status.st_size == 0))
            unlink(paths[i]);
    }
}

/* --- putting releases in place ------------------------------------------------------------------ */

/* A release of this register that is later than the one that is here. */
bool local_copy_precedes(const struct local_copy *copy, const struct db_header *header) {
    const struct release_facts *facts = &header->facts, *own = &copy->header.facts;
    if (copy->register_name != NULL && strcmp(copy->register_name, facts->name) != 0)
        return false;
    if (copy->is_damaged && memcmp(header->id, copy->header.id, SHA256_LEN) == 0)
        return true;
    return !copy->is_there ||
           (release_is_same_register(facts, own) && facts->sequence > own->sequence);
}

/* Makes the next release of the one that is here, and puts it in its place. */
static int apply(struct local_copy *copy, struct change_list *list, struct error *error) {
    char folder[PATH_MAX];
    struct atomic_file file;
    struct db db;
    /* The authority has signed it; but also what is older, and other registers. */
    if (!local_copy_precedes(copy, &list->to))
        return error_set(error, ERR_CONFLICT,
                         "the list of changes leads to %s%s %llu, not on from %s %llu",
                         list->to.facts.is_test ? "test data, " : "", list->to.facts.name,
                         (unsigned long long)list->to.facts.sequence, copy->header.facts.name,
                         (unsigned long long)copy->header.facts.sequence);
    file_folder(folder, copy->path);
    const struct build_settings settings = {
        .path = copy->path, .temporary_folder = folder, .thread_count = parallel_processors()};
    int code = db_open(&db, copy->path, copy->authorities, error);
    if (code != 0)
        return code;
    code = atomic_file_open(&file, copy->path, &db_file_kind, REPLACE_KIND, error);
    if (code == 0) {
        code = changes_apply(&db, list, file.fd, &settings, error);
        if (code == 0)
            code = atomic_file_commit(&file, error);
        else
            atomic_file_abort(&file);
    }
    db_close(&db);
    return code == 0 ? local_copy_read(copy, error) : code;
}

/* Applies the lists that stand one behind the other. */
int local_copy_apply(struct local_copy *copy, int fd, const char *name, struct error *error) {
    struct change_list list;
    struct changes_head head;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, "%s", name);
    size_t len = (size_t)status.st_size, at = 0;
    uint8_t *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set_errno(error, "%s", name);
    int code = 0;
    while (code == 0 && at < len) {
        code = len - at < CHANGES_HEAD_LEN ? error_set(error, ERR_FORMAT, "%s: is cut short", name)
                                           : changes_head_decode(&head, bytes + at, error);
        size_t own =
            code == 0 && changes_len(&head) <= len - at ? (size_t)changes_len(&head) : len - at;
        if (code == 0)
            code = change_list_open(&list, bytes + at, own, copy->authorities, error);
        if (code == 0)
            code = apply(copy, &list, error);
        at += own;
    }
    munmap(bytes, len);
    return code;
}

/* Puts the file behind the descriptor in place, whatever its name leads to by now. */
static int put_in_place(const struct local_copy *copy, int fd, struct error *error) {
    char self[64], name[PATH_MAX];
    format_text(self, sizeof self, "/proc/self/fd/%d", fd);
    format_text(name, sizeof name, "%s.sync.%ld", copy->path, (long)getpid());
    unlink(name);
    if (file_set_access(fd, copy->path, &db_file_kind) != 0 || fsync(fd) != 0)
        return error_set_errno(error, "%s", copy->whole_path);
    /* By its descriptor; where there is no /proc, by its name, if that still leads to it. */
    if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0) {
        if (errno != ENOENT || !is_own(fd, copy->whole_path))
            return error_set_errno(error, "%s", name);
        format_text(name, sizeof name, "%s", copy->whole_path);
    }
    if (rename(name, copy->path) == 0 && file_sync_folder(copy->path) == 0)
        return 0;
    error_set_errno(error, "%s", copy->path);
    unlink(name);
    return ERR_SYSTEM;
}

/* Checks the whole release as it stands on the disk, and puts it in place. */
int local_copy_place(struct local_copy *copy, int fd, struct error *error) {
    struct db db;
    if (file_drop_cached(fd) != 0)
        return error_set_errno(error, "%s", copy->whole_path);
    int code = db_open_fd(&db, fd, copy->whole_path, copy->authorities, error);
    if (code != 0)
        return code;
    code = db_verify(&db, parallel_processors(), copy->whole_path, NULL, error);
    db_close(&db);
    if (code == 0)
        code = file_check_place(copy->path, &db_file_kind, REPLACE_KIND, error);
    if (code == 0)
        code = put_in_place(copy, fd, error);
    return code == 0 ? local_copy_read(copy, error) : code;
}
