#include "audit/log.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int audit_log_open(struct audit_log *log, const char *folder, struct audit_reading *reading,
                   struct error *error) {
    char name[AUDIT_NAME_SIZE];
    log->fd = -1;
    log->folder = folder;
    memset(reading, 0, sizeof *reading);
    reading->folder = folder;
    reading->folder_fd = log->folder_fd;
    /* Which is the last file is not known before. */
    reading->from_segment = UINT32_MAX;
    int code = audit_read(reading, error);
    if (code != 0 || reading->last_segment == 0)
        return code;
    unsigned last = reading->last_segment;
    /* The last file may have no block yet. */
    for (unsigned from = last; from > 0 && reading->first_block == 0 && code == 0; from--) {
        memset(reading, 0, sizeof *reading);
        reading->folder = folder;
        reading->folder_fd = log->folder_fd;
        reading->from_segment = from;
        code = audit_read(reading, error);
    }
    if (code != 0)
        return code;
    audit_segment_name(name, last);
    log->segment = last;
    log->size = reading->last_size;
    log->number = reading->last_block;
    memcpy(log->last, reading->digest, SHA256_LEN);
    log->fd = openat(log->folder_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (log->fd < 0 || (reading->cut_len > 0 && ftruncate(log->fd, (off_t)log->size) != 0))
        return error_set_errno(error, "%s/%s", folder, name);
    return 0;
}

static int next_segment(struct audit_log *log, struct error *error) {
    char name[AUDIT_NAME_SIZE];
    audit_segment_name(name, log->segment + 1);
    int fd = openat(log->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return error_set_errno(error, "%s/%s%s", log->folder, name,
                               errno == EACCES ? " (the folder must be the server's user's: --user)"
                                               : "");
    log->fd = fd;
    log->is_new = true;
    log->segment++;
    log->size = 0;
    return 0;
}

int audit_log_append(struct audit_log *log, enum audit_kind kind, size_t len, int64_t time_ms,
                     struct error *error) {
    struct audit_block block = {
        .kind = (uint8_t)kind, .len = (uint32_t)len, .number = log->number + 1, .time_ms = time_ms};
    size_t all = AUDIT_HEADER_LEN + len;
    memcpy(block.before, log->last, SHA256_LEN);
    audit_block_encode(log->block, &block);
    int code = log->fd < 0 ? next_segment(log, error) : 0;
    if (code != 0)
        return code;
    if (file_write_at(log->fd, log->block, all, log->size) != 0) {
        error_set_errno(error, "%s", log->folder);
        /* What is there in part would be taken for a block that has no end: it is cut off, or written over. */
        int done = ftruncate(log->fd, (off_t)log->size);
        (void)done;
        return ERR_SYSTEM;
    }
    log->size += all;
    log->number++;
    sha256(log->last, log->block, all);
    return 0;
}

int audit_log_sign(struct audit_log *log, const struct rsa_private *key, int64_t time_ms,
                   struct error *error) {
    struct audit_block block = {.kind = AUDIT_CHECKPOINT,
                                .len = (uint32_t)key->public.n_len,
                                .number = log->number + 1,
                                .time_ms = time_ms};
    uint8_t digest[SHA256_LEN];
    memcpy(block.before, log->last, SHA256_LEN);
    audit_block_encode(log->block, &block);
    audit_checkpoint_digest(digest, log->block);
    if (!rsa_sign(key, digest, log->block + AUDIT_HEADER_LEN))
        return error_set(error, ERR_LIMIT, "the key of the audit log does not sign");
    return audit_log_append(log, AUDIT_CHECKPOINT, block.len, time_ms, error);
}

int audit_log_sync(struct audit_log *log, struct error *error) {
    if (log->fd < 0)
        return 0;
    if (fdatasync(log->fd) != 0 || (log->is_new && fsync(log->folder_fd) != 0))
        return error_set_errno(error, "%s: writing to the disk", log->folder);
    log->is_new = false;
    return 0;
}

bool audit_log_is_there(const struct audit_log *log) {
    char name[AUDIT_NAME_SIZE];
    struct stat own, named;
    audit_segment_name(name, log->segment);
    return log->fd < 0 || (fstat(log->fd, &own) == 0 &&
                           fstatat(log->folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                           own.st_ino == named.st_ino && own.st_dev == named.st_dev &&
                           (uint64_t)own.st_size == log->size);
}

void audit_log_turn(struct audit_log *log) {
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}
