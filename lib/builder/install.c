#include "builder/install.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the release may follow the one in force. 0, 1 where it is that, or a negative code. */
static int check_succession(const struct release_folder *folder, const struct db_header *next,
                            const struct key_set *authorities, struct error *error) {
    struct db_header now;
    if (!folder->has_current)
        return 0;
    int code = db_read_header(&now, folder->current, authorities, error);
    if (code != 0)
        return code;
    if (memcmp(now.id, next->id, SHA256_LEN) == 0)
        return 1;
    if (!release_is_same_register(&now.facts, &next->facts))
        return error_set(error, ERR_CONFLICT, "is %s \"%s\", and \"%s\" is in force",
                         next->facts.is_test ? "test data," : "of", next->facts.name,
                         now.facts.name);
    if (next->facts.sequence <= now.facts.sequence)
        return error_set(
            error, ERR_CONFLICT, "its sequence number %llu is not above %llu, in force",
            (unsigned long long)next->facts.sequence, (unsigned long long)now.facts.sequence);
    return 0;
}

/* Checks the copy as the disk has it. */
static int check_copy(int fd, const struct db_header *header, const struct key_set *authorities,
                      unsigned thread_count, db_progress *tell, struct error *error) {
    struct db db;
    if (file_drop_cached(fd) != 0)
        return error_set_errno(error, "its copy cannot be written");
    int code = db_open_fd(&db, fd, "its copy", authorities, error);
    if (code != 0)
        return code;
    code = memcmp(db.header.id, header->id, SHA256_LEN) == 0
               ? db_verify(&db, thread_count, "its copy", tell, error)
               : error_set(error, ERR_CONFLICT, "was changed while it was copied");
    db_close(&db);
    return code;
}

static int copy_checked(int from, const struct db_header *header, const char *path,
                        const char *like, const struct key_set *authorities, unsigned thread_count,
                        db_progress *tell, struct error *error) {
    struct atomic_file file;
    struct stat status;
    int code = atomic_file_open(&file, path, &db_file_kind, REPLACE_KIND, error);
    if (code != 0)
        return code;
    if (like != NULL && stat(like, &status) == 0)
        fchmod(file.fd, status.st_mode & 0777);
    code = file_copy(from, file.fd, db_file_len(header), error);
    if (code == 0)
        code = check_copy(file.fd, header, authorities, thread_count, tell, error);
    if (code != 0) {
        atomic_file_abort(&file);
        return code;
    }
    return atomic_file_commit(&file, error);
}

int install_copy(const char *from, const struct db_header *header, const char *path,
                 const char *like, const struct key_set *authorities, unsigned thread_count,
                 db_progress *tell, struct error *error) {
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(error, "cannot be opened");
    int code = copy_checked(fd, header, path, like, authorities, thread_count, tell, error);
    close(fd);
    return code;
}

int install_release(struct release_folder *folder, const char *path,
                    const struct key_set *authorities, unsigned thread_count, db_progress *tell,
                    int64_t now_s, struct db_header *header, enum installed *installed,
                    struct error *error) {
    int code = db_read_header(header, path, authorities, error);
    if (code == 0)
        code = release_check_age(&header->facts, path, now_s, error);
    if (code != 0)
        return code;
    code = check_succession(folder, header, authorities, error);
    *installed = code == 1 ? INSTALLED_SAME : INSTALLED_NEW;
    if (code == 0) {
        char place[PATH_MAX];
        code = release_folder_file(folder, header->facts.sequence, place, error);
        /* One of this number may have been left by a run that was killed before it moved the link. Whoever
         * could read the one in force can read this one. */
        if (code == 0)
            code = install_copy(path, header, place, folder->has_current ? folder->current : NULL,
                                authorities, thread_count, tell, error);
        if (code == 0)
            code = release_folder_move(folder, header->facts.sequence, error);
    }
    return code < 0 ? error_prefix(error, code, path) : 0;
}
