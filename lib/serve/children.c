#include "serve/children.h"

#include "net/socket.h"
#include "os/confine.h"
#include "os/process.h"
#include "os/secret_memory.h"
#include "serve/key_holder.h"
#include "serve/log.h"
#include "serve/recorder.h"
#include "serve/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACK_OFF_MS 100 /* how long the first restart waits; each failure in a row doubles it */
#define BACK_OFF_MAX_MS 30000
#define STEADY_MS 60000 /* a child that has run for this long starts a new count of failures */

/* Workers get about fifty times the processor time of key-holders on a core that they share, so
 * that a flood of openings does not slow look-ups. Key-holders keep the priority of the machine's
 * other processes; without root, priorities can only be lowered, so they come after them. */
#define WORKER_NICE (-15)
#define KEY_HOLDER_NICE 3

/* --- in the child ----------------------------------------------------------------------------- */

/* Closes every descriptor from 3 on that is not in `keep`. */
static void close_others(const int *keep, unsigned keep_count) {
    struct rlimit limit;
    int highest = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536
                      ? (int)limit.rlim_cur
                      : 65536;
    for (int fd = 3; fd < highest; fd++) {
        unsigned i = 0;
        while (i < keep_count && keep[i] != fd)
            i++;
        if (i == keep_count)
            close(fd);
    }
}

/* The child becomes another user, writes no core files, ends when the parent ends, and has the board for
 * reading. The order matters, because a change of user undoes the next two. */
static int become_child(const struct children *children, pid_t parent_pid,
                        const struct board **board, struct error *error) {
    int code = confine_user(children->settings->uid, children->settings->gid, error);
    process_forbid_core_dumps();
    if (process_end_with_parent(parent_pid) != 0)
        return error_set(error, ERR_SYSTEM, "the parent has ended");
    *board = board_attach(children->board_fd);
    return code == 0 && *board == NULL ? error_set_errno(error, "shared memory") : code;
}

static int fail(const struct children *children, const char *role, const struct error *error) {
    serve_log(children->settings, "%s_failed reason=\"%s\"", role, error->text);
    return 2;
}

static int run_key_holder(const struct children *children, pid_t parent_pid) {
    int channels[SERVE_PROCESSES_MAX], keep[SERVE_PROCESSES_MAX + 1];
    unsigned count = children->settings->worker_count;
    struct key_holder holder = {.keys = children->settings->keys,
                                .signer = children->settings->signer,
                                .is_legacy_allowed = children->settings->is_legacy,
                                .is_anonymous_allowed = children->settings->is_anonymous,
                                .worker_count = count,
                                .channels = channels};
    struct audit_rings audit = children->audit;
    struct random random;
    struct error error;
    audit_rings_close(&audit);
    for (unsigned w = 0; w < count; w++)
        channels[w] = keep[w] = children->channels[w][1];
    keep[count] = children->board_fd;
    close_others(keep, count + 1);
    /* This may fail without harm: an unprivileged process can lock only a little memory. */
    mlock(children->settings->keys, sizeof *children->settings->keys);
    if (holder.signer != NULL)
        mlock(holder.signer, sizeof *holder.signer);
    process_set_nice(geteuid() == 0 ? KEY_HOLDER_NICE : KEY_HOLDER_NICE - WORKER_NICE);
    if (become_child(children, parent_pid, &holder.board, &error) != 0 ||
        random_open(&random, &error) != 0 ||
        confine_files(&children->settings->sandbox, -1, &error) != 0 ||
        confine_calls(&children->settings->sandbox, CONFINE_KEY_HOLDER, NULL, 0, &error) != 0)
        return fail(children, "key_holder", &error);
    return key_holder_run(&holder, &random);
}

static int run_recorder(const struct children *children, pid_t parent_pid) {
    static struct recorder recorder;
    const struct serve_settings *settings = children->settings;
    struct error error;
    const int keep[] = {children->board_fd, children->audit_folder};
    recorder.settings = settings;
    recorder.rings = &children->audit;
    recorder.run = children->audit_run;
    recorder.log.folder_fd = children->audit_folder;
    close_others(keep, 2);
    /* The keys are read by whoever the server was started as; the log is its user's. */
    if (recorder_load_keys(&recorder, &error) != 0 ||
        become_child(children, parent_pid, &recorder.board, &error) != 0 ||
        recorder_open(&recorder, &error) != 0 ||
        confine_files(&settings->sandbox, children->audit_folder, &error) != 0 ||
        confine_calls(&settings->sandbox, CONFINE_RECORDER, NULL, 0, &error) != 0)
        return fail(children, "recorder", &error);
    return recorder_run(&recorder);
}

