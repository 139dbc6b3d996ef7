/* vectors/builtin.rsp, carried inside the binary. */
#include "kat/kat.h"

/* Global, because ARM64's assembler otherwise refers to the section and an offset, which is lost on
 * the way through the global offset table; hidden, so that there is no way through it. */
__asm__(".pushsection .rodata\n"
        ".global builtin_vectors_start\n"
        ".hidden builtin_vectors_start\n"
        ".global builtin_vectors_end\n"
        ".hidden builtin_vectors_end\n"
        "builtin_vectors_start:\n"
        ".incbin \"vectors/builtin.rsp\"\n"
        "builtin_vectors_end:\n"
        ".popsection\n");

extern const char builtin_vectors_start[] __attribute__((visibility("hidden")));
extern const char builtin_vectors_end[] __attribute__((visibility("hidden")));

int kat_run_builtin(struct kat_count *count, struct error *error) {
    return kat_run("built-in", builtin_vectors_start,
                   (size_t)(builtin_vectors_end - builtin_vectors_start), count, error);
}
