/* Reading an audit log, and checking that nothing was removed, changed, moved or added in it.
 *
 * A log is a folder of files 00000001.audit, 00000002.audit and so on; the first ones may have been taken
 * elsewhere. */
#ifndef DLV_AUDIT_READ_H
#define DLV_AUDIT_READ_H

#include "audit/block.h"
#include "base/error.h"
#include "crypto/key_set.h"

#define AUDIT_NAME_SIZE sizeof "00000000.audit"
void audit_segment_name(char name[AUDIT_NAME_SIZE], unsigned segment);

/* What is read, and what was found. To begin with zeros, but for what the caller sets. */
struct audit_reading {
    const char *folder;
    int folder_fd;         /* of it, open; 0: it is opened by its name */
    unsigned from_segment; /* the first file to be read; 0: the first that is there */
    /* one of them has signed each checkpoint; NULL: that is not checked */
    const struct key_set *keys;
    uint64_t wanted;                   /* a block that must be there, ... */
    uint8_t wanted_digest[SHA256_LEN]; /* ... with this digest; 0: none */
    /* is shown each block, once it is certain that it is whole; NULL: nobody is */
    void (*take)(void *context, const struct audit_block *block, const uint8_t *content);
    void *context;
    void (*tell)(uint64_t done, uint64_t total); /* is told how far it has come; NULL: nobody is */

    uint64_t done, total;                   /* bytes of all files */
    unsigned first_segment, last_segment;   /* 0: there is none */
    uint64_t last_size;                     /* of the last file, as far as its blocks are whole */
    uint64_t cut_len;                       /* bytes of a block behind, which has no end */
    uint64_t first_block, last_block;       /* 0: none */
    int64_t first_ms, last_ms;              /* of these blocks */
    uint8_t digest[SHA256_LEN];             /* of the last block */
    uint64_t questions, unsigned_questions; /* the latter since the last checkpoint */
    uint64_t checkpoint;                    /* the last one's number; 0: none */
    int64_t checkpoint_ms;
    uint8_t checkpoint_digest[SHA256_LEN];
    bool has_wanted;
    uint8_t run[AUDIT_RUN_LEN];
    uint64_t next_counts[AUDIT_WORKERS_MAX]; /* of each worker's next record */
    uint8_t block[AUDIT_BLOCK_MAX];
};

/* Reads it. 0; ERR_SYSTEM; or ERR_SIGNATURE where something in it is wrong, with the file and block. A block
 * at the very end that has no end is none: it was being written. */
int audit_read(struct audit_reading *reading, struct error *error);

#endif
