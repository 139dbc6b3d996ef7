/* db_verify: the digest of each chunk, and every entry with what is said about it, on every
 * processor. What is recomputed is compared with what is stored. */
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
    uint64_t chunk_count;
    uint64_t work;                             /* of all units */
    db_progress *tell;                         /* NULL: nobody is told */
    pthread_mutex_t mutex;                     /* over what follows */
    uint8_t used_sets[CLASS_SETS_MAX / 8 + 1]; /* a bit for each set that a licence holds */
    uint64_t further_len; /* what the further terms seen take in their section */
    size_t further_max;   /* the longest of them */
    uint64_t done;        /* work */
    bool has_failed;      /* the first unit that failed, and why */
    uint64_t failed_unit;
    struct error reason;
};

/* --- chunks and the bytes between sections ---------------------------------------------------- */

static int verify_chunk(const struct db *db, uint64_t chunk, struct error *error) {
    const struct db_section *digests = &db->header.sections[DB_CHUNKS];
    const uint8_t *map = db->map;
    uint64_t start = DB_HEAD_LEN + chunk * DB_CHUNK;
    uint64_t len = digests->offset - start < DB_CHUNK ? digests->offset - start : DB_CHUNK;
    uint8_t digest[SHA256_LEN];
    sha256(digest, map + start, (size_t)len);
    if (memcmp(digest, map + digests->offset + chunk * SHA256_LEN, SHA256_LEN) != 0)
        return error_set(error, ERR_SIGNATURE,
                         "bytes %llu to %llu: their SHA-256 is not the one in the file",
                         (unsigned long long)start, (unsigned long long)(start + len - 1));
    return 0;
}

