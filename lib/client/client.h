/* Asking servers in the session protocol (wire/PROTOCOL.md), one server after the other, until one
 * gives an answer that is believed (trust.h). */
#ifndef DLV_CLIENT_CLIENT_H
#define DLV_CLIENT_CLIENT_H

#include "client/session.h"
#include "client/trust.h"

struct client_settings {
    const char *servers; /* "host:port,host:port"; port 8080 where there is none */
    struct session_identity identity;
    bool is_udp;
    int64_t timeout_ms;  /* for each server */
    struct trust *trust; /* NULL: whatever is authentic is believed */
};

/* Secret: end it with client_close. */
struct client {
    struct client_settings settings;
    struct random random;
    struct link link; /* link.server is whoever was asked last */
    size_t server_at; /* the place of its name in settings.servers */
    struct client_session session;
    bool knows_release;           /* what follows is known */
    struct release_facts release; /* of the last answer that came with WISH_INFO */
};

/* The most digests that a frame over this transport holds. */
unsigned client_count_max(const struct client_settings *settings);

/* Prepares a client. It connects to no server yet. 0 or ERR_SYSTEM. */
int client_init(struct client *client, const struct client_settings *settings, struct error *error);

/* Tries each server in turn, beginning with the last one that was believed, until one answers and
 * is believed. Adds the wishes that are needed to question->wishes: the facts of a release that is
 * not known yet, and proofs where trust demands them. The facts of the answer are complete.
 *
 * `answer` is valid until the next call. 0, or a negative code with the last server's reason. */
int client_ask(struct client *client, struct question *question, struct answer *answer,
               struct error *error);

/* Wipes it. */
void client_close(struct client *client);

#endif
