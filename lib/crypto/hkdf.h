/* HKDF-SHA-256 (RFC 5869), by BearSSL. In constant time, except for the lengths. */
#ifndef DLV_CRYPTO_HKDF_H
#define DLV_CRYPTO_HKDF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HKDF_SHA256_MAX (255 * 32) /* bytes of output */

/* Derives `out_len` bytes from `secret`, `salt` and the purpose `info`. False, with nothing done,
 * where out_len is above HKDF_SHA256_MAX. */
bool hkdf_sha256(void *out, size_t out_len, const void *salt, size_t salt_len, const void *secret,
                 size_t secret_len, const void *info, size_t info_len);

#endif
