/* Asking servers in the session protocol (wire/PROTOCOL.md): over TCP or UDP, one server after the
 * other, opening sessions and opening them anew as needed. */
#ifndef DLV_CLIENT_SESSION_H
#define DLV_CLIENT_SESSION_H

#include "net/socket.h"
#include "wire/question.h"
#include "wire/session.h"

/* A last look at an answer that is authentic: 0, or a negative code with the reason, and the next
 * server is asked. */
typedef int (*client_check)(void *context, const struct question *question,
                            const struct answer *answer, struct error *error);

struct client_settings {
    const char *servers; /* "host:port,host:port"; port 8080 where there is none */
    const struct rsa_public *server_key;
    const struct rsa_private *kiosk; /* NULL: anonymous */
    int is_udp;
    int64_t timeout_ms; /* for each server */
    int64_t max_skew_s; /* between a server's clock and ours */
    client_check check;
    void *context; /* of it */
};

#define CLIENT_SERVER_SIZE (NET_HOST_SIZE + NET_PORT_SIZE + 1)

/* Secret: end it with client_close. */
struct client {
    struct client_settings settings;
    struct random random;
    int fd;      /* -1: not connected */
    int is_open; /* there is a session, on whatever connection, with whatever server has its ticket
                    key */
    int is_busy; /* the server has just said that it is */
    size_t server_at; /* in settings.servers: whom we ask */
    char server[CLIENT_SERVER_SIZE];
    int64_t renew_ms; /* when the session is to be opened anew */
    struct opening opening;
    struct session session;
    uint8_t ask[FRAME_TO_SERVER_MAX];
    uint8_t in[FRAME_MAX];
    int64_t skew_s;                  /* of the first server whose clock is too far from ours, ... */
    char skewed[CLIENT_SERVER_SIZE]; /* ... and its name; empty: none so far */
};

/* Most digests in a frame over this transport. */
unsigned client_count_max(const struct client_settings *settings);

/* Reaches nobody yet. 0 or ERR_SYSTEM. */
int client_init(struct client *client, const struct client_settings *settings, struct error *error);

/* Asks until a server answers, each of them once around, beginning with the one that answered last.
 * The answer is this question's: each entry agrees with its own dates, and the clock of who gave it
 * (client->server) with ours. `answer` is valid until the next call. 0, or the last failure:
 * ERR_SYSTEM, ERR_TIMEOUT, ERR_SIGNATURE (not the server with that key), ERR_FORMAT, ERR_CONFLICT
 * (clocks), ERR_LIMIT (refused), or what the check said. */
int client_ask(struct client *client, const struct question *question, struct answer *answer,
               struct error *error);

/* Wipes it. */
void client_close(struct client *client);

#endif
