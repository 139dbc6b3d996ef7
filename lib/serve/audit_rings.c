#include "serve/audit_rings.h"

#include <sys/mman.h>
#include <time.h>

int audit_rings_open(struct audit_rings **rings, unsigned worker_count, struct error *error) {
    size_t len = sizeof **rings + worker_count * sizeof(struct audit_ring);
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, len, MADV_DONTDUMP) != 0)
        return error_set_errno(error, "shared memory");
    *rings = memory;
    return 0;
}

#define WAITS 100 /* of a millisecond */

static bool has_room(const struct audit_ring *ring, unsigned count) {
    uint64_t recorded = atomic_load_explicit(&ring->recorded, memory_order_acquire);
    uint64_t noted = atomic_load_explicit(&ring->noted, memory_order_relaxed);
    return noted - recorded + count <= AUDIT_RING;
}

bool audit_ring_await_room(const struct audit_ring *ring, unsigned count) {
    const struct timespec rest = {0, 1000000};
    for (unsigned i = 0; i < WAITS && !has_room(ring, count); i++)
        nanosleep(&rest, NULL);
    return has_room(ring, count);
}

void audit_ring_add(struct audit_ring *ring, const struct audit_note *note) {
    uint64_t noted = atomic_load_explicit(&ring->noted, memory_order_relaxed);
    ring->notes[noted % AUDIT_RING] = *note;
    atomic_store_explicit(&ring->noted, noted + 1, memory_order_release);
}
