/* vectors/builtin.rsp, carried inside the binary, compressed. */
#include "kat/kat.h"

#include "base/bytes.h"
#include "base/embed.h"
#include "base/inflate.h"

EMBED_FILE(builtin_vectors, BUILTIN_VECTORS);

#define VECTORS_MAX 16384

/* Keeps the first failure. */
static void keep_reason(void *context, const char *line) {
    struct error *error = context;
    if (error->text[0] == '\0')
        error_set(error, ERR_SIGNATURE, "%s", line);
}

int kat_run_builtin(struct kat_count *count, struct error *error) {
    char vectors[VECTORS_MAX] NOT_CLEARED;
    size_t packed_len = (size_t)(builtin_vectors_end - builtin_vectors_start);
    ssize_t len = inflate_gzip(vectors, sizeof vectors, builtin_vectors_start, packed_len);
    error->text[0] = '\0';
    if (len < 0)
        return error_set(error, ERR_SIGNATURE, "the built-in vectors are damaged");
    return kat_run("built-in", vectors, (size_t)len, keep_reason, error, count) ? 0 : ERR_SIGNATURE;
}
