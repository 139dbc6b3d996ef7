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
static void show_server(const struct client *client, const struct asking *asking, void *context) {
    const struct quota_left *left = context;
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
        asking->options->server_key_paths.items[client->key_at], facts->name,
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

/* Has the work done with each server of the list by itself, and shows it. Where that is about their clocks, they are
 * not judged by these before; receipts go over TCP. */
static int for_each_server(struct asking *asking, bool is_about_clocks, client_work *work,
                           void *context,
                           void (*show)(const struct client *client, const struct asking *asking,
                                        void *context)) {
    static struct client client;
    const char *list = asking->options->servers;
    struct span name;
    int worst = EXIT_OK;
    while (words_next(&list, ',', &name)) {
        char server[LINK_SERVER_SIZE];
        struct client_settings settings = asking->client.settings;
        struct error error;
        format_text(server, sizeof server, "%.*s", (int)name.len, name.text);
        settings.servers = server;
        if (is_about_clocks) {
            settings.is_udp = false;
            settings.trust = NULL;
        }
        settings.kept_folder = NULL; /* all of it anew */
        int code = client_init(&client, &settings, &error);
        if (code == 0)
            code = client_do(&client, work, context, true, &error);
        if (code == 0)
            show(&client, asking, context);
        else
            worst = trouble("%s", error.text);
        client_close(&client);
    }
    return worst;
}

int client_check(struct asking *asking) {
    struct quota_left left;
    return for_each_server(asking, false, learn_quota, &left, show_server);
}

/* --- what time it is ---------------------------------------------------------------------------- */

struct times {
    const struct asking *asking;
    unsigned count;
    int64_t ahead_ms[LINK_SERVERS_MAX]; /* of this clock, in order */
    int64_t within_ms; /* how wrong one of them may be: half of the longest round trip */
    int64_t signed_ms; /* by the last one */
};

/* A client_work. The claim is random, so what is signed was signed just now. */
static enum link_result sign_time(void *context, struct session_talk *talk,
                                  const struct known_release *release) {
    static struct receipt receipt;
    static struct certificate certificate;
    struct times *times = context;
    uint8_t claim[RECEIPT_CLAIM_LEN];
    struct error reason;
    bool is_given;
    (void)release;
    random_bytes(talk->random, claim, sizeof claim);
    int64_t start_ms = net_unix_ms();
    enum link_result result = client_session_receipt(
        talk, times->asking->client.settings.identity.kiosk, claim, &receipt, &is_given);
    int64_t end_ms = net_unix_ms(), middle_ms = (start_ms + end_ms) / 2;
    if (result != LINK_DONE)
        return result;
    if (!is_given ||
        receipt_check(&receipt, &times->asking->authorities, &certificate, &reason) != 0)
        return link_fail(talk->link, LINK_DISTRUSTED, talk->error,
                         is_given ? reason.text : "it gives no receipts, so it signs no time");
    times->signed_ms = receipt.time_ms;
    if ((end_ms - start_ms + 1) / 2 > times->within_ms)
        times->within_ms = (end_ms - start_ms + 1) / 2;
    unsigned at = times->count++;
    for (; at > 0 && times->ahead_ms[at - 1] > receipt.time_ms - middle_ms; at--)
        times->ahead_ms[at] = times->ahead_ms[at - 1];
    times->ahead_ms[at] = receipt.time_ms - middle_ms;
    return LINK_DONE;
}

static void print_time(int64_t unix_ms) {
    char text[TIME_TEXT_SIZE];
    time_format(text, unix_ms / 1000, 0);
    print("%.19s.%03uZ", text, (unsigned)(unix_ms % 1000));
}

static void show_time(const struct client *client, const struct asking *asking, void *context) {
    const struct times *times = context;
    (void)asking;
    print("%s has signed ", link_name(&client->link));
    print_time(times->signed_ms);
    print("\n");
}

int client_time(struct asking *asking) {
    struct times times = {.asking = asking};
    int status = for_each_server(asking, true, sign_time, &times, show_time);
    if (times.count == 0)
        return status;
    int64_t apart_ms = times.ahead_ms[times.count - 1] - times.ahead_ms[0];
    int64_t median_ms = times.ahead_ms[times.count / 2];
    int64_t most_ms = (int64_t)asking->options->max_skew_s * 1000;
    if (apart_ms > most_ms || times.within_ms > most_ms)
        return trouble("%s %lld ms, which is more than --max-skew",
                       apart_ms > most_ms ? "the servers disagree by"
                                          : "the answers took so long that they may be wrong by",
                       (long long)(apart_ms > most_ms ? apart_ms : times.within_ms));
    print("it is ");
    print_time(net_unix_ms() + median_ms);
    print(", the median of %u; they are %lld ms apart, and this clock is %lld ms %s, "
          "each within %lld ms\n",
          times.count, (long long)apart_ms, llabs((long long)median_ms),
          median_ms > 0 ? "behind" : "ahead", (long long)times.within_ms);
    return status;
}

/* --- whether it could answer -------------------------------------------------------------------- */

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
