/* The parent: it starts the others, and afterwards only waits for signals. */
#include "base/bytes.h"
#include "base/parallel.h"
#include "net/socket.h"
#include "serve/channel.h"
#include "serve/key_holder.h"
#include "serve/log.h"
#include "serve/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct parent {
    struct serve_settings *settings;
    struct db db;            /* handed to the workers; then only its header stays */
    struct db_header header; /* of the database in use */
    int listener;
    int orders[SERVE_PROCESSES_MAX];                           /* to each worker */
    int requests[SERVE_PROCESSES_MAX][SERVE_PROCESSES_MAX][2]; /* [worker][key-holder][end] */
    pid_t workers[SERVE_PROCESSES_MAX];
    pid_t key_holders[SERVE_PROCESSES_MAX];
    unsigned workers_alive;
    unsigned key_holders_alive;
    int is_draining;
    int64_t drain_deadline_ms;
    pid_t checker;      /* verifies the next database; 0: there is none */
    int checker_reason; /* where it says what is wrong */
    int next_fd;        /* that database */
    int is_reload_due;  /* it was asked for again meanwhile */
};

/* --- the database ---------------------------------------------------------------------------- */

/* Checks a database's signature, lookup key and valid-until: what costs next to nothing. */
static int open_checked(const struct serve_settings *settings, int fd, struct db *db,
                        struct error *error) {
    int code = db_open_fd(db, fd, settings->db_path, &settings->authority, error);
    if (code != 0)
        return code;
    code = db_check_lookup_key(&db->header, settings->is_keyed ? &settings->lookup_key : NULL,
                               settings->db_path, error);
    if (code == 0)
        code = db_check_valid_until(&db->header, settings->db_path, time(NULL), error);
    if (code != 0)
        db_close(db);
    return code;
}

/* Checks all of it, unless the operator says that he has. */
static int verify(const struct serve_settings *settings, const struct db *db, struct error *error) {
    return settings->is_quick ? 0 : db_verify(db, parallel_processors(), settings->db_path, error);
}

static int open_database(struct parent *parent, struct error *error) {
    int fd = open(parent->settings->db_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, "%s", parent->settings->db_path);
    int code = open_checked(parent->settings, fd, &parent->db, error);
    close(fd);
    if (code != 0)
        return code;
    parent->header = parent->db.header;
    code = verify(parent->settings, &parent->db, error);
    if (code != 0)
        db_close(&parent->db);
    return code;
}

/* --- reloading ------------------------------------------------------------------------------- */

/* Sequence numbers go forward only: an old release must not come back. */
static int check_sequence(const struct parent *parent, const struct db_header *next,
                          struct error *error) {
    if (next->sequence > parent->header.sequence)
        return 0;
    return error_set(error, ERR_CONFLICT, "%s: its sequence number %llu is not above %llu, in use",
                     parent->settings->db_path, (unsigned long long)next->sequence,
                     (unsigned long long)parent->header.sequence);
}

/* In a child: ends with the parent, in whatever way that ends, even if it already has. */
static void die_with_parent(pid_t parent_pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid)
        _exit(2);
}

/* In a process of its own, so that the parent stays there for signals: verifies the open database,
 * says what is wrong, and ends. */
static void run_checker(const struct serve_settings *settings, const struct db *next, int reason) {
    struct error error;
    int code = verify(settings, next, &error);
    if (code != 0 && write(reason, error.text, strlen(error.text)) < 0)
        _exit(3);
    _exit(code == 0 ? 0 : 2);
}

static int start_checker(struct parent *parent, int fd, struct error *error) {
    struct db next;
    int reason[2];
    int code = open_checked(parent->settings, fd, &next, error);
    if (code != 0)
        return code;
    code = check_sequence(parent, &next.header, error);
    if (code == 0 && pipe2(reason, O_CLOEXEC | O_NONBLOCK) != 0)
        code = error_set_errno(error, "pipe");
    if (code == 0) {
        pid_t own_pid = getpid();
        parent->checker = fork();
        if (parent->checker == 0) {
            die_with_parent(own_pid);
            run_checker(parent->settings, &next, reason[1]);
        }
        if (parent->checker < 0) {
            code = error_set_errno(error, "fork");
            parent->checker = 0;
            close(reason[0]);
        }
        close(reason[1]);
        parent->checker_reason = reason[0];
        parent->next_fd = fd;
    }
    db_close(&next);
    return code;
}

static void refuse_reload(const struct parent *parent, const struct error *error) {
    serve_log(parent->settings, "reload_refused sequence_kept=%llu reason=\"%s\"",
              (unsigned long long)parent->header.sequence, error->text);
}

/* Begins to check the file; the old database stays in use until that has ended well. */
static void reload(struct parent *parent) {
    struct error error;
    if (parent->checker != 0) {
        parent->is_reload_due = 1;
        return;
    }
    int fd = open(parent->settings->db_path, O_RDONLY | O_CLOEXEC);
    int code = fd < 0 ? error_set_errno(&error, "%s", parent->settings->db_path)
                      : start_checker(parent, fd, &error);
    if (code == 0)
        return;
    if (fd >= 0)
        close(fd);
    refuse_reload(parent, &error);
}

