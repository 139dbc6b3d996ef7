/* A public key that another one vouches for, from one day to another: short and of one form (EVIDENCE.md of the database,
 * "Receipts").
 *
 * Bytes: from (8, Unix seconds, little-endian) | until (8) | length of the key's SubjectPublicKeyInfo (2) | that |
 * signature. Its file is the line CERTIFICATE_MARK and a line of hexadecimal. */
#ifndef DLV_CRYPTO_CERTIFICATE_H
#define DLV_CRYPTO_CERTIFICATE_H

#include "base/file.h"
#include "crypto/key_set.h"

#define CERTIFICATE_MARK "dlv receipt certificate 1\n"
#define CERTIFICATE_MAX (18 + RSA_PUBLIC_DER_LONGEST + RSA_LEN_MAX)
#define CERTIFICATE_TEXT_MAX (sizeof CERTIFICATE_MARK + 2 * CERTIFICATE_MAX + 1)

/* The SubjectPublicKeyInfo of a key of 4096 bits whose exponent has four bytes. */
#define RSA_PUBLIC_DER_LONGEST 552

extern const struct file_kind certificate_file_kind;

struct certificate {
    int64_t from_s, until_s; /* it is good at both, and between */
    struct rsa_public key;
    uint8_t issuer_id[SHA256_LEN]; /* whose signature it bears */
};

/* Makes one. Returns its length, at most CERTIFICATE_MAX, or 0 where the key is too long or the signature fails. */
size_t certificate_make(uint8_t bytes[CERTIFICATE_MAX], const struct rsa_public *key,
                        int64_t from_s, int64_t until_s, const struct rsa_private *issuer);

/* Reads one that one of the issuers has signed. Total. 0; ERR_FORMAT; or ERR_SIGNATURE. */
int certificate_read(struct certificate *certificate, const uint8_t *bytes, size_t len,
                     const struct key_set *issuers, struct error *error);

/* Writes the text of the file; returns its length. */
size_t certificate_write_text(char text[CERTIFICATE_TEXT_MAX], const uint8_t *bytes, size_t len);

/* Reads the file. Returns the length of the bytes, or a negative code with a reason that names the file. Nothing is
 * checked. */
ssize_t certificate_load(uint8_t bytes[CERTIFICATE_MAX], const char *path, struct error *error);

#endif
