#include "applet.h"
#include "asking.h"
#include "print.h"

#include "base/format.h"
#include "base/parallel.h"
#include "builder/changes.h"
#include "builder/install.h"
#include "client/sync.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
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

/* The release that is here. */
struct here {
    bool is_there;
    struct db_header header;
    char path[PATH_MAX]; /* of the file itself, where the name is a link */
    int lock;            /* also the file in which a whole release is collected */
    char whole_path[PATH_MAX], lists_path[PATH_MAX];
};

static struct here here;
static struct key_set authorities;

/* --- progress ----------------------------------------------------------------------------------- */

static void show_progress(void *context, uint64_t done, uint64_t total) {
    static int64_t next_ms;
    char line[80];
    int64_t now_ms = net_now_ms();
    (void)context;
    if (next_ms == 0)
        next_ms = now_ms + 2000; /* what is short needs no progress */
    if (!isatty(STDERR_FILENO) || now_ms < next_ms || total == 0)
        return;
    next_ms = now_ms + 500;
    format_text(line, sizeof line, "\rdlv sync: %u %% of %llu MiB ", (unsigned)(done * 100 / total),
                (unsigned long long)(total >> 20));
    fputs(line, stderr);
}

static void end_progress(void) {
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* --- what is here ------------------------------------------------------------------------------- */

/* Reads the header of the file, if there is one. */
static int read_here(struct error *error) {
    int code = db_read_header(&here.header, here.path, &authorities, error);
    here.is_there = code == 0;
    if (code == ERR_SYSTEM && errno == ENOENT)
        return 0;
    return code;
}

/* Finds out what is here, and keeps other runs away. */
static int open_here(struct error *error) {
    struct stat status;
    if (release_folder_is_link(asked.db_path))
        return error_set(
            error, ERR_CONFLICT,
            "%s: is the link of a folder of releases: dlv install FILE DIR puts one there",
            asked.db_path);
    int code = 0;
    if (lstat(asked.db_path, &status) == 0)
        code = file_resolve(here.path, asked.db_path, error);
    else
        format_text(here.path, sizeof here.path, "%s", asked.db_path);
    if (code == 0 &&
        format_text(here.lists_path, PATH_MAX, "%s.sync-changes", here.path) >= PATH_MAX)
        code = error_set(error, ERR_LIMIT, "%s: too long a name", asked.db_path);
    if (code != 0)
        return code;
    format_text(here.whole_path, PATH_MAX, "%s.sync", here.path);
    here.lock = open(here.whole_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (here.lock < 0)
        return error_set_errno(error, "%s", here.whole_path);
    if (flock(here.lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? error_set(error, ERR_CONFLICT,
                                                "%s: another dlv sync is at work on it", here.path)
                                    : error_set_errno(error, "%s", here.whole_path);
    return read_here(error);
}

/* Removes what was to hold parts of releases: once it is not needed any more, or where it is empty. */
static void remove_parts(bool are_needed) {
    struct stat status;
    const char *paths[] = {here.lists_path, here.whole_path};
    for (int i = 0; i < 2; i++) {
        if (!are_needed || (stat(paths[i], &status) == 0 && status.st_size == 0))
            unlink(paths[i]);
    }
}

/* --- putting releases in place ------------------------------------------------------------------ */

/* Makes the next release of the one that is here, and puts it in its place. */
static int apply(struct change_list *list, struct error *error) {
    char folder[PATH_MAX];
    struct atomic_file file;
    struct stat status;
    struct db db;
    file_folder(folder, here.path);
    const struct build_settings settings = {
        .path = here.path, .temporary_folder = folder, .thread_count = parallel_processors()};
    int code = db_open(&db, here.path, &authorities, error);
    if (code != 0)
        return code;
    code = atomic_file_open(&file, here.path, &db_file_kind, REPLACE_KIND, error);
    if (code == 0) {
        if (stat(here.path, &status) == 0)
            fchmod(file.fd, status.st_mode & 0777);
        code = changes_apply(&db, list, file.fd, &settings, error);
        if (code == 0)
            code = atomic_file_commit(&file, error);
        else
            atomic_file_abort(&file);
    }
    db_close(&db);
    return code == 0 ? read_here(error) : code;
}

/* Applies the lists that stand one behind the other. */
static int apply_all(int fd, struct error *error) {
    struct change_list list;
    struct changes_head head;
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, "%s", here.lists_path);
    size_t len = (size_t)status.st_size, at = 0;
    uint8_t *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return error_set_errno(error, "%s", here.lists_path);
    int code = 0;
    while (code == 0 && at < len) {
        code = len - at < CHANGES_HEAD_LEN
                   ? error_set(error, ERR_FORMAT, "%s: is cut short", here.lists_path)
                   : changes_head_decode(&head, bytes + at, error);
        size_t own =
            code == 0 && changes_len(&head) <= len - at ? (size_t)changes_len(&head) : len - at;
        if (code == 0)
            code = change_list_open(&list, bytes + at, own, &authorities, error);
        if (code == 0)
            code = apply(&list, error);
        at += own;
    }
    munmap(bytes, len);
    return code;
}

/* Checks the whole release as it stands on the disk, and puts it in place. */
static int place_whole(int fd, struct error *error) {
    struct stat status;
    struct db db;
    if (file_drop_cached(fd) != 0)
        return error_set_errno(error, "%s", here.whole_path);
    int code = db_open_fd(&db, fd, here.whole_path, &authorities, error);
    if (code != 0)
        return code;
    code = db_verify(&db, parallel_processors(), here.whole_path, error);
    db_close(&db);
    if (code == 0)
        code = file_check_place(here.path, &db_file_kind, REPLACE_KIND, error);
    if (code != 0)
        return code;
    fchmod(fd, here.is_there && stat(here.path, &status) == 0 ? status.st_mode & 0777 : 0644);
    if (rename(here.whole_path, here.path) != 0 || file_sync_folder(here.path) != 0)
        return error_set_errno(error, "%s", here.path);
    return read_here(error);
}

/* --- from a server ------------------------------------------------------------------------------ */

static int fetch_and_place(struct asking *asking, struct sync *sync, struct error *error) {
    if (asking_open(asking, false, error) != 0)
        return ERR_SYSTEM;
    int code = client_do(&asking->client, sync_fetch, sync, error);
    end_progress();
    if (code != 0)
        return code;
    trouble_end_with_file(here.path);
    if (sync->outcome == SYNC_LISTS)
        code = apply_all(sync->lists_fd, error);
    else if (sync->outcome == SYNC_WHOLE)
        code = place_whole(sync->whole_fd, error);
    return code;
}

static const char *how(enum sync_outcome outcome) {
    return outcome == SYNC_LISTS ? "as changes" : "as a whole";
}

static void print_release(const char *what) {
    const struct release_facts *facts = &here.header.facts;
    print("release %llu of %s, %llu entries, %s: %s\n", (unsigned long long)facts->sequence,
          facts->name, (unsigned long long)here.header.count, what, asked.db_path);
}

static int sync_with_server(void) {
    static struct sync sync;
    char what[100];
    struct error error;
    int64_t begun_ms = net_now_ms();
    struct asking *asking = calloc(1, sizeof *asking); /* large, and most of it is never touched */
    if (asking == NULL)
        return trouble("no memory");
    if (asking_load(asking, &asked) != EXIT_OK)
        return EXIT_TROUBLE;
    sync.own = here.is_there ? &here.header : NULL;
    sync.own_fd = here.is_there ? open(here.path, O_RDONLY | O_CLOEXEC) : -1;
    sync.whole_fd = here.lock;
    sync.lists_fd = open(here.lists_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    sync.rate = rate;
    sync.progress = show_progress;
    if (sync.lists_fd < 0)
        return trouble("%s: %m", here.lists_path);
    int code = fetch_and_place(asking, &sync, &error);
    asking_close(asking);
    free(asking);
    remove_parts(code != 0);
    if (code != 0)
        return trouble("%s", error.text);
    int64_t ms = net_now_ms() - begun_ms;
    format_text(what, sizeof what, "%llu bytes %s in %llu.%llu s", (unsigned long long)sync.fetched,
                how(sync.outcome), (unsigned long long)ms / 1000,
                (unsigned long long)ms / 100 % 10);
    print_release(sync.outcome == SYNC_NOTHING ? "is the newest already" : what);
    return finish_output();
}

/* --- from a folder ------------------------------------------------------------------------------ */

static bool ends_with(const char *name, const char *suffix) {
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* A release of this register that is later than the one that is here. */
static bool is_later(const struct db_header *header) {
    const struct release_facts *facts = &header->facts, *own = &here.header.facts;
    if (asked.db_name != NULL && strcmp(asked.db_name, facts->name) != 0)
        return false;
    return !here.is_there || (strcmp(facts->name, own->name) == 0 &&
                              facts->is_test == own->is_test && facts->sequence > own->sequence);
}

/* The file of the latest release in the folder, if it is later than the one here. */
static bool find_release(DIR *names, char path[PATH_MAX], struct db_header *latest) {
    const struct dirent *entry;
    struct db_header header;
    struct error error;
    bool is_found = false;
    rewinddir(names);
    while ((entry = readdir(names)) != NULL) {
        char own[PATH_MAX];
        if ((!ends_with(entry->d_name, ".db") && strcmp(entry->d_name, "current") != 0) ||
            format_text(own, sizeof own, "%s/%s", from, entry->d_name) >= PATH_MAX ||
            db_read_header(&header, own, &authorities, &error) != 0 || !is_later(&header) ||
            (is_found && header.facts.sequence <= latest->facts.sequence))
            continue;
        is_found = true;
        *latest = header;
        memcpy(path, own, PATH_MAX);
    }
    return is_found;
}

/* Opens the list in the folder that leads on from the release that is here. -1: there is none. */
static int find_list(DIR *names) {
    const struct dirent *entry;
    uint8_t page[CHANGES_HEAD_LEN];
    struct changes_head head;
    struct error error;
    rewinddir(names);
    while (here.is_there && (entry = readdir(names)) != NULL) {
        int fd = ends_with(entry->d_name, ".changes")
                     ? openat(dirfd(names), entry->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                     : -1;
        if (fd < 0)
            continue;
        if (file_read_at(fd, page, sizeof page, 0) == 0 &&
            changes_head_decode(&head, page, &error) == 0 &&
            memcmp(head.from_id, here.header.id, SHA256_LEN) == 0) {
            format_text(here.lists_path, PATH_MAX, "%s/%s", from, entry->d_name);
            return fd;
        }
        close(fd);
    }
    return -1;
}

/* Applies the lists that the folder has, one after the other. */
static int take_lists(DIR *names, bool *is_new, struct error *error) {
    int fd, code = 0;
    while (code == 0 && (fd = find_list(names)) >= 0) {
        trouble_end_with_file(here.lists_path);
        uint64_t before = here.header.facts.sequence;
        code = apply_all(fd, error);
        close(fd);
        if (code == 0 && here.header.facts.sequence <= before)
            return error_set(error, ERR_FORMAT, "%s: does not lead on", here.lists_path);
        *is_new = true;
    }
    return code;
}

static int sync_with_folder(void) {
    char path[PATH_MAX];
    struct db_header latest;
    struct error error;
    bool is_new = false;
    DIR *names = opendir(from);
    if (names == NULL)
        return trouble("%s: %m", from);
    int code = 0;
    if (find_release(names, path, &latest)) {
        code = install_copy(path, &latest, here.path, here.is_there ? here.path : NULL,
                            &authorities, parallel_processors(), &error);
        code = code == 0 ? read_here(&error) : error_prefix(&error, code, path);
        is_new = true;
    }
    if (code == 0)
        code = take_lists(names, &is_new, &error);
    closedir(names);
    unlink(here.whole_path);
    if (code == 0 && !here.is_there)
        code = error_set(&error, ERR_FORMAT,
                         "%s: holds no release that is signed by this authority", from);
    if (code != 0)
        return trouble("%s", error.text);
    print_release(is_new ? "is here now" : "is the newest already");
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
    if (key_set_load(&authorities, asked.authority_paths.items, asked.authority_paths.count, 2048,
                     &error) != 0 ||
        open_here(&error) != 0)
        return trouble("%s", error.text);
    return is_from_folder ? sync_with_folder() : sync_with_server();
}

const struct applet applet_sync = {
    .name = "sync",
    .summary = "fetch the newest release to a kiosk or replica: changes alone, where they do",
    .user = FOR_OFFICERS,
    .options = options,
    .needs_cryptography = true,
    .run = run_sync,
};
