#include "crypto/hkdf.h"

#include "base/bytes.h"

#include <bearssl_hash.h>
#include <bearssl_kdf.h>

bool hkdf_sha256(void *out, size_t out_len, const void *salt, size_t salt_len, const void *secret,
                 size_t secret_len, const void *info, size_t info_len) {
    br_hkdf_context context;
    if (out_len > HKDF_SHA256_MAX)
        return false;
    br_hkdf_init(&context, &br_sha256_vtable, salt, salt_len);
    br_hkdf_inject(&context, secret, secret_len);
    br_hkdf_flip(&context);
    br_hkdf_produce(&context, info, info_len, out, out_len);
    wipe(&context, sizeof context);
    wipe_stack();
    return true;
}
