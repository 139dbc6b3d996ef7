/* A folder of releases: SEQUENCE.db for each, SEQUENCE.changes with what leads to it from the one before, where
 * that is known, and `current`, a symbolic link to the one that is in force. A release appears whole, and then
 * the link moves, so that whoever opens `current` gets one or the other. */
#ifndef DLV_BUILDER_RELEASE_FOLDER_H
#define DLV_BUILDER_RELEASE_FOLDER_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct release_folder {
    const char *path;
    int lock;         /* a descriptor; -1: not open */
    uint64_t highest; /* number of a release in the folder, even of one that never got in force
                             * because its build was killed; 0: there is none */
    bool has_current;
    char current[PATH_MAX]; /* the file that `current` leads to; where there is none, empty */
};

/* Opens the folder and locks it against other builds. Without a `current` it is a first release's,
 * which must have been meant (is_first), and the other way round. 0, or a negative code with the
 * reason: ERR_EXISTS where only is_first is wrong. */
int release_folder_open(struct release_folder *folder, const char *path, bool is_first,
                        struct error *error);

/* The name of a release's file in the folder. 0 or ERR_LIMIT. */
int release_folder_file(const struct release_folder *folder, uint64_t sequence, char file[PATH_MAX],
                        struct error *error);

/* The same of the list of changes that leads to it. */
int release_folder_changes(const struct release_folder *folder, uint64_t sequence,
                           char file[PATH_MAX], struct error *error);

/* Moves `current` to a release whose file is complete. 0 or ERR_SYSTEM. */
int release_folder_move(struct release_folder *folder, uint64_t sequence, struct error *error);

/* Removes all but the `keep` latest releases and the current one, and the lists that lead to others. What is no
 * release of dlv stays. 0 or ERR_SYSTEM. */
int release_folder_prune(const struct release_folder *folder, uint64_t keep, struct error *error);

/* Whether a path is the link `current` of such a folder: writing through it would change a release that
 * has been published. */
bool release_folder_is_link(const char *path);

void release_folder_close(struct release_folder *folder);

#endif
