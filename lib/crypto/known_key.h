/* Private keys that everybody has, because they are published with dlv (vectors/). */
#ifndef DLV_CRYPTO_KNOWN_KEY_H
#define DLV_CRYPTO_KNOWN_KEY_H

#include "crypto/key_set.h"

/* 0, or ERR_CONFLICT with the reason where the key with this id is one of them. */
int known_key_check(const uint8_t id[SHA256_LEN], struct error *error);
int known_key_check_public(const struct rsa_public *key, struct error *error);

#endif
