/* RSA, 1024 to 4096 bits, by BearSSL: OAEP (RFC 8017, section 7.1) and PKCS#1 v1.5 signatures with
 * SHA-256 (section 8.2).
 *
 * Private operations run in constant time: neither their duration nor their memory accesses depend
 * on the key or the decrypted bytes; only sizes leak. Public operations need no such care. */
#ifndef DLV_CRYPTO_RSA_H
#define DLV_CRYPTO_RSA_H

#include "crypto/random.h"
#include "crypto/sha256.h"

#include <bearssl_rsa.h>
#include <stdbool.h>

#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 4096
#define RSA_LEN_MAX (RSA_BITS_MAX / 8)

struct rsa_public {
    size_t n_len; /* modulus, big-endian, no leading zeros */
    size_t e_len; /* public exponent, big-endian, no leading zeros */
    uint8_t n[RSA_LEN_MAX];
    uint8_t e[RSA_LEN_MAX];
};

/* The private key in the form BearSSL computes with; `key` points into `store`, so the structure
 * must not be copied or moved. Wipe after use. */
struct rsa_private {
    struct rsa_public public;
    br_rsa_private_key key;
    uint8_t store[BR_RSA_KBUF_PRIV_SIZE(RSA_BITS_MAX) + 8];
};

/* OAEP's hash, also that of its mask generation function (MGF1). */
enum rsa_hash { RSA_SHA1, RSA_SHA256 };

/* Returns the number of bits of the modulus. */
unsigned rsa_bits(const struct rsa_public *key);

/* Whether BearSSL can compute with the key: an odd modulus of 1024 to 4096 bits, and an odd
 * exponent of 3 or more that is shorter than the modulus. */
bool rsa_public_is_sane(const struct rsa_public *key);

/* Whether the parts of a private key, which must all be set, belong together: the public half
 * verifies what the private half signs. */
bool rsa_private_is_consistent(const struct rsa_private *key);

/* Generates a key with exponent 65537. `bits` must be even, 1024 to 4096. False where BearSSL
 * refuses. */
bool rsa_generate(struct rsa_private *key, unsigned bits, struct random *random);

/* Encrypts `message` by OAEP into `ciphertext`, key->n_len bytes. `prng` supplies the seed. False
 * where the message is too long for the key. */
bool rsa_oaep_encrypt(const struct rsa_public *key, enum rsa_hash hash, const void *label,
                      size_t label_len, const br_prng_class **prng, const void *message,
                      size_t message_len, uint8_t *ciphertext);

/* Decrypts by OAEP in place: `data` holds *len bytes of ciphertext before and *len bytes of message
 * after. False for anything that is not a ciphertext of this key. Only the length leaks. */
bool rsa_oaep_decrypt(const struct rsa_private *key, enum rsa_hash hash, const void *label,
                      size_t label_len, uint8_t *data, size_t *len);

/* Signs a SHA-256 digest by PKCS#1 v1.5: key->public.n_len bytes. The signature is verified before
 * it is returned, so that a computing fault cannot leak the key. False on such a fault. */
bool rsa_sign(const struct rsa_private *key, const uint8_t digest[SHA256_LEN], uint8_t *signature);

/* Whether `signature` is the PKCS#1 v1.5 signature of the digest. */
bool rsa_verify(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                const uint8_t *signature, size_t signature_len);

#endif
