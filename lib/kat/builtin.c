/* vectors/builtin.rsp, carried inside the binary. */
#include "kat/kat.h"

#include "base/embed.h"

EMBED_FILE(builtin_vectors, "vectors/builtin.rsp");

/* Keeps the first failure. */
static void keep_reason(void *context, const char *line) {
    struct error *error = context;
    if (error->text[0] == '\0')
        error_set(error, ERR_SIGNATURE, "%s", line);
}

int kat_run_builtin(struct kat_count *count, struct error *error) {
    size_t len = (size_t)(builtin_vectors_end - builtin_vectors_start);
    error->text[0] = '\0';
    return kat_run("built-in", (const char *)builtin_vectors_start, len, keep_reason, error, count)
               ? 0
               : ERR_SIGNATURE;
}
