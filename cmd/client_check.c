#include "client_check.h"

#include "print.h"
#include "trouble.h"

#include "base/bytes.h"
#include "base/format.h"
#include "registry/words.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A client_work. */
static enum link_result learn_quota(void *context, struct session_talk *talk,
                                    const struct known_release *release) {
    (void)release;
    return client_session_fetch_quota(talk, context);
}

/* Shows what a server has that has answered and is believed. */
static void show_server(const struct client *client, const struct asking_options *options,
                        const struct quota_left *left) {
    const struct release_facts *facts = &client->release.header.facts;
    const struct link *link = &client->link;
    long long ahead_s = client->session.keys.server_time_s - client->session.opened_s;
    char address[NET_ADDRESS_SIZE], created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "ever";
    net_peer_address(link->lane->fd, address);
    time_format(created, facts->created_s, facts->utc_offset_s);
    if (facts->valid_until_s != 0)
        time_format(until, facts->valid_until_s, facts->utc_offset_s);
    print(
        "%s at %s over %s: good; key %s; %s#%llu of %s, valid until %s, covers %s; its clock is %lld "
        "seconds %s; answers after %lld ms; ",
        link_name(link), address, link->lane->is_udp ? "UDP" : "TCP",
        options->server_key_paths.items[client->key_at], facts->name,
        (unsigned long long)facts->sequence, created, until,
        facts->coverage[0] != '\0' ? facts->coverage : "every number", llabs(ahead_s),
        ahead_s < 0 ? "behind" : "ahead", (long long)link->rtt_ms);
    if (left->day == 0)
        print("no quota");
    else
        print("quota %u of %u at once, %u of %u a day", left->burst_left, left->burst,
              left->day_left, left->day);
    if (left->sync_mib > 0)
        print(", %u of %u MiB to fetch a day", left->sync_mib_left, left->sync_mib);
    print("\n");
}

int client_check(struct asking *asking) {
    static struct client client;
    const char *list = asking->options->servers;
    struct span name;
    int worst = EXIT_OK;
    while (words_next(&list, ',', &name)) {
        char server[LINK_SERVER_SIZE];
        struct client_settings settings = asking->client.settings;
        struct quota_left left;
        struct error error;
        format_text(server, sizeof server, "%.*s", (int)name.len, name.text);
        settings.servers = server;
        settings.kept_folder = NULL; /* all of it anew */
        int code = client_init(&client, &settings, &error);
        if (code == 0)
            code = client_do(&client, learn_quota, &left, true, &error);
        if (code == 0)
            show_server(&client, asking->options, &left);
        else
            worst = trouble("%s", error.text);
        client_close(&client);
    }
    return worst;
}

/* 0, with the number of the release, or a negative code with the reason. */
static int ask_health(const char *server, int64_t deadline_ms, unsigned long long *sequence,
                      struct error *error) {
    uint8_t frame[HEALTH_LEN] = {0};
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    int fd = net_split(server, "8080", host, port, error);
    if (fd == 0)
        fd = net_connect(host, port, deadline_ms, error);
    if (fd < 0)
        return error_prefix(error, fd, server);
    frame_write_header(frame, FRAME_HEALTH, 0, HEALTH_LEN);
    size_t len = 0;
    ssize_t n = net_send(fd, frame, sizeof frame, deadline_ms) == 0 ? 1 : -1;
    while (n > 0 && len < sizeof frame) {
        n = net_receive(fd, frame + len, sizeof frame - len, deadline_ms);
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    if (len < sizeof frame || frame[FRAME_TYPE] != FRAME_HEALTHY)
        return error_set(error, ERR_FORMAT,
                         "%s: it is there, but does not say that it could answer", server);
    *sequence = load_le64(frame + FRAME_HEADER_LEN);
    return 0;
}

int client_health(const char *servers, int64_t timeout_ms) {
    struct span name;
    int worst = EXIT_OK;
    while (words_next(&servers, ',', &name)) {
        char server[LINK_SERVER_SIZE];
        int64_t start_ms = net_now_ms();
        unsigned long long sequence;
        struct error error;
        format_text(server, sizeof server, "%.*s", (int)name.len, name.text);
        if (ask_health(server, start_ms + timeout_ms, &sequence, &error) == 0)
            print("%s: could answer, from release %llu; %lld ms\n", server, sequence,
                  (long long)(net_now_ms() - start_ms));
        else
            worst = trouble("%s", error.text);
    }
    return worst;
}
