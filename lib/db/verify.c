/* db_verify: one pass over the entries and one over each section, so that a file larger than memory
 * is read in order. */
#include "base/bytes.h"
#include "db/find.h"
#include "db/merkle.h"
#include "db/open.h"

#include <stdlib.h>
#include <string.h>

static int verify_section(const struct db *db, enum db_section_name name, struct error *error) {
    const struct db_section *section = &db->header.sections[name];
    const uint8_t *bytes = (const uint8_t *)db->map + section->offset;
    uint64_t end = name + 1 < DB_SECTION_COUNT ? db->header.sections[name + 1].offset : db->map_len;
    uint8_t digest[SHA256_LEN];
    sha256(digest, bytes, (size_t)section->len);
    if (memcmp(digest, section->sha256, SHA256_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "section of %s: its SHA-256 is not the signed one",
                         db_section_name(name));
    if (!bytes_are_zero(bytes + section->len, (size_t)(end - section->offset - section->len)))
        return error_set(error, ERR_FORMAT, "section of %s: not followed by zeros",
                         db_section_name(name));
    return 0;
}

static int verify_entries(const struct db *db, struct error *error) {
    const uint8_t *keys = db->keys;
    uint64_t bucket = 0;
    for (uint64_t i = 0; i < db->header.count; i++, keys += DB_KEY_LEN) {
        struct licence licence;
        if (i > 0 && memcmp(keys - DB_KEY_LEN, keys, DB_KEY_LEN) >= 0)
            return error_set(error, ERR_FORMAT, "entry %llu: keys are not in order",
                             (unsigned long long)i);
        if (!db_attributes_decode(&licence, db->attributes + i * DB_ATTRIBUTES_LEN))
            return error_set(error, ERR_FORMAT, "entry %llu: impossible attributes",
                             (unsigned long long)i);
        for (uint64_t own = db_bucket(keys, db->header.fanout_bits); bucket <= own; bucket++) {
            if (load_le32(db->fanout + bucket * DB_FANOUT_LEN) != i)
                return error_set(error, ERR_FORMAT, "fan-out element %llu is wrong",
                                 (unsigned long long)bucket);
        }
    }
    for (; bucket <= (uint64_t)1 << db->header.fanout_bits; bucket++) {
        if (load_le32(db->fanout + bucket * DB_FANOUT_LEN) != db->header.count)
            return error_set(error, ERR_FORMAT, "fan-out element %llu is wrong",
                             (unsigned long long)bucket);
    }
    return 0;
}

static int verify_merkle(const struct db *db, struct error *error) {
    uint64_t stored = merkle_stored_nodes(db->header.count);
    uint64_t blocks = merkle_block_count(db->header.count);
    uint8_t *nodes = malloc((size_t)stored * MERKLE_NODE_LEN);
    if (nodes == NULL)
        return error_set(error, ERR_MEMORY, "no memory for the Merkle nodes");
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t first = i * MERKLE_BLOCK;
        uint64_t left = db->header.count - first;
        merkle_block(nodes + i * MERKLE_NODE_LEN, db->keys + first * DB_KEY_LEN,
                     db->attributes + first * DB_ATTRIBUTES_LEN,
                     left < MERKLE_BLOCK ? (size_t)left : MERKLE_BLOCK);
    }
    merkle_fill(nodes, db->header.count);
    int code = 0;
    if (memcmp(nodes + (stored - 1) * MERKLE_NODE_LEN, db->header.merkle_root, MERKLE_NODE_LEN))
        code = error_set(error, ERR_SIGNATURE, "the Merkle root does not match the entries");
    else if (memcmp(nodes, db->merkle, (size_t)stored * MERKLE_NODE_LEN) != 0)
        code = error_set(error, ERR_FORMAT, "the Merkle nodes do not match the entries");
    free(nodes);
    return code;
}

int db_verify(const struct db *db, const char *name, struct error *error) {
    struct error reason;
    int code = 0;
    for (int i = 0; code == 0 && i < DB_SECTION_COUNT; i++)
        code = verify_section(db, (enum db_section_name)i, &reason);
    if (code == 0)
        code = verify_entries(db, &reason);
    if (code == 0)
        code = verify_merkle(db, &reason);
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", name, reason.text);
}