static int confine_worker(const struct sandbox *sandbox, const struct worker_place *place,
                          struct error *error) {
    /* Standard output and error may be a socket of the service manager's. */
    const int shared[] = {0,
                          1,
                          2,
                          place->listener,
                          place->datagrams,
                          place->orders,
                          place->key_holders,
                          place->xdp != NULL ? place->xdp->fd : -1};
    int code = confine_files(sandbox, -1, error);
    return code == 0 ? confine_calls(sandbox, CONFINE_WORKER, shared,
                                     sizeof shared / sizeof *shared, error)
                     : code;
}

static int run_worker(const struct children *children, unsigned w, int orders, pid_t parent_pid) {
    const struct serve_settings *settings = children->settings;
    struct kernel_bypass *bypass = children->bypass;
    struct xdp_socket *xdp = bypass != NULL && w < bypass->queue_count ? &bypass->sockets[w] : NULL;
    struct worker_place place = {.index = w,
                                 .listener = children->listener,
                                 .datagrams = children->datagrams[w],
                                 .xdp = xdp,
                                 .port = children->port,
                                 .orders = orders,
                                 .key_holders = children->channels[w][0],
                                 .db_fd = children->release->fd,
                                 .db_state = children->release->state,
                                 .lists = &children->release->lists,
                                 .tally = children->tally,
                                 .quotas = children->quotas};
    int keep[8 + CHANGE_LISTS_MAX] = {place.listener,
                                      place.datagrams,
                                      place.orders,
                                      place.key_holders,
                                      children->board_fd,
                                      children->release->fd,
                                      xdp != NULL ? xdp->fd : -1,
                                      children->audit.progress_fd};
    unsigned keep_count = 8;
    for (unsigned i = 0; i < place.lists->count; i++)
        keep[keep_count++] = place.lists->lists[i].fd;
    struct audit_rings audit = children->audit;
    struct audit_desk desk;
    struct error error;
    struct db db;
    close_others(keep, keep_count);
    process_set_nice(WORKER_NICE);
    if (become_child(children, parent_pid, &place.board, &error) != 0 ||
        (children->audit_folder >= 0 && audit_desk_open(&desk, &audit, w, &error) != 0) ||
        db_open_fd(&db, children->release->fd, settings->db_path, &settings->public.served,
                   &error) != 0)
        return fail(children, "worker", &error);
    place.desk = children->audit_folder >= 0 ? &desk : NULL;
    if (memcmp(db.header.id, children->release->header.id, SHA256_LEN) != 0)
        return WORKER_LOST_FILE;
    return worker_run(settings, &db, &place, confine_worker);
}

/* --- in the parent ---------------------------------------------------------------------------- */

static void note_start(struct child *child, pid_t pid) {
    child->pid = pid;
    child->starts++;
    child->started_ms = net_now_ms();
    child->restart_ms = 0;
    child->is_ready = false;
}

/* Whether the next child has the private keys. 0, or -1 with errno set. */
static int bequeath_keys(const struct serve_settings *settings, bool is_inherited) {
    int code = secret_memory_bequeath(settings->keys, sizeof *settings->keys, is_inherited);
    return code == 0 && settings->signer != NULL
               ? secret_memory_bequeath(settings->signer, sizeof *settings->signer, is_inherited)
               : code;
}

static int start_key_holder(struct children *children, unsigned k, struct error *error) {
    pid_t own_pid = getpid();
    if (bequeath_keys(children->settings, true) != 0)
        return error_set_errno(error, "madvise");
    pid_t pid = fork();
    if (pid == 0)
        _exit(run_key_holder(children, own_pid));
    if (bequeath_keys(children->settings, false) != 0 && pid >= 0)
        kill(pid, SIGKILL);
    if (pid < 0)
        return error_set_errno(error, "fork");
    note_start(&children->key_holders[k], pid);
    return 0;
}

static int start_recorder(struct children *children, unsigned index, struct error *error) {
    (void)index; /* there is one */
    pid_t own_pid = getpid(), pid = fork();
    if (pid == 0)
        _exit(run_recorder(children, own_pid));
    if (pid < 0)
        return error_set_errno(error, "fork");
    note_start(&children->recorder, pid);
    return 0;
}

