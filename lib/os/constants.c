/* The strings of a release and its tables of pointers are in the binary as a gzip file, which makes it 40 KB
 * smaller.
 *
 * The Makefile links twice: first as usual, with all of them in a section of their own (tools/constants.ld), whose
 * bytes are then compressed; and again with that section left to be filled from them. As the compressed bytes
 * stand behind all else, every address is the same both times, and so are the pointers; the Makefile compares the
 * two programs. Elsewhere (tests, sanitizers, other linkers) nothing refers to this file, and each constant stands
 * where the compiler has put it. */
#include "base/inflate.h"
#include "os/start.h"

#include <stdlib.h>
#include <sys/mman.h>

/* By tools/constants.ld: whole pages, which hold nothing else, and the gzip file for them. */
extern char constants_start[] __attribute__((visibility("hidden")));
extern char constants_end[] __attribute__((visibility("hidden")));
extern const struct {
    uint32_t len;
    uint8_t bytes[];
} packed_constants __attribute__((visibility("hidden")));

/* Makes the section one that can be written to. */
static char constants_are_filled __attribute__((section(".constants.first"), used));

/* Before all other constructors, while there is no string to say what is wrong. musl's own constants stay where
 * they are, as it may need them before. */
__attribute__((constructor(101))) static void fill(void) {
    size_t len = (size_t)(constants_end - constants_start);
    if (inflate_gzip(constants_start, len, packed_constants.bytes, packed_constants.len) !=
        (ssize_t)len)
        abort();
    start_relocate((uintptr_t)constants_start, (uintptr_t)constants_end);
    if (mprotect(constants_start, len, PROT_READ) != 0)
        abort();
}
