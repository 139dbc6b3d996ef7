/* BearSSL as it is shipped: nanoseconds for each operation that dlv pays for. */
#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/rsa.h"
#include "crypto/x25519.h"

#include <stdio.h>
#include <time.h>

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Repeats `operation` for a third of a second, three times, and prints the best. */
#define MEASURE(name, operation)                                                                   \
    do {                                                                                           \
        double best = 1e18;                                                                        \
        for (int round = 0; round < 3; round++) {                                                  \
            unsigned long times = 0;                                                               \
            double start = now_ns();                                                               \
            while (times % 16 != 0 || now_ns() - start < 3e8) {                                    \
                operation;                                                                         \
                times++;                                                                           \
            }                                                                                      \
            double ns = (now_ns() - start) / (double)times;                                        \
            if (ns < best)                                                                         \
                best = ns;                                                                         \
        }                                                                                          \
        printf("%-34s %12.1f ns\n", name, best);                                                   \
    } while (0)

static int measure_rsa(unsigned bits, struct random *random) {
    static struct rsa_private key;
    uint8_t message[64] = {0}, ciphertext[RSA_LEN_MAX], data[RSA_LEN_MAX], digest[SHA256_LEN] = {0};
    char name[64];
    size_t len;
    if (!rsa_generate(&key, bits, random) ||
        !rsa_oaep_encrypt(&key.public, RSA_SHA256, NULL, 0, &random->drbg.vtable, message,
                          sizeof message, ciphertext))
        return 0;
    snprintf(name, sizeof name, "RSA-%u OAEP decryption", bits);
    MEASURE(name, {
        len = key.public.n_len;
        for (size_t i = 0; i < len; i++)
            data[i] = ciphertext[i];
        rsa_oaep_decrypt(&key, RSA_SHA256, NULL, 0, data, &len);
    });
    snprintf(name, sizeof name, "RSA-%u OAEP encryption", bits);
    MEASURE(name, rsa_oaep_encrypt(&key.public, RSA_SHA256, NULL, 0, &random->drbg.vtable, message,
                                   sizeof message, data));
    snprintf(name, sizeof name, "RSA-%u signature, checked", bits);
    MEASURE(name, rsa_sign(&key, digest, data));
    snprintf(name, sizeof name, "RSA-%u verification", bits);
    MEASURE(name, rsa_verify(&key.public, digest, data, key.public.n_len));
    return 1;
}

static void measure_session(struct random *random) {
    uint8_t key[AEAD_KEY_LEN] = {1}, nonce[AEAD_NONCE_LEN] = {0}, data[640], tag[AEAD_TAG_LEN],
            secret[X25519_LEN], share[X25519_LEN];
    MEASURE("ChaCha20-Poly1305 of 56 bytes", aead_seal(key, nonce, data, 108, data, 56, tag));
    MEASURE("ChaCha20-Poly1305 of 640 bytes", aead_seal(key, nonce, data, 108, data, 640, tag));
    random_bytes(random, secret, sizeof secret);
    MEASURE("X25519", x25519_share(share, secret));
    MEASURE("HKDF-SHA-256 of 64 bytes",
            hkdf_sha256(data, 64, share, sizeof share, secret, sizeof secret, "purpose", 7));
}

int main(void) {
    static uint8_t bytes[65536];
    uint8_t digest[SHA256_LEN];
    struct random random;
    if (random_open(&random, NULL) != 0)
        return 2;
    MEASURE("SHA-256 of 40 bytes", sha256(digest, bytes, 40));
    MEASURE("SHA-256 of 64 KiB", sha256(digest, bytes, sizeof bytes));
    MEASURE("HMAC-SHA-256 of 32 bytes", hmac_sha256(digest, bytes, 32, bytes, 32));
    measure_session(&random);
    return measure_rsa(2048, &random) && measure_rsa(3072, &random) ? 0 : 2;
}
