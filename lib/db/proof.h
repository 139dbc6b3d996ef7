/* Proofs that an entry is in a database, or that it is not: Merkle paths to nodes that the authority
 * has signed. They can be checked with the authority's key and the signed header alone, without the
 * database, and without trust in the server or its operator. */
#ifndef DLV_DB_PROOF_H
#define DLV_DB_PROOF_H

#include "db/answer.h"
#include "db/merkle.h"
#include "db/open.h"

#define PROOF_NODES_MAX 64 /* two paths in a tree of DB_COUNT_MAX leaves */

struct proof_entry {
    uint64_t index;
    uint8_t entry[DB_ENTRY_LEN];
    struct further further; /* points into the file or the frame */
};

/* What a proof rests on:
 *
 *   presence  the entry that was asked for; of one that depends on a licence, that licence behind it
 *   absence   the two neighbours between which the entry would stand, or the first or last alone
 *
 * and the nodes beside the paths of these entries (RFC 9162, section 2.1.3): level by level from the
 * leaves, on each level from the left, without those that follow from the entries themselves. */
struct proof {
    bool is_presence;     /* only of db_prove: the entry was found */
    unsigned entry_count; /* 1 or 2 */
    unsigned node_count;
    struct proof_entry entries[2];
    uint8_t nodes[PROOF_NODES_MAX][MERKLE_NODE_LEN];
};

/* Nodes of one level, which have been checked against the root. */
struct held_nodes {
    unsigned level;
    uint64_t count;
    const uint8_t *nodes;
};

/* Makes the proof about `key` (after lookup_key_apply) up to a level: merkle_held_level, or
 * merkle_height for the root. This takes some ten microseconds and no system call. False where the
 * file is damaged. */
bool db_prove(const struct db *db, const uint8_t key[DB_KEY_LEN], unsigned level,
              struct proof *proof);

/* Checks a proof about a question against nodes that are known to be in the tree (of the root's
 * level: the root of a header whose signature has been verified), and says what it proves. Total:
 * any bytes may be in `proof`. The lookup key is that of a keyed database, else NULL. 0, or
 * ERR_SIGNATURE with the reason. */
int proof_answer(const struct db_header *header, const struct held_nodes *held,
                 const struct lookup_key *lookup_key, const struct inquired *inquired,
                 const struct proof *proof, struct db_answer *answer, struct error *error);

#endif
