#include "serve/release.h"

#include "base/parallel.h"
#include "net/socket.h"
#include "os/confine.h"
#include "os/process.h"
#include "serve/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Checks the signature of a database, its lookup key and its valid-until. This takes almost no
 * time. */
static int open_checked(const struct serve_settings *settings, int fd, struct db *db,
                        struct error *error) {
    int code = db_open_fd(db, fd, settings->db_path, &settings->public.authorities, error);
    if (code != 0)
        return code;
    code = db_check_lookup_key(&db->header, settings->is_keyed ? &settings->lookup_key : NULL,
                               settings->db_path, error);
    if (code == 0 && settings->is_legacy && !db->header.facts.has_legacy)
        code = error_set(error, ERR_FORMAT,
                         "%s: made without --legacy, so it cannot answer the original protocol",
                         settings->db_path);
    if (code == 0)
        code = release_check_age(&db->header.facts, settings->db_path, time(NULL), error);
    if (code != 0)
        db_close(db);
    return code;
}

/* Checks the whole database, unless the operator says that it has been checked; which nobody can say of
 * one that was overwritten. */
static int verify(const struct release *release, const struct db *db, db_progress *tell,
                  struct error *error) {
    const struct serve_settings *settings = release->settings;
    return settings->is_quick && !release->is_lost
               ? 0
               : db_verify(db, parallel_processors(), settings->db_path, tell, error);
}

bool release_has_changed(const struct release *release) {
    return !file_is_as(release->fd, &release->state);
}

static int changed(const struct release *release, struct error *error) {
    return error_set(error, ERR_CONFLICT, "%s: was changed while it was checked",
                     release->settings->db_path);
}

/* Takes a lease on the file, if there is one to be had, and notes how it is. Whoever has it open for writing
 * could change it at any time without being noticed. 0 or ERR_CONFLICT. */
static int hold(const struct release *release, int fd, bool *is_leased, struct file_state *state,
                struct error *error) {
    *is_leased = file_lease_take(fd);
    bool is_written = !*is_leased && errno == EAGAIN;
    *state = file_state_of(fd);
    state->counts_touches = !*is_leased;
    return is_written ? error_set(error, ERR_CONFLICT, "%s: somebody has it open for writing",
                                  release->settings->db_path)
                      : 0;
}

