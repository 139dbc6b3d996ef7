/* Asking servers in the session protocol (wire/PROTOCOL.md), one server after the other, until one
 * gives an answer that is believed (trust.h). */
#ifndef DLV_CLIENT_CLIENT_H
#define DLV_CLIENT_CLIENT_H

#include "client/pipeline.h"
#include "client/session.h"
#include "client/trust.h"

#define CLIENT_SERVERS_MAX 16 /* whose failures are kept */

/* Forms the questions for a release: how numbers and names are brought into matching form is in its
 * header. 0 or a negative code with the reason. */
typedef int client_form(void *context, const struct release_facts *facts, struct bundle *bundle,
                        struct error *error);

struct client_settings {
    const char *servers; /* "host:port,host:port"; port 8080 where there is none */
    struct session_identity identity;
    bool is_udp;
    bool is_proved;                                /* answers are to be proved */
    int64_t timeout_ms;                            /* for each answer of a server */
    int64_t patience_ms;                           /* how long a spent quota is waited for */
    void (*pause)(void *context, uint32_t wait_s); /* told of that; may be NULL */
    void *pause_context;
    struct trust *trust; /* NULL: whatever is authentic is believed */
};

/* What went wrong with a server. */
struct client_failure {
    enum link_result result; /* LINK_DONE: it answered, and the answer was not believed */
    int code;
    struct error error;
};

/* Secret: end it with client_close. */
struct client {
    struct client_settings settings;
    struct random random;
    struct link link; /* link.server is whoever was asked last */
    size_t server_at; /* the place of its name in settings.servers */
    unsigned key_at;  /* the pinned key that the last session was opened with */
    struct client_session session;
    struct known_release release; /* of the server that was believed last */
    bool was_lost;                /* the connection was there, and then it was not */
    int disbelief;                /* why its release is not believed, or its answer */
    struct pipeline pipeline;
    unsigned failure_count; /* of the last client_ask that failed */
    struct client_failure failures[CLIENT_SERVERS_MAX];
};

/* Prepares a client. It connects to no server yet. 0 or ERR_SYSTEM. */
int client_init(struct client *client, const struct client_settings *settings, struct error *error);

/* Tries each server in turn, beginning with the last one that was believed, until one answers and
 * is believed. Learns its release first, where that is not known; then has the questions formed for
 * it. Nothing is asked where `form` leaves no question.
 *
 * 0, or a negative code with the last server's reason; client->failures has those of all. */
int client_ask(struct client *client, client_form *form, void *context, struct bundle *bundle,
               struct error *error);

/* Wipes it. */
void client_close(struct client *client);

#endif
