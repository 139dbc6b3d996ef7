#include "db/merkle.h"

#include "crypto/sha256.h"

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

unsigned merkle_height(uint64_t count) {
    unsigned height = 0;
    for (; count > 1; count = (count + 1) / 2)
        height++;
    return height;
}

unsigned merkle_held_level(uint64_t count) {
    unsigned height = merkle_height(count);
    unsigned level = height > MERKLE_STORED_LEVEL + 8 ? height - 8 : MERKLE_STORED_LEVEL;
    return level < height ? level : height;
}

uint64_t merkle_level_count(uint64_t count, unsigned level) {
    while (level-- > 0)
        count = (count + 1) / 2;
    return count;
}

uint64_t merkle_level_start(uint64_t count, unsigned level) {
    uint64_t start = 0;
    for (unsigned below = MERKLE_STORED_LEVEL; below < level; below++)
        start += merkle_level_count(count, below);
    return start;
}

void merkle_root_of(uint8_t root[MERKLE_NODE_LEN], uint8_t *nodes, uint64_t node_count) {
    for (; node_count > 1; node_count = (node_count + 1) / 2) {
        for (uint64_t i = 0; i < (node_count + 1) / 2; i++)
            merkle_parent(nodes + i * MERKLE_NODE_LEN, nodes, node_count, i);
    }
    memcpy(root, nodes, MERKLE_NODE_LEN);
}
