/* American flag sort (McIlroy, Bostic, McIlroy 1993): a radix sort in place, most significant byte
 * first; small groups by insertion. Keys are digests, so two passes put most of them in place. */
#include "builder/sort.h"

#include "base/parallel.h"

#include <string.h>

#define SMALL 24

/* The bytes by which facts are sorted: they begin with the key, and the line follows it. */
static const uint8_t *sort_key(const struct fact *fact) {
    return (const uint8_t *)fact;
}

static void insertion_sort(struct fact *facts, size_t count, size_t byte) {
    for (size_t i = 1; i < count; i++) {
        struct fact moving = facts[i];
        size_t at = i;
        while (at > 0 && memcmp(sort_key(&facts[at - 1]) + byte, sort_key(&moving) + byte,
                                FACT_SORT_LEN - byte) > 0) {
            facts[at] = facts[at - 1];
            at--;
        }
        facts[at] = moving;
    }
}

/* Where each group of facts with one value of a byte ends. */
struct groups {
    size_t end[256];
};

/* Has the memory from the end of the next entry ready by the time its group comes again. */
static void prefetch_behind(const struct fact *next) {
    __builtin_prefetch((const void *)((uintptr_t)next + sizeof *next), 1);
}

/* Puts facts into groups by one byte of their key. */
static void distribute(struct fact *facts, size_t count, size_t byte, struct groups *groups) {
    size_t next[256] = {0}; /* where the next entry of each group goes */
    for (size_t i = 0; i < count; i++)
        next[sort_key(&facts[i])[byte]]++;
    for (size_t group = 0, start = 0; group < 256; group++) {
        groups->end[group] = start + next[group];
        next[group] = start;
        start = groups->end[group];
    }
    for (size_t group = 0; group < 256; group++) {
        while (next[group] < groups->end[group]) {
            struct fact moving = facts[next[group]];
            size_t own;
            while ((own = sort_key(&moving)[byte]) != group) {
                struct fact displaced = facts[next[own]];
                facts[next[own]++] = moving;
                prefetch_behind(&facts[next[own]]);
                moving = displaced;
            }
            facts[next[group]++] = moving;
        }
    }
}

static void sort_from(struct fact *facts, size_t count, size_t byte);

static void sort_groups(struct fact *facts, size_t count, size_t byte) {
    struct groups groups;
    distribute(facts, count, byte, &groups);
    for (size_t group = 0, start = 0; group < 256; start = groups.end[group++])
        sort_from(facts + start, groups.end[group] - start, byte + 1);
}

/* Sorts facts whose keys are equal before `byte`. */
static void sort_from(struct fact *facts, size_t count, size_t byte) {
    if (count <= SMALL)
        insertion_sort(facts, count, byte);
    else if (byte < FACT_SORT_LEN)
        sort_groups(facts, count, byte);
}

struct job {
    struct fact *facts;
    struct groups groups;
};

static int sort_group(void *context, uint64_t group, uint64_t end) {
    const struct job *job = context;
    size_t start = group == 0 ? 0 : job->groups.end[group - 1];
    (void)end; /* one group at a time */
    sort_from(job->facts + start, job->groups.end[group] - start, 1);
    return 0;
}

void sort_facts(struct fact *facts, size_t count, unsigned thread_count) {
    if (count <= SMALL) {
        if (count > 1)
            insertion_sort(facts, count, 0);
        return;
    }
    struct job job = {.facts = facts};
    distribute(facts, count, 0, &job.groups);
    parallel_run(thread_count, 256, 1, sort_group, &job);
}
