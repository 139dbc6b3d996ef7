#include "serve/audit_rings.h"

#include "serve/sealed_memory.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define WAITS 100 /* of a millisecond */

static void *map_ring(void) {
    size_t len = sizeof(struct audit_ring);
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED || madvise(memory, len, MADV_DONTDUMP) != 0 ? NULL : memory;
}

int audit_rings_open(struct audit_rings *rings, unsigned worker_count, struct error *error) {
    rings->progress =
        sealed_memory_open(&rings->progress_fd, "dlv audit", sizeof *rings->progress, error);
    int code = rings->progress != NULL ? 0 : ERR_SYSTEM;
    for (unsigned w = 0; w < worker_count && code == 0; w++) {
        rings->rings[w] = map_ring();
        if (rings->rings[w] == NULL)
            code = error_set_errno(error, "shared memory");
    }
    return code;
}

/* Gives up all but one ring. */
static void close_but(struct audit_rings *rings, const struct audit_ring *kept) {
    for (unsigned w = 0; w < SERVE_PROCESSES_MAX; w++) {
        if (rings->rings[w] != NULL && rings->rings[w] != kept)
            munmap(rings->rings[w], sizeof *rings->rings[w]);
    }
    if (rings->progress != NULL)
        munmap(rings->progress, sizeof *rings->progress);
}

void audit_rings_close(struct audit_rings *rings) {
    close_but(rings, NULL);
    memset(rings, 0, sizeof *rings);
}

int audit_desk_open(struct audit_desk *desk, struct audit_rings *rings, unsigned worker,
                    struct error *error) {
    close_but(rings, rings->rings[worker]);
    const struct audit_progress *progress =
        sealed_memory_attach(rings->progress_fd, sizeof *rings->progress);
    if (progress == NULL)
        return error_set_errno(error, "shared memory");
    *desk =
        (struct audit_desk){.ring = rings->rings[worker], .progress = progress, .worker = worker};
    uint64_t recorded = atomic_load(&desk->progress->recorded[worker]);
    if (atomic_load(&desk->ring->noted) - recorded > AUDIT_RING)
        atomic_store(&desk->ring->noted, recorded);
    return 0;
}

static bool has_room(const struct audit_desk *desk, unsigned count) {
    uint64_t recorded =
        atomic_load_explicit(&desk->progress->recorded[desk->worker], memory_order_acquire);
    uint64_t noted = atomic_load_explicit(&desk->ring->noted, memory_order_relaxed);
    return noted - recorded + count <= AUDIT_RING;
}

bool audit_desk_await_room(struct audit_desk *desk, unsigned count) {
    const struct timespec rest = {0, 1000000};
    if (!desk->is_alive)
        return false;
    for (unsigned i = 0; i < WAITS && !desk->has_waited && !has_room(desk, count); i++)
        nanosleep(&rest, NULL);
    desk->has_waited = desk->has_waited || !has_room(desk, count);
    return has_room(desk, count);
}

void audit_desk_note(struct audit_desk *desk, const struct audit_note *note) {
    uint64_t noted = atomic_load_explicit(&desk->ring->noted, memory_order_relaxed);
    desk->ring->notes[noted % AUDIT_RING] = *note;
    atomic_store_explicit(&desk->ring->noted, noted + 1, memory_order_release);
}
