/* The same work on pieces of a range, by several threads. */
#ifndef DLV_BASE_PARALLEL_H
#define DLV_BASE_PARALLEL_H

#include <stdint.h>

#define PARALLEL_THREADS_MAX 64

/* Online processors, 1 to PARALLEL_THREADS_MAX. */
unsigned parallel_processors(void);

/* Calls work(context, first, end) for pieces of 0 .. count of `piece` items each, in ascending
 * order but at the same time, on up to `thread_count` threads, of which the caller is one. After a
 * piece fails (returns a negative code) no further one is begun. 0, or the code of the first piece
 * that failed: so the result is the same however many threads there are. No thread is left behind.
 */
int parallel_run(unsigned thread_count, uint64_t count, uint64_t piece,
                 int (*work)(void *context, uint64_t first, uint64_t end), void *context);

#endif
