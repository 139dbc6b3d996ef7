#include "base/parallel.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

/* Those that this process may run on, as sysconf would say it, which is a kilobyte more. */
unsigned parallel_processors(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return allowed < 1                      ? 1
           : allowed > PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX
                                            : (unsigned)allowed;
}

/* Takes the next piece. Returns where it begins; `count` where none is left. */
static uint64_t take_piece(struct parallel *parallel, uint64_t *end) {
    uint64_t first = parallel->code == 0 ? parallel->next : parallel->count;
    *end = parallel->count - first < parallel->piece ? parallel->count : first + parallel->piece;
    parallel->next = *end;
    return first;
}

/* Does pieces until none is left. */
static void help(struct parallel *parallel) {
    uint64_t first, end;
    pthread_mutex_lock(&parallel->mutex);
    while ((first = take_piece(parallel, &end)) < parallel->count) {
        pthread_mutex_unlock(&parallel->mutex);
        int code = parallel->work(parallel->context, first, end);
        int error_number = errno;
        pthread_mutex_lock(&parallel->mutex);
        if (code < 0 && (parallel->code == 0 || first < parallel->failed_first)) {
            parallel->code = code;
            parallel->error_number = error_number;
            parallel->failed_first = first;
        }
    }
    pthread_mutex_unlock(&parallel->mutex);
}

#ifdef DLV_ONE_THREAD
/* A small build has no threads: whoever waits for the work does it. */
static void start_threads(struct parallel *parallel) {
    (void)parallel;
}

static void join_threads(struct parallel *parallel) {
    (void)parallel;
}
#else
static void *run_work(void *argument) {
    help(argument);
    return NULL;
}

/* What the work may put on a thread's stack. musl's own default is 128 KiB. */
#define STACK_LEN (512u << 10)

/* No more of them than there are pieces. */
static void start_threads(struct parallel *parallel) {
    pthread_attr_t attributes;
    uint64_t pieces = (parallel->count + parallel->piece - 1) / parallel->piece;
    unsigned wanted = pieces < parallel->thread_max ? (unsigned)pieces : parallel->thread_max;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_LEN);
    while (parallel->thread_count < wanted &&
           pthread_create(&parallel->threads[parallel->thread_count], &attributes, run_work,
                          parallel) == 0)
        parallel->thread_count++;
    pthread_attr_destroy(&attributes);
}

static void join_threads(struct parallel *parallel) {
    while (parallel->thread_count > 0)
        pthread_join(parallel->threads[--parallel->thread_count], NULL);
}
#endif

void parallel_open(struct parallel *parallel, unsigned thread_count) {
    memset(parallel, 0, sizeof *parallel);
    parallel->thread_max = thread_count > PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX
                           : thread_count > 0                  ? thread_count - 1
                                                               : 0;
    pthread_mutex_init(&parallel->mutex, NULL);
}

void parallel_start(struct parallel *parallel, uint64_t count, uint64_t piece, parallel_work *work,
                    void *context) {
    parallel->next = 0;
    parallel->count = count;
    parallel->piece = piece;
    parallel->work = work;
    parallel->context = context;
    start_threads(parallel);
}

int parallel_wait(struct parallel *parallel) {
    help(parallel);
    join_threads(parallel);
    int code = parallel->code;
    parallel->count = 0;
    parallel->code = 0;
    if (code != 0)
        errno = parallel->error_number;
    return code;
}

void parallel_close(struct parallel *parallel) {
    parallel_wait(parallel);
    pthread_mutex_destroy(&parallel->mutex);
}

int parallel_run(unsigned thread_count, uint64_t count, uint64_t piece, parallel_work *work,
                 void *context) {
    struct parallel parallel;
    uint64_t pieces = (count + piece - 1) / piece;
    parallel_open(&parallel, pieces < thread_count ? (unsigned)pieces : thread_count);
    parallel_start(&parallel, count, piece, work, context);
    int code = parallel_wait(&parallel);
    int error_number = errno;
    parallel_close(&parallel);
    errno = error_number;
    return code;
}
