#include "builder/release_folder.h"

#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
#include "db/changes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define RELEASE ".db"
#define CHANGES ".changes"

/* The sequence number in a name such as "17.db"; 0: it is none. */
static uint64_t number_in(const char *name, const char *suffix) {
    char digits[24];
    unsigned long long sequence;
    size_t len = strlen(name), suffix_len = strlen(suffix);
    if (len <= suffix_len || len - suffix_len >= sizeof digits ||
        strcmp(name + len - suffix_len, suffix) != 0 || name[0] == '0')
        return 0;
    memcpy(digits, name, len - suffix_len);
    digits[len - suffix_len] = '\0';
    return text_parse_count(digits, INT64_MAX, &sequence) == 0 ? sequence : 0;
}

static uint64_t sequence_in(const char *name) {
    return number_in(name, RELEASE);
}

static int join(char path[PATH_MAX], const struct release_folder *folder, const char *name,
                struct error *error) {
    return format_text(path, PATH_MAX, "%s/%s", folder->path, name) < PATH_MAX
               ? 0
               : error_set(error, ERR_LIMIT, "%s: too long a name", folder->path);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int take_lock(struct release_folder *folder, struct error *error) {
    char path[PATH_MAX];
    if (join(path, folder, ".lock", error) != 0)
        return ERR_LIMIT;
    folder->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (folder->lock < 0 && (errno == ENOENT || errno == ENOTDIR))
        return error_set(error, ERR_SYSTEM, "\"%s\": there is no such folder (mkdir makes one)",
                         folder->path);
    if (folder->lock < 0)
        return error_set_errno(error, "%s", path);
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK
               ? error_set(error, ERR_CONFLICT, "%s: another dbgen is at work in it", folder->path)
               : error_set_errno(error, "%s", path);
}

/* Reads where `current` leads to. */
static int read_current(struct release_folder *folder, struct error *error) {
    char path[PATH_MAX], name[64];
    if (join(path, folder, "current", error) != 0)
        return ERR_LIMIT;
    ssize_t len = readlink(path, name, sizeof name - 1);
    if (len < 0 && errno == ENOENT)
        return 0;
    if (len < 0 && errno == EINVAL)
        return error_set(error, ERR_FORMAT, "%s: is no symbolic link, so it is not moved", path);
    if (len < 0)
        return error_set_errno(error, "%s", path);
    name[len] = '\0';
    if (sequence_in(name) == 0)
        return error_set(error, ERR_FORMAT,
                         "%s: leads to \"%s\", which is no release of this folder", path, name);
    folder->has_current = true;
    return join(folder->current, folder, name, error);
}

static int find_highest(struct release_folder *folder, struct error *error) {
    DIR *names = opendir(folder->path);
    const struct dirent *entry;
    if (names == NULL)
        return error_set_errno(error, "%s", folder->path);
    while ((entry = readdir(names)) != NULL) {
        uint64_t sequence = sequence_in(entry->d_name);
        if (sequence > folder->highest)
            folder->highest = sequence;
    }
    closedir(names);
    return 0;
}

int release_folder_open(struct release_folder *folder, const char *path, bool is_first,
                        struct error *error) {
    *folder = (struct release_folder){.path = path, .lock = -1};
    if (*path == '\0')
        return error_set(error, ERR_FORMAT, "\"\": there is no such folder");
    int code = take_lock(folder, error);
    if (code == 0)
        code = read_current(folder, error);
    if (code == 0)
        code = find_highest(folder, error);
    if (code == 0 && is_first && folder->has_current)
        code = error_set(error, ERR_EXISTS, "%s: holds releases already", path);
    if (code == 0 && !folder->has_current && folder->highest > 0)
        code = error_set(error, ERR_FORMAT,
                         "%s: there are releases up to %llu.db, but the link `current` is missing: "
                         "make it lead to the one in force (ln -s %llu.db %s/current)",
                         path, (unsigned long long)folder->highest,
                         (unsigned long long)folder->highest, path);
    if (code == 0 && !is_first && !folder->has_current)
        code = error_set(error, ERR_EXISTS, "%s: holds no release yet", path);
    if (code != 0)
        release_folder_close(folder);
    return code;
}

bool release_folder_is_link(const char *path) {
    char target[64];
    const char *slash = strrchr(path, '/');
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len < 0 || strcmp(slash != NULL ? slash + 1 : path, "current") != 0)
        return false;
    target[len] = '\0';
    return sequence_in(target) != 0;
}

void release_folder_close(struct release_folder *folder) {
    if (folder->lock >= 0)
        close(folder->lock);
    folder->lock = -1;
}

static int file_of(const struct release_folder *folder, uint64_t sequence, const char *suffix,
                   char file[PATH_MAX], struct error *error) {
    char name[40];
    format_text(name, sizeof name, "%llu%s", (unsigned long long)sequence, suffix);
    return join(file, folder, name, error);
}

int release_folder_file(const struct release_folder *folder, uint64_t sequence, char file[PATH_MAX],
                        struct error *error) {
    return file_of(folder, sequence, RELEASE, file, error);
}

int release_folder_changes(const struct release_folder *folder, uint64_t sequence,
                           char file[PATH_MAX], struct error *error) {
    return file_of(folder, sequence, CHANGES, file, error);
}

/* --- moving and pruning ------------------------------------------------------------------------- */

int release_folder_move(struct release_folder *folder, uint64_t sequence, struct error *error) {
    char name[32], temporary[PATH_MAX], path[PATH_MAX];
    format_text(name, sizeof name, "%llu.db", (unsigned long long)sequence);
    if (join(temporary, folder, ".current.tmp", error) != 0 ||
        join(path, folder, "current", error) != 0)
        return ERR_LIMIT;
    unlink(temporary); /* left by a killed run: the folder is locked */
    if (symlink(name, temporary) != 0 || rename(temporary, path) != 0 ||
        file_sync_folder(path) != 0) {
        error_set_errno(error, "%s: cannot be moved to %s", path, name);
        unlink(temporary);
        return ERR_SYSTEM;
    }
    folder->has_current = true;
    return join(folder->current, folder, name, error);
}

/* The sequence number of the `keep`th latest release; 0 where there are no more than that. */
static uint64_t oldest_kept(DIR *names, uint64_t keep) {
    uint64_t bound = INT64_MAX, latest = 0;
    for (uint64_t i = 0; i < keep; i++, bound = latest - 1) {
        const struct dirent *entry;
        latest = 0;
        rewinddir(names);
        while ((entry = readdir(names)) != NULL) {
            uint64_t sequence = sequence_in(entry->d_name);
            if (sequence <= bound && sequence > latest)
                latest = sequence;
        }
        if (latest == 0)
            return 0;
    }
    return latest;
}

int release_folder_prune(const struct release_folder *folder, uint64_t keep, struct error *error) {
    DIR *names = opendir(folder->path);
    const struct dirent *entry;
    int code = 0;
    if (names == NULL)
        return error_set_errno(error, "%s", folder->path);
    uint64_t oldest = oldest_kept(names, keep);
    rewinddir(names);
    while (code == 0 && (entry = readdir(names)) != NULL) {
        char path[PATH_MAX];
        uint64_t release = sequence_in(entry->d_name), list = number_in(entry->d_name, CHANGES);
        if (release + list == 0 || release + list >= oldest ||
            join(path, folder, entry->d_name, error) != 0 || strcmp(path, folder->current) == 0)
            continue;
        code = file_remove(path, release != 0 ? &db_file_kind : &changes_file_kind, error);
    }
    closedir(names);
    return code;
}
