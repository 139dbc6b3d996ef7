#include "places.h"

#include "applet.h"

#include "base/file.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int look_at(const char *path, struct stat *status) {
    return strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, status) : stat(path, status);
}

static bool is_same_node(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether two names that lead to no file yet are the same. */
static bool is_same_name(const char *a, const char *b) {
    char folder_a[PATH_MAX], folder_b[PATH_MAX];
    struct stat status_a, status_b;
    const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
    if (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) != 0)
        return false;
    file_folder(folder_a, a);
    file_folder(folder_b, b);
    return stat(folder_a, &status_a) == 0 && stat(folder_b, &status_b) == 0 &&
           is_same_node(&status_a, &status_b);
}

int places_keep_apart(const struct place *written, const struct place *others, size_t count) {
    struct stat status, other;
    if (written->path == NULL)
        return EXIT_OK;
    bool is_there = look_at(written->path, &status) == 0;
    for (size_t i = 0; i < count; i++) {
        const char *path = others[i].path;
        if (path == NULL)
            continue;
        bool is_other_there = look_at(path, &other) == 0;
        if (is_there != is_other_there)
            continue;
        if (is_there ? is_same_node(&status, &other) : is_same_name(written->path, path))
            return usage_error("%s and %s are the same file, %s", written->name, others[i].name,
                               written->path);
    }
    return EXIT_OK;
}

int places_keep_list_apart(const struct place *written, const char *name,
                           const struct option_list *list) {
    struct place others[OPTION_LIST_MAX];
    for (unsigned i = 0; i < list->count; i++)
        others[i] = (struct place){name, list->items[i]};
    return places_keep_apart(written, others, list->count);
}

int places_open_folder(struct release_folder *folder, const char *path, bool is_first) {
    struct error error;
    int code = release_folder_open(folder, path, is_first, &error);
    if (code == 0)
        return EXIT_OK;
    return trouble("%s%s", error.text,
                   code != ERR_EXISTS ? ""
                   : is_first         ? " (leave out --first)"
                                      : " (--first begins one)");
}

int places_check_room(const char *output, const char *before) {
    char own_folder[PATH_MAX];
    struct statvfs room;
    struct stat status;
    file_folder(own_folder, output);
    if (stat(before, &status) != 0 || statvfs(own_folder, &room) != 0)
        return EXIT_OK;
    unsigned long long mebibyte = 1u << 20, want = (unsigned long long)status.st_size;
    unsigned long long have = (unsigned long long)room.f_bavail * room.f_frsize;
    return want <= have
               ? EXIT_OK
               : trouble("%s: the release before has %llu MiB, but only %llu are free here",
                         own_folder, want / mebibyte + 1, have / mebibyte);
}
