#include "serve/board.h"

#include "serve/sealed_memory.h"

#include <sys/mman.h>

int board_open(struct board **board, int *fd, struct error *error) {
    *board = sealed_memory_open(fd, "dlv board", sizeof **board, error);
    if (*board == NULL)
        return ERR_SYSTEM;
    if (madvise(*board, sizeof **board, MADV_DONTFORK) != 0)
        return error_set_errno(error, "shared memory that only one process can write");
    mlock(*board, offsetof(struct board, kiosks)); /* RLIMIT_MEMLOCK may forbid it */
    return 0;
}

const struct board *board_attach(int fd) {
    return sealed_memory_attach(fd, sizeof(struct board));
}

const struct kiosk *board_find_kiosk(const struct board *board, const uint8_t id[KIOSK_ID_LEN]) {
    const struct kiosks *kiosks = board_kiosks(board);
    return kiosks != NULL ? kiosks_find(kiosks, id, KIOSK_ID_LEN) : NULL;
}

static void *share(size_t len, int flags) {
    void *memory =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int tally_open(struct tally **tally, unsigned worker_count, struct error *error) {
    /* All of it will be used, so it is there from the start. */
    *tally = share(sizeof **tally + worker_count * sizeof(struct counts), MAP_POPULATE);
    return *tally != NULL ? 0 : error_set_errno(error, "shared memory");
}

int quotas_open(struct quotas **quotas, struct error *error) {
    *quotas = share(sizeof **quotas, MAP_NORESERVE);
    return *quotas != NULL ? 0 : error_set_errno(error, "shared memory");
}

void board_set_ring(struct board *board, const struct ticket_ring *ring) {
    unsigned now = atomic_load(&board->ring_now);
    board->rings[(now + 1) & 1] = *ring;
    atomic_store_explicit(&board->ring_now, now + 1, memory_order_release);
    /* Wiped by the new keys, not by zeros: somebody may just be reading, and zeros are a key that
     * everybody knows. */
    board->rings[now & 1] = *ring;
}

void board_set_keys(struct board *board, const struct server_public *keys) {
    unsigned now = atomic_load(&board->keys_now);
    board->keys[(now + 1) & 1] = *keys;
    atomic_store_explicit(&board->keys_now, now + 1, memory_order_release);
}

int board_load_kiosks(struct board *board, const char *path, struct kiosks_change *change,
                      struct error *error) {
    unsigned now = atomic_load(&board->kiosks_now);
    const struct kiosks *old = board_kiosks(board);
    int code = kiosks_load(&board->kiosks[(now + 1) & 1], old, path, change, error);
    if (code == 0 || old != NULL)
        atomic_store_explicit(&board->kiosks_now, now + 1, memory_order_release);
    return code;
}
