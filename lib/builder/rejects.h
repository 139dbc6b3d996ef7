/* The rejects file: CSV with the columns "dlv rejects: line", reason, row. It appears when the first
 * bad row comes. Where a build has no bad rows, the file that an earlier build left is removed. By its
 * first line such a file is known from any other, which is left alone. */
#ifndef DLV_BUILDER_REJECTS_H
#define DLV_BUILDER_REJECTS_H

#include "base/file.h"
#include "registry/csv.h"

#include <stdio.h>

struct rejects {
    const char *path;
    enum file_replacing replacing;
    uint64_t count;
    struct atomic_file file;
    FILE *stream; /* NULL until the first row */
};

extern const struct file_kind rejects_file_kind;

void rejects_init(struct rejects *rejects, const char *path, enum file_replacing replacing);

/* 0 or a negative code. */
int rejects_add(struct rejects *rejects, const struct csv_row *row, const char *reason,
                struct error *error);

/* Puts the file in place, or removes an old one. 0 or ERR_SYSTEM. */
int rejects_close(struct rejects *rejects, struct error *error);

#endif
