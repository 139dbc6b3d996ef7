#include "client/client.h"

#include "base/bytes.h"

#include <string.h>
#include <time.h>

#define BUSY_WAIT_MS 200 /* before a busy server is asked again; doubled each time */
#define ADDRESSES_MAX 16 /* of a name, tried over UDP */

/* A pipeline_judge. */
static int judge(void *context, const struct question *question, struct answer *answer,
                 struct error *error) {
    const struct client *client = context;
    if (client->settings.trust == NULL)
        return 0;
    return trust_answer(client->settings.trust, client->link.server, &client->release, question,
                        answer, time(NULL), error);
}

int client_init(struct client *client, const struct client_settings *settings,
                struct error *error) {
    client->settings = *settings;
    client->link.fd = -1;
    client->link.is_udp = settings->is_udp;
    client->server_at = 0;
    client->key_at = 0;
    client->release = (struct known_release){0};
    client_session_forget(&client->session);
    client->pipeline.session = &client->session;
    client->pipeline.link = &client->link;
    client->pipeline.random = &client->random;
    client->pipeline.release = &client->release.header;
    client->pipeline.is_proved = settings->is_proved;
    client->pipeline.timeout_ms = settings->timeout_ms;
    client->pipeline.judge = judge;
    client->pipeline.context = client;
    return random_open(&client->random, error);
}

void client_close(struct client *client) {
    link_close(&client->link);
    known_release_forget(&client->release);
    wipe(client, sizeof *client);
    client->link.fd = -1;
}

/* --- one server ------------------------------------------------------------------------------- */

/* What is to be asked. */
struct task {
    client_form *form;
    void *context;
    struct bundle *bundle;
    int64_t deadline_ms; /* of all but the answers */
    struct error *error;
};

/* Learns the server's release, and decides whether it may be used. */
static enum link_result learn_release(struct client *client, const struct task *task) {
    struct trust *trust = client->settings.trust;
    int64_t server_time_s;
    enum link_result result = client_session_fetch(
        &client->session, &client->link, client->settings.is_proved, &client->random,
        &client->release, &server_time_s, task->deadline_ms, task->error);
    if (result != LINK_DONE || trust == NULL)
        return result;
    client->disbelief = trust_release(trust, client->link.server, &client->release, server_time_s,
                                      time(NULL), task->error);
    if (client->disbelief == 0)
        return LINK_DONE;
    known_release_forget(&client->release);
    return LINK_NOT_BELIEVED;
}

/* Has the questions formed, and asks them. */
static enum link_result ask(struct client *client, const struct task *task) {
    struct pipeline *pipeline = &client->pipeline;
    const struct db_header *header = &client->release.header;
    if (task->form(task->context, &header->facts, task->bundle, task->error) != 0)
        return LINK_REFUSED;
    pipeline->bundle = task->bundle;
    enum link_result result = pipeline_ask(pipeline, task->error);
    if (result == LINK_CHANGED)
        known_release_forget(&client->release);
    client->disbelief = pipeline->disbelief;
    return result;
}

/* Asks over the link that is there, in the session that is there or a new one. */
static enum link_result converse(struct client *client, const struct task *task) {
    enum link_result result =
        client_session_open(&client->session, &client->link, &client->settings.identity,
                            client->key_at, &client->random, task->deadline_ms, task->error);
    if (result == LINK_DONE && !client->release.is_known)
        result = learn_release(client, task);
    return result == LINK_DONE ? ask(client, task) : result;
}

/* Asks the server once; over UDP, at the first of its addresses that answers. */
static enum link_result attempt(struct client *client, const struct task *task) {
    enum link_result result = LINK_LOST;
    for (unsigned nth = 0; nth < ADDRESSES_MAX; nth++) {
        struct error reason;
        struct task once = *task;
        once.error = &reason;
        enum link_result opened = client->link.fd >= 0
                                      ? LINK_DONE
                                      : link_open(&client->link, nth, task->deadline_ms, &reason);
        if (opened == LINK_NO_ADDRESS && nth > 0)
            return result; /* with the reason why the last address failed */
        result = opened == LINK_DONE ? converse(client, &once) : opened;
        client->was_lost = opened == LINK_DONE && result == LINK_LOST;
        if (result == LINK_DONE)
            return result;
        *task->error = reason;
        link_close(&client->link);
        if (!client->settings.is_udp || (result != LINK_LOST && result != LINK_NO_WAY))
            return result;
    }
    return result;
}

