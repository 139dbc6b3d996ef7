#include "os/secret_memory.h"

#include "base/bytes.h"

#include <sys/mman.h>

void *secret_memory_open(size_t len) {
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (madvise(memory, len, MADV_DONTDUMP) != 0 || madvise(memory, len, MADV_DONTFORK) != 0) {
        munmap(memory, len);
        return NULL;
    }
    mlock(memory, len); /* this may fail without harm */
    return memory;
}

int secret_memory_bequeath(void *memory, size_t len, bool is_inherited) {
    return madvise(memory, len, is_inherited ? MADV_DOFORK : MADV_DONTFORK);
}

void secret_memory_close(void *memory, size_t len) {
    if (memory == NULL)
        return;
    wipe(memory, len);
    munmap(memory, len);
}
