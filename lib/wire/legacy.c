#include "wire/legacy.h"

#include "base/bytes.h"

#include <string.h>

enum server_state { SERVER_HELLO, SERVER_QUESTION, SERVER_ANSWERING, SERVER_QUIT, SERVER_DONE };
enum client_state { CLIENT_KEY, CLIENT_ASKING, CLIENT_ANSWER, CLIENT_DONE };

void legacy_server_init(struct legacy_server *server, size_t modulus_len) {
    server->state = SERVER_HELLO;
    server->modulus_len = modulus_len;
    server->len = 0;
}

size_t legacy_server_wants(const struct legacy_server *server) {
    switch (server->state) {
    case SERVER_HELLO:
        return strlen(LEGACY_HELLO) - server->len;
    case SERVER_QUESTION:
        return server->modulus_len - server->len;
    case SERVER_QUIT:
        return strlen(LEGACY_QUIT) - server->len;
    default:
        return 0;
    }
}

/* Collects up to `want` bytes of a message. True when it is complete. */
static bool collect(struct legacy_server *server, size_t want, const uint8_t *bytes, size_t len,
                    size_t *used) {
    size_t n = want - server->len < len ? want - server->len : len;
    memcpy(server->buffer + server->len, bytes, n);
    server->len += n;
    *used = n;
    return server->len == want;
}

/* Collects a message that must be `word`. 1 when it is complete, 0 while it is not, -1 as soon as
 * it differs. */
static int collect_word(struct legacy_server *server, const char *word, const uint8_t *bytes,
                        size_t len, size_t *used) {
    bool is_complete = collect(server, strlen(word), bytes, len, used);
    return memcmp(server->buffer, word, server->len) == 0 ? is_complete : -1;
}

static enum legacy_server_step refuse(struct legacy_server *server) {
    server->state = SERVER_DONE;
    return LEGACY_SERVER_REFUSE;
}

enum legacy_server_step legacy_server_take(struct legacy_server *server, const uint8_t *bytes,
                                           size_t len, size_t *used) {
    int result;
    *used = 0;
    switch (server->state) {
    case SERVER_HELLO:
        result = collect_word(server, LEGACY_HELLO, bytes, len, used);
        if (result < 0)
            return refuse(server);
        if (result == 0)
            return LEGACY_SERVER_WAIT;
        server->state = SERVER_QUESTION;
        server->len = 0;
        return LEGACY_SERVER_SEND_KEY;
    case SERVER_QUESTION:
        if (!collect(server, server->modulus_len, bytes, len, used))
            return LEGACY_SERVER_WAIT;
        server->state = SERVER_ANSWERING;
        return LEGACY_SERVER_DECRYPT;
    case SERVER_ANSWERING:
        return LEGACY_SERVER_WAIT;
    case SERVER_QUIT:
        result = collect_word(server, LEGACY_QUIT, bytes, len, used);
        if (result < 0)
            return refuse(server);
        if (result == 0)
            return LEGACY_SERVER_WAIT;
        server->state = SERVER_DONE;
        return LEGACY_SERVER_SEND_STOPPED;
    default:
        return LEGACY_SERVER_REFUSE;
    }
}

void legacy_server_answered(struct legacy_server *server) {
    server->state = SERVER_QUIT;
    server->len = 0;
}

bool legacy_question_digest(uint8_t digest[SHA256_LEN], const uint8_t *question, size_t len) {
    if (len != LEGACY_QUESTION_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (question[i] >= 'A' && question[i] <= 'F')
            return false;
    }
    return hex_decode(digest, SHA256_LEN, (const char *)question, len) == SHA256_LEN;
}

void legacy_client_init(struct legacy_client *client) {
    client->state = CLIENT_KEY;
    client->len = 0;
}

void legacy_client_asked(struct legacy_client *client) {
    client->state = CLIENT_ANSWER;
    client->len = 0;
}

static bool holds(const char *bytes, size_t len, const char *text) {
    size_t text_len = strlen(text);
    for (size_t at = 0; at + text_len <= len; at++) {
        if (memcmp(bytes + at, text, text_len) == 0)
            return true;
    }
    return false;
}

static enum legacy_client_step client_refuse(struct legacy_client *client) {
    client->state = CLIENT_DONE;
    return LEGACY_CLIENT_REFUSE;
}

enum legacy_client_step legacy_client_take(struct legacy_client *client, const uint8_t *bytes,
                                           size_t len) {
    static const char end[] = "-----END PUBLIC KEY-----";
    if (client->state == CLIENT_ASKING || client->state == CLIENT_DONE ||
        len > sizeof client->buffer - client->len)
        return client_refuse(client);
    memcpy(client->buffer + client->len, bytes, len);
    client->len += len;
    if (client->state == CLIENT_KEY) {
        /* The key may come with or without a line feed at its end, so its last line is enough. */
        if (!holds(client->buffer, client->len, end))
            return LEGACY_CLIENT_WAIT;
        client->state = CLIENT_ASKING;
        return LEGACY_CLIENT_KEY;
    }
    static const struct {
        const char *text;
        enum legacy_client_step step;
    } answers[] = {{LEGACY_VALID, LEGACY_CLIENT_VALID}, {LEGACY_INVALID, LEGACY_CLIENT_INVALID}};
    for (size_t i = 0; i < 2; i++) {
        size_t answer_len = strlen(answers[i].text);
        size_t common = client->len < answer_len ? client->len : answer_len;
        if (memcmp(client->buffer, answers[i].text, common) != 0)
            continue;
        if (client->len < answer_len)
            return LEGACY_CLIENT_WAIT;
        if (client->len == answer_len) {
            client->state = CLIENT_DONE;
            return answers[i].step;
        }
    }
    return client_refuse(client);
}

bool legacy_question(const struct rsa_public *key, const uint8_t digest[SHA256_LEN],
                     struct random *random, uint8_t *ciphertext) {
    char question[LEGACY_QUESTION_LEN + 1];
    hex_encode(question, digest, SHA256_LEN);
    bool ok = rsa_oaep_encrypt(key, RSA_SHA1, NULL, 0, &random->drbg.vtable, question,
                               LEGACY_QUESTION_LEN, ciphertext);
    wipe(question, sizeof question);
    return ok;
}
