#include "client/state.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct file_kind state_file_kind = {
    .what = "a state file of dlv", .mode = 0600, .is_private = true};

#define NAME_BYTES 16 /* of the authority's id */

#define TIME_MAX 16 /* characters of the time behind the head */

struct remembered {
    uint64_t sequence;
    unsigned long long time_s;
    uint8_t head[DB_HEAD_LEN];
};

static int spoilt(const char *path, const char *what, struct error *error) {
    return error_set(error, ERR_FORMAT, "%s: %s; remove it to begin anew", path, what);
}

/* The head that is remembered, which one of the authorities has signed. */
static int read_head(const char *path, struct remembered *remembered, const char *db_name,
                     const struct key_set *authorities, struct error *error) {
    struct db_header header;
    struct error reason;
    if (db_header_decode(&header, remembered->head, &reason) != 0 ||
        db_header_verify(&header, remembered->head + DB_SIGNATURES, authorities, &reason) != 0 ||
        strcmp(header.facts.name, db_name) != 0)
        return spoilt(path, "not the head of a release that the authority has signed", error);
    remembered->sequence = header.facts.sequence;
    return 0;
}

/* What the file says: a head, and behind it a time as decimal digits. Zeros where there is none. */
static int read_file(const char *path, struct remembered *remembered, const char *db_name,
                     const struct key_set *authorities, struct error *error) {
    char bytes[DB_HEAD_LEN + TIME_MAX + 1];
    struct stat status;
    *remembered = (struct remembered){.sequence = 0};
    if (lstat(path, &status) != 0)
        return errno == ENOENT ? 0 : error_set_errno(error, "%s", path);
    if (!S_ISREG(status.st_mode)) /* a pipe would be waited for */
        return spoilt(path, "no regular file", error);
    ssize_t len = file_read(path, bytes, sizeof bytes - 1, error);
    if (len < 0 && len != ERR_LIMIT)
        return (int)len;
    bytes[len > 0 ? len : 0] = '\0';
    if (len <= DB_HEAD_LEN ||
        text_parse_count(bytes + DB_HEAD_LEN, (1ull << 40) - 1, &remembered->time_s) != 0)
        return spoilt(path, "not a release and a time", error);
    memcpy(remembered->head, bytes, DB_HEAD_LEN);
    return read_head(path, remembered, db_name, authorities, error);
}

static int write_file(const char *path, const uint8_t head[DB_HEAD_LEN], unsigned long long time_s,
                      struct error *error) {
    char bytes[DB_HEAD_LEN + TIME_MAX + 1];
    memcpy(bytes, head, DB_HEAD_LEN);
    size_t len = format_text(bytes + DB_HEAD_LEN, TIME_MAX + 1, "%llu", time_s);
    return file_write(path, bytes, DB_HEAD_LEN + len, &state_file_kind, REPLACE_KIND, error);
}

static int conflict(const char *path, uint64_t sequence, const struct remembered *seen,
                    struct error *error) {
    return error_set(error, ERR_CONFLICT,
                     "its database has sequence number %llu, but %llu has been seen before "
                     "(remembered in %s)",
                     (unsigned long long)sequence, (unsigned long long)seen->sequence, path);
}

static int compare(const char *path, const uint8_t head[DB_HEAD_LEN],
                   const struct release_facts *facts, const struct key_set *authorities,
                   const struct state_time *time, struct error *error) {
    struct remembered seen;
    int code = read_file(path, &seen, facts->name, authorities, error);
    if (code != 0)
        return code;
    if (seen.sequence > facts->sequence)
        return conflict(path, facts->sequence, &seen, error);
    bool is_behind = time->given_s != 0 && time->given_s + time->apart_max_s < (int64_t)seen.time_s;
    if (is_behind && llabs(time->given_s - time->own_s) > time->apart_max_s)
        return error_set(error, ERR_CONFLICT,
                         "its clock is behind a time that a server gave before (remembered in %s)",
                         path);
    bool is_new = is_behind || time->given_s > (int64_t)seen.time_s;
    if (seen.sequence == facts->sequence && !is_new)
        return 0;
    return write_file(path, head, is_new ? (unsigned long long)time->given_s : seen.time_s, error);
}

