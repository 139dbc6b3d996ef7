/* RSA keys and generators of given bytes, as vectors hold them. Inside kat/ only. */
#ifndef DLV_KAT_KEY_H
#define DLV_KAT_KEY_H

#include "crypto/rsa.h"
#include "kat/vector.h"

/* The key of n and e, or of n, e, p, q, dP, dQ and qInv. Leading zeros are dropped, as ASN.1 puts
 * them before some numbers. False with the reason. */
bool kat_get_rsa_public(const struct kat_vector *vector, struct rsa_public *key);
bool kat_get_rsa_private(const struct kat_vector *vector, struct rsa_private *key);

/* A generator that gives out a vector's bytes as if they were random. */
struct kat_given {
    const br_prng_class *vtable; /* &kat_given_class */
    const uint8_t *next;         /* as many bytes as are asked for */
};
extern const br_prng_class kat_given_class;

#endif
