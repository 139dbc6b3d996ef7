#include "client/release.h"

#include <stdlib.h>
#include <string.h>

void known_release_forget(struct known_release *release) {
    free(release->dictionary);
    memset(release, 0, sizeof *release);
}

/* Proofs end at the root until nodes are known. */
static void hold_root(struct known_release *release) {
    release->has_nodes = false;
    release->held =
        (struct held_nodes){merkle_height(release->header.count), 1, release->header.merkle_root};
}

int known_release_of_file(struct known_release *release, const struct db *db, struct error *error) {
    const struct db_section *dictionary = &db->header.sections[DB_DICTIONARY];
    size_t len = (size_t)dictionary->len;
    known_release_forget(release);
    memcpy(release->head, db->map, DB_HEAD_LEN);
    int code = known_release_take_head(release, error);
    if (code == 0 && memcmp(release->header.id, db->header.id, SHA256_LEN) != 0)
        code = error_set(error, ERR_FORMAT, "changed while it was opened");
    if (code != 0)
        return code;
    release->dictionary = malloc(len > 0 ? len : 1);
    if (release->dictionary == NULL)
        return error_set_errno(error, "its dictionary");
    memcpy(release->dictionary, (const uint8_t *)db->map + dictionary->offset, len);
    code = known_release_take_dictionary(release, len, error);
    release->is_known = code == 0;
    return code;
}

int known_release_take_head(struct known_release *release, struct error *error) {
    int code = db_header_decode(&release->header, release->head, error);
    if (code == 0)
        hold_root(release);
    return code;
}

int known_release_take_dictionary(struct known_release *release, size_t len, struct error *error) {
    return class_sets_open_signed(&release->sets, release->dictionary, len,
                                  release->header.set_count, release->header.dictionary_root,
                                  error);
}

int known_release_take_nodes(struct known_release *release, size_t len, struct error *error) {
    unsigned level = merkle_held_level(release->header.count);
    uint64_t count = merkle_level_count(release->header.count, level);
    uint8_t copy[MERKLE_HELD_MAX * MERKLE_NODE_LEN], root[MERKLE_NODE_LEN];
    if (len != count * MERKLE_NODE_LEN)
        return error_set(error, ERR_SIGNATURE, "the Merkle nodes are too few or too many");
    memcpy(copy, release->nodes, len);
    merkle_root_of(root, copy, count);
    if (memcmp(root, release->header.merkle_root, MERKLE_NODE_LEN) != 0)
        return error_set(error, ERR_SIGNATURE,
                         "the Merkle nodes do not lead to the root that was signed");
    release->held = (struct held_nodes){level, count, release->nodes};
    release->has_nodes = true;
    return 0;
}

/* --- from the nodes to the root --------------------------------------------------------------- */

/* The levels from the held nodes up to the root: the nodes beside the paths of the entries. */
bool known_release_extend(const struct known_release *release, struct proof *proof) {
    uint8_t level[MERKLE_HELD_MAX * MERKLE_NODE_LEN];
    uint64_t count = release->held.count, index[2];
    unsigned n = proof->entry_count;
    if (!release->has_nodes)
        return true;
    memcpy(level, release->nodes, (size_t)count * MERKLE_NODE_LEN);
    for (unsigned i = 0; i < n; i++)
        index[i] = proof->entries[i].index >> release->held.level;
    if (n == 2 && index[0] > index[1]) {
        uint64_t first = index[1];
        index[1] = index[0];
        index[0] = first;
    }
    n = n == 2 && index[0] == index[1] ? 1 : n;
    for (; count > 1; count = (count + 1) / 2) {
        for (unsigned i = 0; i < n; i++) {
            uint64_t sibling = index[i] ^ 1;
            if (sibling >= count || (n == 2 && index[i ^ 1] == sibling))
                continue;
            if (proof->node_count == PROOF_NODES_MAX)
                return false;
            memcpy(proof->nodes[proof->node_count++], level + sibling * MERKLE_NODE_LEN,
                   MERKLE_NODE_LEN);
        }
        for (uint64_t i = 0; i < (count + 1) / 2; i++)
            merkle_parent(level + i * MERKLE_NODE_LEN, level, count, i);
        for (unsigned i = 0; i < n; i++)
            index[i] /= 2;
        n = n == 2 && index[0] == index[1] ? 1 : n;
    }
    return true;
}
