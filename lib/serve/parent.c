/* The parent process: it opens files and sockets, starts the children, and then waits for
 * signals. */
#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "net/socket.h"
#include "os/confine.h"
#include "os/secret_memory.h"
#include "os/service.h"
#include "serve/listening.h"
#include "serve/log.h"
#include "serve/reload.h"
#include "serve/server_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATS_MS 5000
#define READY_CHECK_MS 20 /* how often it looks whether the workers are ready */

/* --- signals --------------------------------------------------------------------------------- */

static void drain(struct parent *parent) {
    if (parent->children.is_draining)
        return;
    parent->children.is_draining = true;
    /* A worker closes each connection at its deadline at the latest. */
    parent->drain_deadline_ms = net_now_ms() + parent->settings->deadline_ms + 1000;
    serve_log(parent->settings, "draining");
    service_notify("STOPPING=1");
    close(parent->children.listener);
    parent->children.listener = -1;
    children_order(&parent->children, CHANNEL_DRAIN, -1);
}

static int reap(struct parent *parent, struct error *error) {
    int code = 0, status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        int result = 0;
        if (pid == parent->release.checker)
            reload_finish(parent, status);
        else
            result = children_note_end(&parent->children, pid, status, error);
        if (result != 0)
            code = result;
    }
    return code;
}

static int take_signal(struct parent *parent, int number, struct error *error) {
    switch (number) {
    case SIGTERM:
    case SIGINT:
        drain(parent);
        return 0;
    case SIGHUP:
        reload_begin(parent);
        return 0;
    case SIGCHLD:
        return reap(parent, error);
    case SIGIO:
        if (release_take_break(&parent->release))
            reload_lose(parent, "somebody writes to it; releases must come by rename");
        return 0;
    default:
        return 0;
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void write_stats(const struct parent *parent) {
    const struct serve_settings *settings = parent->settings;
    struct parent_counts counts = {.restarts = parent->children.restarts, .rounds = parent->rounds};
    struct error error;
    memcpy(counts.reloads, parent->reloads, sizeof counts.reloads);
    counts.kiosks = board_kiosks(parent->board);
    counts.quotas = parent->quotas;
    counts.reloads[RELOAD_DATABASE] = parent->release.taken_count;
    counts.reloads[RELOAD_DATABASE_REFUSED] = parent->release.refused_count;
    if (settings->stats_path != NULL &&
        stats_write(settings, parent->tally, &parent->release.header, &counts, time(NULL),
                    &error) != 0)
        serve_log(settings, "stats_failed reason=\"%s\"", error.text);
}

static void say_ready(const struct parent *parent) {
    const struct serve_settings *settings = parent->settings;
    char address[NET_ADDRESS_SIZE];
    net_local_address(parent->children.listener, address);
    const struct kiosks *kiosks = board_kiosks(parent->board);
    serve_log(settings,
              "ready address=%s sequence=%llu entries=%llu workers=%u key_holders=%u kiosks=%u "
              "protection=%s%s%s%s",
              address, (unsigned long long)parent->release.header.facts.sequence,
              (unsigned long long)parent->release.header.count, settings->worker_count,
              settings->key_holder_count, kiosks != NULL ? kiosks->count : 0,
              geteuid() == 0 ? "user," : "", settings->sandbox.without_seccomp ? "" : "seccomp,",
              settings->sandbox.without_landlock ? "" : "landlock,", "capabilities");
    reload_notify(parent, true);
}

/* Says 14, 7, 3 and 1 days before that something runs out, and that it has. `number` tells it from what was there before
 * it. */
static void warn_of_end(const struct parent *parent, struct end_warning *warning, const char *what,
                        const char *number_name, uint64_t number, int64_t until_s) {
    static const int days[] = {0, 1, 3, 7, 14};
    int64_t left_s = until_s - (int64_t)time(NULL);
    if (warning->of != number)
        *warning = (struct end_warning){number, INT_MAX};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        if (left_s > (int64_t)days[i] * 86400)
            continue;
        if (days[i] >= warning->at)
            return;
        warning->at = days[i];
        serve_log(parent->settings, "%s_%s %s=%llu days_left=%d", what,
                  days[i] == 0 ? "has_run_out" : "runs_out", number_name,
                  (unsigned long long)number, days[i]);
        return;
    }
}

static void warn_of_ends(struct parent *parent) {
    const struct release_facts *facts = &parent->release.header.facts;
    const struct receipt_signer *signer = parent->settings->signer;
    if (facts->valid_until_s != 0)
        warn_of_end(parent, &parent->database_ends, "database", "sequence", facts->sequence,
                    facts->valid_until_s);
    if (signer != NULL)
        warn_of_end(parent, &parent->receipts_end, "receipt_certificate", "until",
                    (uint64_t)signer->until_s, signer->until_s);
}

/* Does what is due now. Returns the milliseconds until something may be due again, or a negative code where
 * the server cannot go on. */
static int64_t do_what_is_due(struct parent *parent, struct error *error) {
    int64_t now_ms = net_now_ms();
    int code = listening_check(&parent->children, error);
    if (code != 0)
        return code;
    reload_open_again(parent);
    random_refresh(&parent->secrets->random);
    reload_update_tickets(parent);
    if (!parent->release.is_lost && release_has_changed(&parent->release))
        reload_lose(parent, "it was overwritten or cut short; releases must come by rename");
    release_seek(&parent->release, now_ms);
    if (!parent->children.has_served && !parent->children.is_draining &&
        children_are_ready(&parent->children)) {
        parent->children.has_served = true;
        say_ready(parent);
    }
    if (now_ms >= parent->next_stats_ms) {
        parent->next_stats_ms = now_ms + STATS_MS;
        warn_of_ends(parent);
        write_stats(parent);
    }
    return children_restart_due(&parent->children,
                                parent->children.has_served ? 1000 : READY_CHECK_MS);
}

/* Whether no worker is left, and none will be started. */
static bool is_over(const struct parent *parent) {
    const struct children *children = &parent->children;
    return children->workers_alive == 0 && (children->is_draining || parent->settings->is_once);
}

static int supervise(struct parent *parent, const sigset_t *signals, struct error *error) {
    while (!is_over(parent)) {
        int64_t wait_ms = do_what_is_due(parent, error);
        if (wait_ms < 0)
            return (int)wait_ms;
        const struct timespec wait = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * 1000000)};
        int code = take_signal(parent, sigtimedwait(signals, NULL, &wait), error);
        if (code != 0)
            return code;
        if (parent->children.is_draining && net_now_ms() > parent->drain_deadline_ms)
            return error_set(error, ERR_TIMEOUT, "a worker did not drain in time");
    }
    return 0;
}

