/* The base of a build: the release before, whose entries stay but for those of a change list. It is
 * read once, in order, with little memory. */
#ifndef DLV_DB_BASE_H
#define DLV_DB_BASE_H

#include "db/format.h"
#include "db/lookup_key.h"

#define DB_BASE_CHUNK 1024 /* entries read at once */

struct db_base {
    const char *path;
    int fd;
    struct db_header header;
    int has_documents; /* among the entries read so far */
    uint64_t at;       /* entries given out */
    size_t chunk_count;
    size_t chunk_at;
    struct sha256 hashes[2]; /* of keys and attributes */
    uint8_t keys[DB_BASE_CHUNK * DB_KEY_LEN];
    uint8_t attributes[DB_BASE_CHUNK * DB_ATTRIBUTES_LEN];
};

/* Opens `path`, checks its signature and structure, and that `lookup_key` (NULL: none) is its own.
 * 0, or a negative code with the reason. */
int db_base_open(struct db_base *base, const char *path, const struct rsa_public *authority,
                 const struct lookup_key *lookup_key, struct error *error);

/* The next entry, at *key and *attributes until the call after: 1; 0 at the end, where the digests
 * of all that was read have been found to be the signed ones; or a negative code with the reason.
 */
int db_base_next(struct db_base *base, const uint8_t **key, const uint8_t **attributes,
                 struct error *error);

void db_base_close(struct db_base *base);

#endif
