/* vectors/builtin.rsp, carried inside the binary. */
#include "kat/kat.h"

/* The symbols are global, because ARM64's assembler otherwise refers to the section and an offset,
 * and the offset is lost on the way through the global offset table. They are hidden, so that there
 * is no way through that table. */
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

/* Keeps the first failure. */
static void keep_reason(void *context, const char *line) {
    struct error *error = context;
    if (error->text[0] == '\0')
        error_set(error, ERR_SIGNATURE, "%s", line);
}

int kat_run_builtin(struct kat_count *count, struct error *error) {
    size_t len = (size_t)(builtin_vectors_end - builtin_vectors_start);
    error->text[0] = '\0';
    return kat_run("built-in", builtin_vectors_start, len, keep_reason, error, count)
               ? 0
               : ERR_SIGNATURE;
}
