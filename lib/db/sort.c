/* American flag sort (McIlroy, Bostic, McIlroy 1993): a radix sort in place, most significant byte
 * first; small groups by insertion. Keys are digests, so two passes put most of them in place. */
#include "db/sort.h"

#include "base/bytes.h"

#include <string.h>

#define SMALL 24

uint64_t sort_entry_line(const struct sort_entry *entry) {
    return load_be64(entry->sort_key + DB_KEY_LEN);
}

static void insertion_sort(struct sort_entry *entries, size_t count, size_t byte) {
    for (size_t i = 1; i < count; i++) {
        struct sort_entry moving = entries[i];
        size_t at = i;
        while (at > 0 && memcmp(entries[at - 1].sort_key + byte, moving.sort_key + byte,
                                SORT_KEY_LEN - byte) > 0) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = moving;
    }
}

static void radix_sort(struct sort_entry *entries, size_t count, size_t byte) {
    size_t next[256] = {0}; /* where the next entry of each group goes */
    size_t end[256];
    for (size_t i = 0; i < count; i++)
        next[entries[i].sort_key[byte]]++;
    for (size_t group = 0, start = 0; group < 256; group++) {
        end[group] = start + next[group];
        next[group] = start;
        start = end[group];
    }
    for (size_t group = 0; group < 256; group++) {
        while (next[group] < end[group]) {
            struct sort_entry moving = entries[next[group]];
            size_t own;
            while ((own = moving.sort_key[byte]) != group) {
                struct sort_entry displaced = entries[next[own]];
                entries[next[own]++] = moving;
                moving = displaced;
            }
            entries[next[group]++] = moving;
        }
    }
    if (byte + 1 == SORT_KEY_LEN)
        return;
    for (size_t group = 0, start = 0; group < 256; start = end[group++]) {
        size_t size = end[group] - start;
        if (size <= SMALL)
            insertion_sort(entries + start, size, byte + 1);
        else
            radix_sort(entries + start, size, byte + 1);
    }
}

void sort_entries(struct sort_entry *entries, size_t count) {
    radix_sort(entries, count, 0);
}
