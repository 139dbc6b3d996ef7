#include "applet.h"
#include "metrics.h"

#include "base/format.h"
#include "serve/stats.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *stats;
static uint64_t timeout_s;

static const struct option options[] = {
    OPTION_TEXT("--stats FILE", &stats),
    OPTION_COUNT("--timeout SECONDS", &timeout_s, 1, 3600, 60, "seconds"),
    OPTIONS_END,
};

#define ROUNDS "dlv_reload_rounds_total"
#define LOOK_MS 100

/* Whether the process is one of dlv: the number in an old file may be another's by now. */
static bool is_dlv(pid_t pid) {
    char link[32], path[PATH_MAX];
    format_text(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0)
        return errno != ENOENT; /* another user's: the signal will tell */
    path[len] = '\0';
    const char *name = strrchr(path, '/');
    return name != NULL && strncmp(name + 1, "dlv", 3) == 0;
}

/* Waits until the server has read everything again. */
static int wait_for_outcome(struct metrics *metrics, unsigned long long before) {
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    for (uint64_t waited_ms = 0; waited_ms < timeout_s * 1000; waited_ms += LOOK_MS) {
        unsigned long long rounds;
        nanosleep(&pause, NULL);
        if (metrics_read(metrics, stats) != EXIT_OK)
            return EXIT_TROUBLE;
        if (metrics_find(metrics, ROUNDS, &rounds) && rounds > before)
            return EXIT_OK;
    }
    return trouble("no outcome within %llu seconds: the server's log tells more",
                   (unsigned long long)timeout_s);
}

/* Says what was taken and what was refused. */
static int tell(const struct metrics *before, const struct metrics *after) {
    bool is_refused = false, has_changed = false;
    for (int what = 0; what < RELOAD_COUNT; what++) {
        char name[64];
        unsigned long long old = 0, new = 0;
        format_text(name, sizeof name, STATS_RELOADS, stats_reload_names[what]);
        metrics_find(before, name, &old);
        metrics_find(after, name, &new);
        if (new == old)
            continue;
        print("%s\n", stats_reload_names[what]);
        has_changed = true;
        is_refused |=
            strstr(stats_reload_names[what], "_refused") != NULL || what == RELOAD_KIOSKS_KEPT;
    }
    if (!has_changed)
        print("nothing_new\n");
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return is_refused ? trouble("not everything was taken: the server's log tells why") : EXIT_OK;
}

static int run_reload(int operand_count, char **operands) {
    static struct metrics before, after;
    unsigned long long pid = 0, rounds = 0;
    (void)operands;
    if (operand_count > 0 || stats == NULL)
        return usage_error("--stats is needed, and nothing else");
    if (metrics_read(&before, stats) != EXIT_OK)
        return EXIT_TROUBLE;
    if (!metrics_find(&before, "dlv_process_id", &pid) || !metrics_find(&before, ROUNDS, &rounds))
        return trouble("%s: no server writes it", stats);
    if (pid == 0 || pid > INT_MAX || !is_dlv((pid_t)pid))
        return trouble("%s: the server that wrote it, process %llu, has ended", stats, pid);
    if (kill((pid_t)pid, SIGHUP) != 0)
        return trouble("process %llu: %m", pid);
    return wait_for_outcome(&after, rounds) == EXIT_OK ? tell(&before, &after) : EXIT_TROUBLE;
}

const struct applet applet_reload = {
    .name = "reload",
    .summary = "have a running server read its files again, and say what came of it",
    .user = FOR_ADMINS,
    .options = options,
    .run = run_reload,
};
