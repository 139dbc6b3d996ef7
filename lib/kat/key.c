#include "kat/key.h"

#include "base/bytes.h"

#include <string.h>

/* --- RSA keys --------------------------------------------------------------------------------- */

/* A number without its leading zeros, at most RSA_LEN_MAX bytes. */
static bool get_number(const struct kat_vector *vector, enum kat_field field,
                       uint8_t number[RSA_LEN_MAX], size_t *len) {
    uint8_t bytes[RSA_LEN_MAX + 16];
    size_t zeros = 0;
    if (!kat_get_hex(vector, field, bytes, sizeof bytes, len))
        return false;
    while (zeros < *len && bytes[zeros] == 0)
        zeros++;
    *len -= zeros;
    if (*len == 0 || *len > RSA_LEN_MAX) {
        kat_fail(vector, "a number of the RSA key is zero or too long");
        return false;
    }
    memcpy(number, bytes + zeros, *len);
    return true;
}

bool kat_get_rsa_public(const struct kat_vector *vector, struct rsa_public *key) {
    if (!get_number(vector, F_N, key->n, &key->n_len) ||
        !get_number(vector, F_E, key->e, &key->e_len))
        return false;
    if (rsa_public_is_sane(key))
        return true;
    kat_fail(vector, "n and e are not a usable RSA key");
    return false;
}

bool kat_get_rsa_private(const struct kat_vector *vector, struct rsa_private *key) {
    uint8_t number[RSA_LEN_MAX];
    br_rsa_private_key *k = &key->key;
    const struct {
        enum kat_field field;
        unsigned char **part;
        size_t *len;
    } parts[] = {{F_P, &k->p, &k->plen},
                 {F_Q, &k->q, &k->qlen},
                 {F_DP, &k->dp, &k->dplen},
                 {F_DQ, &k->dq, &k->dqlen},
                 {F_QINV, &k->iq, &k->iqlen}};
    size_t used = 0;
    if (!kat_get_rsa_public(vector, &key->public))
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!get_number(vector, parts[i].field, number, parts[i].len))
            return false;
        if (*parts[i].len > key->public.n_len / 2 + 2) {
            kat_fail(vector, "a part of the private key is too long");
            return false;
        }
        *parts[i].part = key->store + used;
        memcpy(*parts[i].part, number, *parts[i].len);
        used += *parts[i].len;
    }
    k->n_bitlen = rsa_bits(&key->public);
    if (rsa_private_is_consistent(key))
        return true;
    kat_fail(vector, "the parts of the private key do not belong together");
    return false;
}

/* --- given bytes ------------------------------------------------------------------------------ */

static void init(const br_prng_class **context, const void *params, const void *seed, size_t len) {
    (void)context, (void)params, (void)seed, (void)len;
}

static void generate(const br_prng_class **context, void *out, size_t len) {
    struct kat_given *given = (struct kat_given *)(void *)context;
    memcpy(out, given->next, len);
    given->next += len;
}

static void update(const br_prng_class **context, const void *seed, size_t len) {
    (void)context, (void)seed, (void)len;
}

const br_prng_class kat_given_class = {sizeof(struct kat_given), init, generate, update};
