#include "sync_folder.h"

#include "print.h"
#include "progress.h"
#include "trouble.h"

#include "base/format.h"
#include "base/parallel.h"
#include "builder/install.h"
#include "builder/runs.h"
#include "db/changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool ends_with(const char *name, const char *suffix) {
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

/* What became of a folder. */
struct folder {
    const char *path;
    struct local_copy *copy;
    DIR *names;
    bool is_theirs;       /* it holds something that this authority has signed */
    bool is_new;          /* a later release is here now */
    bool is_mixed;        /* it has releases of several registers that might be meant */
    uint64_t below;       /* releases from this number on have been tried */
    struct error trouble; /* with the last that was of no use */
};

/* The path of a name in the folder. False where it is too long, or nothing to show on a terminal. */
static bool path_of(const struct folder *folder, char path[PATH_MAX], const char *name) {
    for (const char *at = name; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            return false;
    }
    return format_text(path, PATH_MAX, "%s/%s", folder->path, name) < PATH_MAX;
}

/* The latest release below folder->below that may take the place of the one here. */
static bool find_release(struct folder *folder, char path[PATH_MAX], struct db_header *latest) {
    struct local_copy *copy = folder->copy;
    const struct dirent *entry;
    struct db_header header;
    struct error error;
    bool is_found = false;
    rewinddir(folder->names);
    while ((entry = readdir(folder->names)) != NULL) {
        char own[PATH_MAX];
        if (!ends_with(entry->d_name, ".db") && strcmp(entry->d_name, "current") != 0)
            continue;
        if (!path_of(folder, own, entry->d_name) ||
            db_read_header(&header, own, copy->authorities, &error) != 0)
            continue;
        folder->is_theirs = true;
        folder->is_mixed = folder->is_mixed || (is_found && local_copy_precedes(copy, &header) &&
                                                strcmp(header.facts.name, latest->facts.name) != 0);
        if (!local_copy_precedes(copy, &header) || header.facts.sequence >= folder->below ||
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
    struct local_copy *copy = folder->copy;
    char path[PATH_MAX];
    struct db_header latest;
    while (!folder->is_new && find_release(folder, path, &latest) && !folder->is_mixed) {
        int code = install_copy(path, &latest, copy->path, NULL, copy->authorities,
                                parallel_processors(), progress_show, &folder->trouble);
        progress_end();
        if (code == 0)
            code = local_copy_read(copy, &folder->trouble);
        else
            error_prefix(&folder->trouble, code, path);
        folder->is_new = code == 0;
        folder->below = latest.facts.sequence;
    }
}

/* Makes a copy of a list that nobody else can change, and is no larger than a release. A descriptor, or -1. */
static int copy_list(const struct local_copy *copy, int fd, const struct changes_head *head,
                     struct error *error) {
    char folder[PATH_MAX];
    file_folder(folder, copy->path);
    uint64_t len = changes_len(head);
    int own = len <= 2 * db_file_len(&copy->header) + (1 << 20)
                  ? runs_open_temporary(folder, error)
                  : error_set(error, ERR_LIMIT, "is much longer than the release that is here");
    if (own >= 0 && file_copy(fd, own, len, error) != 0) {
        close(own);
        own = -1;
    }
    return own < 0 ? -1 : own;
}

/* Opens a file of the folder whose name is that of a list of changes. -1: it is not, or cannot be opened. */
static int open_list(const struct folder *folder, const char *name, char path[PATH_MAX]) {
    return ends_with(name, ".changes") && path_of(folder, path, name)
               ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
               : -1;
}

/* Applies a list, if it leads on from the release that is here. */
static bool take_list(struct folder *folder, const char *name) {
    struct local_copy *copy = folder->copy;
    uint8_t page[CHANGES_HEAD_LEN];
    struct changes_head head;
    struct error error;
    char path[PATH_MAX];
    int fd = open_list(folder, name, path);
    if (fd < 0)
        return false;
    bool is_next = file_read_at(fd, page, sizeof page, 0) == 0 &&
                   changes_head_decode(&head, page, &error) == 0 &&
                   memcmp(head.from_id, copy->header.id, SHA256_LEN) == 0;
    int code = 1;
    if (is_next) {
        int own = copy_list(copy, fd, &head, &folder->trouble);
        code = own < 0 ? ERR_SYSTEM : local_copy_apply(copy, own, path, &folder->trouble);
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
    struct local_copy *copy = folder->copy;
    const struct dirent *entry;
    rewinddir(folder->names);
    while (copy->is_there && !copy->is_damaged && (entry = readdir(folder->names)) != NULL) {
        if (!take_list(folder, entry->d_name))
            continue;
        folder->is_new = folder->is_theirs = true;
        rewinddir(folder->names);
    }
}

/* Whether the folder has a list that leads to a release of this authority's, though not on from the one here. */
static bool holds_their_list(struct folder *folder) {
    const struct key_set *authorities = folder->copy->authorities;
    const struct dirent *entry;
    uint8_t heads[CHANGES_DICTIONARY];
    struct db_header to;
    struct error error;
    char path[PATH_MAX];
    bool is_found = false;
    rewinddir(folder->names);
    while (!is_found && (entry = readdir(folder->names)) != NULL) {
        int fd = open_list(folder, entry->d_name, path);
        if (fd < 0)
            continue;
        is_found = file_read_at(fd, heads, sizeof heads, 0) == 0 &&
                   db_header_decode(&to, heads + CHANGES_HEAD_LEN, &error) == 0 &&
                   db_header_verify(&to, heads + CHANGES_HEAD_LEN + DB_SIGNATURES, authorities,
                                    &error) == 0;
        close(fd);
    }
    return is_found;
}

void sync_print_release(const struct local_copy *copy, const char *what) {
    const struct release_facts *facts = &copy->header.facts;
    print("release %llu of %s, %llu entries, %s: %s\n", (unsigned long long)facts->sequence,
          facts->name, (unsigned long long)copy->header.count, what, copy->name);
}

int sync_with_folder(struct local_copy *copy, const char *path) {
    struct folder folder = {
        .path = path, .copy = copy, .names = opendir(path), .below = UINT64_MAX};
    struct error error;
    if (folder.names == NULL)
        return trouble("%s: %m", path);
    take_release(&folder);
    take_lists(&folder);
    folder.is_theirs = folder.is_theirs || holds_their_list(&folder);
    closedir(folder.names);
    local_copy_remove_parts(copy, false);
    if (folder.is_mixed)
        return trouble("%s: has releases of several registers: --db-name says which is meant",
                       path);
    if (!folder.is_new && folder.trouble.text[0] != '\0')
        return trouble("%s", folder.trouble.text);
    if (!folder.is_theirs || !copy->is_there)
        return trouble(
            "%s: holds no release, and no list of changes, that is signed by this authority", path);
    if (copy->is_damaged)
        return trouble("%s: is cut short, or too long, and %s has no whole release that is as late",
                       copy->path, path);
    if (folder.trouble.text[0] != '\0')
        trouble("note: %s", folder.trouble.text);
    sync_print_release(copy, folder.is_new ? "is here now" : "is the newest already");
    return release_check_age(&copy->header.facts, copy->name, time(NULL), &error) == 0
               ? finish_output()
               : trouble("%s", error.text);
}
