#include "crypto/secret_file.h"

#include "base/bytes.h"
#include "base/file.h"

#include <stdbool.h>

static bool is_one_byte_repeated(const uint8_t secret[SECRET_LEN]) {
    uint8_t differing = 0;
    for (size_t i = 1; i < SECRET_LEN; i++)
        differing |= secret[i] ^ secret[0];
    return differing == 0;
}

int secret_load(uint8_t secret[SECRET_LEN], const char *path, const char *what,
                struct error *error) {
    ssize_t len = file_read_secret(path, secret, SECRET_LEN, error);
    if (len == SECRET_LEN && !is_one_byte_repeated(secret))
        return 0;
    if (len == SECRET_LEN) {
        wipe(secret, SECRET_LEN);
        return error_set(error, ERR_FORMAT, "%s: not random: all bytes are the same", path);
    }
    wipe(secret, SECRET_LEN);
    if (len < 0 && len != ERR_LIMIT)
        return (int)len;
    return error_set(error, ERR_FORMAT, "%s: not %s (want exactly %d bytes)", path, what,
                     SECRET_LEN);
}
