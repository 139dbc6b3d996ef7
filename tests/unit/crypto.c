#include "unit.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"

#include <stdio.h>

static void test_random(void) {
    struct random a, b;
    uint8_t x[32], y[32], z[32];
    CHECK(random_open(&a, NULL) == 0 && random_open(&b, NULL) == 0);
    random_bytes(&a, x, sizeof x);
    random_bytes(&a, y, sizeof y);
    random_bytes(&b, z, sizeof z);
    CHECK(memcmp(x, y, 32) != 0 && memcmp(x, z, 32) != 0 && !bytes_are_zero(x, 32));
}

static void test_keys(struct rsa_private *key, unsigned bits, struct random *random) {
    char pem[RSA_PEM_MAX], again[RSA_PEM_MAX];
    struct rsa_private read;
    struct rsa_public read_public;
    struct error error;
    uint8_t digest[SHA256_LEN] = {1}, signature[RSA_LEN_MAX];

    CHECK(rsa_generate(key, bits, random));
    CHECK(rsa_bits(&key->public) == bits && rsa_public_is_sane(&key->public));
    CHECK(rsa_private_is_consistent(key));
    size_t len = rsa_private_write_pem(key, pem);
    CHECK(len == strlen(pem));
    CHECK(rsa_private_read_pem(&read, pem, len, &error) == 0);
    CHECK(rsa_private_write_pem(&read, again) == len && strcmp(pem, again) == 0);
    len = rsa_public_write_pem(&key->public, pem);
    CHECK(rsa_public_read_pem(&read_public, pem, len, &error) == 0);
    CHECK(memcmp(&read_public.n, &key->public.n, key->public.n_len) == 0);
    CHECK(rsa_private_read_pem(&read, pem, len, &error) == ERR_FORMAT);

    CHECK(rsa_sign(key, digest, signature));
    CHECK(rsa_verify(&key->public, digest, signature, key->public.n_len));
    CHECK(!rsa_verify(&key->public, digest, signature, key->public.n_len - 1));
    digest[0] ^= 1;
    CHECK(!rsa_verify(&key->public, digest, signature, key->public.n_len));
}

static void test_oaep(const struct rsa_private *key, struct random *random) {
    static const enum rsa_hash hashes[] = {RSA_SHA1, RSA_SHA256};
    uint8_t message[RSA_LEN_MAX] = "a message", data[RSA_LEN_MAX + 1];
    size_t n_len = key->public.n_len;
    for (int i = 0; i < 2; i++) {
        size_t max = n_len - (i == 0 ? 42 : 66); /* RFC 8017: two hashes and two bytes less */
        for (size_t message_len = 0; message_len <= max; message_len += max) {
            size_t len = n_len;
            CHECK(rsa_oaep_encrypt(&key->public, hashes[i], "l", 1, &random->drbg.vtable, message,
                                   message_len, data));
            CHECK(rsa_oaep_decrypt(key, hashes[i], "l", 1, data, &len));
            CHECK(len == message_len && memcmp(data, message, len) == 0);
        }
        CHECK(!rsa_oaep_encrypt(&key->public, hashes[i], "", 0, &random->drbg.vtable, message,
                                max + 1, data));
        size_t len = n_len - 1;
        CHECK(!rsa_oaep_decrypt(key, hashes[i], "", 0, data, &len));
        len = n_len + 1;
        CHECK(!rsa_oaep_decrypt(key, hashes[i], "", 0, data, &len));
    }
}

/* Halves of two keys do not make one. */
static void test_mixed(const struct rsa_private *a, struct random *random) {
    struct rsa_private b;
    CHECK(rsa_generate(&b, rsa_bits(&a->public), random));
    b.public = a->public;
    CHECK(!rsa_private_is_consistent(&b));
}

int main(void) {
    static struct rsa_private key;
    struct random random;
    CHECK(random_open(&random, NULL) == 0);
    test_random();
    CHECK(!rsa_generate(&key, 1022, &random) && !rsa_generate(&key, 4098, &random) &&
          !rsa_generate(&key, 2047, &random));
    static const unsigned sizes[] = {1024, 1030, 2048};
    for (size_t i = 0; i < 3; i++) {
        test_keys(&key, sizes[i], &random);
        test_oaep(&key, &random);
        test_mixed(&key, &random);
    }
    return unit_end("crypto");
}
