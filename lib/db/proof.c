#include "db/proof.h"

#include "db/find.h"

#include <string.h>

/* Adds the sibling of the i-th of `count` nodes to the path; the last one of an odd level has none.
 */
static void add_sibling(struct proof_entry *entry, const uint8_t *level, uint64_t count,
                        uint64_t i) {
    if ((i ^ 1) < count)
        memcpy(entry->path[entry->path_len++], level + (i ^ 1) * MERKLE_NODE_LEN, MERKLE_NODE_LEN);
}

/* The paths of `n` entries inside the one block of leaves, not stored, that they are in. */
static void prove_in_block(const struct db *db, struct proof_entry *entries, unsigned n) {
    uint8_t nodes[MERKLE_BLOCK * MERKLE_NODE_LEN];
    uint64_t first = entries[0].index / MERKLE_BLOCK * MERKLE_BLOCK;
    uint64_t left = db->header.count - first;
    uint64_t count = left < MERKLE_BLOCK ? left : MERKLE_BLOCK;
    for (uint64_t leaf = 0; leaf < count; leaf++)
        merkle_leaf(nodes + leaf * MERKLE_NODE_LEN, db->keys + (first + leaf) * DB_KEY_LEN,
                    db->attributes + (first + leaf) * DB_ATTRIBUTES_LEN);
    for (unsigned level = 0; count > 1; level++, count = (count + 1) / 2) {
        for (unsigned i = 0; i < n; i++)
            add_sibling(&entries[i], nodes, count, (entries[i].index - first) >> level);
        for (uint64_t parent = 0; parent < (count + 1) / 2; parent++)
            merkle_parent(nodes + parent * MERKLE_NODE_LEN, nodes, count, parent);
    }
}

/* Adds the path from there to the root. */
static void prove_above(const struct db *db, struct proof_entry *entry) {
    const uint8_t *level = db->merkle;
    uint64_t count = merkle_block_count(db->header.count);
    for (uint64_t i = entry->index / MERKLE_BLOCK; count > 1; i /= 2) {
        add_sibling(entry, level, count, i);
        level += count * MERKLE_NODE_LEN;
        count = (count + 1) / 2;
    }
}

static void add_entry(const struct db *db, struct proof *proof, uint64_t index) {
    struct proof_entry *entry = &proof->entries[proof->entry_count++];
    entry->index = index;
    entry->path_len = 0;
    memcpy(entry->key, db->keys + index * DB_KEY_LEN, DB_KEY_LEN);
    memcpy(entry->attributes, db->attributes + index * DB_ATTRIBUTES_LEN, DB_ATTRIBUTES_LEN);
}

void db_prove(const struct db *db, const uint8_t key[DB_KEY_LEN], struct proof *proof) {
    struct proof_entry *entries = proof->entries;
    uint64_t at;
    proof->entry_count = 0;
    if (db_find(db, key, &at)) {
        add_entry(db, proof, at);
    } else {
        if (at > 0)
            add_entry(db, proof, at - 1);
        if (at < db->header.count)
            add_entry(db, proof, at);
    }
    if (proof->entry_count == 2 &&
        entries[0].index / MERKLE_BLOCK != entries[1].index / MERKLE_BLOCK) {
        prove_in_block(db, &entries[0], 1);
        prove_in_block(db, &entries[1], 1);
    } else {
        prove_in_block(db, entries, proof->entry_count);
    }
    for (unsigned i = 0; i < proof->entry_count; i++)
        prove_above(db, &entries[i]);
}

/* Whether the path leads from the entry to the root. */
static bool is_in_tree(const struct db_header *header, const struct proof_entry *entry) {
    uint8_t node[MERKLE_NODE_LEN];
    uint64_t i = entry->index;
    unsigned used = 0;
    if (i >= header->count || entry->path_len > PROOF_PATH_MAX)
        return false;
    merkle_leaf(node, entry->key, entry->attributes);
    for (uint64_t count = header->count; count > 1; count = (count + 1) / 2, i /= 2) {
        if ((i ^ 1) >= count)
            continue; /* the node has no sibling, so it moves up unchanged */
        if (used == entry->path_len)
            return false;
        if (i % 2 == 0)
            merkle_node(node, node, entry->path[used++]);
        else
            merkle_node(node, entry->path[used++], node);
    }
    return used == entry->path_len && memcmp(node, header->merkle_root, MERKLE_NODE_LEN) == 0;
}

/* Whether entries that are in the tree leave no place for `key`. */
static bool leaves_no_place(const struct db_header *header, const uint8_t *key,
                            const struct proof *proof) {
    const struct proof_entry *first = &proof->entries[0];
    int order = memcmp(first->key, key, DB_KEY_LEN);
    if (proof->entry_count == 2) {
        const struct proof_entry *second = &proof->entries[1];
        return order < 0 && memcmp(second->key, key, DB_KEY_LEN) > 0 &&
               second->index == first->index + 1;
    }
    return order < 0 ? first->index == header->count - 1 : order > 0 && first->index == 0;
}

int proof_check(const struct db_header *header, const uint8_t key[DB_KEY_LEN],
                const struct proof *proof, struct licence *licence, struct error *error) {
    if (proof->entry_count < 1 || proof->entry_count > 2)
        return error_set(error, ERR_SIGNATURE, "the proof has no entry");
    for (unsigned i = 0; i < proof->entry_count; i++) {
        if (!is_in_tree(header, &proof->entries[i]))
            return error_set(error, ERR_SIGNATURE,
                             "a path does not lead to the Merkle root that was signed");
    }
    if (proof->entry_count == 1 && memcmp(proof->entries[0].key, key, DB_KEY_LEN) == 0) {
        if (!db_attributes_decode(licence, proof->entries[0].attributes))
            return error_set(error, ERR_SIGNATURE, "impossible attributes");
        return 1;
    }
    if (!leaves_no_place(header, key, proof))
        return error_set(error, ERR_SIGNATURE, "the entries say nothing about this question");
    return 0;
}

int proof_answer(const struct db_header *header, const struct lookup_key *lookup_key,
                 const uint8_t digest[SHA256_LEN], enum licence_kind kind, uint32_t day,
                 const struct proof *proof, struct db_answer *answer, struct error *error) {
    uint8_t key[DB_KEY_LEN];
    struct licence licence;
    lookup_key_apply(lookup_key, digest, key);
    int result = proof_check(header, key, proof, &licence, error);
    bool is_answer = result == 1 && licence.kind == kind;
    *answer = is_answer ? db_answer_found(&licence, day) : db_answer_none();
    return result < 0 ? result : 0;
}
