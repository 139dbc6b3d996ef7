/* Both sides of the legacy exchange, fed anything in any pieces. */
#include "crypto/rsa_key.h"
#include "wire/legacy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed_server(const uint8_t *data, size_t size, size_t piece) {
    struct legacy_server server;
    uint8_t digest[SHA256_LEN];
    size_t used;
    legacy_server_init(&server, 256);
    for (size_t at = 0; at < size;) {
        size_t left = size - at;
        size_t n = left < piece ? left : piece;
        enum legacy_server_step step = legacy_server_take(&server, data + at, n, &used);
        if (used > n || legacy_server_wants(&server) > 256)
            abort();
        if (step == LEGACY_SERVER_REFUSE || step == LEGACY_SERVER_SEND_STOPPED)
            return;
        if (step == LEGACY_SERVER_DECRYPT) {
            legacy_question_digest(digest, server.buffer, 64);
            legacy_server_answered(&server);
        }
        if (step == LEGACY_SERVER_WAIT && used == 0)
            abort();
        at += used;
    }
}

static void feed_client(const uint8_t *data, size_t size, size_t piece) {
    struct legacy_client client;
    struct rsa_public key;
    struct error error;
    legacy_client_init(&client);
    for (size_t at = 0; at < size; at += piece) {
        size_t left = size - at;
        enum legacy_client_step step =
            legacy_client_take(&client, data + at, left < piece ? left : piece);
        if (step == LEGACY_CLIENT_KEY) {
            if (client.len > sizeof client.buffer)
                abort();
            rsa_public_read_pem(&key, client.buffer, client.len, &error);
            legacy_client_asked(&client);
        } else if (step != LEGACY_CLIENT_WAIT) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    feed_server(data + 1, size - 1, piece);
    feed_client(data + 1, size - 1, piece);
    return 0;
}
