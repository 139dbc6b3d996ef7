/* Files that the binary carries. */
#ifndef DLV_BASE_EMBED_H
#define DLV_BASE_EMBED_H

#include <stdint.h>

/* Puts the file at `path` (a string, from the top of the sources) into read-only memory, from NAME_start up to
 * NAME_end.
 *
 * The symbols are global, because ARM64's assembler otherwise refers to the section and an offset, and the
 * offset is lost on the way through the global offset table. They are hidden, so that there is no way through
 * that table. */
#define EMBED_FILE(name, path)                                                                     \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #name "_start\n"                                                            \
            ".hidden " #name "_start\n"                                                            \
            ".global " #name "_end\n"                                                              \
            ".hidden " #name "_end\n" #name "_start:\n"                                            \
            ".incbin \"" path "\"\n" #name "_end:\n"                                               \
            ".popsection\n");                                                                      \
    extern const uint8_t name##_start[] __attribute__((visibility("hidden")));                     \
    extern const uint8_t name##_end[] __attribute__((visibility("hidden")))

#endif