/* Hands the database that was checked to the workers. */
static int switch_database(struct parent *parent, struct error *error) {
    struct db next;
    int code = open_checked(parent->settings, parent->next_fd, &next, error);
    if (code != 0)
        return code;
    for (unsigned i = 0; i < parent->settings->worker_count && code == 0; i++) {
        if (channel_send_order(parent->orders[i], CHANNEL_DATABASE, parent->next_fd) != 0)
            code = error_set_errno(error, "a worker cannot be told of the database");
    }
    if (code == 0)
        parent->header = next.header;
    db_close(&next);
    return code;
}

/* The checker has ended: `status` as of waitpid. */
static void finish_reload(struct parent *parent, int status) {
    struct error error;
    ssize_t n = read(parent->checker_reason, error.text, sizeof error.text - 1);
    int code;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        code = switch_database(parent, &error);
    } else {
        code = ERR_FORMAT;
        error.text[n > 0 ? n : 0] = '\0';
        if (n <= 0)
            error_set(&error, code, "the check has failed");
    }
    if (code == 0)
        serve_log(parent->settings, "reloaded sequence=%llu entries=%llu",
                  (unsigned long long)parent->header.sequence,
                  (unsigned long long)parent->header.count);
    else
        refuse_reload(parent, &error);
    close(parent->checker_reason);
    close(parent->next_fd);
    parent->checker = 0;
    if (parent->is_reload_due) {
        parent->is_reload_due = 0;
        reload(parent);
    }
}

/* --- the children ---------------------------------------------------------------------------- */

static int make_channels(struct parent *parent, int order_ends[SERVE_PROCESSES_MAX]) {
    const struct serve_settings *settings = parent->settings;
    for (unsigned w = 0; w < settings->worker_count; w++) {
        int pair[2];
        if (channel_pair(pair) != 0)
            return ERR_SYSTEM;
        parent->orders[w] = pair[0];
        order_ends[w] = pair[1];
        for (unsigned k = 0; k < settings->key_holder_count; k++) {
            if (channel_pair(parent->requests[w][k]) != 0)
                return ERR_SYSTEM;
        }
    }
    return 0;
}

/* In a child: closes every descriptor from 3 up that is not in `keep`. */
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

static pid_t start_key_holder(struct parent *parent, unsigned k) {
    int channels[SERVE_PROCESSES_MAX];
    unsigned count = parent->settings->worker_count;
    pid_t own_pid = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    die_with_parent(own_pid);
    for (unsigned w = 0; w < count; w++)
        channels[w] = parent->requests[w][k][1];
    close_others(channels, count);
    db_close(&parent->db);
    _exit(key_holder_run(&parent->settings->key, channels, count));
}

static pid_t start_worker(struct parent *parent, unsigned w, int order_end) {
    struct worker_channels channels = {.listener = parent->listener,
                                       .orders = order_end,
                                       .key_holder_count = parent->settings->key_holder_count};
    int keep[SERVE_PROCESSES_MAX + 2] = {parent->listener, order_end};
    pid_t own_pid = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    die_with_parent(own_pid);
    for (unsigned k = 0; k < channels.key_holder_count; k++) {
        channels.key_holders[k] = parent->requests[w][k][0];
        keep[2 + k] = channels.key_holders[k];
    }
    close_others(keep, 2 + channels.key_holder_count);
    _exit(worker_run(parent->settings, &parent->db, &channels));
}

/* The private key leaves this process before the first worker exists. */
static void forget_private_key(struct rsa_private *key) {
    wipe(&key->key, sizeof key->key);
    wipe(key->store, sizeof key->store);
}

static int start_children(struct parent *parent, struct error *error) {
    const struct serve_settings *settings = parent->settings;
    int order_ends[SERVE_PROCESSES_MAX];
    if (make_channels(parent, order_ends) != 0)
        return error_set_errno(error, "socketpair");
    for (unsigned k = 0; k < settings->key_holder_count; k++) {
        parent->key_holders[k] = start_key_holder(parent, k);
        if (parent->key_holders[k] < 0)
            return error_set_errno(error, "fork");
        parent->key_holders_alive++;
    }
    forget_private_key(&parent->settings->key);
    for (unsigned w = 0; w < settings->worker_count; w++) {
        parent->workers[w] = start_worker(parent, w, order_ends[w]);
        if (parent->workers[w] < 0)
            return error_set_errno(error, "fork");
        parent->workers_alive++;
    }
    /* What the children use is theirs alone, so that an end is seen when they end. */
    for (unsigned w = 0; w < settings->worker_count; w++) {
        close(order_ends[w]);
        for (unsigned k = 0; k < settings->key_holder_count; k++) {
            close(parent->requests[w][k][0]);
            close(parent->requests[w][k][1]);
        }
    }
    close(parent->listener);
    parent->listener = -1;
    db_close(&parent->db);
    return 0;
}

