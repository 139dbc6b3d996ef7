#include "crypto/rsa.h"

#include "base/bytes.h"

#include <string.h>

static const br_hash_class *hash_class(enum rsa_hash hash) {
    return hash == RSA_SHA1 ? &br_sha1_vtable : &br_sha256_vtable;
}

static br_rsa_public_key bearssl_public(const struct rsa_public *key) {
    /* BearSSL's pointers are not const, but it does not write through them. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } n = {key->n}, e = {key->e};
    return (br_rsa_public_key){n.out, key->n_len, e.out, key->e_len};
}

unsigned rsa_bits(const struct rsa_public *key) {
    if (key->n_len == 0)
        return 0;
    unsigned bits = (unsigned)(key->n_len - 1) * 8;
    for (unsigned top = key->n[0]; top != 0; top >>= 1)
        bits++;
    return bits;
}

bool rsa_public_is_sane(const struct rsa_public *key) {
    unsigned bits = rsa_bits(key);
    return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX && (key->n[key->n_len - 1] & 1) == 1 &&
           key->e_len >= 1 && key->e_len < key->n_len && (key->e[key->e_len - 1] & 1) == 1 &&
           (key->e_len > 1 || key->e[0] >= 3);
}

bool rsa_private_is_consistent(const struct rsa_private *key) {
    const br_rsa_private_key *k = &key->key;
    uint8_t digest[SHA256_LEN] = {0};
    uint8_t signature[RSA_LEN_MAX];
    size_t n_len = key->public.n_len;
    /* The sizes come first, because BearSSL trusts them. BearSSL computes with p and q only, so a
     * signature that verifies with n and e shows that all four belong together. */
    return rsa_public_is_sane(&key->public) && k->n_bitlen == rsa_bits(&key->public) &&
           k->plen >= 1 && k->qlen >= 1 && k->plen <= n_len / 2 + 2 && k->qlen <= n_len / 2 + 2 &&
           k->plen + k->qlen >= n_len && k->plen + k->qlen <= n_len + 1 &&
           (k->p[k->plen - 1] & 1) == 1 && (k->q[k->qlen - 1] & 1) == 1 &&
           rsa_sign(key, digest, signature);
}

bool rsa_generate(struct rsa_private *key, unsigned bits, struct random *random) {
    uint8_t public_store[BR_RSA_KBUF_PUB_SIZE(RSA_BITS_MAX)];
    br_rsa_public_key public;
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX || bits % 2 != 0)
        return false;
    if (!br_rsa_keygen_get_default()(&random->drbg.vtable, &key->key, key->store, &public,
                                     public_store, bits, 65537))
        return false;
    key->public.n_len = public.nlen;
    memcpy(key->public.n, public.n, public.nlen);
    key->public.e_len = 3;
    memcpy(key->public.e, "\x01\x00\x01", 3);
    return true;
}

bool rsa_oaep_encrypt(const struct rsa_public *key, enum rsa_hash hash, const void *label,
                      size_t label_len, const br_prng_class **prng, const void *message,
                      size_t message_len, uint8_t *ciphertext) {
    br_rsa_public_key public = bearssl_public(key);
    return br_rsa_oaep_encrypt_get_default()(prng, hash_class(hash), label, label_len, &public,
                                             ciphertext, key->n_len, message,
                                             message_len) == key->n_len;
}

bool rsa_oaep_decrypt(const struct rsa_private *key, enum rsa_hash hash, const void *label,
                      size_t label_len, uint8_t *data, size_t *len) {
    if (*len != key->public.n_len)
        return false;
    uint32_t is_open =
        br_rsa_oaep_decrypt_get_default()(hash_class(hash), label, label_len, &key->key, data, len);
    wipe_stack();
    return is_open != 0;
}

bool rsa_sign(const struct rsa_private *key, const uint8_t digest[SHA256_LEN], uint8_t *signature) {
    uint32_t is_signed = br_rsa_pkcs1_sign_get_default()(BR_HASH_OID_SHA256, digest, SHA256_LEN,
                                                         &key->key, signature);
    wipe_stack();
    bool is_good = is_signed == 1 && rsa_verify(&key->public, digest, signature, key->public.n_len);
    /* One that a fault has spoilt gives the key away (Boneh, DeMillo, Lipton, 1997). */
    if (!is_good)
        wipe(signature, key->public.n_len);
    return is_good;
}

bool rsa_verify(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                const uint8_t *signature, size_t signature_len) {
    br_rsa_public_key public = bearssl_public(key);
    uint8_t signed_digest[SHA256_LEN];
    if (signature_len != key->n_len)
        return false;
    return br_rsa_pkcs1_vrfy_get_default()(signature, signature_len, BR_HASH_OID_SHA256, SHA256_LEN,
                                           &public, signed_digest) == 1 &&
           memcmp(signed_digest, digest, SHA256_LEN) == 0;
}
