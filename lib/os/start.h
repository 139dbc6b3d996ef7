/* What a release does before the C library's own start (lib/os/start.c). */
#ifndef DLV_OS_START_H
#define DLV_OS_START_H

#include <stdint.h>

/* Adds the program's place in memory to the pointers from the address `from` up to `to`, as the linker left them. At
 * the start it is done for all; once more for what the program has filled itself. */
void start_relocate(uintptr_t from, uintptr_t to) __attribute__((visibility("hidden")));

#endif
