/* The same work on pieces of a range, by several threads. */
#ifndef DLV_BASE_PARALLEL_H
#define DLV_BASE_PARALLEL_H

#include <pthread.h>
#include <stdint.h>

#define PARALLEL_THREADS_MAX 64

/* Online processors, 1 to PARALLEL_THREADS_MAX. */
unsigned parallel_processors(void);

/* Work on one piece of a range. 0, or a negative code; errno is kept with it. */
typedef int parallel_work(void *context, uint64_t first, uint64_t end);

/* Work that is done by several threads, which there are only as long as it takes. Not to be copied or moved. */
struct parallel {
    unsigned thread_max; /* beside the caller's */
    unsigned thread_count;
    pthread_t threads[PARALLEL_THREADS_MAX];
    pthread_mutex_t mutex; /* over all below */
    uint64_t next;
    uint64_t count;
    uint64_t piece;
    uint64_t failed_first; /* where the first failed piece begins */
    int code;
    int error_number;
    parallel_work *work;
    void *context;
};

/* Prepares for work by so many threads, of which the caller is one. */
void parallel_open(struct parallel *parallel, unsigned thread_count);

/* Begins work(context, first, end) for pieces of 0 .. count of `piece` items each, in ascending
 * order but at the same time, by as many threads as can be had. The caller may do something else until parallel_wait. */
void parallel_start(struct parallel *parallel, uint64_t count, uint64_t piece, parallel_work *work,
                    void *context);

/* Helps until all is done. After a piece has failed no further one is begun. 0, or the code of the
 * first piece that failed, with its errno: so the result is the same however many threads there
 * are. 0 where nothing was started. */
int parallel_wait(struct parallel *parallel);

/* Waits for work that is under way. */
void parallel_close(struct parallel *parallel);

/* All of that for one range. No thread is left behind. */
int parallel_run(unsigned thread_count, uint64_t count, uint64_t piece, parallel_work *work,
                 void *context);

#endif
