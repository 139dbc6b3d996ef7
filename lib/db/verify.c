/* db_verify: the digest of each section, and every entry with what is said about it, on every
 * processor. Nothing is allocated: what is recomputed is compared with what is stored. */
#include "base/bytes.h"
#include "base/parallel.h"
#include "db/find.h"
#include "db/merkle.h"
#include "db/open.h"

#include <pthread.h>
#include <string.h>

#define PIECE (1u << 16) /* entries, a multiple of MERKLE_BLOCK */

struct verification {
    const struct db *db;
    pthread_mutex_t mutex; /* over what follows: the first unit that failed, and why */
    bool has_failed;
    uint64_t failed_unit;
    struct error reason;
};

/* --- sections --------------------------------------------------------------------------------- */

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

/* --- entries ---------------------------------------------------------------------------------- */

/* Elements first .. last of the fan-out must be `index`. */
static int verify_fanout(const struct db *db, uint64_t first, uint64_t last, uint64_t index,
                         struct error *error) {
    for (uint64_t bucket = first; bucket <= last; bucket++) {
        if (load_le32(db->fanout + bucket * DB_FANOUT_LEN) != index)
            return error_set(error, ERR_FORMAT, "fan-out element %llu is wrong",
                             (unsigned long long)bucket);
    }
    return 0;
}

static int verify_entry(const struct db *db, uint64_t i, struct error *error) {
    const uint8_t *key = db->keys + i * DB_KEY_LEN;
    uint32_t bits = db->header.fanout_bits;
    struct licence licence;
    if (i > 0 && memcmp(key - DB_KEY_LEN, key, DB_KEY_LEN) >= 0)
        return error_set(error, ERR_FORMAT, "entry %llu: keys are not in order",
                         (unsigned long long)i);
    if (!db_attributes_decode(&licence, db->attributes + i * DB_ATTRIBUTES_LEN))
        return error_set(error, ERR_FORMAT, "entry %llu: impossible attributes",
                         (unsigned long long)i);
    uint64_t first = i == 0 ? 0 : db_bucket(key - DB_KEY_LEN, bits) + 1;
    int code = verify_fanout(db, first, db_bucket(key, bits), i, error);
    if (code == 0 && i + 1 == db->header.count)
        code = verify_fanout(db, db_bucket(key, bits) + 1, (uint64_t)1 << bits, i + 1, error);
    return code;
}

static int verify_block(const struct db *db, uint64_t first, uint64_t end, struct error *error) {
    uint8_t node[MERKLE_NODE_LEN];
    merkle_block(node, db->keys + first * DB_KEY_LEN, db->attributes + first * DB_ATTRIBUTES_LEN,
                 (size_t)(end - first));
    if (memcmp(node, db->merkle + first / MERKLE_BLOCK * MERKLE_NODE_LEN, MERKLE_NODE_LEN) != 0)
        return error_set(error, ERR_FORMAT, "the Merkle node over entries %llu to %llu is wrong",
                         (unsigned long long)first, (unsigned long long)end - 1);
    return 0;
}

static int verify_entries(const struct db *db, uint64_t first, uint64_t end, struct error *error) {
    for (uint64_t i = first; i < end; i++) {
        int code = verify_entry(db, i, error);
        if (code != 0)
            return code;
    }
    for (uint64_t block = first; block < end; block += MERKLE_BLOCK) {
        uint64_t block_end = end - block < MERKLE_BLOCK ? end : block + MERKLE_BLOCK;
        int code = verify_block(db, block, block_end, error);
        if (code != 0)
            return code;
    }
    return 0;
}

/* --- the levels of the tree above ------------------------------------------------------------ */

static int verify_levels(const struct db *db, struct error *error) {
    const uint8_t *level = db->merkle;
    uint64_t count = merkle_block_count(db->header.count);
    while (count > 1) {
        const uint8_t *above = level + count * MERKLE_NODE_LEN;
        for (uint64_t i = 0; i < (count + 1) / 2; i++) {
            uint8_t node[MERKLE_NODE_LEN];
            merkle_parent(node, level, count, i);
            if (memcmp(node, above + i * MERKLE_NODE_LEN, MERKLE_NODE_LEN) != 0)
                return error_set(error, ERR_FORMAT,
                                 "a Merkle node is not that of the two below it");
        }
        level = above;
        count = (count + 1) / 2;
    }
    if (memcmp(level, db->header.merkle_root, MERKLE_NODE_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "the Merkle root does not match the entries");
    return 0;
}

/* --- all of it ------------------------------------------------------------------------------- */

/* Units 0 to 3 are the sections, 4 the upper levels, the rest pieces of entries. The sections come
 * first: the longest of them is the longest unit. */
#define UNIT_LEVELS DB_SECTION_COUNT
#define UNIT_ENTRIES (DB_SECTION_COUNT + 1)

static int verify_unit(void *context, uint64_t unit, uint64_t end) {
    struct verification *verification = context;
    const struct db *db = verification->db;
    struct error reason;
    int code;
    (void)end; /* each thread takes one unit at a time */
    if (unit < UNIT_LEVELS) {
        code = verify_section(db, (enum db_section_name)unit, &reason);
    } else if (unit == UNIT_LEVELS) {
        code = verify_levels(db, &reason);
    } else {
        uint64_t first = (unit - UNIT_ENTRIES) * PIECE;
        uint64_t left = db->header.count - first;
        code = verify_entries(db, first, left < PIECE ? db->header.count : first + PIECE, &reason);
    }
    if (code == 0)
        return 0;
    pthread_mutex_lock(&verification->mutex);
    if (!verification->has_failed || unit < verification->failed_unit) {
        verification->has_failed = true;
        verification->failed_unit = unit;
        verification->reason = reason;
    }
    pthread_mutex_unlock(&verification->mutex);
    return code;
}

int db_verify(const struct db *db, unsigned thread_count, const char *name, struct error *error) {
    struct verification verification = {.db = db, .mutex = PTHREAD_MUTEX_INITIALIZER};
    uint64_t pieces = (db->header.count + PIECE - 1) / PIECE;
    int code = parallel_run(thread_count, UNIT_ENTRIES + pieces, 1, verify_unit, &verification);
    pthread_mutex_destroy(&verification.mutex);
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", name, verification.reason.text);
}
