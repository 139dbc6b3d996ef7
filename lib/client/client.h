/* Asking servers in the session protocol (wire/PROTOCOL.md), until one gives an answer that is believed
 * (trust.h). */
#ifndef DLV_CLIENT_CLIENT_H
#define DLV_CLIENT_CLIENT_H

#include "client/pipeline.h"
#include "client/session.h"
#include "client/trust.h"

/* Forms the questions for a release: how numbers and names are brought into matching form is in its
 * header. 0 or a negative code with the reason. */
typedef int client_form(void *context, const struct release_facts *facts, struct bundle *bundle,
                        struct error *error);

struct client_settings {
    const char *servers; /* "host:port,host:port"; port 8080 where there is none */
    struct session_identity identity;
    bool is_udp;
    bool is_proved;                                /* answers are to be proved */
    int64_t timeout_ms;                            /* for all, and again after each answer */
    int64_t patience_ms;                           /* how long a spent quota is waited for */
    void (*pause)(void *context, uint32_t wait_s); /* told of that; may be NULL */
    void *pause_context;
    struct trust *trust; /* NULL: whatever is authentic is believed */
    /* where sessions and releases are kept between runs (kept.h); not without authorities; NULL: nowhere */
    const char *kept_folder;
};

/* Secret: end it with client_close. */
struct client {
    struct client_settings settings;
    struct random random;
    struct link link;
    unsigned key_at; /* the pinned key that the last session was opened with */
    struct client_session session;
    struct session_work work;
    struct known_release release; /* of the server that was believed last */
    bool is_judged;               /* the release, as one of this server: */
    unsigned judged_server;
    int disbelief; /* why its release is not believed, or its answer */
    /* what the kept files hold, so that they are not written again: */
    uint8_t kept_ticket[TICKET_LEN];
    uint8_t kept_release[SHA256_LEN];
    char kept_server[LINK_SERVER_SIZE];
    struct pipeline pipeline;
};

/* Prepares a client. It connects to no server yet. 0 or ERR_SYSTEM. */
int client_init(struct client *client, const struct client_settings *settings, struct error *error);

/* Asks the servers, beginning with the last one that was believed, until one answers and is believed.
 * Learns its release first, where that is not known; then has the questions formed for it. Nothing is asked
 * where `form` leaves no question.
 *
 * 0, or a negative code with a server's reason; link.servers has those of all. */
int client_ask(struct client *client, client_form *form, void *context, struct bundle *bundle,
               struct error *error);

/* Does something else than asking, with a server whose release is believed: LINK_DONE, or another outcome, after
 * which it may be called again, also with another server. */
typedef enum link_result client_work(void *context, struct session_talk *talk,
                                     const struct known_release *release);

/* Finds a server as client_ask does, and has the work done; `needs_newest`: with what it has said of its release since.
 * 0, or a negative code with the reason. */
int client_do(struct client *client, client_work *work, void *context, bool needs_newest,
              struct error *error);

/* Wipes it. */
void client_close(struct client *client);

#endif
