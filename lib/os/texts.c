/* The strings of a release are in the binary as a gzip file, which makes it 30 KB smaller.
 *
 * The Makefile links twice: first as usual, with all strings of dlv and BearSSL in a section of their own
 * (tools/texts.ld), whose bytes are then compressed into this file; and again with that section left to be
 * filled. What a string is and where it stands depends on nothing else, so it is the same both times. Elsewhere
 * (tests, sanitizers, other linkers) this file is empty and the strings stand where the compiler has put them. */
#ifdef TEXTS
#include "base/embed.h"
#include "base/inflate.h"

#include <stdlib.h>
#include <sys/mman.h>

EMBED_FILE(texts_packed, TEXTS);

/* By tools/texts.ld: whole pages, which hold nothing else. */
extern char texts_start[] __attribute__((visibility("hidden")));
extern char texts_end[] __attribute__((visibility("hidden")));

/* Makes the section one that can be written to. */
static char texts_are_filled __attribute__((section(".texts.first"), used));

/* Before all other constructors, while there is no string to say what is wrong. musl's other strings stay where
 * they are, as it may need them before. */
__attribute__((constructor(101))) static void fill(void) {
    size_t len = (size_t)(texts_end - texts_start);
    if (inflate_gzip(texts_start, len, texts_packed_start,
                     (size_t)(texts_packed_end - texts_packed_start)) != (ssize_t)len ||
        mprotect(texts_start, len, PROT_READ) != 0)
        abort();
}
#else
typedef int nothing_is_packed;
#endif
