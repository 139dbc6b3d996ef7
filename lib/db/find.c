#include "db/find.h"

#include <string.h>

/* A key's first 8 bytes decide nearly every comparison. */
static int compare(const uint8_t *stored, const uint8_t *key, uint64_t key_head) {
    uint64_t head = load_be64(stored);
    if (head != key_head)
        return head < key_head ? -1 : 1;
    return memcmp(stored + 8, key + 8, DB_KEY_LEN - 8);
}

/* The range of entries that share the key's leading bits. It is cut at the number of entries, so
 * that the damaged fan-out of a file that was opened without db_verify cannot lead outside the
 * map. */
static void bucket_range(const struct db *db, const uint8_t *key, uint64_t *low, uint64_t *high) {
    const uint8_t *element = db->fanout + db_bucket(key, db->header.fanout_bits) * DB_FANOUT_LEN;
    *low = load_le32(element);
    *high = load_le32(element + DB_FANOUT_LEN);
    if (*high > db->header.count)
        *high = db->header.count;
    if (*low > *high)
        *low = *high;
}

static bool search(const struct db *db, const uint8_t *key, uint64_t low, uint64_t high,
                   uint64_t *at) {
    uint64_t head = load_be64(key);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = compare(db->keys + middle * DB_KEY_LEN, key, head);
        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return false;
}

/* Whether two keys are equal, without a branch. */
static bool is_same(const uint8_t *a, const uint8_t *b) {
    uint64_t difference = 0;
    for (int i = 0; i < DB_KEY_LEN; i += 8)
        difference |= load_le64(a + i) ^ load_le64(b + i);
    return difference == 0;
}

/* Does the same as `search`, for keys that are already in the cache. There, most time is lost by
 * branches that the processor cannot predict, so this function has none, except for keys that share
 * their first 8 bytes. */
static bool search_cached(const struct db *db, const uint8_t *key, uint64_t low, uint64_t high,
                          uint64_t *at) {
    uint64_t head = load_be64(key), last = low;
    if (low == high)
        return search(db, key, low, high, at);
    for (uint64_t n = high - low; n > 1;) {
        uint64_t half = n / 2;
        last += half & -(uint64_t)(load_be64(db->keys + (last + half) * DB_KEY_LEN) <= head);
        n -= half;
    }
    /* the last entry whose head is not above the key's */
    const uint8_t *found = db->keys + last * DB_KEY_LEN;
    uint64_t found_head = load_be64(found);
    bool is_found = is_same(found, key);
    if (found_head == head && !is_found)
        return search(db, key, low, high, at);
    *at = last + (found_head < head);
    return is_found;
}

bool db_find(const struct db *db, const uint8_t key[DB_KEY_LEN], uint64_t *at) {
    uint64_t low, high;
    bucket_range(db, key, &low, &high);
    __builtin_prefetch(db->attributes + low * DB_ATTRIBUTES_LEN);
    return search(db, key, low, high, at);
}

void db_find_batch(const struct db *db, const uint8_t *keys, size_t n, uint8_t *found,
                   uint64_t *at) {
    uint64_t low[DB_BATCH_MAX], high[DB_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(db->fanout + db_bucket(keys + i * DB_KEY_LEN, db->header.fanout_bits) *
                                            DB_FANOUT_LEN);
    for (size_t i = 0; i < n; i++) {
        bucket_range(db, keys + i * DB_KEY_LEN, &low[i], &high[i]);
        /* A bucket takes two or three cache lines, its attributes take one. */
        const uint8_t *middle = db->keys + (low[i] + (high[i] - low[i]) / 2) * DB_KEY_LEN;
        __builtin_prefetch(db->keys + low[i] * DB_KEY_LEN);
        __builtin_prefetch(middle);
        __builtin_prefetch(middle + DB_KEY_LEN);
    }
    for (size_t i = 0; i < n; i++) {
        found[i] = (uint8_t)search_cached(db, keys + i * DB_KEY_LEN, low[i], high[i], &at[i]);
        __builtin_prefetch(db->attributes + at[i] * DB_ATTRIBUTES_LEN);
    }
}

/* Fills in the answer from the entry at `at`, or says that nothing was found. */
static struct db_answer read_entry(const struct db *db, bool is_found, uint64_t at,
                                   enum licence_kind kind, uint32_t day) {
    struct licence licence;
    if (!is_found || !db_attributes_decode(&licence, db->attributes + at * DB_ATTRIBUTES_LEN) ||
        (kind != KIND_ANY && licence.kind != kind))
        return db_answer_none();
    return db_answer_found(&licence, day);
}

void db_ask(const struct db *db, const struct lookup_key *lookup_key,
            const uint8_t digest[SHA256_LEN], enum licence_kind kind, uint32_t day,
            struct db_answer *answer) {
    uint8_t key[DB_KEY_LEN];
    uint64_t at;
    lookup_key_apply(lookup_key, digest, key);
    bool is_found = db_find(db, key, &at);
    *answer = read_entry(db, is_found, at, kind, day);
}

void db_ask_batch(const struct db *db, const struct lookup_key *lookup_key, const uint8_t *digests,
                  size_t n, enum licence_kind kind, uint32_t day, struct db_answer *answers) {
    uint8_t keys[DB_BATCH_MAX * DB_KEY_LEN] = {0}, found[DB_BATCH_MAX];
    uint64_t at[DB_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        lookup_key_apply(lookup_key, digests + i * SHA256_LEN, keys + i * DB_KEY_LEN);
    db_find_batch(db, keys, n, found, at);
    for (size_t i = 0; i < n; i++)
        answers[i] = read_entry(db, found[i], at[i], kind, day);
}