static int start_worker(struct children *children, unsigned w, struct error *error) {
    int orders[2];
    if (channel_pair(orders) != 0)
        return error_set_errno(error, "socketpair");
    /* What the one before has asked is nobody's any more. */
    channel_drain(children->channels[w][0]);
    channel_drain(children->channels[w][1]);
    atomic_fetch_add(&children->board->worker_starts[w], 1);
    pid_t own_pid = getpid(), pid = fork();
    if (pid == 0)
        _exit(run_worker(children, w, orders[1], own_pid));
    close(orders[1]);
    if (pid < 0) {
        close(orders[0]);
        return error_set_errno(error, "fork");
    }
    children->orders[w] = orders[0];
    children->workers_alive++;
    note_start(&children->workers[w], pid);
    return 0;
}

static int open_channels(struct children *children) {
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        if (channel_pair(children->channels[w]) != 0)
            return ERR_SYSTEM;
        children->orders[w] = -1;
    }
    return 0;
}

int children_start(struct children *children, struct error *error) {
    const struct serve_settings *settings = children->settings;
    int code = open_channels(children);
    if (code != 0)
        return error_set_errno(error, "socketpair");
    if (children->audit_folder >= 0)
        code = start_recorder(children, 0, error);
    for (unsigned k = 0; k < settings->key_holder_count && code == 0; k++)
        code = start_key_holder(children, k, error);
    for (unsigned w = 0; w < settings->worker_count && code == 0; w++)
        code = start_worker(children, w, error);
    return code;
}

bool children_are_ready(struct children *children) {
    bool are_ready =
        children->audit_folder < 0 || atomic_load(&children->audit.progress->alive_ms) != 0;
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        struct child *worker = &children->workers[w];
        if (!worker->is_ready && children->orders[w] >= 0)
            worker->is_ready = channel_is_ready(children->orders[w]);
        are_ready &= worker->is_ready;
    }
    return are_ready;
}

/* --- their ends ------------------------------------------------------------------------------- */

static void plan_restart(struct child *child) {
    int64_t now_ms = net_now_ms(), wait_ms = BACK_OFF_MS;
    if (now_ms - child->started_ms >= STEADY_MS)
        child->failures = 0;
    for (unsigned i = 0; i < child->failures && wait_ms < BACK_OFF_MAX_MS; i++)
        wait_ms *= 2;
    child->failures++;
    child->restart_ms = now_ms + (wait_ms < BACK_OFF_MAX_MS ? wait_ms : BACK_OFF_MAX_MS);
}

/* Handles the end of a child that was not told to end. */
static int note_failure(struct children *children, struct child *child, const char *role, pid_t pid,
                        int status, struct error *error) {
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    bool is_bad_start = exit_status == 2 && child->starts == 1 && !children->has_served;
    serve_log(children->settings, "child_failed role=%s child=%ld status=%d signal=%d%s", role,
              (long)pid, exit_status, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
              WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                  ? " reason=\"a system call that its role has no use for\""
                  : "");
    if (is_bad_start)
        return error_set(error, ERR_SYSTEM, "a %s could not start", role);
    plan_restart(child);
    return 0;
}

static void forget_worker(struct children *children, unsigned w) {
    children->workers[w].pid = 0;
    children->workers_alive--;
    close(children->orders[w]);
    children->orders[w] = -1;
}

static int note_worker_end(struct children *children, unsigned w, pid_t pid, int status,
                           struct error *error) {
    bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                      (children->is_draining || children->settings->is_once);
    forget_worker(children, w);
    if (is_orderly)
        return 0;
    return note_failure(children, &children->workers[w], "worker", pid, status, error);
}

int children_note_end(struct children *children, pid_t pid, int status, struct error *error) {
    if (children->recorder.pid == pid) {
        children->recorder.pid = 0;
        return note_failure(children, &children->recorder, "recorder", pid, status, error);
    }
    for (unsigned i = 0; i < SERVE_PROCESSES_MAX; i++) {
        if (children->workers[i].pid == pid)
            return note_worker_end(children, i, pid, status, error);
        if (children->key_holders[i].pid == pid) {
            children->key_holders[i].pid = 0;
            children_order(children, CHANNEL_AGAIN, -1);
            return note_failure(children, &children->key_holders[i], "key_holder", pid, status,
                                error);
        }
    }
    return 0;
}

/* Starts a child if it is due, or plans a later attempt. Returns the milliseconds until it is
 * due. */
static int64_t restart_if_due(struct children *children, struct child *child, const char *role,
                              int (*start)(struct children *, unsigned, struct error *),
                              unsigned index, int64_t now_ms) {
    struct error error;
    if (child->restart_ms == 0)
        return INT64_MAX;
    if (child->restart_ms > now_ms)
        return child->restart_ms - now_ms;
    if (start(children, index, &error) == 0) {
        children->restarts++;
        serve_log(children->settings, "child_restarted role=%s child=%ld", role, (long)child->pid);
        return INT64_MAX;
    }
    serve_log(children->settings, "restart_failed role=%s reason=\"%s\"", role, error.text);
    plan_restart(child);
    return child->restart_ms - now_ms;
}

