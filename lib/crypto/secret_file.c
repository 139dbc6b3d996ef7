#include "crypto/secret_file.h"

#include "base/bytes.h"
#include "base/file.h"

int secret_load(uint8_t secret[SECRET_LEN], const char *path, const char *what,
                struct error *error) {
    ssize_t len = file_read(path, secret, SECRET_LEN, error);
    if (len == SECRET_LEN)
        return 0;
    wipe(secret, SECRET_LEN);
    if (len < 0 && len != ERR_LIMIT)
        return (int)len;
    return error_set(error, ERR_FORMAT, "%s: not %s (want exactly %d bytes)", path, what,
                     SECRET_LEN);
}
