#include "applet.h"
#include "asking.h"
#include "print.h"

#include "base/format.h"
#include "base/parallel.h"
#include "builder/changes.h"
#include "builder/install.h"
#include "builder/runs.h"
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
    bool is_damaged; /* its file has another length than its header says */
    struct db_header header;
    char path[PATH_MAX]; /* of the file itself, where the name is a link */
    int lock;            /* also the file in which a whole release is collected; -1: not open */
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
    struct stat status;
    int code = db_read_header(&here.header, here.path, &authorities, error);
    here.is_there = code == 0;
    if (code == ERR_SYSTEM && errno == ENOENT)
        return 0;
    here.is_damaged = code == 0 && (stat(here.path, &status) != 0 ||
                                    (uint64_t)status.st_size != db_file_len(&here.header));
    return code;
}

/* Whether the name still leads to this file, which is nobody else's, and has no other name. */
static bool is_own(int fd, const char *path) {
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 && S_ISREG(named.st_mode) &&
           open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino &&
           named.st_nlink == 1 && named.st_uid == geteuid();
}

#define TRIES 5

/* Opens a file for parts of releases: what an earlier run has left, or a new one in the place of what is somebody
 * else's. A descriptor, or a negative code with the reason. */
static int open_part(const char *path, struct error *error) {
    for (int i = 0; i < TRIES; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0 && errno != ELOOP)
            return error_set_errno(error, "%s", path);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
            bool is_busy = errno == EWOULDBLOCK;
            close(fd);
            return is_busy ? error_set(error, ERR_CONFLICT, "%s: another dlv sync is at work on it",
                                       here.path)
                           : error_set_errno(error, "%s", path);
        }
        if (fd >= 0 && is_own(fd, path))
            return fd;
        /* It was put in its place, or removed, since it was opened; or somebody else has made it. */
        if (fd >= 0)
            close(fd);
        unlink(path);
    }
    return error_set(error, ERR_CONFLICT, "%s: cannot be made this user's own", path);
}

