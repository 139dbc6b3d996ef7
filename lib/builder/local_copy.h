/* A copy of a register's newest release in a file by itself, as a kiosk has it, and how a later release takes its place:
 * checked, at once or not at all, of the same register and never an earlier one. What has come of a release is kept in
 * two files beside it. */
#ifndef DLV_BUILDER_LOCAL_COPY_H
#define DLV_BUILDER_LOCAL_COPY_H

#include "db/open.h"

#include <limits.h>

struct local_copy {
    /* set by the caller */
    const char *name; /* of the file */
    const char
        *register_name; /* that releases must have; NULL: that of the one that is here, or any */
    const struct key_set *authorities; /* one of them signs releases */
    /* what is here */
    bool is_there;
    bool is_damaged; /* its file has another length than its header says */
    struct db_header header;
    char path[PATH_MAX]; /* of the file itself, where the name is a link */
    int lock;            /* also the file in which a whole release is collected; -1: not open */
    char whole_path[PATH_MAX], lists_path[PATH_MAX];
};

/* Finds out what is here, and keeps other runs away. 0, or a negative code with the reason. */
int local_copy_open(struct local_copy *copy, struct error *error);

/* Reads the header of the file, if there is one. 0, or a negative code with the reason: it is no database, or not this
 * authority's. */
int local_copy_read(struct local_copy *copy, struct error *error);

/* Opens a file for parts of releases: what an earlier run has left, or a new one in the place of what is somebody else's.
 * A descriptor, or a negative code with the reason. */
int local_copy_open_part(const struct local_copy *copy, const char *path, struct error *error);

/* Removes what was to hold parts of releases: once it is not needed any more, or where it is empty. */
void local_copy_remove_parts(const struct local_copy *copy, bool are_needed);

/* Whether a release may take the place of the one that is here: it is later, and of the same register; or the same, where
 * that is damaged. */
bool local_copy_precedes(const struct local_copy *copy, const struct db_header *header);

/* Applies the lists of changes in `fd`, one behind the other, which nobody else may be able to change; `name` is what
 * reasons call them. After each the file is the release that it leads to. 0 or a negative code with the reason. */
int local_copy_apply(struct local_copy *copy, int fd, const char *name, struct error *error);

/* Checks the whole release in `fd` as it stands on the disk, and puts that file in place. 0 or a negative code with the
 * reason. */
int local_copy_place(struct local_copy *copy, int fd, struct error *error);

#endif