int64_t children_restart_due(struct children *children, int64_t max) {
    int64_t now_ms = net_now_ms();
    int64_t recorder_ms =
        restart_if_due(children, &children->recorder, "recorder", start_recorder, 0, now_ms);
    max = recorder_ms < max ? recorder_ms : max;
    for (unsigned i = 0; i < SERVE_PROCESSES_MAX; i++) {
        int64_t wait_ms = restart_if_due(children, &children->key_holders[i], "key_holder",
                                         start_key_holder, i, now_ms);
        max = wait_ms < max ? wait_ms : max;
        if (children->is_draining || children->is_stopped)
            continue; /* the connections of a failed worker are gone */
        wait_ms =
            restart_if_due(children, &children->workers[i], "worker", start_worker, i, now_ms);
        max = wait_ms < max ? wait_ms : max;
    }
    return max;
}

void children_order(struct children *children, enum channel_order order, int fd) {
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        if (children->orders[w] < 0 || channel_send_order(children->orders[w], order, fd) == 0)
            continue;
        /* It would go on with what it has; the one that takes its place begins with what there is now. */
        serve_log(children->settings, "order_failed worker=%u", w);
        kill(children->workers[w].pid, SIGKILL);
    }
}

int children_replace_key_holders(struct children *children, struct error *error) {
    int code = 0;
    for (unsigned k = 0; k < SERVE_PROCESSES_MAX; k++) {
        pid_t pid = children->key_holders[k].pid;
        if (pid <= 0)
            continue;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        children->key_holders[k].pid = 0;
    }
    for (unsigned k = 0; k < children->settings->key_holder_count; k++) {
        if (code == 0)
            code = start_key_holder(children, k, error);
        if (code != 0)
            plan_restart(&children->key_holders[k]);
    }
    /* What they were at work on is done by the new ones. */
    children_order(children, CHANNEL_AGAIN, -1);
    return code;
}

void children_stop_workers(struct children *children) {
    children->is_stopped = true;
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        struct child *worker = &children->workers[w];
        worker->restart_ms = 0;
        if (worker->pid <= 0)
            continue;
        kill(worker->pid, SIGKILL);
        waitpid(worker->pid, NULL, 0);
        forget_worker(children, w);
    }
}

void children_start_workers(struct children *children) {
    struct error error;
    children->is_stopped = false;
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        if (children->workers[w].pid <= 0 && start_worker(children, w, &error) != 0)
            plan_restart(&children->workers[w]);
    }
}

#define RECORDER_END_MS 10000

/* How many questions were answered and are not recorded. */
static unsigned long long unrecorded(const struct children *children) {
    unsigned long long total = 0;
    for (unsigned w = 0; w < children->settings->worker_count; w++)
        total += atomic_load(&children->audit.rings[w]->noted) -
                 atomic_load(&children->audit.progress->recorded[w]);
    return total;
}

int children_end_recorder(struct children *children, struct error *error) {
    const struct timespec rest = {0, 10000000};
    int64_t deadline_ms = net_now_ms() + RECORDER_END_MS;
    int status = 0;
    if (children->audit_folder < 0)
        return 0;
    /* One that has failed just now gets another chance. */
    if (children->recorder.pid <= 0 && start_recorder(children, 0, error) != 0)
        return ERR_SYSTEM;
    atomic_store(&children->board->audit_ends, true);
    while (waitpid(children->recorder.pid, &status, WNOHANG) == 0) {
        if (net_now_ms() > deadline_ms)
            return error_set(error, ERR_TIMEOUT,
                             "the recorder did not end in time: %llu questions are not recorded",
                             unrecorded(children));
        nanosleep(&rest, NULL);
    }
    children->recorder.pid = 0;
    return status == 0 && unrecorded(children) == 0
               ? 0
               : error_set(error, ERR_SYSTEM,
                           "%llu questions that were answered could not be recorded",
                           unrecorded(children));
}

void children_kill(struct children *children) {
    if (children->recorder.pid > 0)
        kill(children->recorder.pid, SIGKILL);
    for (unsigned i = 0; i < SERVE_PROCESSES_MAX; i++) {
        if (children->workers[i].pid > 0)
            kill(children->workers[i].pid, SIGKILL);
        if (children->key_holders[i].pid > 0)
            kill(children->key_holders[i].pid, SIGKILL);
    }
}