int release_open(struct release *release, struct error *error) {
    struct db db;
    int fd = open(release->settings->db_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(error, "%s", release->settings->db_path);
    release->fd = fd;
    int code = hold(release, fd, &release->is_leased, &release->state, error);
    if (code == 0)
        code = open_checked(release->settings, fd, &db, error);
    if (code == 0) {
        code = verify(release, &db, release->settings->tell, error);
        release->header = db.header;
        db_close(&db);
    }
    if (code == 0 && release_has_changed(release))
        code = changed(release, error);
    if (code != 0)
        close(fd);
    else
        change_lists_open(&release->lists, release->settings->db_path,
                          release->header.facts.sequence);
    return code;
}

/* --- the next one ----------------------------------------------------------------------------- */

/* Sequence numbers only increase, so that an old release cannot come back. */
static int check_sequence(const struct release *release, const struct db_header *next,
                          struct error *error) {
    const struct release_facts *now = &release->header.facts;
    if (!release_is_same_register(&next->facts, now))
        return error_set(error, ERR_CONFLICT,
                         "%s: is %s \"%s\", and \"%s\" is in use; start anew where that is meant",
                         release->settings->db_path, next->facts.is_test ? "test data," : "of",
                         next->facts.name, now->name);
    if (next->facts.sequence > release->header.facts.sequence ||
        memcmp(next->id, release->header.id, SHA256_LEN) == 0)
        return 0;
    return error_set(error, ERR_CONFLICT, "%s: its sequence number %llu is not above %llu, in use",
                     release->settings->db_path, (unsigned long long)next->facts.sequence,
                     (unsigned long long)release->header.facts.sequence);
}

/* Verifies the open database, writes what is wrong, and ends. This is a process of its own, so that
 * the parent can react to signals meanwhile; it gives up what checking does not take. */
static void run_checker(const struct release *release, const struct db *next, int reason,
                        pid_t parent_pid) {
    const struct serve_settings *settings = release->settings;
    struct error error;
    int code = confine_user(settings->uid, settings->gid, &error);
    if (process_end_with_parent(parent_pid) != 0)
        _exit(2);
    if (code == 0)
        code = confine_files(&settings->sandbox, -1, &error);
    if (code == 0)
        code = verify(release, next, NULL, &error);
    if (code != 0 && write(reason, error.text, strlen(error.text)) < 0)
        _exit(3);
    _exit(code == 0 ? 0 : 2);
}

static int fork_checker(struct release *release, const struct db *next, int fd,
                        struct error *error) {
    int reason[2];
    pid_t own_pid = getpid();
    if (pipe2(reason, O_CLOEXEC | O_NONBLOCK) != 0)
        return error_set_errno(error, "pipe");
    release->checker = fork();
    if (release->checker == 0) {
        run_checker(release, next, reason[1], own_pid);
    }
    int code = 0;
    if (release->checker < 0) {
        code = error_set_errno(error, "fork");
        release->checker = 0;
        close(reason[0]);
    }
    close(reason[1]);
    release->checker_reason = reason[0];
    release->next_fd = fd;
    return code;
}

static void refuse(struct release *release, const struct error *error) {
    release->refused_count++;
    serve_log(release->settings, "reload_refused sequence_kept=%llu reason=\"%s\"",
              (unsigned long long)release->header.facts.sequence, error->text);
}

/* Whether the file is the one that is in use already. */
static bool is_unchanged(const struct release *release, const struct db *next) {
    return !release->is_lost && memcmp(next->header.id, release->header.id, SHA256_LEN) == 0;
}

/* 0 where a process has been started that checks the file, 1 where there is nothing to do, or a
 * negative code. */
static int begin_check(struct release *release, int fd, struct error *error) {
    struct db next;
    int code = open_checked(release->settings, fd, &next, error);
    if (code != 0)
        return code;
    if (is_unchanged(release, &next)) {
        serve_log(release->settings, "database_unchanged sequence=%llu",
                  (unsigned long long)next.header.facts.sequence);
        code = 1;
    } else {
        code = check_sequence(release, &next.header, error);
    }
    if (code == 0)
        code = fork_checker(release, &next, fd, error);
    db_close(&next);
    return code;
}

/* When a file that was refused after a loss is tried again: the reason may have been another. */
#define TRY_AGAIN_MS 30000

void release_reload(struct release *release) {
    struct error error;
    if (release->checker != 0) {
        release->is_reload_due = true;
        return;
    }
    int fd = open(release->settings->db_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int code;
    if (fd < 0) {
        code = error_set_errno(&error, "%s", release->settings->db_path);
    } else {
        code = hold(release, fd, &release->next_is_leased, &release->next_state, &error);
        release->tried_until_ms = net_now_ms() + TRY_AGAIN_MS;
        if (code == 0)
            code = begin_check(release, fd, &error);
    }
    if (code == 0)
        return;
    if (fd >= 0)
        close(fd);
    if (code < 0)
        refuse(release, &error);
}

/* Puts the file that was checked into use. */
static int take_next(struct release *release, struct error *error) {
    struct db next;
    if (!file_is_as(release->next_fd, &release->next_state) ||
        (release->next_is_leased && !file_lease_holds(release->next_fd)))
        return changed(release, error);
    int code = open_checked(release->settings, release->next_fd, &next, error);
    if (code != 0)
        return code;
    close(release->fd);
    release->header = next.header;
    release->fd = release->next_fd;
    release->state = release->next_state;
    release->is_leased = release->next_is_leased;
    release->is_lost = false;
    release->taken_count++;
    change_lists_close(&release->lists);
    change_lists_open(&release->lists, release->settings->db_path, next.header.facts.sequence);
    db_close(&next);
    return 0;
}

void release_lose(struct release *release, const char *reason) {
    release->is_lost = true;
    release->tried_until_ms = 0;
    serve_log(release->settings, "database_lost sequence=%llu reason=\"%s\"",
              (unsigned long long)release->header.facts.sequence, reason);
    if (release->is_leased)
        file_lease_release(release->fd);
    release->is_leased = false;
}

bool release_take_break(struct release *release) {
    if (release->checker != 0 && release->next_is_leased && !file_lease_holds(release->next_fd)) {
        kill(release->checker, SIGKILL); /* the rest is done when it has ended */
        file_lease_release(release->next_fd);
    }
    return !release->is_lost && release->is_leased && !file_lease_holds(release->fd);
}

#define SEEK_MS 500

/* A file that somebody has open for writing is not tried; nor is the same one twice. */
void release_seek(struct release *release, int64_t now_ms) {
    if (!release->is_lost || release->checker != 0 || now_ms < release->next_try_ms)
        return;
    release->next_try_ms = now_ms + SEEK_MS;
    int fd = open(release->settings->db_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    bool is_written = !file_lease_take(fd) && errno == EAGAIN;
    bool is_tried = now_ms < release->tried_until_ms && file_is_as(fd, &release->next_state);
    close(fd);
    if (is_written && !release->is_awaited)
        serve_log(release->settings,
                  "database_awaited reason=\"somebody has it open for writing\"");
    release->is_awaited = is_written;
    if (!is_written && !is_tried)
        release_reload(release);
}

bool release_finish_reload(struct release *release, int status) {
    struct error error;
    int code = 0;
    ssize_t n = read(release->checker_reason, error.text, sizeof error.text - 1);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        code = ERR_FORMAT;
        if (n > 0)
            error.text[n] = '\0';
        else
            error_set(&error, code, "%s: the check has failed", release->settings->db_path);
    }
    if (code == 0)
        code = take_next(release, &error);
    if (code != 0) {
        refuse(release, &error);
        close(release->next_fd);
    }
    close(release->checker_reason);
    release->checker = 0;
    return code == 0;
}
