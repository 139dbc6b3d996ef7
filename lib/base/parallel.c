#include "base/parallel.h"

#include <pthread.h>
#include <unistd.h>

struct job {
    pthread_mutex_t mutex;
    uint64_t next;
    uint64_t count;
    uint64_t piece;
    uint64_t failed_first; /* where the first failed piece begins */
    int code;
    int (*work)(void *context, uint64_t first, uint64_t end);
    void *context;
};

unsigned parallel_processors(void) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > PARALLEL_THREADS_MAX ? PARALLEL_THREADS_MAX : (unsigned)online;
}

/* Takes the next piece. 1, or 0 where there is none. */
static int take(struct job *job, uint64_t *first, uint64_t *end) {
    pthread_mutex_lock(&job->mutex);
    int is_taken = job->code == 0 && job->next < job->count;
    if (is_taken) {
        *first = job->next;
        *end = job->count - *first < job->piece ? job->count : *first + job->piece;
        job->next = *end;
    }
    pthread_mutex_unlock(&job->mutex);
    return is_taken;
}

static void *run(void *argument) {
    struct job *job = argument;
    uint64_t first, end;
    while (take(job, &first, &end)) {
        int code = job->work(job->context, first, end);
        if (code >= 0)
            continue;
        pthread_mutex_lock(&job->mutex);
        if (job->code == 0 || first < job->failed_first) {
            job->code = code;
            job->failed_first = first;
        }
        pthread_mutex_unlock(&job->mutex);
    }
    return NULL;
}

int parallel_run(unsigned thread_count, uint64_t count, uint64_t piece,
                 int (*work)(void *context, uint64_t first, uint64_t end), void *context) {
    struct job job = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                      .count = count,
                      .piece = piece,
                      .work = work,
                      .context = context};
    pthread_t threads[PARALLEL_THREADS_MAX];
    unsigned started = 0;
    while (started + 1 < thread_count && started < PARALLEL_THREADS_MAX &&
           (uint64_t)started * piece < count &&
           pthread_create(&threads[started], NULL, run, &job) == 0)
        started++;
    run(&job);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    pthread_mutex_destroy(&job.mutex);
    return job.code;
}
