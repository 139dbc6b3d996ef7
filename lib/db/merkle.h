/* The Merkle tree over the entries in sorted order, hashed as in RFC 9162, section 2.1.1.
 *
 * Level 0 are the leaves (entry_leaf); above, SHA-256(0x01 | left | right); a
 * node without a right neighbour moves up as it is, which gives the RFC's tree. The file keeps the
 * nodes from level MERKLE_STORED_LEVEL up to the root; those below are recomputed where a proof
 * needs them: 16 leaves, some ten microseconds. */
#ifndef DLV_DB_MERKLE_H
#define DLV_DB_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#define MERKLE_NODE_LEN 32
#define MERKLE_STORED_LEVEL 4
#define MERKLE_BLOCK                                                                               \
    (1u << MERKLE_STORED_LEVEL) /* how many leaves are under a node of the lowest stored level */

/* Nodes of the lowest stored level, and of all stored levels together, for `count` >= 1 entries. */
uint64_t merkle_block_count(uint64_t count);
uint64_t merkle_stored_nodes(uint64_t count);

void merkle_node(uint8_t node[MERKLE_NODE_LEN], const uint8_t left[MERKLE_NODE_LEN],
                 const uint8_t right[MERKLE_NODE_LEN]);

/* Computes the i-th node above a level of `count` nodes: from its two children, or a copy of the
 * only one. */
void merkle_parent(uint8_t node[MERKLE_NODE_LEN], const uint8_t *level, uint64_t count, uint64_t i);

/* The nodes that clients may hold, so that paths end there: those of the level eight below the root,
 * or of the lowest stored level where that is higher; of the root's where the tree is so low. At
 * most MERKLE_HELD_MAX. */
#define MERKLE_HELD_MAX 256

/* Levels above the leaves, up to the root's. */
unsigned merkle_height(uint64_t count);
unsigned merkle_held_level(uint64_t count);

/* Nodes of a level. */
uint64_t merkle_level_count(uint64_t count, unsigned level);

/* Where a stored level begins among the stored nodes, in nodes. */
uint64_t merkle_level_start(uint64_t count, unsigned level);

/* Computes the root from the nodes of a level, which are overwritten. */
void merkle_root_of(uint8_t root[MERKLE_NODE_LEN], uint8_t *nodes, uint64_t node_count);

#endif
