#include "serve/sealed_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Whoever has mapped it for writing before it was sealed can write; nobody can map it so afterwards. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static void *map(int fd, size_t len, int protection) {
    void *memory = mmap(NULL, len, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    return memory == MAP_FAILED || madvise(memory, len, MADV_DONTDUMP) != 0 ? NULL : memory;
}

void *sealed_memory_open(int *fd, const char *name, size_t len, struct error *error) {
    void *memory = NULL;
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd >= 0 && ftruncate(*fd, (off_t)len) == 0)
        memory = map(*fd, len, PROT_READ | PROT_WRITE);
    if (memory != NULL && fcntl(*fd, F_ADD_SEALS, SEALS) == 0)
        return memory;
    error_set_errno(error, "shared memory that only one process can write");
    return NULL;
}

const void *sealed_memory_attach(int fd, size_t len) {
    const void *memory = map(fd, len, PROT_READ);
    if (memory != NULL)
        close(fd);
    return memory;
}