static int file_path(char path[PATH_MAX], const char *folder, const uint8_t *authority_id,
                     const char *db_name, struct error *error) {
    char name[2 * NAME_BYTES + 1];
    hex_encode(name, authority_id, NAME_BYTES);
    return format_text(path, PATH_MAX, "%s/%s.%s.seen", folder, name, db_name) < PATH_MAX
               ? 0
               : error_set(error, ERR_LIMIT, "%s: too long a name", folder);
}

#define LOCK_MS 5000
#define LOCK_PAUSE_MS 10

/* Opens the file that is locked: one of this user's own, so that nobody else can hold it. */
static int open_lock(const char *folder, struct error *error) {
    char path[PATH_MAX];
    struct stat status;
    if (format_text(path, sizeof path, "%s/.lock", folder) >= sizeof path)
        return error_set(error, ERR_LIMIT, "%s: too long a name", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(error, "%s", path);
    bool is_own = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
                  status.st_uid == geteuid() && (status.st_mode & 077) == 0;
    if (is_own)
        return fd;
    close(fd);
    return error_set(error, ERR_FORMAT, "%s: not a file of this user's alone; remove it", path);
}

/* Locks the folder against other runs. A descriptor, or a negative code. */
static int take_lock(const char *folder, struct error *error) {
    const struct timespec pause = {0, LOCK_PAUSE_MS * 1000000L};
    int fd = open_lock(folder, error);
    if (fd < 0)
        return fd;
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_PAUSE_MS) {
        bool is_busy = errno == EWOULDBLOCK || errno == EINTR;
        if (is_busy && waited_ms < LOCK_MS) {
            nanosleep(&pause, NULL);
            continue;
        }
        error_set_errno(error, "%s: cannot be locked", folder);
        close(fd);
        return ERR_SYSTEM;
    }
    return fd;
}

/* What was seen of the same database under the other authorities. */
static int compare_others(const char *folder, const struct release_facts *facts,
                          const struct key_set *authorities, struct error *error) {
    char path[PATH_MAX];
    struct remembered seen;
    int code = 0;
    for (unsigned i = 0; i < authorities->count && code == 0; i++) {
        if (memcmp(authorities->ids[i], facts->authority_id, SHA256_LEN) == 0)
            continue;
        code = file_path(path, folder, authorities->ids[i], facts->name, error);
        if (code == 0)
            code = read_file(path, &seen, facts->name, authorities, error);
        if (code == 0 && seen.sequence > facts->sequence)
            code = conflict(path, facts->sequence, &seen, error);
    }
    return code;
}

int client_state_check(const char *folder, const uint8_t head[DB_HEAD_LEN],
                       const struct release_facts *facts, const struct key_set *authorities,
                       const struct state_time *time, struct error *error) {
    char path[PATH_MAX];
    if (file_path(path, folder, facts->authority_id, facts->name, error) != 0)
        return ERR_LIMIT;
    int lock = take_lock(folder, error);
    if (lock < 0)
        return lock;
    int code = compare_others(folder, facts, authorities, error);
    if (code == 0)
        code = compare(path, head, facts, authorities, time, error);
    close(lock);
    return code;
}

int client_state_time(const char *folder, const struct release_facts *facts,
                      const struct key_set *authorities, int64_t *time_s, struct error *error) {
    char path[PATH_MAX];
    struct remembered seen;
    int code = file_path(path, folder, facts->authority_id, facts->name, error);
    if (code == 0)
        code = read_file(path, &seen, facts->name, authorities, error);
    *time_s = code == 0 ? (int64_t)seen.time_s : 0;
    return code;
}
