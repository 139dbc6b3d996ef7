#include "applet.h"
#include "asking.h"
#include "print.h"
#include "progress.h"
#include "sync_folder.h"

#include "base/format.h"
#include "builder/local_copy.h"
#include "client/sync.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct asking_options asked;
static const char *from;
static uint64_t rate;

static const struct option options[] = {
    OPTION_TEXT("--from SERVER|DIR", &from),
    OPTION_TEXT("-d, --db FILE", &asked.db_path),
    OPTION_LIST("-a, --authority PUB", &asked.authority_paths),
    OPTION_TEXT("--db-name NAME", &asked.db_name),
    OPTION_SIZE("--rate BYTES", &rate, 1024, 0),
    OPTION_TEXT("--config FILE", &asked.config_path),
    OPTION_TEXT("-s, --server HOST:PORT[,...]", &asked.servers),
    OPTION_LIST("--server-key PUB", &asked.server_key_paths),
    OPTION_TEXT("-k, --key KEY", &asked.kiosk_key_path),
    OPTION_TEXT("--state DIR", &asked.state_folder),
    OPTION_COUNT("--timeout SECONDS", &asked.timeout_s, 1, 3600, 30, "seconds"),
    OPTION_COUNT("--max-skew SECONDS", &asked.max_skew_s, 0, 31536000, 300, "seconds"),
    OPTION_FLAG("--demo", &asked.is_demo),
    OPTION_FLAG("-v, --verbose", &asked.is_verbose),
    OPTIONS_END,
};

static struct local_copy copy;
static struct key_set authorities;

/* --- from a server ------------------------------------------------------------------------------ */

/* Fetches, and places what came. Lists that turn out to be of no use are left, and the whole is fetched. */
static int fetch_and_place(struct asking *asking, struct sync *sync, struct error *error) {
    for (;;) {
        int code = client_do(&asking->client, sync_fetch, sync, true, error);
        progress_end();
        if (code != 0 || sync->outcome == SYNC_NOTHING)
            return code;
        trouble_end_with_file(copy.path);
        if (sync->outcome == SYNC_WHOLE)
            return local_copy_place(&copy, sync->whole_fd, error);
        code = local_copy_apply(&copy, sync->lists_fd, copy.lists_path, error);
        if (code == 0 || code == ERR_SYSTEM || code == ERR_MEMORY)
            return code;
        trouble("note: %s; the whole is fetched", error->text);
        sync->without_lists = true;
        sync->own = copy.is_there ? &copy.header : NULL;
    }
}

static const char *how(enum sync_outcome outcome) {
    return outcome == SYNC_LISTS ? "as changes" : "as a whole";
}

static int sync_with_server(void) {
    static struct sync sync;
    char what[100];
    struct error error;
    int64_t begun_ms = net_now_ms();
    struct asking *asking = calloc(1, sizeof *asking); /* large, and most of it is never touched */
    if (asking == NULL)
        return trouble("no memory");
    if (asking_load(asking, &asked) != EXIT_OK) {
        local_copy_remove_parts(&copy, true);
        return EXIT_TROUBLE;
    }
    sync.own = copy.is_there ? &copy.header : NULL;
    sync.is_own_damaged = copy.is_damaged;
    sync.own_fd = copy.is_there ? open(copy.path, O_RDONLY | O_CLOEXEC) : -1;
    sync.whole_fd = copy.lock;
    sync.lists_fd = local_copy_open_part(&copy, copy.lists_path, &error);
    sync.rate = rate;
    sync.progress = progress_show;
    int code = sync.lists_fd < 0 ? sync.lists_fd : asking_open(asking, false, &error);
    if (code == 0)
        code = fetch_and_place(asking, &sync, &error);
    asking_close(asking);
    free(asking);
    local_copy_remove_parts(&copy, code != 0);
    if (code != 0)
        return trouble("%s", error.text);
    int64_t ms = net_now_ms() - begun_ms;
    format_text(what, sizeof what, "%llu bytes %s in %llu.%llu s", (unsigned long long)sync.fetched,
                how(sync.outcome), (unsigned long long)ms / 1000,
                (unsigned long long)ms / 100 % 10);
    sync_print_release(&copy, sync.outcome == SYNC_NOTHING ? "is the newest already" : what);
    return finish_output();
}

/* --- beginning ---------------------------------------------------------------------------------- */

static bool is_folder(const char *path) {
    struct stat status;
    return path != NULL && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int run_sync(int operand_count, char **operands) {
    struct error error;
    (void)operands;
    if (operand_count > 0)
        return usage_error("no operands: --from SERVER or DIR, and --db FILE");
    bool is_from_folder = is_folder(from);
    if (from != NULL && !is_from_folder && strchr(from, '/') != NULL)
        return trouble("%s: is no folder, and no HOST:PORT", from);
    if (from != NULL && !is_from_folder)
        asked.servers = from;
    if (!is_from_folder && asking_read_config(&asked, asked.servers == NULL) != EXIT_OK)
        return EXIT_TROUBLE;
    if (asked.db_path == NULL || asked.authority_paths.count == 0)
        return usage_error("--db FILE and --authority are needed");
    if (!is_from_folder && (asked.servers == NULL || asked.kiosk_key_path == NULL))
        return usage_error(
            "--from DIR, or --from SERVER and --key are needed: a server gives releases to "
            "enrolled kiosks that have the right to it");
    if (!is_from_folder && asking_check_usage(&asked) != EXIT_OK)
        return EXIT_TROUBLE;
    copy.lock = -1;
    copy.name = asked.db_path;
    copy.register_name = asked.db_name;
    copy.authorities = &authorities;
    if (key_set_load(&authorities, asked.authority_paths.items, asked.authority_paths.count, 2048,
                     &error) != 0 ||
        local_copy_open(&copy, &error) != 0) {
        if (copy.lock >= 0)
            local_copy_remove_parts(&copy, true);
        return trouble("%s", error.text);
    }
    return is_from_folder ? sync_with_folder(&copy, from) : sync_with_server();
}

const struct applet applet_sync = {
    .name = "sync",
    .summary = "fetch the newest release to a kiosk or replica: changes alone, where they do",
    .user = FOR_OFFICERS,
    .options = options,
    .needs_cryptography = true,
    .run = run_sync,
};
