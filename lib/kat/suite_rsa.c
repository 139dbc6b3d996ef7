/* Cases of RSA: signatures, OAEP, encodings of keys. */
#include "kat/suites.h"

#include "crypto/rsa_key.h"
#include "kat/key.h"

#include <string.h>

/* Whether a hash that CAVP's files name is one that dlv does not use. */
static bool is_other_hash(const struct kat_vector *vector, enum kat_field field) {
    static const char *const others[] = {"SHA1",   "SHA224",    "SHA384",
                                         "SHA512", "SHA512224", "SHA512256"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (kat_is(vector, field, others[i]))
            return true;
    }
    return false;
}

enum kat_outcome kat_signature(struct kat_vector *vector) {
    struct rsa_public key;
    uint8_t message[KAT_VALUE_MAX], signature[2 * RSA_LEN_MAX], digest[SHA256_LEN];
    size_t message_len, signature_len;
    enum kat_expected expected;
    if (is_other_hash(vector, F_SHAALG))
        return KAT_SKIPPED;
    if (!kat_is(vector, F_SHAALG, "SHA256"))
        return kat_fail(vector, "SHAAlg is missing, or names no hash");
    if (!kat_get_rsa_public(vector, &key) ||
        !kat_get_hex(vector, F_MSG, message, sizeof message, &message_len) ||
        !kat_get_hex(vector, F_S, signature, sizeof signature, &signature_len) ||
        !kat_get_result(vector, &expected))
        return KAT_FAILED;
    sha256(digest, message, message_len);
    return kat_compare_result(vector, expected, rsa_verify(&key, digest, signature, signature_len),
                              "RSA signature");
}

/* --- OAEP ------------------------------------------------------------------------------------- */

struct oaep_case {
    struct rsa_private key;
    enum rsa_hash hash;
    uint8_t label[256];
    size_t label_len;
    uint8_t message[RSA_LEN_MAX];
    size_t message_len;
    uint8_t ciphertext[2 * RSA_LEN_MAX];
    size_t ciphertext_len;
};

/* Encryption is checked, too, where the vector has the seed. */
static bool check_encryption(const struct kat_vector *vector, const struct oaep_case *oaep) {
    uint8_t seed[SHA256_LEN], encrypted[RSA_LEN_MAX];
    struct kat_given given = {&kat_given_class, seed};
    if (!kat_has(vector, F_SEED) || oaep->ciphertext_len != oaep->key.public.n_len)
        return true;
    if (!kat_get_bytes(vector, F_SEED, seed, oaep->hash == RSA_SHA1 ? 20 : 32))
        return false;
    if (rsa_oaep_encrypt(&oaep->key.public, oaep->hash, oaep->label, oaep->label_len, &given.vtable,
                         oaep->message, oaep->message_len, encrypted) &&
        memcmp(encrypted, oaep->ciphertext, oaep->key.public.n_len) == 0)
        return true;
    kat_fail(vector, "RSA-OAEP encryption differs");
    return false;
}

enum kat_outcome kat_oaep(struct kat_vector *vector) {
    struct oaep_case oaep = {.hash = kat_is(vector, F_HASH, "SHA1") ? RSA_SHA1 : RSA_SHA256};
    uint8_t data[2 * RSA_LEN_MAX];
    enum kat_expected expected;
    if (oaep.hash == RSA_SHA256 && !kat_is(vector, F_HASH, "SHA256"))
        return kat_fail(vector, "Hash is neither SHA1 nor SHA256");
    if (!kat_get_result(vector, &expected) || !kat_get_rsa_private(vector, &oaep.key) ||
        !kat_get_optional(vector, F_LABEL, oaep.label, sizeof oaep.label, &oaep.label_len) ||
        !kat_get_optional(vector, F_MSG, oaep.message, sizeof oaep.message, &oaep.message_len) ||
        !kat_get_optional(vector, F_CT, oaep.ciphertext, sizeof oaep.ciphertext,
                          &oaep.ciphertext_len) ||
        !check_encryption(vector, &oaep))
        return KAT_FAILED;
    if (expected != KAT_MUST_FAIL && !kat_has(vector, F_MSG))
        return kat_fail(vector, "Msg is missing");
    size_t len = oaep.ciphertext_len;
    memcpy(data, oaep.ciphertext, len);
    bool is_decrypted =
        rsa_oaep_decrypt(&oaep.key, oaep.hash, oaep.label, oaep.label_len, data, &len);
    if (is_decrypted && expected != KAT_MUST_FAIL &&
        (len != oaep.message_len || memcmp(data, oaep.message, len) != 0))
        return kat_fail(vector, "RSA-OAEP decryption differs");
    return kat_compare_result(vector, expected, is_decrypted, "RSA-OAEP ciphertext");
}

/* --- encodings -------------------------------------------------------------------------------- */

/* Whether the DER is a key in this encoding; its public half. */
static bool decode(const struct kat_vector *vector, const uint8_t *der, size_t len,
                   struct rsa_public *public) {
    struct rsa_private private;
    if (kat_is(vector, F_FORMAT, "SubjectPublicKeyInfo"))
        return rsa_public_decode(public, der, len) == 0;
    if (kat_is(vector, F_FORMAT, "RSAPublicKey"))
        return rsa_public_decode_pkcs1(public, der, len) == 0;
    int code = kat_is(vector, F_FORMAT, "PKCS8") ? rsa_private_decode(&private, der, len)
                                                 : rsa_private_decode_pkcs1(&private, der, len);
    *public = private.public;
    return code == 0;
}

/* A key in DER that must be read as n and e, or must be refused. */
enum kat_outcome kat_encoding(struct kat_vector *vector) {
    static const char *const formats[] = {"SubjectPublicKeyInfo", "RSAPublicKey", "PKCS8",
                                          "RSAPrivateKey"};
    uint8_t der[KAT_VALUE_MAX];
    size_t len, known = 0;
    struct rsa_public key, expected_key;
    enum kat_expected expected;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        known += kat_is(vector, F_FORMAT, formats[i]);
    if (known == 0)
        return kat_fail(vector, "Format is none of SubjectPublicKeyInfo, RSAPublicKey, PKCS8 and "
                                "RSAPrivateKey");
    if (!kat_get_hex(vector, F_DER, der, sizeof der, &len) || !kat_get_result(vector, &expected))
        return KAT_FAILED;
    bool is_good = decode(vector, der, len, &key);
    if (is_good && expected == KAT_MUST_PASS) {
        if (!kat_get_rsa_public(vector, &expected_key))
            return KAT_FAILED;
        if (key.n_len != expected_key.n_len || key.e_len != expected_key.e_len ||
            memcmp(key.n, expected_key.n, key.n_len) != 0 ||
            memcmp(key.e, expected_key.e, key.e_len) != 0)
            return kat_fail(vector, "the key in DER is not n and e");
    }
    return kat_compare_result(vector, expected, is_good, "encoding of an RSA key");
}
