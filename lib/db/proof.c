#include "db/proof.h"

#include "db/find.h"

#include <string.h>

/* --- walking up ------------------------------------------------------------------------------- */

/* One or two neighbouring paths through the tree, on one level. */
struct climb {
    uint64_t count;    /* nodes of the level */
    unsigned n;        /* paths that have not yet met */
    uint64_t index[2]; /* ascending */
};

static struct climb begin_climb(const struct proof *proof, uint64_t count) {
    struct climb climb = {.count = count, .n = proof->entry_count};
    for (unsigned i = 0; i < climb.n; i++)
        climb.index[i] = proof->entries[i].index;
    if (climb.n == 2 && climb.index[0] > climb.index[1]) {
        uint64_t first = climb.index[1];
        climb.index[1] = climb.index[0];
        climb.index[0] = first;
    }
    return climb;
}

/* Whether the node beside a path is needed: it exists, and is not itself on the other path. */
static bool needs_sibling(const struct climb *climb, unsigned i) {
    uint64_t sibling = climb->index[i] ^ 1;
    return sibling < climb->count && !(climb->n == 2 && climb->index[i ^ 1] == sibling);
}

static void step(struct climb *climb) {
    for (unsigned i = 0; i < climb->n; i++)
        climb->index[i] /= 2;
    if (climb->n == 2 && climb->index[0] == climb->index[1])
        climb->n = 1;
    climb->count = (climb->count + 1) / 2;
}

/* --- making ----------------------------------------------------------------------------------- */

/* The entry's leaf. False where the file is damaged. */
static bool leaf_at(const struct db *db, uint64_t index, uint8_t leaf[MERKLE_NODE_LEN]) {
    const uint8_t *entry = db_entry(db, index);
    struct further further;
    if (!terms_further(entry + ENTRY_TERMS, &db->further, &further))
        return false;
    entry_leaf(leaf, entry, further);
    return true;
}

/* A node below the levels that are stored, made of the entries under it. */
static bool make_node(const struct db *db, unsigned level, uint64_t index,
                      uint8_t node[MERKLE_NODE_LEN]) {
    uint8_t nodes[MERKLE_BLOCK * MERKLE_NODE_LEN];
    uint64_t first = index << level, left = db->header.count - first;
    uint64_t count = left < (uint64_t)1 << level ? left : (uint64_t)1 << level;
    for (uint64_t i = 0; i < count; i++) {
        if (!leaf_at(db, first + i, nodes + i * MERKLE_NODE_LEN))
            return false;
    }
    merkle_root_of(node, nodes, count);
    return true;
}

/* Adds the nodes beside the paths, from the leaves to below `level`. */
static bool add_nodes(const struct db *db, unsigned level, struct proof *proof) {
    struct climb climb = begin_climb(proof, db->header.count);
    uint64_t stored = 0; /* where the level begins among the stored nodes */
    for (unsigned at = 0; at < level; at++) {
        for (unsigned i = 0; i < climb.n; i++) {
            uint8_t *node = proof->nodes[proof->node_count];
            uint64_t sibling = climb.index[i] ^ 1;
            if (!needs_sibling(&climb, i))
                continue;
            if (at >= MERKLE_STORED_LEVEL)
                memcpy(node, db->merkle + (stored + sibling) * MERKLE_NODE_LEN, MERKLE_NODE_LEN);
            else if (!make_node(db, at, sibling, node))
                return false;
            proof->node_count++;
        }
        stored += at >= MERKLE_STORED_LEVEL ? climb.count : 0;
        step(&climb);
    }
    return true;
}

static bool add_entry(const struct db *db, struct proof *proof, uint64_t index) {
    struct proof_entry *entry = &proof->entries[proof->entry_count++];
    entry->index = index;
    memcpy(entry->entry, db_entry(db, index), DB_ENTRY_LEN);
    return terms_further(entry->entry + ENTRY_TERMS, &db->further, &entry->further);
}

bool db_prove(const struct db *db, const uint8_t key[DB_KEY_LEN], unsigned level,
              struct proof *proof) {
    uint64_t at;
    bool is_good = true;
    proof->entry_count = proof->node_count = 0;
    proof->is_presence = db_find(db, key, &at);
    if (proof->is_presence) {
        const uint8_t *terms = db_entry(db, at) + ENTRY_TERMS;
        is_good = add_entry(db, proof, at);
        if (terms_kind(terms) != ENTRY_LICENCE)
            is_good = is_good && db_find_licence(db, terms_licence_prefix(terms), &at) &&
                      add_entry(db, proof, at);
    } else {
        if (at > 0)
            is_good = add_entry(db, proof, at - 1);
        if (at < db->header.count)
            is_good = is_good && add_entry(db, proof, at);
    }
    return is_good && add_nodes(db, level, proof);
}

