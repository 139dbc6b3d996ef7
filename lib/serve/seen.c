#include "serve/seen.h"

#include "base/bytes.h"

#define HASHES 4

/* Whether all bits of the hash are set; sets them where `sets`. */
static bool look(_Atomic uint64_t *filter, const uint8_t hash[AEAD_TAG_LEN], bool sets) {
    bool are_set = true;
    for (unsigned i = 0; i < HASHES; i++) {
        uint32_t bit = load_le32(hash + 4 * i) % (64 * SEEN_WORDS);
        uint64_t mask = (uint64_t)1 << bit % 64;
        _Atomic uint64_t *word = &filter[bit / 64];
        bool is_set = (atomic_load_explicit(word, memory_order_relaxed) & mask) != 0;
        if (!is_set && sets)
            is_set = (atomic_fetch_or_explicit(word, mask, memory_order_relaxed) & mask) != 0;
        are_set &= is_set;
    }
    return are_set;
}

/* Empties the older filter, which takes new hashes from now on. */
static void turn_over(struct seen *seen, uint32_t turn) {
    _Atomic uint64_t *next = seen->filters[(turn + 1) & 1];
    for (uint32_t i = 0; i < SEEN_WORDS; i++)
        atomic_store_explicit(&next[i], 0, memory_order_relaxed);
    atomic_store_explicit(&seen->count, 0, memory_order_relaxed);
    atomic_store_explicit(&seen->turn, turn + 1, memory_order_release);
}

void seen_hash(uint8_t hash[AEAD_TAG_LEN], const uint8_t key[AEAD_KEY_LEN], const uint8_t *frame,
               size_t len) {
    /* Nobody sees what comes out of it, so one key and nonce may serve for all frames. */
    static const uint8_t nonce[AEAD_NONCE_LEN];
    uint8_t nothing;
    aead_seal(key, nonce, frame, len, &nothing, 0, hash);
}

bool seen_before(struct seen *seen, const uint8_t hash[AEAD_TAG_LEN]) {
    uint32_t turn = atomic_load_explicit(&seen->turn, memory_order_acquire);
    return look(seen->filters[(turn + 1) & 1], hash, false) ||
           look(seen->filters[turn & 1], hash, false);
}

void seen_add(struct seen *seen, const uint8_t hash[AEAD_TAG_LEN]) {
    uint32_t turn = atomic_load_explicit(&seen->turn, memory_order_acquire);
    bool was_there = look(seen->filters[turn & 1], hash, true);
    /* One of the workers adds the last one. */
    if (!was_there &&
        atomic_fetch_add_explicit(&seen->count, 1, memory_order_relaxed) + 1 == SEEN_TAGS)
        turn_over(seen, turn);
}