/* Finds out what is here, and keeps other runs away. */
static int open_here(struct error *error) {
    struct stat status;
    here.lock = -1;
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
    if (code == 0)
        code = read_here(error);
    if (code != 0)
        return code;
    format_text(here.whole_path, PATH_MAX, "%s.sync", here.path);
    here.lock = open_part(here.whole_path, error);
    return here.lock < 0 ? here.lock : read_here(error);
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

/* A release of this register that is later than the one that is here. */
static bool is_later(const struct db_header *header) {
    const struct release_facts *facts = &header->facts, *own = &here.header.facts;
    if (asked.db_name != NULL && strcmp(asked.db_name, facts->name) != 0)
        return false;
    if (here.is_damaged && memcmp(header->id, here.header.id, SHA256_LEN) == 0)
        return true;
    return !here.is_there || (strcmp(facts->name, own->name) == 0 &&
                              facts->is_test == own->is_test && facts->sequence > own->sequence);
}

/* Makes the next release of the one that is here, and puts it in its place. */
static int apply(struct change_list *list, struct error *error) {
    char folder[PATH_MAX];
    struct atomic_file file;
    struct db db;
    /* The authority has signed it; but also what is older, and other registers. */
    if (!is_later(&list->to))
        return error_set(error, ERR_CONFLICT,
                         "the list of changes leads to %s%s %llu, not on from %s %llu",
                         list->to.facts.is_test ? "test data, " : "", list->to.facts.name,
                         (unsigned long long)list->to.facts.sequence, here.header.facts.name,
                         (unsigned long long)here.header.facts.sequence);
    file_folder(folder, here.path);
    const struct build_settings settings = {
        .path = here.path, .temporary_folder = folder, .thread_count = parallel_processors()};
    int code = db_open(&db, here.path, &authorities, error);
    if (code != 0)
        return code;
    code = atomic_file_open(&file, here.path, &db_file_kind, REPLACE_KIND, error);
    if (code == 0) {
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

/* Puts the file behind the descriptor in place, whatever its name leads to by now. */
static int put_in_place(int fd, struct error *error) {
    char self[64], name[PATH_MAX];
    format_text(self, sizeof self, "/proc/self/fd/%d", fd);
    format_text(name, sizeof name, "%s.sync.%ld", here.path, (long)getpid());
    unlink(name);
    if (file_set_access(fd, here.path, &db_file_kind) != 0 || fsync(fd) != 0 ||
        linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0)
        return error_set_errno(error, "%s", name);
    if (rename(name, here.path) == 0 && file_sync_folder(here.path) == 0)
        return 0;
    error_set_errno(error, "%s", here.path);
    unlink(name);
    return ERR_SYSTEM;
}

/* Checks the whole release as it stands on the disk, and puts it in place. */
static int place_whole(int fd, struct error *error) {
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
    if (code == 0)
        code = put_in_place(fd, error);
    return code == 0 ? read_here(error) : code;
}

/* --- from a server ------------------------------------------------------------------------------ */

/* Fetches, and places what came. Lists that turn out to be of no use are left, and the whole is fetched. */
static int fetch_and_place(struct asking *asking, struct sync *sync, struct error *error) {
    for (;;) {
        int code = client_do(&asking->client, sync_fetch, sync, error);
        end_progress();
        if (code != 0 || sync->outcome == SYNC_NOTHING)
            return code;
        trouble_end_with_file(here.path);
        if (sync->outcome == SYNC_WHOLE)
            return place_whole(sync->whole_fd, error);
        code = apply_all(sync->lists_fd, error);
        if (code == 0 || code == ERR_SYSTEM || code == ERR_MEMORY)
            return code;
        trouble("note: %s; the whole is fetched", error->text);
        sync->without_lists = true;
        sync->own = here.is_there ? &here.header : NULL;
    }
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
    sync.is_own_damaged = here.is_damaged;
    sync.own_fd = here.is_there ? open(here.path, O_RDONLY | O_CLOEXEC) : -1;
    sync.whole_fd = here.lock;
    sync.lists_fd = open_part(here.lists_path, &error);
    sync.rate = rate;
    sync.progress = show_progress;
    int code = sync.lists_fd < 0 ? sync.lists_fd : asking_open(asking, false, &error);
    if (code == 0)
        code = fetch_and_place(asking, &sync, &error);
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

/* What became of a folder. */
struct folder {
    DIR *names;
    bool is_theirs;       /* it holds something that this authority has signed */
    bool is_new;          /* a later release is here now */
    uint64_t below;       /* releases from this number on have been tried */
    struct error trouble; /* with the last that was of no use */
};

/* The path of a name in the folder. False where it is too long, or nothing to show on a terminal. */
static bool path_of(char path[PATH_MAX], const char *name) {
    for (const char *at = name; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            return false;
    }
    return format_text(path, PATH_MAX, "%s/%s", from, name) < PATH_MAX;
}

/* The latest release below folder->below that may take the place of the one here. */
static bool find_release(struct folder *folder, char path[PATH_MAX], struct db_header *latest) {
    const struct dirent *entry;
    struct db_header header;
    struct error error;
    bool is_found = false;
    rewinddir(folder->names);
    while ((entry = readdir(folder->names)) != NULL) {
        char own[PATH_MAX];
        if (!ends_with(entry->d_name, ".db") && strcmp(entry->d_name, "current") != 0)
            continue;
        if (!path_of(own, entry->d_name) || db_read_header(&header, own, &authorities, &error) != 0)
            continue;
        folder->is_theirs = true;
        if (!is_later(&header) || header.facts.sequence >= folder->below ||
            (is_found && header.facts.sequence <= latest->facts.sequence))
            continue;
        is_found = true;
        *latest = header;
        memcpy(path, own, PATH_MAX);
    }
    return is_found;
}

/* Takes the latest release that is whole. */
static void take_release(struct folder *folder) {
    char path[PATH_MAX];
    struct db_header latest;
    while (!folder->is_new && find_release(folder, path, &latest)) {
        int code = install_copy(path, &latest, here.path, NULL, &authorities, parallel_processors(),
                                &folder->trouble);
        if (code == 0)
            code = read_here(&folder->trouble);
        else
            error_prefix(&folder->trouble, code, path);
        folder->is_new = code == 0;
        folder->below = latest.facts.sequence;
    }
}

/* Makes a copy of a list that nobody else can change, and is no larger than a release. A descriptor, or -1. */
static int copy_list(int fd, const struct changes_head *head, struct error *error) {
    static uint8_t piece[1 << 16];
    char folder[PATH_MAX];
    file_folder(folder, here.path);
    uint64_t len = changes_len(head);
    int own = len <= 2 * db_file_len(&here.header) + (1 << 20)
                  ? runs_open_temporary(folder, error)
                  : error_set(error, ERR_LIMIT, "is much longer than the release that is here");
    for (uint64_t at = 0; own >= 0 && at < len;) {
        size_t want = len - at < sizeof piece ? (size_t)(len - at) : sizeof piece;
        if (file_read_at(fd, piece, want, at) != 0 || file_write_at(own, piece, want, at) != 0) {
            error_set_errno(error, "cannot be copied");
            close(own);
            return -1;
        }
        at += want;
    }
    return own < 0 ? -1 : own;
}

/* Applies a list, if it leads on from the release that is here. */
static bool take_list(struct folder *folder, const char *name) {
    uint8_t page[CHANGES_HEAD_LEN];
    struct changes_head head;
    struct error error;
    char path[PATH_MAX];
    int fd = ends_with(name, ".changes") && path_of(path, name)
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                 : -1;
    if (fd < 0)
        return false;
    bool is_next = file_read_at(fd, page, sizeof page, 0) == 0 &&
                   changes_head_decode(&head, page, &error) == 0 &&
                   memcmp(head.from_id, here.header.id, SHA256_LEN) == 0;
    int code = 1;
    if (is_next) {
        int own = copy_list(fd, &head, &folder->trouble);
        code = own < 0 ? ERR_SYSTEM : apply_all(own, &folder->trouble);
        if (own >= 0)
            close(own);
        if (code != 0)
            error_prefix(&folder->trouble, code, path);
    }
    close(fd);
    return code == 0;
}

/* Applies the lists that the folder has, one after the other. */
static void take_lists(struct folder *folder) {
    const struct dirent *entry;
    rewinddir(folder->names);
    while (here.is_there && !here.is_damaged && (entry = readdir(folder->names)) != NULL) {
        if (!take_list(folder, entry->d_name))
            continue;
        folder->is_new = folder->is_theirs = true;
        rewinddir(folder->names);
    }
}

/* Whether a list of the folder leads to the release that is here: then it is the newest that the folder knows. */
static bool has_list_to_here(struct folder *folder) {
    const struct dirent *entry;
    uint8_t heads[CHANGES_DICTIONARY];
    struct db_header to;
    struct error error;
    char path[PATH_MAX];
    bool is_found = false;
    rewinddir(folder->names);
    while (!is_found && (entry = readdir(folder->names)) != NULL) {
        int fd = ends_with(entry->d_name, ".changes") && path_of(path, entry->d_name)
                     ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
                     : -1;
        if (fd < 0)
            continue;
        is_found = file_read_at(fd, heads, sizeof heads, 0) == 0 &&
                   db_header_decode(&to, heads + CHANGES_HEAD_LEN, &error) == 0 &&
                   db_header_verify(&to, heads + CHANGES_HEAD_LEN + DB_SIGNATURES, &authorities,
                                    &error) == 0;
        close(fd);
    }
    return is_found;
}

static int sync_with_folder(void) {
    struct folder folder = {.names = opendir(from), .below = UINT64_MAX};
    struct error error;
    if (folder.names == NULL)
        return trouble("%s: %m", from);
    take_release(&folder);
    take_lists(&folder);
    folder.is_theirs = folder.is_theirs || has_list_to_here(&folder);
    closedir(folder.names);
    remove_parts(false);
    if (!folder.is_new && folder.trouble.text[0] != '\0')
        return trouble("%s", folder.trouble.text);
    if (!folder.is_theirs || !here.is_there)
        return trouble(
            "%s: holds no release, and no list of changes, that is signed by this authority", from);
    if (here.is_damaged)
        return trouble("%s: is cut short, or too long, and %s has no whole release that is as late",
                       here.path, from);
    if (folder.trouble.text[0] != '\0')
        trouble("note: %s", folder.trouble.text);
    print_release(folder.is_new ? "is here now" : "is the newest already");
    return release_check_age(&here.header.facts, asked.db_path, time(NULL), &error) == 0
               ? finish_output()
               : trouble("%s", error.text);
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
    here.lock = -1;
    if (key_set_load(&authorities, asked.authority_paths.items, asked.authority_paths.count, 2048,
                     &error) != 0 ||
        open_here(&error) != 0) {
        if (here.lock >= 0)
            remove_parts(true);
        return trouble("%s", error.text);
    }
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