/* --- checking --------------------------------------------------------------------------------- */

/* Whether the paths lead from the entries to the nodes that are held. */
static bool are_in_tree(const struct db_header *header, const struct held_nodes *held,
                        const struct proof *proof) {
    struct climb climb = begin_climb(proof, header->count);
    uint8_t nodes[2][MERKLE_NODE_LEN];
    unsigned used = 0;
    for (unsigned i = 0; i < proof->entry_count; i++) {
        const struct proof_entry *entry = &proof->entries[i];
        /* The lower index comes first in the climb. */
        unsigned place = proof->entry_count == 2 && climb.index[0] != entry->index;
        if (entry->index >= header->count)
            return false;
        entry_leaf(nodes[place], entry->entry, entry->further);
    }
    if (climb.n == 2 && climb.index[0] == climb.index[1])
        return false;
    for (unsigned at = 0; at < held->level; at++) {
        bool are_neighbours = climb.n == 2 && (climb.index[0] ^ 1) == climb.index[1];
        for (unsigned i = 0; i < climb.n && !are_neighbours; i++) {
            bool is_left = climb.index[i] % 2 == 0;
            if (!needs_sibling(&climb, i))
                continue; /* the node has none, so it moves up as it is */
            if (used == proof->node_count)
                return false;
            const uint8_t *sibling = proof->nodes[used++];
            merkle_node(nodes[i], is_left ? nodes[i] : sibling, is_left ? sibling : nodes[i]);
        }
        if (are_neighbours)
            merkle_node(nodes[0], nodes[0], nodes[1]);
        step(&climb);
    }
    for (unsigned i = 0; i < climb.n; i++) {
        if (climb.index[i] >= held->count ||
            memcmp(nodes[i], held->nodes + climb.index[i] * MERKLE_NODE_LEN, MERKLE_NODE_LEN) != 0)
            return false;
    }
    return used == proof->node_count;
}

/* Whether entries that are in the tree leave no place for `key`. */
static bool leaves_no_place(const struct db_header *header, const uint8_t *key,
                            const struct proof *proof) {
    const struct proof_entry *first = &proof->entries[0];
    int order = memcmp(first->entry, key, DB_KEY_LEN);
    if (proof->entry_count == 2) {
        const struct proof_entry *second = &proof->entries[1];
        return order < 0 && memcmp(second->entry, key, DB_KEY_LEN) > 0 &&
               second->index == first->index + 1;
    }
    return order < 0 ? first->index == header->count - 1 : order > 0 && first->index == 0;
}

static int unproved(struct error *error, const char *reason) {
    return error_set(error, ERR_SIGNATURE, "%s", reason);
}

int proof_answer(const struct db_header *header, const struct held_nodes *held,
                 const struct lookup_key *lookup_key, const struct inquired *inquired,
                 const struct proof *proof, struct db_answer *answer, struct error *error) {
    const struct proof_entry *asked = &proof->entries[0], *licence = asked;
    uint8_t key[DB_KEY_LEN];
    *answer = db_answer_none();
    lookup_key_apply(lookup_key, inquired->digest, key);
    if (proof->entry_count < 1 || proof->entry_count > 2 || proof->node_count > PROOF_NODES_MAX)
        return unproved(error, "the proof has no entry");
    if (!are_in_tree(header, held, proof))
        return unproved(error, "a path does not lead to the Merkle root that was signed");
    if (memcmp(asked->entry, key, DB_KEY_LEN) != 0)
        return leaves_no_place(header, key, proof)
                   ? 0
                   : unproved(error, "the entries say nothing about this question");
    enum entry_kind kind = terms_kind(asked->entry + ENTRY_TERMS);
    bool depends = kind != ENTRY_LICENCE;
    if (depends != (proof->entry_count == 2))
        return unproved(error, "the proof has too many entries, or too few");
    if (depends) {
        licence = &proof->entries[1];
        if (memcmp(licence->entry, terms_licence_prefix(asked->entry + ENTRY_TERMS),
                   LICENCE_PREFIX_LEN) != 0 ||
            terms_kind(licence->entry + ENTRY_TERMS) != ENTRY_LICENCE)
            return unproved(error, "the second entry is not the licence that the first depends on");
    }
    if (db_kind_answers(kind, inquired->kind))
        *answer = db_answer_of(&header->facts.fields, lookup_key, inquired, asked->entry,
                               licence->entry, licence->further);
    return 0;
}
