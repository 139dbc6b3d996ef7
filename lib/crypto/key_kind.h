/* What a file is that was given as a key and is none that dlv takes: so that a person is told. */
#ifndef DLV_CRYPTO_KEY_KIND_H
#define DLV_CRYPTO_KEY_KIND_H

#include <stdbool.h>
#include <stddef.h>

/* A text such as "a certificate (openssl x509 -pubkey -noout -in FILE shows its public key)"; NULL
 * where the bytes look like nothing that is known. Total: any bytes may come. */
const char *key_kind(const char *bytes, size_t len, bool wants_private);

#endif
