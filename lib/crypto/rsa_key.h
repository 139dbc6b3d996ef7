/* RSA keys as text: PEM (RFC 7468) around SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), PKCS#8
 * (RFC 5208) and PKCS#1 (RFC 8017, appendix A.1). What OpenSSL and PyCryptodome write is read, and
 * what is written they read. */
#ifndef DLV_CRYPTO_RSA_KEY_H
#define DLV_CRYPTO_RSA_KEY_H

#include "crypto/rsa.h"

#define RSA_PUBLIC_DER_MAX (2 * RSA_LEN_MAX + 64)
#define RSA_PEM_MAX 8192 /* a private key of 4096 bits takes 3.3 kB */

/* Fingerprint as text: "SHA256:", base64 of the digest without padding, NUL. */
#define RSA_FINGERPRINT_SIZE (7 + 43 + 1)

/* Writes the key's SubjectPublicKeyInfo in DER. Returns its length, at most RSA_PUBLIC_DER_MAX. */
size_t rsa_public_encode(const struct rsa_public *key, uint8_t der[RSA_PUBLIC_DER_MAX]);

/* Reads exactly that, or PKCS#1's RSAPublicKey. Total. The key is sane (rsa_public_is_sane). 0 or
 * ERR_FORMAT. */
int rsa_public_decode(struct rsa_public *key, const uint8_t *der, size_t len);
int rsa_public_decode_pkcs1(struct rsa_public *key, const uint8_t *der, size_t len);

/* Reads exactly PKCS#8's PrivateKeyInfo, or PKCS#1's RSAPrivateKey. Total. It is made sure that the
 * halves of the key belong together. 0, or ERR_FORMAT: then the key is wiped. */
int rsa_private_decode(struct rsa_private *key, const uint8_t *der, size_t len);
int rsa_private_decode_pkcs1(struct rsa_private *key, const uint8_t *der, size_t len);

/* Computes the SHA-256 of that encoding, which identifies a key everywhere in dlv. */
void rsa_public_id(const struct rsa_public *key, uint8_t id[SHA256_LEN]);
void rsa_fingerprint_of_id(const uint8_t id[SHA256_LEN], char text[RSA_FINGERPRINT_SIZE]);
void rsa_fingerprint(const struct rsa_public *key, char text[RSA_FINGERPRINT_SIZE]);

/* Writes the PEM of `key`, at most RSA_PEM_MAX bytes with the NUL. Returns its length. */
size_t rsa_public_write_pem(const struct rsa_public *key, char *pem);

/* The same for a private key, which must come from rsa_generate: BearSSL derives the private
 * exponent only from primes that are 3 modulo 4, and those of other programs need not be. */
size_t rsa_private_write_pem(const struct rsa_private *key, char *pem);

/* Reads the first key of `pem` ("PUBLIC KEY" or "RSA PUBLIC KEY"; "PRIVATE KEY" or "RSA PRIVATE
 * KEY"). Total: any bytes may come. The public key is sane (rsa_public_is_sane); of a private key
 * it is made sure that its halves belong together. 0 or ERR_FORMAT with a reason. */
int rsa_public_read_pem(struct rsa_public *key, const char *pem, size_t len, struct error *error);
int rsa_private_read_pem(struct rsa_private *key, const char *pem, size_t len, struct error *error);

/* The same from a file, which holds one key only (for several see crypto/key_set.h). The key must have at
 * least `bits_min` bits. The reason names the file. */
int rsa_public_load(struct rsa_public *key, const char *path, unsigned bits_min,
                    struct error *error);
int rsa_private_load(struct rsa_private *key, const char *path, unsigned bits_min,
                     struct error *error);

#endif
