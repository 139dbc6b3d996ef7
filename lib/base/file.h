/* Files read whole, and files that appear whole or not at all. */
#ifndef DLV_BASE_FILE_H
#define DLV_BASE_FILE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether a name is one: ERR_FORMAT with the reason where it is empty. */
int file_name_missing(const char *path, struct error *error);

/* Reads all of `path` into `buffer`. Returns the number of bytes, or ERR_SYSTEM, or ERR_LIMIT
 * where the file holds more than `max`. */
ssize_t file_read(const char *path, void *buffer, size_t max, struct error *error);

/* The same for a secret, which nobody but its owner may read, through whatever link it is found: mode 0600 or
 * 0400, and it belongs to root or to this user; or to root with 0640 or 0440, for this user's group. What a
 * service manager puts into $CREDENTIALS_DIRECTORY (systemd.exec(5)) is taken as it is. Also ERR_FORMAT with
 * what is wrong and what to do. */
ssize_t file_read_secret(const char *path, void *buffer, size_t max, struct error *error);

/* Writes all `len` bytes at `offset`. 0, or ERR_SYSTEM with errno set. */
int file_write_at(int fd, const void *bytes, size_t len, uint64_t offset);

/* Has the system begin to write these bytes of the file to disk, so that fsync(2) finds little left
 * to wait for. A hint: it does not fail. */
void file_write_out(int fd, uint64_t offset, uint64_t len);

/* Writes the file to the disk, and drops it from the system's cache, so that what is read next comes from
 * the disk. 0, or ERR_SYSTEM with errno set. */
int file_drop_cached(int fd);

/* Writes the names in the folder of `path` to the disk. 0 or -1 with errno set. */
int file_sync_folder(const char *path);

/* The folder part of `path` ("." where it has none) into `folder`, PATH_MAX bytes. */
void file_folder(char *folder, const char *path);

/* Reads exactly `len` bytes at `offset`. 0, or ERR_SYSTEM with errno set (EIO: the file is
 * shorter). */
int file_read_at(int fd, void *bytes, size_t len, uint64_t offset);

/* Copies `len` bytes from the start of one file to that of another. 0, or ERR_SYSTEM with the reason, which says whether
 * the first cannot be read (it is shorter, for one) or the second cannot be written. */
int file_copy(int from, int to, uint64_t len, struct error *error);

/* What a file is that is written. */
struct file_kind {
    const char *what; /* "an evidence file", for reasons */
    const char *mark; /* how every such file begins; NULL: nothing tells it from others */
    size_t exact_len; /* of every such file, in bytes; 0: any */
    mode_t mode;      /* of a new one; one that is replaced keeps its own, and its owner */
    bool is_private;  /* nobody but its owner may read it, whatever the mode of the old one */
};

/* What may be replaced. Nothing but a regular file ever is. */
enum file_replacing {
    REPLACE_NOTHING,
    REPLACE_KIND, /* a file of the same kind, or an empty one */
    REPLACE_ANY
};

/* Whether a file of this kind can be put under this name: what stands there may be replaced, and the
 * folder can be written to. 0; ERR_EXISTS where something stands there that is kept; or ERR_SYSTEM,
 * ERR_FORMAT. */
int file_check_place(const char *path, const struct file_kind *kind, enum file_replacing replacing,
                     struct error *error);

/* Where the file stands that the name leads to, through symbolic links at its end. 0, or a negative
 * code with the reason. */
int file_resolve(char resolved[PATH_MAX], const char *path, struct error *error);

/* Removes the file where it is one of this kind. 0 also where there is none, or another one; or
 * ERR_SYSTEM. */
int file_remove(const char *path, const struct file_kind *kind, struct error *error);

/* A file under construction, invisible under its final name until it is complete. Where the file
 * system has O_TMPFILE it has no name at all before that, so a crash leaves nothing behind; what a
 * killed process left elsewhere is removed by the next. A symbolic link stays: its target is
 * replaced. */
struct atomic_file {
    int fd; /* write here; locked by flock(2), which tells it from what a killed process left */
    bool is_unnamed;
    bool replaces;
    char path[PATH_MAX]; /* of the file that appears */
    char temporary[PATH_MAX];
};

/* Begins. 0, or an error as of file_check_place. */
int atomic_file_open(struct atomic_file *file, const char *path, const struct file_kind *kind,
                     enum file_replacing replacing, struct error *error);

/* Gives a file the owner and the mode of the one at `like`, or where there is none the mode of its kind. 0 or ERR_SYSTEM
 * with errno set. */
int file_set_access(int fd, const char *like, const struct file_kind *kind);

/* Puts the complete file in place: fsync, rename over what was there, fsync of the folder. With
 * REPLACE_NOTHING a file that has appeared is kept and ERR_EXISTS returned. The file is closed in any
 * case. */
int atomic_file_commit(struct atomic_file *file, struct error *error);

/* Gives up; what stood under the name stays as it was. */
void atomic_file_abort(struct atomic_file *file);

/* A small file at once: `bytes` under `path`, as above. */
int file_write(const char *path, const void *bytes, size_t len, const struct file_kind *kind,
               enum file_replacing replacing, struct error *error);

#endif
