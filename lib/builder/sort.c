/* American flag sort (McIlroy, Bostic, McIlroy 1993): a radix sort in place, most significant byte
 * first; small groups by insertion. Keys are digests, so two passes put most of them in place. */
#include "builder/sort.h"

#include "base/bytes.h"
#include "base/parallel.h"

#include <string.h>

#define SMALL 24

void sort_entry_set(struct sort_entry *entry, const uint8_t key[DB_KEY_LEN],
                    const struct licence *licence, uint64_t line) {
    memcpy(entry->sort_key, key, DB_KEY_LEN);
    store_be64(entry->sort_key + DB_KEY_LEN, line);
    db_attributes_encode(entry->attributes, licence);
}

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

/* Where each group of entries with one value of a byte ends. */
struct groups {
    size_t end[256];
};

/* Has the memory from the end of the next entry ready by the time its group comes again. */
static void prefetch_behind(const struct sort_entry *next) {
    __builtin_prefetch((const void *)((uintptr_t)next + sizeof *next), 1);
}

/* Puts entries into groups by one byte of their key. */
static void distribute(struct sort_entry *entries, size_t count, size_t byte,
                       struct groups *groups) {
    size_t next[256] = {0}; /* where the next entry of each group goes */
    for (size_t i = 0; i < count; i++)
        next[entries[i].sort_key[byte]]++;
    for (size_t group = 0, start = 0; group < 256; group++) {
        groups->end[group] = start + next[group];
        next[group] = start;
        start = groups->end[group];
    }
    for (size_t group = 0; group < 256; group++) {
        while (next[group] < groups->end[group]) {
            struct sort_entry moving = entries[next[group]];
            size_t own;
            while ((own = moving.sort_key[byte]) != group) {
                struct sort_entry displaced = entries[next[own]];
                entries[next[own]++] = moving;
                prefetch_behind(&entries[next[own]]);
                moving = displaced;
            }
            entries[next[group]++] = moving;
        }
    }
}

static void sort_from(struct sort_entry *entries, size_t count, size_t byte);

static void sort_groups(struct sort_entry *entries, size_t count, size_t byte) {
    struct groups groups;
    distribute(entries, count, byte, &groups);
    for (size_t group = 0, start = 0; group < 256; start = groups.end[group++])
        sort_from(entries + start, groups.end[group] - start, byte + 1);
}

/* Sorts entries whose keys are equal before `byte`. */
static void sort_from(struct sort_entry *entries, size_t count, size_t byte) {
    if (count <= SMALL)
        insertion_sort(entries, count, byte);
    else if (byte < SORT_KEY_LEN)
        sort_groups(entries, count, byte);
}

struct job {
    struct sort_entry *entries;
    struct groups groups;
};

static int sort_group(void *context, uint64_t group, uint64_t end) {
    const struct job *job = context;
    size_t start = group == 0 ? 0 : job->groups.end[group - 1];
    (void)end; /* one group at a time */
    sort_from(job->entries + start, job->groups.end[group] - start, 1);
    return 0;
}

void sort_entries(struct sort_entry *entries, size_t count, unsigned thread_count) {
    if (count <= SMALL) {
        if (count > 1)
            insertion_sort(entries, count, 0);
        return;
    }
    struct job job = {.entries = entries};
    distribute(entries, count, 0, &job.groups);
    parallel_run(thread_count, 256, 1, sort_group, &job);
}
