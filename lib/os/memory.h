/* How much memory this process may use. */
#ifndef DLV_OS_MEMORY_H
#define DLV_OS_MEMORY_H

#include <stdint.h>

/* The memory of the machine in bytes, or the lowest limit that its control groups (cgroups(7), version
 * 1 or 2) or those above them set. `root` is "" except in tests: what stands before /proc and /sys. */
uint64_t memory_allowed(const char *root);

#endif
