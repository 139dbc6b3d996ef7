#include "client/client.h"

#include "base/bytes.h"

#include <string.h>
#include <time.h>

#define BUSY_WAIT_MS 200 /* before a busy server is asked again; doubled each time */
#define ADDRESSES_MAX 16 /* of a name, tried over UDP */

unsigned client_count_max(const struct client_settings *settings) {
    return settings->is_udp ? (FRAME_DATAGRAM_MAX - ASK_LEN(0)) / SHA256_LEN : QUESTION_MAX;
}

int client_init(struct client *client, const struct client_settings *settings,
                struct error *error) {
    client->settings = *settings;
    client->link.fd = -1;
    client->link.is_udp = settings->is_udp;
    client->server_at = 0;
    client->knows_release = false;
    client_session_forget(&client->session);
    return random_open(&client->random, error);
}

void client_close(struct client *client) {
    link_close(&client->link);
    wipe(client, sizeof *client);
    client->link.fd = -1;
}

/* --- one server ------------------------------------------------------------------------------- */

/* Asks over the link that is there, in the session that is there or a new one. */
static enum outcome converse(struct client *client, const struct question *question,
                             struct answer *answer, int64_t deadline_ms, struct error *error) {
    enum outcome outcome =
        client_session_open(&client->session, &client->link, &client->settings.identity,
                            &client->random, deadline_ms, error);
    return outcome == LINK_DONE ? client_session_ask(&client->session, &client->link, question,
                                                     &client->random, answer, deadline_ms, error)
                                : outcome;
}

/* Asks the server once; over UDP, at the first of its addresses that answers. */
static enum outcome attempt(struct client *client, const struct question *question,
                            struct answer *answer, int64_t deadline_ms, struct error *error) {
    enum outcome outcome = LINK_LOST;
    for (unsigned nth = 0; nth < ADDRESSES_MAX; nth++) {
        struct error reason;
        enum outcome opened =
            client->link.fd >= 0 ? LINK_DONE : link_open(&client->link, nth, deadline_ms, &reason);
        if (opened == LINK_NO_ADDRESS && nth > 0)
            return outcome; /* with the reason why the last address failed */
        outcome =
            opened == LINK_DONE ? converse(client, question, answer, deadline_ms, &reason) : opened;
        if (outcome == LINK_DONE)
            return outcome;
        link_close(&client->link);
        *error = reason;
        if (!client->settings.is_udp || outcome != LINK_LOST)
            return outcome;
    }
    return outcome;
}

/* Whether a busy server is asked again after a while: only where there is no other server. If so,
 * waits. */
static bool wait_for_busy(const struct client *client, int64_t wait_ms, int64_t deadline_ms) {
    bool is_only_server = strchr(client->settings.servers, ',') == NULL;
    if (!is_only_server || net_now_ms() + wait_ms >= deadline_ms)
        return false;
    const struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return true;
}

/* Asks the server, and asks again where only an old connection or an old session has failed. */
static enum outcome ask_server(struct client *client, const struct question *question,
                               struct answer *answer, struct error *error) {
    int64_t deadline_ms = net_now_ms() + client->settings.timeout_ms, wait_ms = BUSY_WAIT_MS;
    for (;;) {
        bool was_connected = client->link.fd >= 0, was_open = client->session.is_open;
        enum outcome outcome = attempt(client, question, answer, deadline_ms, error);
        if (outcome == LINK_SESSION_ENDED || outcome == LINK_DISTRUSTED)
            client_session_forget(&client->session);
        bool may_repeat =
            (outcome == LINK_SESSION_ENDED && was_open) || (outcome == LINK_LOST && was_connected);
        if (may_repeat)
            continue;
        if (outcome != LINK_BUSY || !wait_for_busy(client, wait_ms, deadline_ms))
            return outcome;
        wait_ms *= 2;
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

/* Takes the name at server_at in the list. False where there is none. */
static bool choose_server(struct client *client) {
    const char *name = client->settings.servers + client->server_at;
    size_t len = strcspn(name, ",");
    if (len >= sizeof client->link.server)
        len = sizeof client->link.server - 1;
    memcpy(client->link.server, name, len);
    client->link.server[len] = '\0';
    return len > 0;
}

/* The place of the name after the one at server_at; after the last comes the first. */
static size_t next_server(const struct client *client) {
    const char *name = client->settings.servers + client->server_at;
    size_t len = strcspn(name, ",");
    return name[len] == ',' ? client->server_at + len + 1 : 0;
}

/* Asks the server at server_at, and decides whether to believe it. 0 or a negative code. */
static int ask_and_judge(struct client *client, const struct question *question,
                         struct answer *answer, struct error *error) {
    struct trust *trust = client->settings.trust;
    if (!choose_server(client))
        return error_set(error, ERR_FORMAT, "no server is named");
    if (ask_server(client, question, answer, error) != LINK_DONE)
        return ERR_SYSTEM;
    return trust == NULL
               ? 0
               : trust_answer(trust, client->link.server, question, answer, time(NULL), error);
}

static int ask_around(struct client *client, const struct question *question, struct answer *answer,
                      struct error *error) {
    size_t first = client->server_at;
    for (;;) {
        int code = ask_and_judge(client, question, answer, error);
        if (code == 0)
            return 0;
        link_close(&client->link);
        client->server_at = next_server(client);
        if (client->server_at == first)
            return code;
    }
}

int client_ask(struct client *client, struct question *question, struct answer *answer,
               struct error *error) {
    const struct trust *trust = client->settings.trust;
    bool is_proved = trust != NULL && trust->policy.authority != NULL;
    question->wishes = is_proved ? WISH_INFO | WISH_PROOF : client->knows_release ? 0 : WISH_INFO;
    int code = ask_around(client, question, answer, error);
    bool is_new_release = code == 0 && !(answer->brings & WISH_INFO) &&
                          answer->facts.sequence != client->release.sequence;
    if (is_new_release) { /* its classes may have other names */
        question->wishes |= WISH_INFO;
        code = ask_around(client, question, answer, error);
    }
    if (code != 0)
        return code;
    if (answer->brings & WISH_INFO) {
        client->release = answer->facts;
        client->knows_release = true;
    } else {
        memcpy(answer->facts.authority_id, client->release.authority_id, SHA256_LEN);
        answer->facts.class_names = client->release.class_names;
    }
    return 0;
}
