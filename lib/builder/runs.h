/* Sorted runs of facts in temporary files, and the stream that merges them. A database that is
 * larger than memory is sorted this way: each run is as large as half the memory, and all runs are
 * merged at once. */
#ifndef DLV_BUILDER_RUNS_H
#define DLV_BUILDER_RUNS_H

#include "base/error.h"
#include "builder/sort.h"

#include <stdbool.h>

#define RUNS_MAX 1024

/* The files have no name, so they are gone when they are closed or the process ends in any way. */
struct runs {
    const char *folder; /* where temporary files are put */
    unsigned count;
    int fds[RUNS_MAX];
    uint64_t fact_counts[RUNS_MAX];
};

/* Makes a file without a name. A descriptor, or ERR_SYSTEM with the reason. */
int runs_open_temporary(const char *folder, struct error *error);

void runs_init(struct runs *runs, const char *folder);

/* Writes sorted facts as a run. 0, ERR_SYSTEM, or ERR_LIMIT where there are too many runs. */
int runs_spill(struct runs *runs, const struct fact *facts, size_t count, struct error *error);

/* Facts in all runs together. */
uint64_t runs_total(const struct runs *runs);

void runs_close(struct runs *runs);

/* Where a run has got to. */
struct run_cursor {
    struct fact *buffer;
    size_t at;
    size_t len;
    uint64_t offset; /* of the fact after the buffer, in facts */
    unsigned run;
};

/* All runs as one sorted sequence. */
struct run_stream {
    const struct runs *runs;
    size_t buffer_len; /* facts of each cursor's buffer */
    bool is_started;   /* the first fact has been given out */
    unsigned heap_count;
    struct run_cursor *heap[RUNS_MAX]; /* the smallest fact first */
    struct run_cursor cursors[RUNS_MAX];
};

/* Starts merging, with `memory` (room for memory_count facts, at least one a run) as buffers.
 * 0 or ERR_SYSTEM. */
int run_stream_open(struct run_stream *stream, const struct runs *runs, struct fact *memory,
                    size_t memory_count, struct error *error);

/* The next fact in order: 1, 0 at the end, or ERR_SYSTEM. It stays where it is until the next
 * call. */
int run_stream_next(struct run_stream *stream, const struct fact **fact, struct error *error);

#endif
