/* Files read whole, and files that appear whole or not at all. */
#ifndef DLV_BASE_FILE_H
#define DLV_BASE_FILE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads all of `path` into `buffer`. Returns the number of bytes, or ERR_SYSTEM, or ERR_LIMIT
 * where the file holds more than `max`. */
ssize_t file_read(const char *path, void *buffer, size_t max, struct error *error);

/* Writes all `len` bytes at `offset`. 0, or ERR_SYSTEM with errno set. */
int file_write_at(int fd, const void *bytes, size_t len, uint64_t offset);

/* Has the system begin to write these bytes of the file to disk, so that fsync(2) finds little left
 * to wait for. A hint: it does not fail. */
void file_write_out(int fd, uint64_t offset, uint64_t len);

/* The folder part of `path` ("." where it has none) into `folder`, PATH_MAX bytes. */
void file_folder(char *folder, const char *path);

/* Reads exactly `len` bytes at `offset`. 0, or ERR_SYSTEM with errno set (EIO: the file is
 * shorter). */
int file_read_at(int fd, void *bytes, size_t len, uint64_t offset);

/* A file under construction, invisible under its final name until it is complete. Where the file
 * system has O_TMPFILE it has no name at all before that, so a crash leaves nothing behind. */
struct atomic_file {
    int fd; /* write here */
    bool is_unnamed;
    char path[PATH_MAX];
    char temporary[PATH_MAX];
};

/* Begins. `mode` is exact (no umask). 0 or ERR_SYSTEM. */
int atomic_file_open(struct atomic_file *file, const char *path, mode_t mode, struct error *error);

/* Puts the complete file in place: fsync, rename over what was there, fsync of the folder. With
 * `replace` 0 an existing file is kept and ERR_EXISTS returned. The file is closed in any case. */
int atomic_file_commit(struct atomic_file *file, bool replace, struct error *error);

/* Gives up; what stood under the name stays as it was. */
void atomic_file_abort(struct atomic_file *file);

/* A small file at once: `bytes` under `path`, as above. */
int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, bool replace,
                 struct error *error);

#endif
