#include "builder/runs.h"

#include "base/file.h"
#include "base/format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void runs_init(struct runs *runs, const char *folder) {
    runs->folder = folder;
    runs->count = 0;
}

int runs_open_temporary(const char *folder, struct error *error) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char path[PATH_MAX];
    if (format_text(path, sizeof path, "%s/.dlv-XXXXXX", folder) < sizeof path)
        fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(error, "%s: no temporary file can be made there", folder);
    unlink(path);
    return fd;
}

int runs_spill(struct runs *runs, const struct fact *facts, size_t count, struct error *error) {
    if (runs->count == RUNS_MAX)
        return error_set(error, ERR_LIMIT, "too little memory is allowed for so many facts");
    int fd = runs_open_temporary(runs->folder, error);
    if (fd < 0)
        return fd;
    if (file_write_at(fd, facts, count * sizeof *facts, 0) != 0) {
        error_set_errno(error, "%s: temporary file cannot be written", runs->folder);
        close(fd);
        return ERR_SYSTEM;
    }
    runs->fds[runs->count] = fd;
    runs->fact_counts[runs->count++] = count;
    return 0;
}

uint64_t runs_total(const struct runs *runs) {
    uint64_t total = 0;
    for (unsigned i = 0; i < runs->count; i++)
        total += runs->fact_counts[i];
    return total;
}

void runs_close(struct runs *runs) {
    while (runs->count > 0)
        close(runs->fds[--runs->count]);
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Fills a cursor's buffer from its run. len is 0 at the run's end. */
static int refill(const struct run_stream *stream, struct run_cursor *cursor, struct error *error) {
    uint64_t left = stream->runs->fact_counts[cursor->run] - cursor->offset;
    cursor->at = 0;
    cursor->len = left < stream->buffer_len ? (size_t)left : stream->buffer_len;
    size_t want = cursor->len * sizeof *cursor->buffer;
    if (file_read_at(stream->runs->fds[cursor->run], cursor->buffer, want,
                     cursor->offset * sizeof *cursor->buffer) != 0)
        return error_set_errno(error, "%s: temporary file cannot be read", stream->runs->folder);
    cursor->offset += cursor->len;
    return 0;
}

static bool is_before(const struct run_cursor *a, const struct run_cursor *b) {
    return memcmp(&a->buffer[a->at], &b->buffer[b->at], FACT_SORT_LEN) < 0;
}

/* Moves the cursor at heap position `at` down to where it belongs. */
static void sink(struct run_stream *stream, unsigned at) {
    struct run_cursor *sinking = stream->heap[at];
    for (;;) {
        unsigned child = 2 * at + 1;
        if (child >= stream->heap_count)
            break;
        if (child + 1 < stream->heap_count &&
            is_before(stream->heap[child + 1], stream->heap[child]))
            child++;
        if (!is_before(stream->heap[child], sinking))
            break;
        stream->heap[at] = stream->heap[child];
        at = child;
    }
    stream->heap[at] = sinking;
}

int run_stream_open(struct run_stream *stream, const struct runs *runs, struct fact *memory,
                    size_t memory_count, struct error *error) {
    stream->runs = runs;
    stream->buffer_len = memory_count / runs->count;
    stream->heap_count = 0;
    for (unsigned i = 0; i < runs->count; i++) {
        struct run_cursor *cursor = &stream->cursors[i];
        *cursor = (struct run_cursor){.buffer = memory + i * stream->buffer_len, .run = i};
        int code = refill(stream, cursor, error);
        if (code != 0)
            return code;
        stream->heap[stream->heap_count++] = cursor;
    }
    for (unsigned i = stream->heap_count; i-- > 0;)
        sink(stream, i);
    stream->is_started = false;
    return 0;
}

int run_stream_next(struct run_stream *stream, const struct fact **fact, struct error *error) {
    if (stream->is_started && stream->heap_count > 0) {
        struct run_cursor *first = stream->heap[0];
        if (++first->at == first->len) {
            int code = refill(stream, first, error);
            if (code != 0)
                return code;
            if (first->len == 0)
                stream->heap[0] = stream->heap[--stream->heap_count];
        }
        sink(stream, 0);
    }
    stream->is_started = true;
    if (stream->heap_count == 0)
        return 0;
    *fact = &stream->heap[0]->buffer[stream->heap[0]->at];
    return 1;
}
