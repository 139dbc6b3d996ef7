/* The predecessor of a release: the database file whose entries stay, except for those of a change
 * list. It is read once, in order, with little memory. */
#ifndef DLV_BUILDER_PREDECESSOR_H
#define DLV_BUILDER_PREDECESSOR_H

#include "db/format.h"
#include "db/lookup_key.h"

#include <stdbool.h>

#define PREDECESSOR_CHUNK 1024 /* entries read at once */

struct predecessor {
    const char *path;
    int fd;
    struct db_header header;
    bool has_documents; /* one was among the entries read so far */
    uint64_t at;        /* entries given out */
    size_t chunk_count;
    size_t chunk_at;
    struct sha256 hashes[2]; /* of keys and attributes */
    uint8_t keys[PREDECESSOR_CHUNK * DB_KEY_LEN];
    uint8_t attributes[PREDECESSOR_CHUNK * DB_ATTRIBUTES_LEN];
};

/* Opens `path`, checks its signature and structure, and that `lookup_key` (NULL: none) is its own.
 * 0, or a negative code with the reason. */
int predecessor_open(struct predecessor *predecessor, const char *path,
                     const struct rsa_public *authority, const struct lookup_key *lookup_key,
                     struct error *error);

/* The next entry, at *key and *attributes until the next call: 1. At the end 0, after the digests
 * of all that was read have been found to be the ones that were signed. Otherwise a negative code
 * with the reason. */
int predecessor_next(struct predecessor *predecessor, const uint8_t **key,
                     const uint8_t **attributes, struct error *error);

void predecessor_close(struct predecessor *predecessor);

#endif
