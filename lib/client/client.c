#include "client/client.h"

#include "base/bytes.h"
#include "client/kept.h"

#include <string.h>
#include <time.h>

#define CHANGES_MAX 4 /* how often a release may change under a question */

/* Decides whether the release may be used as one of the server that has answered. */
static int judge_release(struct client *client, int64_t server_time_s, struct error *error) {
    struct link *link = &client->link;
    if (client->is_judged && client->judged_server == link->server)
        return 0;
    client->disbelief = client->settings.trust == NULL
                            ? 0
                            : trust_release(client->settings.trust, link_name(link),
                                            &client->release, server_time_s, time(NULL), error);
    client->is_judged = client->disbelief == 0;
    client->judged_server = link->server;
    return client->disbelief;
}

/* A pipeline_judge. */
static int judge(void *context, const struct question *question, struct answer *answer,
                 struct error *error) {
    struct client *client = context;
    int code = judge_release(client, answer->server_time_s, error);
    if (code != 0 || client->settings.trust == NULL)
        return code;
    return trust_answer(client->settings.trust, link_name(&client->link), &client->release,
                        question, answer, time(NULL), error);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static const struct rsa_public *server_key(const struct client *client) {
    return &client->settings.identity.servers->keys[client->key_at];
}

/* Begins with the server that answered last. */
static void put_first(struct link *link, const char *name) {
    for (unsigned i = 0; i < link->server_count; i++) {
        if (strcmp(link->servers[i].name, name) == 0)
            link->first = i;
    }
}

/* Takes the session and the release that an earlier run has kept. */
static void take_kept(struct client *client) {
    const struct client_settings *settings = &client->settings;
    const struct session_identity *identity = &settings->identity;
    bool has_session = false;
    for (unsigned i = 0; i < identity->servers->count && !has_session; i++) {
        client->key_at = i;
        has_session = identity->kiosk != NULL &&
                      kept_session_load(settings->kept_folder, &client->session, server_key(client),
                                        identity->kiosk, client->kept_server);
    }
    client->key_at = has_session ? client->key_at : 0;
    put_first(&client->link, client->kept_server);
    memcpy(client->kept_ticket, client->session.keys.ticket, TICKET_LEN);
    if (!kept_release_load(settings->kept_folder, &client->release, server_key(client),
                           settings->trust->policy.authorities))
        return;
    if (settings->is_proved && !client->release.has_nodes)
        known_release_forget(&client->release);
    memcpy(client->kept_release, client->release.header.id, SHA256_LEN);
}

/* Keeps what is new of them. */
static void keep(struct client *client) {
    const struct client_settings *settings = &client->settings;
    const char *server = link_name(&client->link);
    bool is_new_session =
        client->session.is_open &&
        (memcmp(client->kept_ticket, client->session.keys.ticket, TICKET_LEN) != 0 ||
         strcmp(client->kept_server, server) != 0);
    if (settings->identity.kiosk != NULL && is_new_session) {
        kept_session_save(settings->kept_folder, &client->session, server_key(client),
                          settings->identity.kiosk, server, &client->random);
        memcpy(client->kept_ticket, client->session.keys.ticket, TICKET_LEN);
        memcpy(client->kept_server, server, LINK_SERVER_SIZE);
    }
    if (client->release.is_known &&
        memcmp(client->kept_release, client->release.header.id, SHA256_LEN) != 0) {
        kept_release_save(settings->kept_folder, &client->release, server_key(client));
        memcpy(client->kept_release, client->release.header.id, SHA256_LEN);
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

int client_init(struct client *client, const struct client_settings *settings,
                struct error *error) {
    client->settings = *settings;
    client->key_at = 0;
    client->release = (struct known_release){0};
    client_session_forget(&client->session);
    client->pipeline.release = &client->release.header;
    client->pipeline.is_udp = settings->is_udp;
    client->pipeline.is_proved = settings->is_proved;
    client->pipeline.judge = judge;
    client->pipeline.context = client;
    int code = link_init(&client->link, settings->servers, settings->is_udp, error);
    if (code == 0)
        code = random_open(&client->random, error);
    if (code == 0 && settings->kept_folder != NULL)
        take_kept(client);
    return code;
}

void client_close(struct client *client) {
    link_close(&client->link);
    known_release_forget(&client->release);
    client_session_forget(&client->session);
    wipe(&client->random, sizeof client->random);
    wipe(&client->work, sizeof client->work);
    wipe(&client->pipeline, sizeof client->pipeline);
}

/* What is to be asked, or done instead. */
struct task {
    client_form *form;
    client_work *work; /* NULL: asking */
    bool has_learned;  /* the release, since the task began; or what was learned before does */
    void *context;
    struct bundle *bundle;
    uint8_t formed_for[SHA256_LEN]; /* the release that the questions were formed for, ... */
    bool is_formed;                 /* ... if they were */
    unsigned keys_left;             /* pinned keys that were not tried */
    unsigned ends, changes;         /* of sessions and of releases, since the task began */
    int64_t waited_ms;              /* for quotas */
    struct session_talk talk;
};

/* Learns the server's release, and decides whether it may be used. */
static enum link_result learn_release(struct client *client, struct task *task) {
    int64_t server_time_s;
    client->is_judged = false;
    task->has_learned = true;
    enum link_result result = client_session_fetch(&task->talk, client->settings.is_proved,
                                                   &client->release, &server_time_s);
    if (result != LINK_DONE || judge_release(client, server_time_s, task->talk.error) == 0)
        return result;
    known_release_forget(&client->release);
    return LINK_NOT_BELIEVED;
}

/* Has the work done. */
static enum link_result do_work(struct client *client, struct task *task) {
    int64_t server_time_s = client->session.keys.server_time_s;
    if (judge_release(client, server_time_s, task->talk.error) != 0)
        return LINK_NOT_BELIEVED;
    task->talk.extension_ms = client->settings.timeout_ms;
    enum link_result result = task->work(task->context, &task->talk, &client->release);
    task->talk.extension_ms = 0;
    if (result == LINK_NOT_BELIEVED)
        client->disbelief = ERR_CONFLICT;
    if (result == LINK_CHANGED)
        known_release_forget(&client->release);
    return result;
}

/* Has the questions formed, and asks them, or those that are left of them. */
static enum link_result ask(struct client *client, struct task *task) {
    const struct db_header *header = &client->release.header;
    if (!task->is_formed || memcmp(task->formed_for, header->id, SHA256_LEN) != 0) {
        if (task->form(task->context, &header->facts, task->bundle, task->talk.error) != 0)
            return LINK_REFUSED;
        task->is_formed = true;
        memcpy(task->formed_for, header->id, SHA256_LEN);
        pipeline_begin(&client->pipeline, task->bundle);
    }
    task->talk.extension_ms = client->settings.timeout_ms;
    enum link_result result = pipeline_ask(&client->pipeline, &task->talk);
    task->talk.extension_ms = 0;
    if (result == LINK_NOT_BELIEVED)
        client->disbelief = client->pipeline.disbelief;
    if (result == LINK_CHANGED || result == LINK_NOT_BELIEVED)
        known_release_forget(&client->release);
    return result;
}

/* Asks in the session that is there or a new one. */
static enum link_result converse(struct client *client, struct task *task) {
    enum link_result result = client_session_open(&task->talk, &client->settings.identity,
                                                  client->key_at, task->keys_left > 0);
    /* What was kept of an earlier run may be of an older release; only an answer would show that. */
    bool is_certain = task->work == NULL || task->has_learned;
    if (result == LINK_DONE && (!client->release.is_known || !is_certain))
        result = learn_release(client, task);
    if (result == LINK_DONE)
        result = task->work != NULL ? do_work(client, task) : ask(client, task);
    if (result != LINK_DONE)
        link_close(&client->link);
    return result;
}

/* Whether another server is left than the one that has failed. */
static bool has_others(const struct link *link) {
    for (unsigned i = 0; i < link->server_count; i++) {
        if (i != link->server && !link->servers[i].is_out)
            return true;
    }
    return false;
}

/* Waits until there is something of the quota again, where that is not too long, and nobody else may answer. */
static bool wait_for_quota(const struct client *client, struct task *task) {
    const struct client_settings *settings = &client->settings;
    const struct timespec pause = {client->link.wait_s, 0};
    task->waited_ms += (int64_t)client->link.wait_s * 1000;
    if (task->waited_ms > settings->patience_ms || has_others(&client->link))
        return false;
    if (settings->pause != NULL)
        settings->pause(settings->pause_context, client->link.wait_s);
    nanosleep(&pause, NULL);
    return true;
}

/* Whether only an old session or an old release has failed, or another of the pinned keys may do: then
 * the same servers are asked again at once. */
static bool may_repeat(struct client *client, struct task *task, enum link_result result,
                       bool was_open) {
    if (result == LINK_WRONG_KEY && task->keys_left > 0) {
        task->keys_left--;
        client->key_at = (client->key_at + 1) % client->settings.identity.servers->count;
        for (unsigned i = 0; i < client->link.server_count; i++) {
            struct link_server *server = &client->link.servers[i];
            server->is_out = server->is_out && server->result != LINK_WRONG_KEY;
        }
        return true;
    }
    if (result == LINK_OVER_QUOTA && wait_for_quota(client, task)) {
        task->talk.deadline_ms = net_now_ms() + client->settings.timeout_ms;
        return true;
    }
    /* A key of the server's may be withdrawn just after the session was opened. */
    return (result == LINK_SESSION_ENDED && (was_open || task->ends++ == 0)) ||
           (result == LINK_CHANGED && task->changes++ < CHANGES_MAX);
}

/* Asks once more and once more, until there is an answer, or no server and no hope is left. */
static enum link_result ask_servers(struct client *client, struct task *task) {
    struct link *link = &client->link;
    for (;;) {
        bool was_connected = link->lane != NULL, was_open = client->session.is_open;
        enum link_result result = converse(client, task);
        if (result == LINK_DONE)
            return result;
        /* It may be renewed all the same: the ticket's time may be over by the server's clock. */
        if (result == LINK_SESSION_ENDED)
            client->session.is_open = false;
        if (result == LINK_DISTRUSTED || result == LINK_WRONG_KEY)
            client_session_forget(&client->session);
        if (may_repeat(client, task, result, was_open))
            continue;
        if (!link->servers[link->server].is_out)
            link_leave_out(link, result, task->talk.error);
        link->servers[link->server].disbelief = client->disbelief;
        /* An old connection fails without saying anything about the server. */
        if (was_connected && (result == LINK_LOST || result == LINK_STALLED))
            link->servers[link->server].again_ms = net_now_ms();
        if (result == LINK_NOT_BELIEVED && client->disbelief == ERR_LOCAL)
            return result; /* it would be the same with the next one */
        if (!link_has_servers(link) || net_now_ms() >= task->talk.deadline_ms)
            return result;
    }
}

/* Does the task within the time allowed. */
static int do_task(struct client *client, struct task *task, struct error *error) {
    task->keys_left = client->settings.identity.servers->count - 1;
    task->talk = (struct session_talk){.session = &client->session,
                                       .link = &client->link,
                                       .random = &client->random,
                                       .work = &client->work,
                                       .deadline_ms = net_now_ms() + client->settings.timeout_ms,
                                       .error = error};
    link_let_all_in(&client->link);
    switch (ask_servers(client, task)) {
    case LINK_DONE:
        if (client->settings.kept_folder != NULL)
            keep(client);
        return 0;
    case LINK_NOT_BELIEVED:
        return client->disbelief;
    default:
        return ERR_SYSTEM;
    }
}

int client_ask(struct client *client, client_form *form, void *context, struct bundle *bundle,
               struct error *error) {
    struct task task = {.form = form, .context = context, .bundle = bundle};
    return do_task(client, &task, error);
}

int client_do(struct client *client, client_work *work, void *context, bool needs_newest,
              struct error *error) {
    struct task task = {.work = work, .context = context, .has_learned = !needs_newest};
    return do_task(client, &task, error);
}
