#include "client/legacy.h"

#include "crypto/rsa_key.h"
#include "wire/legacy.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exchange {
    int fd;
    const char *name; /* of the server, for reasons */
    int64_t deadline_ms;
    struct error *error;
};

static int failed(const struct exchange *exchange, int code, const char *doing) {
    if (code == ERR_TIMEOUT)
        return error_set(exchange->error, code, "%s: no answer within the time allowed (%s)",
                         exchange->name, doing);
    return error_set_errno(exchange->error, "%s: %s", exchange->name, doing);
}

/* Receives until the protocol takes a step. The step, or a negative code. */
static int next_step(const struct exchange *exchange, struct legacy_client *protocol,
                     const char *awaited) {
    uint8_t bytes[1024];
    enum legacy_client_step step = LEGACY_CLIENT_WAIT;
    while (step == LEGACY_CLIENT_WAIT) {
        ssize_t n = net_receive(exchange->fd, bytes, sizeof bytes, exchange->deadline_ms);
        if (n < 0)
            return failed(exchange, (int)n, awaited);
        if (n == 0)
            return error_set(exchange->error, ERR_FORMAT,
                             "%s: closed the connection without an answer (%s)", exchange->name,
                             awaited);
        step = legacy_client_take(protocol, bytes, (size_t)n);
    }
    if (step == LEGACY_CLIENT_REFUSE)
        return error_set(exchange->error, ERR_FORMAT, "%s: does not speak the legacy protocol (%s)",
                         exchange->name, awaited);
    return (int)step;
}

/* Says goodbye as the protocol wants. The answer is whole by now: what goes wrong here is not. */
static void quit(const struct exchange *exchange) {
    uint8_t bytes[64];
    if (net_send(exchange->fd, LEGACY_QUIT, strlen(LEGACY_QUIT), exchange->deadline_ms) != 0)
        return;
    shutdown(exchange->fd, SHUT_WR);
    while (net_receive(exchange->fd, bytes, sizeof bytes, exchange->deadline_ms) > 0) {
    }
}

static int carry_out(const struct exchange *exchange, const uint8_t digest[SHA256_LEN],
                     struct random *random, struct client_legacy_answer *answer) {
    struct legacy_client protocol;
    struct rsa_public key;
    struct error reason;
    uint8_t ciphertext[RSA_LEN_MAX];

    int code = net_send(exchange->fd, LEGACY_HELLO, strlen(LEGACY_HELLO), exchange->deadline_ms);
    if (code != 0)
        return failed(exchange, code, "greeting");
    legacy_client_init(&protocol);
    int step = next_step(exchange, &protocol, "waiting for its key");
    if (step < 0)
        return step;
    if (rsa_public_read_pem(&key, protocol.buffer, protocol.len, &reason) != 0)
        return error_set(exchange->error, ERR_FORMAT, "%s: %.900s", exchange->name, reason.text);
    answer->key_bits = rsa_bits(&key);
    if (!legacy_question(&key, digest, random, ciphertext))
        return error_set(exchange->error, ERR_FORMAT, "%s: its key is too short", exchange->name);
    code = net_send(exchange->fd, ciphertext, key.n_len, exchange->deadline_ms);
    if (code != 0)
        return failed(exchange, code, "asking");
    legacy_client_asked(&protocol);
    step = next_step(exchange, &protocol, "waiting for the answer");
    if (step < 0)
        return step;
    answer->is_valid = step == LEGACY_CLIENT_VALID;
    quit(exchange);
    return 0;
}

static int ask_one(const char *name, const uint8_t digest[SHA256_LEN], struct random *random,
                   int64_t timeout_ms, struct client_legacy_answer *answer, struct error *error) {
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    struct exchange exchange = {
        .name = name, .deadline_ms = net_now_ms() + timeout_ms, .error = error};
    int code = net_split(name, "8080", host, port, error);
    if (code != 0)
        return code;
    exchange.fd = net_connect(host, port, exchange.deadline_ms, error);
    if (exchange.fd < 0)
        return exchange.fd;
    code = carry_out(&exchange, digest, random, answer);
    close(exchange.fd);
    return code;
}

int client_legacy_ask(const char *servers, const uint8_t digest[SHA256_LEN], struct random *random,
                      int64_t timeout_ms, struct client_legacy_answer *answer,
                      struct error *error) {
    int code = error_set(error, ERR_FORMAT, "no server is named");
    while (*servers != '\0') {
        size_t len = strcspn(servers, ",");
        if (len >= sizeof answer->server)
            return error_set(error, ERR_FORMAT, "the server's name is too long");
        *answer = (struct client_legacy_answer){0};
        memcpy(answer->server, servers, len);
        code = ask_one(answer->server, digest, random, timeout_ms, answer, error);
        if (code == 0)
            return 0;
        servers += len + (servers[len] == ',');
    }
    return code;
}
