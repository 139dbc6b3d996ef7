#include "unit.h"

#include "crypto/rsa_key.h"
#include "wire/legacy.h"

/* A whole exchange between the two sides, in pieces of every size. */
static void test_exchange(struct rsa_private *key, struct random *random, size_t piece,
                          bool is_valid) {
    struct legacy_server server;
    struct legacy_client client;
    char pem[RSA_PEM_MAX];
    uint8_t digest[SHA256_LEN] = {0xAB}, got[SHA256_LEN], ciphertext[RSA_LEN_MAX];
    size_t pem_len = rsa_public_write_pem(&key->public, pem) - 1, used;
    enum legacy_server_step step = LEGACY_SERVER_WAIT;
    legacy_server_init(&server, key->public.n_len);
    legacy_client_init(&client);

    const char *hello = LEGACY_HELLO;
    for (size_t at = 0; at < strlen(hello); at += used) {
        CHECK(step == LEGACY_SERVER_WAIT);
        size_t left = strlen(hello) - at;
        CHECK(legacy_server_wants(&server) == left);
        step = legacy_server_take(&server, (const uint8_t *)hello + at, left < piece ? left : piece,
                                  &used);
    }
    CHECK(step == LEGACY_SERVER_SEND_KEY);

    enum legacy_client_step client_step = LEGACY_CLIENT_WAIT;
    for (size_t at = 0; at < pem_len && client_step == LEGACY_CLIENT_WAIT; at += piece)
        client_step = legacy_client_take(&client, (const uint8_t *)pem + at,
                                         pem_len - at < piece ? pem_len - at : piece);
    CHECK(client_step == LEGACY_CLIENT_KEY && client.len == pem_len);
    CHECK(legacy_question(&key->public, digest, random, ciphertext));
    legacy_client_asked(&client);

    step = LEGACY_SERVER_WAIT;
    for (size_t at = 0; at < key->public.n_len; at += used) {
        size_t left = key->public.n_len - at;
        step = legacy_server_take(&server, ciphertext + at, left < piece ? left : piece, &used);
    }
    CHECK(step == LEGACY_SERVER_DECRYPT && legacy_server_wants(&server) == 0);
    size_t len = key->public.n_len;
    CHECK(rsa_oaep_decrypt(key, RSA_SHA1, NULL, 0, server.buffer, &len));
    CHECK(legacy_question_digest(got, server.buffer, len) && memcmp(got, digest, 32) == 0);
    legacy_server_answered(&server);

    const char *answer = is_valid ? LEGACY_VALID : LEGACY_INVALID;
    client_step = LEGACY_CLIENT_WAIT;
    for (size_t at = 0; at < strlen(answer); at += piece) {
        size_t left = strlen(answer) - at;
        CHECK(client_step == LEGACY_CLIENT_WAIT);
        client_step =
            legacy_client_take(&client, (const uint8_t *)answer + at, left < piece ? left : piece);
    }
    CHECK(client_step == (is_valid ? LEGACY_CLIENT_VALID : LEGACY_CLIENT_INVALID));
    CHECK(legacy_client_take(&client, (const uint8_t *)"x", 1) == LEGACY_CLIENT_REFUSE);

    step = legacy_server_take(&server, (const uint8_t *)"Quit", 4, &used);
    CHECK(step == LEGACY_SERVER_SEND_STOPPED);
    CHECK(legacy_server_take(&server, (const uint8_t *)"Quit", 4, &used) == LEGACY_SERVER_REFUSE);
}

static void test_refusals(void) {
    struct legacy_server server;
    size_t used;
    legacy_server_init(&server, 256);
    CHECK(legacy_server_take(&server, (const uint8_t *)"Client: oK", 10, &used) ==
          LEGACY_SERVER_REFUSE);
    CHECK(legacy_server_take(&server, (const uint8_t *)LEGACY_HELLO, 10, &used) ==
          LEGACY_SERVER_REFUSE); /* once refused, always refused */
    legacy_server_init(&server, 256);
    CHECK(legacy_server_take(&server, (const uint8_t *)"G", 1, &used) == LEGACY_SERVER_REFUSE);

    static const char *const bad[] = {
        "8F90A67A61E983D29562DEAF368909A88B6900D1CBA785CC0A18703F3DD3295D",
        "8f90a67a61e983d29562deaf368909a88b6900d1cba785cc0a18703f3dd3295",
        "8f90a67a61e983d29562deaf368909a88b6900d1cba785cc0a18703f3dd3295d0",
        "8f90a67a61e983d29562deaf368909a88b6900d1cba785cc0a18703f3dd3295g", ""};
    uint8_t digest[SHA256_LEN];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!legacy_question_digest(digest, (const uint8_t *)bad[i], strlen(bad[i])));

    struct legacy_client client;
    static uint8_t much[LEGACY_KEY_MAX + 1];
    legacy_client_init(&client);
    CHECK(legacy_client_take(&client, much, sizeof much) == LEGACY_CLIENT_REFUSE);
    legacy_client_init(&client);
    CHECK(legacy_client_take(&client, much, LEGACY_KEY_MAX) == LEGACY_CLIENT_WAIT);
    CHECK(legacy_client_take(&client, much, 1) == LEGACY_CLIENT_REFUSE);
}

int main(void) {
    static struct rsa_private key;
    struct random random;
    CHECK(random_open(&random, NULL) == 0);
    CHECK(rsa_generate(&key, 1024, &random));
    static const size_t pieces[] = {1, 2, 7, 64, 5000};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        test_exchange(&key, &random, pieces[i], 1);
        test_exchange(&key, &random, pieces[i], 0);
    }
    test_refusals();
    return unit_end("wire");
}
