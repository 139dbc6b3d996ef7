/* Cases of RSA: signatures and OAEP. */
#include "crypto/rsa.h"

#include "kat/run.h"

#include <string.h>

/* A number without its leading zeros. */
static int get_rsa_number(const struct run *run, enum field_name field, uint8_t number[RSA_LEN_MAX],
                          size_t *len) {
    int code = kat_get_hex(run, field, number, RSA_LEN_MAX, len);
    size_t zeros = 0;
    if (code != 0)
        return code;
    while (zeros < *len && number[zeros] == 0)
        zeros++;
    *len -= zeros;
    memmove(number, number + zeros, *len);
    return *len > 0 ? 0 : kat_malformed(run, "zero is no part of an RSA key");
}

static int get_rsa_public(const struct run *run, struct rsa_public *key) {
    int code = get_rsa_number(run, F_N, key->n, &key->n_len);
    if (code == 0)
        code = get_rsa_number(run, F_E, key->e, &key->e_len);
    if (code == 0 && !rsa_public_is_sane(key))
        code = kat_malformed(run, "n and e are not a usable RSA key");
    return code;
}

int kat_get_rsa_private(const struct run *run, struct rsa_private *key) {
    uint8_t number[RSA_LEN_MAX];
    struct {
        enum field_name field;
        unsigned char **part;
        size_t *len;
    } parts[] = {{F_P, &key->key.p, &key->key.plen},
                 {F_Q, &key->key.q, &key->key.qlen},
                 {F_DP, &key->key.dp, &key->key.dplen},
                 {F_DQ, &key->key.dq, &key->key.dqlen},
                 {F_QINV, &key->key.iq, &key->key.iqlen}};
    size_t used = 0;
    int code = get_rsa_public(run, &key->public);
    for (size_t i = 0; code == 0 && i < sizeof parts / sizeof parts[0]; i++) {
        code = get_rsa_number(run, parts[i].field, number, parts[i].len);
        if (code != 0)
            break;
        if (*parts[i].len > key->public.n_len / 2 + 2)
            return kat_malformed(run, "a part of the private key is too long");
        *parts[i].part = key->store + used;
        memcpy(*parts[i].part, number, *parts[i].len);
        used += *parts[i].len;
    }
    key->key.n_bitlen = rsa_bits(&key->public);
    if (code == 0 && !rsa_private_is_consistent(key))
        code = kat_wrong(run, "the parts of the private key do not belong together");
    return code;
}

int kat_run_signature(struct run *run) {
    struct rsa_public key;
    uint8_t message[VALUE_MAX], signature[RSA_LEN_MAX], digest[SHA256_LEN];
    size_t message_len, signature_len;
    int is_pass;
    if (!kat_is(run, F_SHAALG, "SHA256"))
        return kat_skip(run);
    int code = get_rsa_public(run, &key);
    if (code == 0)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_S, signature, sizeof signature, &signature_len);
    if (code == 0)
        code = kat_get_result(run, &is_pass);
    if (code != 0)
        return code;
    sha256(digest, message, message_len);
    if (rsa_verify(&key, digest, signature, signature_len) != is_pass)
        return kat_wrong(run, is_pass ? "a good RSA signature was refused"
                                      : "a bad RSA signature was accepted");
    return kat_pass(run);
}

/* Encryption is checked too where the vector has its seed. */
static int check_oaep_encrypt(const struct run *run, const struct rsa_private *key,
                              enum rsa_hash hash, const uint8_t *label, size_t label_len,
                              const uint8_t *message, size_t message_len,
                              const uint8_t *ciphertext) {
    uint8_t seed[SHA256_LEN], encrypted[RSA_LEN_MAX];
    size_t seed_len;
    int code = kat_get_hex(run, F_SEED, seed, sizeof seed, &seed_len);
    if (code != 0)
        return code;
    if (seed_len != (hash == RSA_SHA1 ? 20 : 32))
        return kat_malformed(run, "Seed is not as long as the hash");
    struct kat_given given = {&kat_given_class, seed};
    if (!rsa_oaep_encrypt(&key->public, hash, label, label_len, &given.vtable, message, message_len,
                          encrypted) ||
        memcmp(encrypted, ciphertext, key->public.n_len) != 0)
        return kat_wrong(run, "RSA-OAEP encryption differs");
    return 0;
}

int kat_run_oaep(struct run *run) {
    struct rsa_private key = {0};
    uint8_t label[256], message[RSA_LEN_MAX], ciphertext[2 * RSA_LEN_MAX], data[2 * RSA_LEN_MAX];
    size_t label_len = 0, message_len = 0, len;
    int is_pass;
    enum rsa_hash hash = kat_is(run, F_HASH, "SHA1") ? RSA_SHA1 : RSA_SHA256;
    if (hash == RSA_SHA256 && !kat_is(run, F_HASH, "SHA256"))
        return kat_malformed(run, "Hash is neither SHA1 nor SHA256");
    int code = kat_get_result(run, &is_pass);
    if (code == 0)
        code = kat_get_rsa_private(run, &key);
    if (code == 0 && kat_has(run, F_LABEL))
        code = kat_get_hex(run, F_LABEL, label, sizeof label, &label_len);
    if (code == 0 && is_pass)
        code = kat_get_hex(run, F_MSG, message, sizeof message, &message_len);
    if (code == 0)
        code = kat_get_hex(run, F_CT, ciphertext, sizeof ciphertext, &len);
    if (code == 0 && kat_has(run, F_SEED) && len == key.public.n_len)
        code =
            check_oaep_encrypt(run, &key, hash, label, label_len, message, message_len, ciphertext);
    if (code != 0)
        return code;
    memcpy(data, ciphertext, len);
    int is_decrypted = rsa_oaep_decrypt(&key, hash, label, label_len, data, &len);
    if (is_decrypted != is_pass)
        return kat_wrong(run, is_pass ? "a good RSA-OAEP ciphertext was refused"
                                      : "a bad RSA-OAEP ciphertext was accepted");
    if (is_pass && (len != message_len || memcmp(data, message, len) != 0))
        return kat_wrong(run, "RSA-OAEP decryption differs");
    return kat_pass(run);
}
