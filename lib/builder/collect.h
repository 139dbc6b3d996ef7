/* The second stage of a build: facts come in, in any order, and are given out sorted.
 *
 * A fact takes 64 bytes. Facts that do not fit into the memory allowed are sorted in pieces
 * (runs), which wait in temporary files and are merged at the end. */
#ifndef DLV_BUILDER_COLLECT_H
#define DLV_BUILDER_COLLECT_H

#include "base/parallel.h"
#include "builder/runs.h"
#include "builder/settings.h"
#include "builder/sort.h"

/* Until the first spill all memory is filled at once. After it one half is filled while the other
 * is sorted and written by a thread of its own. */
struct collector {
    const struct build_settings *settings;
    struct fact *facts; /* mapped, so that it takes memory only as it is filled */
    size_t capacity;
    size_t start; /* of the part that is being filled ... */
    size_t count; /* ... how far it is filled, from the start of memory ... */
    size_t limit; /* ... and where it ends */
    struct runs runs;
    struct parallel spiller;
    struct fact *spilling; /* what the spiller works on */
    size_t spilling_count;
    struct error spill_error;
    struct run_stream stream;
    size_t given; /* facts given out from memory */
};

/* 0, or ERR_MEMORY with the reason. The settings must live as long as the collector. */
int collector_open(struct collector *collector, const struct build_settings *settings,
                   struct error *error);

/* One thread reserves room for `count` facts; then several threads may put facts into it at
 * once. Nobody may reserve while another thread puts. 0; ERR_LIMIT where memory is too small for
 * `count`, or a spill had no room in the runs; or ERR_SYSTEM where a spill failed. */
int collector_reserve(struct collector *collector, size_t count, struct error *error);
void collector_put(struct collector *collector, const struct fact *facts, size_t count);

/* Nothing more comes: sorts what is there. The number of facts is at *total. 0 or a negative code
 * with the reason. */
int collector_sort(struct collector *collector, uint64_t *total, struct error *error);

/* The next fact in order, at *fact until the next call: 1, 0 at the end, or ERR_SYSTEM. */
int collector_next(struct collector *collector, const struct fact **fact, struct error *error);

/* Releases memory and temporary files. Also after a collector_open that failed. */
void collector_close(struct collector *collector);

#endif
