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

static bool is_left(const struct parallel *parallel) {
    return parallel->code == 0 && parallel->next < parallel->count;
}

/* Does pieces until none is left. Called and left with the mutex held. */
static void help(struct parallel *parallel) {
    parallel->busy_count++;
    while (is_left(parallel)) {
        uint64_t first = parallel->next;
        uint64_t end =
            parallel->count - first < parallel->piece ? parallel->count : first + parallel->piece;
        parallel->next = end;
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
    if (--parallel->busy_count == 0)
        pthread_cond_broadcast(&parallel->changed);
}

#ifdef DLV_ONE_THREAD
/* A small build has no threads: whoever waits for the work does it. */
static void start_threads(struct parallel *parallel, unsigned thread_count) {
    (void)parallel;
    (void)thread_count;
}

static void await_others(struct parallel *parallel) {
    (void)parallel;
}

static void join_threads(struct parallel *parallel) {
    (void)parallel;
}
#else
static void *run_work(void *argument) {
    struct parallel *parallel = argument;
    pthread_mutex_lock(&parallel->mutex);
    while (!parallel->is_over) {
        if (is_left(parallel))
            help(parallel);
        else
            pthread_cond_wait(&parallel->changed, &parallel->mutex);
    }
    pthread_mutex_unlock(&parallel->mutex);
    return NULL;
}

/* What the work may put on a thread's stack. musl's own default is 128 KiB. */
#define STACK_LEN (512u << 10)

static void start_threads(struct parallel *parallel, unsigned thread_count) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_LEN);
    while (parallel->thread_count + 1 < thread_count &&
           parallel->thread_count < PARALLEL_THREADS_MAX &&
           pthread_create(&parallel->threads[parallel->thread_count], &attributes, run_work,
                          parallel) == 0)
        parallel->thread_count++;
    pthread_attr_destroy(&attributes);
}

/* Called and left with the mutex held. */
static void await_others(struct parallel *parallel) {
    while (parallel->busy_count > 0)
        pthread_cond_wait(&parallel->changed, &parallel->mutex);
}

static void join_threads(struct parallel *parallel) {
    while (parallel->thread_count > 0)
        pthread_join(parallel->threads[--parallel->thread_count], NULL);
}
#endif

void parallel_open(struct parallel *parallel, unsigned thread_count) {
    memset(parallel, 0, sizeof *parallel);
    pthread_mutex_init(&parallel->mutex, NULL);
    pthread_cond_init(&parallel->changed, NULL);
    start_threads(parallel, thread_count);
}

void parallel_start(struct parallel *parallel, uint64_t count, uint64_t piece, parallel_work *work,
                    void *context) {
    pthread_mutex_lock(&parallel->mutex);
    parallel->next = 0;
    parallel->count = count;
    parallel->piece = piece;
    parallel->work = work;
    parallel->context = context;
    pthread_cond_broadcast(&parallel->changed);
    pthread_mutex_unlock(&parallel->mutex);
}

int parallel_wait(struct parallel *parallel) {
    pthread_mutex_lock(&parallel->mutex);
    help(parallel);
    await_others(parallel);
    int code = parallel->code;
    int error_number = parallel->error_number;
    parallel->count = 0;
    parallel->code = 0;
    pthread_mutex_unlock(&parallel->mutex);
    if (code != 0)
        errno = error_number;
    return code;
}

void parallel_close(struct parallel *parallel) {
    parallel_wait(parallel);
    pthread_mutex_lock(&parallel->mutex);
    parallel->is_over = true;
    pthread_cond_broadcast(&parallel->changed);
    pthread_mutex_unlock(&parallel->mutex);
    join_threads(parallel);
    pthread_cond_destroy(&parallel->changed);
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
