/* Look-ups: no system call, no allocation, no lock.
 *
 * Time and memory accesses depend on the key and the database; both are known to whoever asks. */
#ifndef DLV_DB_FIND_H
#define DLV_DB_FIND_H

#include "base/bytes.h"
#include "db/lookup_key.h"
#include "db/open.h"

#include <stdbool.h>

/* The fan-out bucket of a key: its leading `bits` bits, 0 to 32. */
static inline uint64_t db_bucket(const uint8_t key[DB_KEY_LEN], uint32_t bits) {
    return (load_be64(key) >> 32) >> (32 - bits);
}

/* Where the entry of `key` stands, or would stand.
 *
 * db   an open database (db_open)
 * key  the stored key: after lookup_key_apply on a keyed database
 * at   out: index of the entry, or of the first entry greater than key (0 to count)
 * Returns whether it was found. */
bool db_find(const struct db *db, const uint8_t key[DB_KEY_LEN], uint64_t *at);

#define DB_BATCH_MAX 64

/* The same for `n` (at most DB_BATCH_MAX) keys of 32 bytes, one behind the other, with their memory
 * accesses overlapping. found[i] and at[i] are as of db_find. */
void db_find_batch(const struct db *db, const uint8_t *keys, size_t n, uint8_t *found,
                   uint64_t *at);

/* Finds the licence that an entry depends on, by the leading bits of its key. False where there is
 * none: then the file is damaged. */
bool db_find_licence(const struct db *db, const uint8_t prefix[LICENCE_PREFIX_LEN], uint64_t *at);

#endif
