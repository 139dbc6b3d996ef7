/* Shared memory that only its maker, and who is forked from it with the mapping, can write. It is a file in memory that
 * is sealed once it is mapped: whoever has only the descriptor can read. It stays out of core files. */
#ifndef DLV_SERVE_SEALED_MEMORY_H
#define DLV_SERVE_SEALED_MEMORY_H

#include "base/error.h"

#include <stddef.h>

/* Makes it, of zeros. `name` is what /proc shows. NULL where that fails, with the reason. */
void *sealed_memory_open(int *fd, const char *name, size_t len, struct error *error);

/* Maps it for reading, and closes the descriptor. NULL where that fails, with errno set. */
const void *sealed_memory_attach(int fd, size_t len);

#endif
