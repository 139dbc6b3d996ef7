#include "crypto/hkdf.h"

#include "base/bytes.h"

#include <bearssl_hash.h>
#include <bearssl_kdf.h>
#include <string.h>

void hkdf_sha256(void *out, size_t out_len, const void *salt, size_t salt_len, const void *secret,
                 size_t secret_len, const char *info) {
    br_hkdf_context context;
    br_hkdf_init(&context, &br_sha256_vtable, salt, salt_len);
    br_hkdf_inject(&context, secret, secret_len);
    br_hkdf_flip(&context);
    br_hkdf_produce(&context, info, strlen(info), out, out_len);
    wipe(&context, sizeof context);
}
