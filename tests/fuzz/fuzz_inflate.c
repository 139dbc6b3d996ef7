/* Compressed streams: what comes out depends on the stream alone, and has room where it is given room. */
#include "base/inflate.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t out[1 << 16], again[sizeof out];
    ssize_t len = inflate(out, sizeof out, data, size);
    if (len < 0)
        return 0;
    if (inflate(again, (size_t)len, data, size) != len || memcmp(out, again, (size_t)len) != 0)
        abort();
    if (len > 0 && inflate(again, (size_t)len - 1, data, size) != ERR_FORMAT)
        abort();
    return 0;
}