static int verify_sections(const struct db *db, struct error *error) {
    const struct db_section *sections = db->header.sections;
    const uint8_t *map = db->map;
    uint8_t digest[SHA256_LEN];
    sha256(digest, map + sections[DB_CHUNKS].offset, (size_t)sections[DB_CHUNKS].len);
    if (memcmp(digest, db->header.chunks_sha256, SHA256_LEN) != 0)
        return error_set(error, ERR_SIGNATURE, "section of %s: its SHA-256 is not the signed one",
                         db_section_name(DB_CHUNKS));
    for (int i = 0; i < DB_SECTION_COUNT; i++) {
        uint64_t end = sections[i].offset + sections[i].len;
        uint64_t next = i + 1 < DB_SECTION_COUNT ? sections[i + 1].offset : db->map_len;
        if (!bytes_are_zero(map + end, (size_t)(next - end)))
            return error_set(error, ERR_FORMAT, "section of %s: not followed by zeros",
                             db_section_name((enum db_section_name)i));
    }
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

static int verify_order(const struct db *db, uint64_t i, struct error *error) {
    const uint8_t *key = db_entry(db, i), *before = key - DB_ENTRY_LEN;
    uint32_t bits = db->header.fanout_bits;
    if (i > 0 && memcmp(before, key, DB_KEY_LEN) >= 0)
        return error_set(error, ERR_FORMAT, "entry %llu: keys are not in order",
                         (unsigned long long)i);
    uint64_t first = i == 0 ? 0 : db_bucket(before, bits) + 1;
    int code = verify_fanout(db, first, db_bucket(key, bits), i, error);
    if (code == 0 && i + 1 == db->header.count)
        code = verify_fanout(db, db_bucket(key, bits) + 1, (uint64_t)1 << bits, i + 1, error);
    return code;
}

/* What the entries of a piece hold together. */
struct piece {
    uint8_t used_sets[CLASS_SETS_MAX / 8 + 1];
    uint64_t further_at; /* where the further terms of the next licence that has some must be */
    uint64_t further_len;
    size_t further_max;
    bool has_further;
};

static void note_sets(struct piece *piece, const struct db *db, const struct terms *terms) {
    for (unsigned i = 0; i < terms->group_count; i++) {
        uint32_t set = class_sets_find(&db->sets, terms->groups[i].classes);
        piece->used_sets[set / 8] |= (uint8_t)(1u << set % 8);
    }
}

/* Whether the codes can be those of an entry: a place that holds no field is zero. */
static bool codes_are_possible(const struct db *db, const uint8_t *entry) {
    enum entry_kind kind = terms_kind(entry + ENTRY_TERMS);
    bool has_codes = kind == ENTRY_LICENCE || kind == ENTRY_FORMER;
    return (has_codes && db->header.facts.fields.count > 0) ||
           bytes_are_zero(entry + ENTRY_CODES, CODES_LEN);
}

static bool verify_licence(struct piece *piece, const struct db *db, const uint8_t *entry) {
    const uint8_t *terms_bytes = entry + ENTRY_TERMS;
    struct terms terms NOT_CLEARED;
    struct further further;
    size_t code_len = check_code_len(&db->header.facts.fields);
    if (!terms_further(terms_bytes, &db->further, &further) ||
        !terms_read(&terms, terms_bytes, further, &db->sets, code_len, true) ||
        (terms.status == STATUS_WITHHELD && !bytes_are_zero(entry + ENTRY_CODES, CODES_LEN)))
        return false;
    note_sets(piece, db, &terms);
    if (!terms_have_further(terms_bytes))
        return true;
    uint64_t at = terms_further_at(terms_bytes), room = further_room(further.len);
    bool is_next = !piece->has_further || at == piece->further_at;
    const uint8_t *end = further.bytes + further.len;
    piece->has_further = true;
    piece->further_at = at + room;
    piece->further_len += room;
    if (further.len > piece->further_max)
        piece->further_max = further.len;
    return is_next && bytes_are_zero(end, (size_t)room - FURTHER_HEAD_LEN - further.len);
}

static int verify_entry(struct piece *piece, const struct db *db, uint64_t i, struct error *error) {
    const uint8_t *entry = db_entry(db, i), *terms = entry + ENTRY_TERMS;
    uint64_t licence;
    int code = verify_order(db, i, error);
    if (code != 0)
        return code;
    if (!codes_are_possible(db, entry))
        return error_set(error, ERR_FORMAT, "entry %llu: impossible check codes",
                         (unsigned long long)i);
    if (terms_kind(terms) == ENTRY_LICENCE)
        return verify_licence(piece, db, entry)
                   ? 0
                   : error_set(error, ERR_FORMAT, "entry %llu: impossible terms",
                               (unsigned long long)i);
    if (terms[0] >> 2 != 0 || !db_find_licence(db, terms_licence_prefix(terms), &licence))
        return error_set(error, ERR_FORMAT, "entry %llu: a %s of no licence", (unsigned long long)i,
                         entry_kind_name(terms_kind(terms)));
    return 0;
}

static int verify_block(const struct db *db, uint64_t first, uint64_t end, struct error *error) {
    uint8_t nodes[MERKLE_BLOCK * MERKLE_NODE_LEN], root[MERKLE_NODE_LEN];
    for (uint64_t i = first; i < end; i++) {
        struct further further;
        terms_further(db_entry(db, i) + ENTRY_TERMS, &db->further, &further);
        entry_leaf(nodes + (i - first) * MERKLE_NODE_LEN, db_entry(db, i), further);
    }
    merkle_root_of(root, nodes, end - first);
    if (memcmp(root, db->merkle + first / MERKLE_BLOCK * MERKLE_NODE_LEN, MERKLE_NODE_LEN) != 0)
        return error_set(error, ERR_FORMAT, "the Merkle node over entries %llu to %llu is wrong",
                         (unsigned long long)first, (unsigned long long)end - 1);
    return 0;
}

/* Adds what a piece holds to what all hold. */
static void merge_piece(struct verification *all, const struct piece *piece) {
    pthread_mutex_lock(&all->mutex);
    for (size_t i = 0; i < sizeof all->used_sets; i++)
        all->used_sets[i] |= piece->used_sets[i];
    all->further_len += piece->further_len;
    if (piece->further_max > all->further_max)
        all->further_max = piece->further_max;
    pthread_mutex_unlock(&all->mutex);
}

static int verify_entries(struct verification *all, uint64_t first, uint64_t end,
                          struct error *error) {
    const struct db *db = all->db;
    struct piece piece = {0};
    for (uint64_t i = first; i < end; i++) {
        int code = verify_entry(&piece, db, i, error);
        if (code != 0)
            return code;
    }
    for (uint64_t block = first; block < end; block += MERKLE_BLOCK) {
        uint64_t block_end = end - block < MERKLE_BLOCK ? end : block + MERKLE_BLOCK;
        int code = verify_block(db, block, block_end, error);
        if (code != 0)
            return code;
    }
    merge_piece(all, &piece);
    return 0;
}

/* What is known once all entries have been seen. */
static int verify_totals(const struct verification *all, struct error *error) {
    const struct db_header *header = &all->db->header;
    if (all->further_len != header->sections[DB_FURTHER].len ||
        all->further_max != header->further_max)
        return error_set(error, ERR_FORMAT, "section of further terms: not what the licences have");
    for (uint32_t set = 1; set <= all->db->sets.count; set++) {
        if (!(all->used_sets[set / 8] >> set % 8 & 1))
            return error_set(error, ERR_FORMAT, "dictionary: no licence holds set %u", set);
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

/* Unit 0 is the chunk digests' own digest and the zeros, 1 the upper levels; then chunks, then
 * pieces of entries. */
enum { UNIT_SECTIONS, UNIT_LEVELS, UNIT_CHUNKS };

static int do_unit(struct verification *all, uint64_t unit, struct error *reason) {
    const struct db *db = all->db;
    if (unit == UNIT_SECTIONS)
        return verify_sections(db, reason);
    if (unit == UNIT_LEVELS)
        return verify_levels(db, reason);
    unit -= UNIT_CHUNKS;
    if (unit < all->chunk_count)
        return verify_chunk(db, unit, reason);
    uint64_t first = (unit - all->chunk_count) * PIECE, left = db->header.count - first;
    return verify_entries(all, first, left < PIECE ? db->header.count : first + PIECE, reason);
}

/* How much work a unit is, in bytes: those of an entry take five times as long as those of a chunk. */
static uint64_t work_of(const struct verification *all, uint64_t unit) {
    return unit < UNIT_CHUNKS + all->chunk_count ? DB_CHUNK : (uint64_t)5 * PIECE * DB_ENTRY_LEN;
}

static int verify_unit(void *context, uint64_t unit, uint64_t end) {
    struct verification *verification = context;
    struct error reason;
    (void)end; /* each thread takes one unit at a time */
    int code = do_unit(verification, unit, &reason);
    pthread_mutex_lock(&verification->mutex);
    verification->done += work_of(verification, unit);
    if (code == 0 && verification->tell != NULL)
        verification->tell(verification->done, verification->work);
    if (code != 0 && (!verification->has_failed || unit < verification->failed_unit)) {
        verification->has_failed = true;
        verification->failed_unit = unit;
        verification->reason = reason;
    }
    pthread_mutex_unlock(&verification->mutex);
    return code;
}

int db_verify(const struct db *db, unsigned thread_count, const char *name, db_progress *tell,
              struct error *error) {
    struct verification verification = {.db = db, .tell = tell, .mutex = PTHREAD_MUTEX_INITIALIZER};
    uint64_t pieces = (db->header.count + PIECE - 1) / PIECE;
    verification.chunk_count = db->header.sections[DB_CHUNKS].len / SHA256_LEN;
    uint64_t units = UNIT_CHUNKS + verification.chunk_count + pieces;
    verification.work = (units - pieces) * DB_CHUNK + pieces * work_of(&verification, units);
    int code = parallel_run(thread_count, units, 1, verify_unit, &verification);
    pthread_mutex_destroy(&verification.mutex);
    if (code == 0)
        code = verify_totals(&verification, &verification.reason);
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", name, verification.reason.text);
}
