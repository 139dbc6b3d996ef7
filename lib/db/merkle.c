#include "db/merkle.h"

#include "crypto/sha256.h"
#include "db/entry.h"

#include <string.h>

uint64_t merkle_block_count(uint64_t count) {
    return (count + MERKLE_BLOCK - 1) / MERKLE_BLOCK;
}

uint64_t merkle_stored_nodes(uint64_t count) {
    uint64_t level = merkle_block_count(count);
    uint64_t total = level;
    while (level > 1) {
        level = (level + 1) / 2;
        total += level;
    }
    return total;
}

void merkle_leaf(uint8_t leaf[MERKLE_NODE_LEN], const uint8_t *key, const uint8_t *attributes) {
    uint8_t input[1 + DB_ENTRY_LEN];
    input[0] = 0x00;
    memcpy(input + 1, key, DB_KEY_LEN);
    memcpy(input + 1 + DB_KEY_LEN, attributes, DB_ATTRIBUTES_LEN);
    sha256(leaf, input, sizeof input);
}

void merkle_node(uint8_t node[MERKLE_NODE_LEN], const uint8_t left[MERKLE_NODE_LEN],
                 const uint8_t right[MERKLE_NODE_LEN]) {
    uint8_t input[1 + 2 * MERKLE_NODE_LEN];
    input[0] = 0x01;
    memcpy(input + 1, left, MERKLE_NODE_LEN);
    memcpy(input + 1 + MERKLE_NODE_LEN, right, MERKLE_NODE_LEN);
    sha256(node, input, sizeof input);
}

void merkle_parent(uint8_t node[MERKLE_NODE_LEN], const uint8_t *level, uint64_t count,
                   uint64_t i) {
    const uint8_t *left = level + 2 * i * MERKLE_NODE_LEN;
    if (2 * i + 1 < count)
        merkle_node(node, left, left + MERKLE_NODE_LEN);
    else
        memmove(node, left, MERKLE_NODE_LEN);
}

/* The level above `count` nodes, into `above` (which may be `nodes` itself). Returns its size. */
static uint64_t level_up(uint8_t *above, const uint8_t *nodes, uint64_t count) {
    for (uint64_t i = 0; i < (count + 1) / 2; i++)
        merkle_parent(above + i * MERKLE_NODE_LEN, nodes, count, i);
    return (count + 1) / 2;
}

void merkle_block(uint8_t node[MERKLE_NODE_LEN], const uint8_t *keys, const uint8_t *attributes,
                  size_t leaf_count) {
    uint8_t nodes[MERKLE_BLOCK * MERKLE_NODE_LEN];
    for (size_t i = 0; i < leaf_count; i++)
        merkle_leaf(nodes + i * MERKLE_NODE_LEN, keys + i * DB_KEY_LEN,
                    attributes + i * DB_ATTRIBUTES_LEN);
    for (uint64_t count = leaf_count; count > 1;)
        count = level_up(nodes, nodes, count);
    memcpy(node, nodes, MERKLE_NODE_LEN);
}
