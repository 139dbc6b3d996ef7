/* HKDF-SHA-256 (RFC 5869), by BearSSL. Constant time but for the lengths. */
#ifndef DLV_CRYPTO_HKDF_H
#define DLV_CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

/* `out_len` bytes (at most 255 * 32) of `secret`, under `salt` and for the purpose `info`. */
void hkdf_sha256(void *out, size_t out_len, const void *salt, size_t salt_len, const void *secret,
                 size_t secret_len, const char *info);

#endif
