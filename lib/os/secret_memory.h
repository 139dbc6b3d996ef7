/* Memory for secrets that a process keeps and its children do not inherit. It is left out of core files
 * and, where RLIMIT_MEMLOCK allows it, never swapped. */
#ifndef DLV_OS_SECRET_MEMORY_H
#define DLV_OS_SECRET_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* `len` bytes, zeroed; NULL on failure, with errno set. Children do not have them. */
void *secret_memory_open(size_t len);

/* Whether a child that is forked from now on has its own copy. 0, or -1 with errno set. */
int secret_memory_bequeath(void *memory, size_t len, bool is_inherited);

/* Wipes it and gives it back. NULL is allowed. */
void secret_memory_close(void *memory, size_t len);

#endif
