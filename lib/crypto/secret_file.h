/* Secrets that are kept as a file of 32 random bytes: lookup keys and ticket keys. */
#ifndef DLV_CRYPTO_SECRET_FILE_H
#define DLV_CRYPTO_SECRET_FILE_H

#include "base/error.h"

#include <stdint.h>

#define SECRET_LEN 32

/* Reads a file of exactly SECRET_LEN bytes. `what` is what the reason calls it ("a lookup key").
 * The caller wipes `secret` after use. 0, ERR_SYSTEM, or ERR_FORMAT where the length is another;
 * then `secret` is zeros. */
int secret_load(uint8_t secret[SECRET_LEN], const char *path, const char *what,
                struct error *error);

#endif