/* Whether a server that is busy, that has closed the connection, or that there is no way to just now, is asked again after a while: only
 * where there is no other server. If so, waits. */
static bool wait_for_busy(const struct client *client, int64_t wait_ms, int64_t deadline_ms) {
    bool is_only_server = strchr(client->settings.servers, ',') == NULL;
    if (!is_only_server || net_now_ms() + wait_ms >= deadline_ms)
        return false;
    const struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return true;
}

/* Waits until there is something of the quota again, where that is not too long. */
static bool wait_for_quota(const struct client *client) {
    const struct client_settings *settings = &client->settings;
    uint32_t wait_s = client->link.wait_s;
    if ((int64_t)wait_s * 1000 > settings->patience_ms)
        return false;
    if (settings->pause != NULL)
        settings->pause(settings->pause_context, wait_s);
    const struct timespec pause = {wait_s, 0};
    nanosleep(&pause, NULL);
    return true;
}

#define CHANGES_MAX 4 /* how often a release may change under a question */

/* Asks the server, and asks again where only an old connection, an old session or an old release has
 * failed, or where another of the pinned keys may be its own. */
static enum link_result ask_server(struct client *client, struct task *task) {
    int64_t wait_ms = BUSY_WAIT_MS;
    task->deadline_ms = net_now_ms() + client->settings.timeout_ms;
    unsigned keys_left = client->settings.identity.servers->count - 1;
    for (int changes = 0, ends = 0;;) {
        bool was_connected = client->link.fd >= 0, was_open = client->session.is_open;
        enum link_result result = attempt(client, task);
        if (result == LINK_SESSION_ENDED || result == LINK_DISTRUSTED || result == LINK_WRONG_KEY)
            client_session_forget(&client->session);
        /* A key of the server's may be withdrawn just after the session was opened. */
        bool may_repeat = (result == LINK_SESSION_ENDED && (was_open || ends++ == 0)) ||
                          (result == LINK_LOST && was_connected) ||
                          (result == LINK_CHANGED && changes++ < CHANGES_MAX);
        if (may_repeat)
            continue;
        if (result == LINK_WRONG_KEY && keys_left > 0) {
            keys_left--;
            client->key_at = (client->key_at + 1) % client->settings.identity.servers->count;
            continue;
        }
        if (result == LINK_OVER_QUOTA && wait_for_quota(client)) {
            task->deadline_ms = net_now_ms() + client->settings.timeout_ms;
            continue;
        }
        bool may_pass = result == LINK_BUSY || result == LINK_NO_WAY ||
                        (result == LINK_LOST && client->was_lost && !client->settings.is_udp);
        if (!may_pass || !wait_for_busy(client, wait_ms, task->deadline_ms))
            return result;
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
static int ask_and_judge(struct client *client, struct task *task, enum link_result *result) {
    *result = LINK_REFUSED;
    if (!choose_server(client))
        return error_set(task->error, ERR_FORMAT, "no server is named");
    *result = ask_server(client, task);
    if (*result == LINK_NOT_BELIEVED)
        return client->disbelief;
    return *result == LINK_DONE ? 0 : ERR_SYSTEM;
}

static void note_failure(struct client *client, enum link_result result, int code,
                         const struct error *error) {
    if (client->failure_count == CLIENT_SERVERS_MAX)
        return;
    struct client_failure *failure = &client->failures[client->failure_count++];
    failure->result = result;
    failure->code = code;
    failure->error = *error;
}

int client_ask(struct client *client, client_form *form, void *context, struct bundle *bundle,
               struct error *error) {
    struct task task = {.form = form, .context = context, .bundle = bundle, .error = error};
    size_t first = client->server_at;
    client->failure_count = 0;
    for (;;) {
        enum link_result result;
        int code = ask_and_judge(client, &task, &result);
        if (code == 0)
            return 0;
        note_failure(client, result, code, error);
        link_close(&client->link);
        if (code == ERR_LOCAL) /* it would be the same with the next one */
            return code;
        /* The next server may have another release. */
        known_release_forget(&client->release);
        client->server_at = next_server(client);
        if (client->server_at == first)
            return code;
    }
}
