/* vectors/builtin.rsp, carried inside the binary. */
#include "kat/kat.h"

__asm__(".pushsection .rodata\n"
        "builtin_vectors_start:\n"
        ".incbin \"vectors/builtin.rsp\"\n"
        "builtin_vectors_end:\n"
        ".popsection\n");

extern const char builtin_vectors_start[];
extern const char builtin_vectors_end[];

int kat_run_builtin(struct kat_count *count, struct error *error) {
    return kat_run("built-in", builtin_vectors_start,
                   (size_t)(builtin_vectors_end - builtin_vectors_start), count, error);
}