/* --- start and end --------------------------------------------------------------------------- */

/* Each connection needs a descriptor, so the limit is raised as far as the kernel allows. */
static void raise_descriptor_limit(struct serve_settings *settings) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    prlimit(0, RLIMIT_NOFILE, &limit, NULL);
    rlim_t reserve = 2 * SERVE_PROCESSES_MAX;
    if (limit.rlim_cur != RLIM_INFINITY && settings->connection_max + reserve > limit.rlim_cur) {
        settings->connection_max =
            limit.rlim_cur > 2 * reserve ? (unsigned)(limit.rlim_cur - reserve) : 64;
        serve_log(settings, "connections_limited connection_max=%u reason=\"RLIMIT_NOFILE\"",
                  settings->connection_max);
    }
}

/* The workers lock the database after they have given up root, so the limit is raised before. */
static void raise_lock_limit(const struct serve_settings *settings) {
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    if (settings->locks && geteuid() == 0)
        prlimit(0, RLIMIT_MEMLOCK, &all, NULL);
}

static int open_bypass(struct parent *parent, struct error *error) {
    const struct serve_settings *settings = parent->settings;
    struct children *children = &parent->children;
    struct kernel_bypass *bypass = &parent->bypass;
    int code = xdp_program_attach(&bypass->program, settings->xdp_interface, children->port,
                                  settings->is_xdp_generic, error);
    if (code != 0)
        return code;
    for (unsigned i = 0; i < settings->xdp_queue_count && code == 0; i++) {
        code =
            xdp_socket_open(&bypass->sockets[i], settings->xdp_interface, settings->xdp_queues[i],
                            settings->is_xdp_generic, settings->xdp_busy_poll_us, error);
        if (code == 0)
            code = xdp_program_set(&bypass->program, settings->xdp_queues[i], bypass->sockets[i].fd,
                                   error);
    }
    if (code != 0) {
        close(bypass->program.link); /* closing it detaches the program */
        return code;
    }
    bypass->queue_count = settings->xdp_queue_count;
    children->bypass = bypass;
    serve_log(settings, "xdp interface=%s queues=%u mode=%s copy=%s", settings->xdp_interface,
              bypass->queue_count, bypass->program.mode == XDP_MODE_NATIVE ? "native" : "generic",
              bypass->sockets[0].is_zero_copy ? "no" : "yes");
    return 0;
}

/* Where AF_XDP is optional and not available, sockets are used. */
static int try_bypass(struct parent *parent, struct error *error) {
    if (parent->settings->xdp_interface == NULL)
        return 0;
    int code = open_bypass(parent, error);
    if (code == 0 || !parent->settings->is_xdp_optional)
        return code;
    serve_log(parent->settings, "xdp_unavailable reason=\"%s\"", error->text);
    return 0;
}

