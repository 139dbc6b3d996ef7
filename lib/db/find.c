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
        int order = compare(db_entry(db, middle), key, head);
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
        last += half & -(uint64_t)(load_be64(db_entry(db, last + half)) <= head);
        n -= half;
    }
    /* the last entry whose head is not above the key's */
    const uint8_t *found = db_entry(db, last);
    uint64_t found_head = load_be64(found);
    bool is_found = is_same(found, key);
    if (found_head == head && !is_found)
        return search(db, key, low, high, at);
    *at = last + (found_head < head);
    return is_found;
}

/* A bucket takes two or three cache lines. */
static void prefetch_bucket(const struct db *db, uint64_t low, uint64_t high) {
    const uint8_t *first = db_entry(db, low);
    __builtin_prefetch(first);
    __builtin_prefetch(first + DB_ENTRY_LEN);
    __builtin_prefetch(db_entry(db, low + (high - low) / 2) + DB_ENTRY_LEN);
}

bool db_find(const struct db *db, const uint8_t key[DB_KEY_LEN], uint64_t *at) {
    uint64_t low, high;
    bucket_range(db, key, &low, &high);
    prefetch_bucket(db, low, high);
    return search_cached(db, key, low, high, at);
}

void db_find_batch(const struct db *db, const uint8_t *keys, size_t n, uint8_t *found,
                   uint64_t *at) {
    uint64_t low[DB_BATCH_MAX], high[DB_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(db->fanout + db_bucket(keys + i * DB_KEY_LEN, db->header.fanout_bits) *
                                            DB_FANOUT_LEN);
    for (size_t i = 0; i < n; i++) {
        bucket_range(db, keys + i * DB_KEY_LEN, &low[i], &high[i]);
        prefetch_bucket(db, low[i], high[i]);
    }
    for (size_t i = 0; i < n; i++)
        found[i] = (uint8_t)search_cached(db, keys + i * DB_KEY_LEN, low[i], high[i], &at[i]);
}

bool db_find_licence(const struct db *db, const uint8_t prefix[LICENCE_PREFIX_LEN], uint64_t *at) {
    uint8_t key[DB_KEY_LEN] = {0};
    memcpy(key, prefix, LICENCE_PREFIX_LEN);
    db_find(db, key, at);
    return *at < db->header.count && memcmp(db_entry(db, *at), prefix, LICENCE_PREFIX_LEN) == 0 &&
           terms_kind(db_entry(db, *at) + ENTRY_TERMS) == ENTRY_LICENCE;
}