static void kill_children(const struct parent *parent) {
    if (parent->checker > 0)
        kill(parent->checker, SIGKILL);
    for (unsigned i = 0; i < SERVE_PROCESSES_MAX; i++) {
        if (parent->workers[i] > 0)
            kill(parent->workers[i], SIGKILL);
        if (parent->key_holders[i] > 0)
            kill(parent->key_holders[i], SIGKILL);
    }
}

/* Takes note of a child's end. 0 where it was to be expected. */
static int note_end(struct parent *parent, pid_t pid, int status, struct error *error) {
    const char *role = NULL;
    if (pid == parent->checker) {
        finish_reload(parent, status);
        return 0;
    }
    for (unsigned i = 0; i < SERVE_PROCESSES_MAX; i++) {
        if (parent->workers[i] == pid) {
            parent->workers[i] = 0;
            parent->workers_alive--;
            role = "worker";
        } else if (parent->key_holders[i] == pid) {
            parent->key_holders[i] = 0;
            parent->key_holders_alive--;
            role = "key_holder";
        }
    }
    if (role == NULL)
        return 0;
    int is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
                     (parent->is_draining || parent->settings->is_once);
    if (is_orderly)
        return 0;
    serve_log(parent->settings, "child_failed role=%s child=%ld status=%d signal=%d", role,
              (long)pid, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
              WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return error_set(error, ERR_SYSTEM, "a %s has failed", role);
}

/* --- signals --------------------------------------------------------------------------------- */

static void drain(struct parent *parent) {
    if (parent->is_draining)
        return;
    parent->is_draining = 1;
    /* A worker lets each connection live to its deadline at most. */
    parent->drain_deadline_ms = net_now_ms() + parent->settings->deadline_ms + 1000;
    serve_log(parent->settings, "draining");
    for (unsigned i = 0; i < parent->settings->worker_count; i++)
        channel_send_order(parent->orders[i], CHANNEL_DRAIN, -1);
}

static int reap(struct parent *parent, struct error *error) {
    int code = 0;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        int result = note_end(parent, pid, status, error);
        if (result != 0)
            code = result;
    }
    return code;
}

/* Waits for signals until no worker is left. */
static int supervise(struct parent *parent, const sigset_t *signals, struct error *error) {
    while (parent->workers_alive > 0) {
        const struct timespec second = {1, 0};
        int code = 0;
        switch (sigtimedwait(signals, NULL, &second)) {
        case SIGTERM:
        case SIGINT:
            drain(parent);
            break;
        case SIGHUP:
            reload(parent);
            break;
        case SIGCHLD:
            code = reap(parent, error);
            break;
        default:
            break;
        }
        if (code != 0)
            return code;
        if (parent->is_draining && net_now_ms() > parent->drain_deadline_ms)
            return error_set(error, ERR_TIMEOUT, "a worker did not drain in time");
    }
    return 0;
}

/* --- start and end --------------------------------------------------------------------------- */

/* A connection is a descriptor: as many as the kernel lets us have. */
static void raise_descriptor_limit(struct serve_settings *settings) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t reserve = 2 * SERVE_PROCESSES_MAX;
    if (limit.rlim_cur != RLIM_INFINITY && settings->connection_max + reserve > limit.rlim_cur) {
        settings->connection_max =
            limit.rlim_cur > 2 * reserve ? (unsigned)(limit.rlim_cur - reserve) : 64;
        serve_log(settings, "connections_limited connection_max=%u reason=\"RLIMIT_NOFILE\"",
                  settings->connection_max);
    }
}

static int start(struct parent *parent, sigset_t *signals, struct error *error) {
    char address[NET_ADDRESS_SIZE];
    int code = open_database(parent, error);
    if (code != 0)
        return code;
    raise_descriptor_limit(parent->settings);
    parent->listener = net_listen(parent->settings->host, parent->settings->port, error);
    if (parent->listener < 0)
        return ERR_SYSTEM;
    net_local_address(parent->listener, address);

    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, signals, NULL); /* also in the children: only the parent acts on them */
    signal(SIGPIPE, SIG_IGN);
    code = start_children(parent, error);
    if (code == 0)
        serve_log(parent->settings,
                  "ready address=%s sequence=%llu entries=%llu workers=%u key_holders=%u", address,
                  (unsigned long long)parent->header.sequence,
                  (unsigned long long)parent->header.count, parent->settings->worker_count,
                  parent->settings->key_holder_count);
    return code;
}

int serve_run(struct serve_settings *settings, struct error *error) {
    static struct parent parent;
    sigset_t signals;
    parent.settings = settings;
    int code = start(&parent, &signals, error);
    if (code == 0)
        code = supervise(&parent, &signals, error);
    forget_private_key(&settings->key);
    kill_children(&parent);
    if (code == 0)
        serve_log(settings, "stopped");
    return code;
}
