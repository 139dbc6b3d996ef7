/* Several RSA keys that are equally good: an old one and its successor, while a key is rolled.
 *
 * A key file may hold more than one PEM block, one behind the other, and several files may be named;
 * the set is all of them, in this order. What stands outside the blocks says nothing; a block that is
 * damaged, cut off or of another kind makes the file a bad one. */
#ifndef DLV_CRYPTO_KEY_SET_H
#define DLV_CRYPTO_KEY_SET_H

#include "crypto/rsa_key.h"

#define KEY_SET_MAX 4

struct key_set {
    unsigned count;
    struct rsa_public keys[KEY_SET_MAX];
    uint8_t ids[KEY_SET_MAX][SHA256_LEN]; /* rsa_public_id of each */
};

/* Secret: wipe after use. It must not be copied or moved (crypto/rsa.h). */
struct private_key_set {
    unsigned count;
    struct rsa_private keys[KEY_SET_MAX];
};

/* Reads the keys of these files, each of at least `bits_min` bits. A key that comes again is taken
 * once. 0, or a negative code with a reason that names the file; ERR_LIMIT where there are more than
 * KEY_SET_MAX. */
int key_set_load(struct key_set *set, const char *const *paths, unsigned path_count,
                 unsigned bits_min, struct error *error);

/* The same for private keys. The set is wiped where this fails. */
int private_key_set_load(struct private_key_set *set, const char *const *paths, unsigned path_count,
                         unsigned bits_min, struct error *error);

/* Adds a key, unless it is there. 0 or ERR_LIMIT. */
int key_set_add(struct key_set *set, const struct rsa_public *key);

/* The public halves. */
void key_set_of_private(struct key_set *set, const struct private_key_set *private);

/* The place of the key whose id begins with these bytes; -1: none. */
int key_set_find(const struct key_set *set, const uint8_t *id, size_t id_len);

#endif
