/* Proofs that an entry is in a database, or that it is not: Merkle paths to the root that the
 * authority has signed. They can be checked with the authority's key and the signed header alone,
 * without the database, and without trust in the server or its operator. */
#ifndef DLV_DB_PROOF_H
#define DLV_DB_PROOF_H

#include "db/answer.h"
#include "db/merkle.h"
#include "db/open.h"

#define PROOF_PATH_MAX 32 /* levels of a tree of DB_COUNT_MAX leaves */

/* An entry and the siblings on its way to the root, the lowest first (RFC 9162, section 2.1.3). */
struct proof_entry {
    uint64_t index;
    uint8_t key[DB_KEY_LEN];
    uint8_t attributes[DB_ATTRIBUTES_LEN];
    unsigned path_len;
    uint8_t path[PROOF_PATH_MAX][MERKLE_NODE_LEN];
};

/* Presence: the entry. Absence: the two neighbours between which it would stand, or the first or
 * the last entry alone. */
struct proof {
    unsigned entry_count; /* 1 or 2 */
    struct proof_entry entries[2];
};

/* Makes the proof about `key` (after lookup_key_apply). This takes about ten microseconds and no
 * system call. */
void db_prove(const struct db *db, const uint8_t key[DB_KEY_LEN], struct proof *proof);

/* Checks a proof about `key` against a header whose signature has been verified. Total: any bytes
 * may be in `proof`. Returns 1, with the licence, where it proves that there is an entry; 0 where
 * it proves that there is none; or ERR_SIGNATURE with the reason. */
int proof_check(const struct db_header *header, const uint8_t key[DB_KEY_LEN],
                const struct proof *proof, struct licence *licence, struct error *error);

/* The same for a question: what the proof proves of `digest`, asked for as `kind`, on `day`. An
 * entry of another kind counts as none. The verdict is derived here, from the entry. The lookup key
 * is that of a keyed database, else NULL. 0, or ERR_SIGNATURE with the reason. */
int proof_answer(const struct db_header *header, const struct lookup_key *lookup_key,
                 const uint8_t digest[SHA256_LEN], enum licence_kind kind, uint32_t day,
                 const struct proof *proof, struct db_answer *answer, struct error *error);

#endif