/* One server at a time records in a folder. */
static int open_audit(struct parent *parent, struct error *error) {
    const char *folder = parent->settings->audit_path;
    struct children *children = &parent->children;
    children->audit_folder = children->audit.progress_fd = -1;
    if (folder == NULL)
        return 0;
    children->audit_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (children->audit_folder < 0)
        return error_set_errno(error, "%s", folder);
    if (flock(children->audit_folder, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? error_set(
                         error, ERR_EXISTS,
                         "%s: another server writes its audit log there: give each its own folder",
                         folder)
                   : error_set_errno(error, "%s", folder);
    return audit_rings_open(&children->audit, parent->settings->worker_count, error);
}

static int open_board(struct parent *parent, struct error *error) {
    const struct serve_settings *settings = parent->settings;
    struct kiosks_change change;
    parent->secrets = secret_memory_open(sizeof *parent->secrets);
    if (parent->secrets == NULL)
        return error_set_errno(error, "memory for secrets");
    int code = random_open(&parent->secrets->random, error);
    if (code == 0)
        code = board_open(&parent->board, &parent->children.board_fd, error);
    if (code == 0)
        code = tally_open(&parent->tally, settings->worker_count, error);
    if (code == 0)
        code = quotas_open(&parent->quotas, error);
    if (code == 0)
        code = open_audit(parent, error);
    if (code == 0 && settings->kiosks_path != NULL)
        code = board_load_kiosks(parent->board, settings->kiosks_path, &change, error);
    if (code == 0)
        code =
            tickets_load(&parent->secrets->tickets, settings->ticket_key_path, time(NULL), error);
    if (code != 0)
        return code;
    random_bytes(&parent->secrets->random, parent->board->cookie_key, COOKIE_KEY_LEN);
    random_bytes(&parent->secrets->random, parent->board->seen_key, AEAD_KEY_LEN);
    random_bytes(&parent->secrets->random, parent->children.audit_run, AUDIT_RUN_LEN);
    return 0;
}

static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGIO); /* somebody wants to write to the database (os/file_use.h) */
    /* the children inherit this; only the parent reacts to signals */
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int confine_self(const struct serve_settings *settings, struct error *error) {
    int code = confine_parent(settings->stats_path != NULL, error);
    return code == 0 ? confine_calls(&settings->sandbox, CONFINE_PARENT, NULL, 0, error) : code;
}

static int start(struct parent *parent, sigset_t *signals, struct error *error) {
    struct serve_settings *settings = parent->settings;
    char folder[PATH_MAX], resolved[PATH_MAX];
    block_signals(signals); /* whatever comes before all is ready is taken afterwards */
    int code = confine_check(&settings->sandbox, &settings->sandbox_missing, error);
    if (code == 0)
        code = open_board(parent, error);
    if (code == 0)
        code = release_open(&parent->release, error);
    if (code != 0)
        return code;
    settings->public.served = settings->public.authorities;
    reload_publish_keys(parent);
    raise_descriptor_limit(settings);
    raise_lock_limit(settings);
    code = listening_open(&parent->children, error);
    if (code == 0)
        code = try_bypass(parent, error);
    if (code != 0)
        return code;
    if (settings->stats_path != NULL) {
        code = file_check_place(settings->stats_path, &stats_file_kind, settings->stats_replacing,
                                error);
        if (code == 0)
            code = file_resolve(resolved, settings->stats_path, error);
        file_folder(folder, resolved);
    }
    if (code != 0)
        return code;
    code = confine_writing(&settings->sandbox, settings->stats_path != NULL ? folder : NULL,
                           settings->audit_path, error);
    if (code != 0)
        return code;
    parent->children.board = parent->board;
    parent->children.tally = parent->tally;
    parent->children.quotas = parent->quotas;
    return confine_self(settings, error) == 0 ? children_start(&parent->children, error)
                                              : ERR_SYSTEM;
}

int serve_run(struct serve_settings *settings, struct error *error) {
    static struct parent parent;
    sigset_t signals;
    parent.settings = settings;
    parent.release.settings = settings;
    parent.children.settings = settings;
    parent.children.release = &parent.release;
    int code = start(&parent, &signals, error);
    if (code == 0) {
        code = supervise(&parent, &signals, error);
        write_stats(&parent);
        struct error loss;
        if (children_end_recorder(&parent.children, code == 0 ? error : &loss) != 0 && code == 0)
            code = ERR_SYSTEM;
    }
    if (parent.release.checker > 0)
        kill(parent.release.checker, SIGKILL);
    children_kill(&parent.children);
    server_keys_forget(settings);
    secret_memory_close(parent.secrets, sizeof *parent.secrets);
    if (code == 0)
        serve_log(settings, "stopped");
    return code;
}
