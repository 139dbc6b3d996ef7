/* The Merkle tree over the entries in sorted order, hashed as in RFC 9162, section 2.1.1.
 *
 * Level 0 are the leaves, SHA-256(0x00 | key | attributes); above, SHA-256(0x01 | left | right); a
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

void merkle_leaf(uint8_t leaf[MERKLE_NODE_LEN], const uint8_t *key, const uint8_t *attributes);
void merkle_node(uint8_t node[MERKLE_NODE_LEN], const uint8_t left[MERKLE_NODE_LEN],
                 const uint8_t right[MERKLE_NODE_LEN]);

/* Computes the i-th node above a level of `count` nodes: from its two children, or a copy of the
 * only one. */
void merkle_parent(uint8_t node[MERKLE_NODE_LEN], const uint8_t *level, uint64_t count, uint64_t i);

/* Computes the node over `leaf_count` (1 to MERKLE_BLOCK) neighbouring entries. */
void merkle_block(uint8_t node[MERKLE_NODE_LEN], const uint8_t *keys, const uint8_t *attributes,
                  size_t leaf_count);

#endif
