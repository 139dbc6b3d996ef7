/* Writing an audit log (AUDIT.md): blocks are appended to the last file of its folder, and each goes on from
 * the one before, also after a restart. One process at a time. */
#ifndef DLV_AUDIT_LOG_H
#define DLV_AUDIT_LOG_H

#include "audit/read.h"

struct audit_log {
    int folder_fd;
    const char *folder; /* its name */
    int fd;             /* of the last file; -1: the next block begins another one */
    unsigned segment;
    uint64_t size;   /* of that file */
    bool is_new;     /* its name may not have reached the disk */
    uint64_t number; /* of the last block; 0: none */
    uint8_t last[SHA256_LEN];
    uint8_t block[AUDIT_BLOCK_MAX]; /* the next block's content is put behind the header's place */
};

/* Opens the log in the folder that is open at log->folder_fd, and is called `folder`; `reading` is of its last
 * file, as it was found. A block at its end that has no end is cut off. 0; ERR_SYSTEM; or ERR_SIGNATURE where it
 * is damaged. */
int audit_log_open(struct audit_log *log, const char *folder, struct audit_reading *reading,
                   struct error *error);

/* Appends a block with `len` bytes of content. 0, or ERR_SYSTEM: then the log is as it was. */
int audit_log_append(struct audit_log *log, enum audit_kind kind, size_t len, int64_t time_ms,
                     struct error *error);

/* Appends a checkpoint. */
int audit_log_sign(struct audit_log *log, const struct rsa_private *key, int64_t time_ms,
                   struct error *error);

/* Has the blocks reach the disk. 0, or ERR_SYSTEM. */
int audit_log_sync(struct audit_log *log, struct error *error);

/* Whether the last file is still there, under its name, and as long as it was. */
bool audit_log_is_there(const struct audit_log *log);

/* The next block begins another file. */
void audit_log_turn(struct audit_log *log);

#endif
