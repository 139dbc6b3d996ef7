#include "builder/collect.h"

#include <string.h>
#include <sys/mman.h>

#define GIVEN_BACK (1u << 16) /* facts whose memory is given back at once; whole pages */

int collector_open(struct collector *collector, const struct build_settings *settings,
                   struct error *error) {
    memset(collector, 0, sizeof *collector);
    collector->settings = settings;
    runs_init(&collector->runs, settings->temporary_folder);
    parallel_open(&collector->spiller, settings->thread_count > 1 ? 2 : 1);
    collector->capacity = collector->limit = settings->memory / sizeof *collector->facts;
    void *memory = mmap(NULL, collector->capacity * sizeof *collector->facts,
                        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return error_set(error, ERR_MEMORY, "no memory for %zu facts", collector->capacity);
    collector->facts = memory;
    return 0;
}

void collector_close(struct collector *collector) {
    parallel_close(&collector->spiller);
    if (collector->facts != NULL)
        munmap(collector->facts, collector->capacity * sizeof *collector->facts);
    collector->facts = NULL;
    runs_close(&collector->runs);
}

/* --- spilling --------------------------------------------------------------------------------- */

/* Sorts what is to be spilled and makes a run of it. The work is one unit, so the range of units
 * says nothing. */
static int spill(void *context, uint64_t first, uint64_t end) {
    struct collector *collector = context;
    (void)first, (void)end;
    sort_facts(collector->spilling, collector->spilling_count, collector->settings->thread_count);
    return runs_spill(&collector->runs, collector->spilling, collector->spilling_count,
                      &collector->spill_error);
}

static int wait_for_spill(struct collector *collector, struct error *error) {
    int code = parallel_wait(&collector->spiller);
    if (code != 0)
        *error = collector->spill_error;
    return code;
}

/* Begins to spill the facts from one place in memory to another. */
static int begin_spill(struct collector *collector, size_t from, size_t to, struct error *error) {
    int code = wait_for_spill(collector, error);
    if (code == 0 && from < to) {
        collector->spilling = collector->facts + from;
        collector->spilling_count = to - from;
        parallel_start(&collector->spiller, 1, 1, spill, collector);
    }
    return code;
}

/* Spills the part that is full, and goes on with the half of memory that is free. */
static int change_halves(struct collector *collector, struct error *error) {
    size_t half = collector->capacity / 2;
    int code = 0;
    bool is_first_time = collector->start == 0 && collector->limit == collector->capacity;
    if (is_first_time) {
        code = begin_spill(collector, 0, half, error);
        collector->start = half;
    }
    if (code == 0)
        code = begin_spill(collector, collector->start, collector->count, error);
    collector->start = collector->count = collector->start > 0 ? 0 : half;
    collector->limit = collector->start + half;
    return code;
}

int collector_reserve(struct collector *collector, size_t count, struct error *error) {
    if (collector->count + count <= collector->limit)
        return 0;
    if (count > collector->capacity / 2)
        return error_set(error, ERR_LIMIT, "too little memory is allowed");
    return change_halves(collector, error);
}

void collector_put(struct collector *collector, const struct fact *facts, size_t count) {
    size_t at = __atomic_fetch_add(&collector->count, count, __ATOMIC_RELAXED);
    memcpy(collector->facts + at, facts, count * sizeof *facts);
}

/* --- in order --------------------------------------------------------------------------------- */

int collector_sort(struct collector *collector, uint64_t *total, struct error *error) {
    const struct build_settings *settings = collector->settings;
    int code = wait_for_spill(collector, error);
    *total = collector->count;
    if (code != 0)
        return code;
    build_report(settings, "sorting", "facts", 0, 0);
    if (collector->runs.count == 0) {
        sort_facts(collector->facts, collector->count, settings->thread_count);
        return 0;
    }
    code = begin_spill(collector, collector->start, collector->count, error);
    if (code == 0)
        code = wait_for_spill(collector, error);
    if (code == 0 && collector->capacity < collector->runs.count)
        code = error_set(error, ERR_LIMIT, "too little memory is allowed to merge the runs");
    *total = runs_total(&collector->runs);
    return code != 0 ? code
                     : run_stream_open(&collector->stream, &collector->runs, collector->facts,
                                       collector->capacity, error);
}

/* Gives back the memory of the last GIVEN_BACK facts before `at`. The pages of the output in the
 * system's cache can then take it, which costs less than memory that nobody has used yet. */
static void give_back(const struct collector *collector, size_t at) {
    madvise(collector->facts + (at - GIVEN_BACK), GIVEN_BACK * sizeof *collector->facts,
            MADV_DONTNEED);
}

int collector_next(struct collector *collector, const struct fact **fact, struct error *error) {
    if (collector->runs.count > 0)
        return run_stream_next(&collector->stream, fact, error);
    if (collector->given == collector->count)
        return 0;
    if (collector->given % GIVEN_BACK == 0 && collector->given > 0)
        give_back(collector, collector->given);
    *fact = &collector->facts[collector->given++];
    __builtin_prefetch((const void *)((uintptr_t)*fact + 16 * sizeof **fact));
    return 1;
}
