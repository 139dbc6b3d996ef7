#include "applet.h"
#include "built.h"
#include "places.h"
#include "progress.h"
#include "server_check.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/parallel.h"
#include "base/text.h"
#include "crypto/rsa_key.h"
#include "net/socket.h"
#include "os/users.h"
#include "registry/words.h"
#include "serve/serve.h"
#include "serve/server_keys.h"
#include "xdp/program.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *db_path, *listen_text, *lookup_key_path, *kiosks, *ticket_key, *stats, *user,
    *xdp, *no_sandbox;
static const char *anonymous_quota, *proxy_from;
static struct option_list authority_paths, key_paths;
static bool is_demo, force, is_check, is_legacy, is_anonymous, is_once, is_quick, populates, locks,
    is_tcp_only, is_xdp_optional, is_xdp_generic;
static const char *audit, *log_key, *audit_key, *receipt_key, *receipt_certificate;
static bool is_audit_optional;
static uint64_t audit_size, audit_sync_ms;
static uint64_t workers, key_holders, connections, timeout_s, idle_s, openings, openings_per_source,
    xdp_busy_poll_us;

static const struct option options[] = {
    OPTION_TEXT("-d, --db FILE", &db_path),
    OPTION_LIST("-a, --authority PUB", &authority_paths),
    OPTION_LIST("-k, --key KEY", &key_paths),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path),
    OPTION_TEXT("-l, --listen ADDR:PORT", &listen_text),
    OPTION_TEXT("--kiosks FILE", &kiosks),
    OPTION_FLAG("--anonymous", &is_anonymous),
    OPTION_FLAG("--legacy", &is_legacy),
    OPTION_TEXT("--proxy-from CIDR[,...]", &proxy_from),
    OPTION_FLAG("--tcp-only", &is_tcp_only),
    OPTION_TEXT("--xdp IFACE[:QUEUE,...]", &xdp),
    OPTION_FLAG("--xdp-optional", &is_xdp_optional),
    OPTION_FLAG("--xdp-generic", &is_xdp_generic),
    OPTION_COUNT("--xdp-busy-poll USEC", &xdp_busy_poll_us, 1, 1000000, 0, "microseconds"),
    OPTION_TEXT("--receipt-key KEY", &receipt_key),
    OPTION_TEXT("--receipt-certificate FILE", &receipt_certificate),
    OPTION_TEXT("--ticket-key FILE", &ticket_key),
    OPTION_TEXT("--stats FILE", &stats),
    OPTION_TEXT("--audit DIR", &audit),
    OPTION_TEXT("--log-key KEY", &log_key),
    OPTION_TEXT("--audit-key FILE", &audit_key),
    OPTION_FLAG("--audit-optional", &is_audit_optional),
    OPTION_SIZE("--audit-size BYTES", &audit_size, 1 << 20, 1 << 30),
    OPTION_COUNT("--audit-sync MS", &audit_sync_ms, 0, 60000, 200, "milliseconds"),
    OPTION_FLAG("--check", &is_check),
    OPTION_FLAG("-f, --force", &force),
    OPTION_TEXT("--user NAME", &user),
    OPTION_FLAG("--demo", &is_demo),
    OPTION_TEXT("--no-sandbox PARTS", &no_sandbox),
    OPTION_FLAG("--quick", &is_quick),
    OPTION_FLAG("--populate", &populates),
    OPTION_FLAG("--lock", &locks),
    OPTION_FLAG("--once", &is_once),
    OPTION_TEXT("--anonymous-quota QUOTA", &anonymous_quota),
    OPTION_COUNT("--workers N", &workers, 1, SERVE_PROCESSES_MAX / 2, 0, NULL),
    OPTION_COUNT("--key-holders N", &key_holders, 1, SERVE_PROCESSES_MAX / 2, 0, NULL),
    OPTION_COUNT("--connections N", &connections, 1, 1000000, 10000, NULL),
    OPTION_COUNT("--timeout SECONDS", &timeout_s, 1, 3600, 30, "seconds"),
    OPTION_COUNT("--idle SECONDS", &idle_s, 1, 86400, 300, "seconds"),
    OPTION_COUNT("--openings N", &openings, 0, 1000000, 1000, "a second"),
    OPTION_COUNT("--openings-per-source N", &openings_per_source, 0, 1000000, 20, "a second"),
    OPTIONS_END,
};

/* Reads "IFACE" or "IFACE:0,1,2" into the settings. */
static int read_xdp(struct serve_settings *settings) {
    static char interface[64];
    unsigned long long queue;
    if (xdp == NULL)
        return is_xdp_optional || is_xdp_generic || xdp_busy_poll_us != 0
                   ? usage_error(
                         "--xdp-optional, --xdp-generic and --xdp-busy-poll belong to --xdp")
                   : EXIT_OK;
    size_t len = strcspn(xdp, ":");
    if (len == 0 || len >= sizeof interface)
        return usage_error("--xdp: \"%s\" names no interface", xdp);
    memcpy(interface, xdp, len);
    const char *at = xdp[len] == ':' ? xdp + len + 1 : "0";
    do {
        char digits[8];
        size_t digits_len = strcspn(at, ",");
        format_text(digits, sizeof digits, "%.*s", (int)digits_len, at);
        if (settings->xdp_queue_count == SERVE_QUEUES_MAX || digits_len >= sizeof digits ||
            text_parse_count(digits, XDP_QUEUES_MAX - 1, &queue) != 0)
            return usage_error("--xdp: want IFACE:QUEUE,..., at most %d queues below %d",
                               SERVE_QUEUES_MAX, XDP_QUEUES_MAX);
        settings->xdp_queues[settings->xdp_queue_count++] = (unsigned)queue;
        at += digits_len + (at[digits_len] == ',');
    } while (*at != '\0');
    settings->xdp_interface = interface;
    settings->is_xdp_optional = is_xdp_optional;
    settings->is_xdp_generic = is_xdp_generic;
    settings->xdp_busy_poll_us = (unsigned)xdp_busy_poll_us;
    return EXIT_OK;
}

/* Reads which protections may be missing. */
static int read_sandbox(struct serve_settings *settings) {
    for (const char *at = no_sandbox != NULL ? no_sandbox : ""; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == 7 && memcmp(at, "seccomp", len) == 0)
            settings->sandbox.without_seccomp = true;
        else if (len == 8 && memcmp(at, "landlock", len) == 0)
            settings->sandbox.without_landlock = true;
        else
            return usage_error("--no-sandbox \"%s\" is not a list of seccomp and landlock",
                               no_sandbox);
        at += len + (at[len] == ',');
    }
    return EXIT_OK;
}

static void log_line(const char *line) {
    char whole[1600];
    size_t len = format_text(whole, sizeof whole, "dlv server: %s\n", line);
    if (len >= sizeof whole)
        len = sizeof whole - 1;
    /* Each line is one write, so that lines of several processes do not mix. */
    if (write(STDERR_FILENO, whole, len) < 0)
        return; /* there is nowhere left to say so */
}

static int check_usage(int operand_count, char **operands) {
    if (operand_count > 0)
        return usage_error("\"%s\" is not expected here", operands[0]);
    if (db_path == NULL || authority_paths.count == 0 || key_paths.count == 0)
        return usage_error("--db, --authority and --key are needed");
    if (is_legacy && !is_anonymous)
        return usage_error("--legacy needs --anonymous: its clients cannot be enrolled");
    if ((audit != NULL) != (log_key != NULL) || (audit != NULL) != (audit_key != NULL))
        return usage_error("--audit, --log-key and --audit-key go together");
    if ((receipt_key != NULL) != (receipt_certificate != NULL))
        return usage_error("--receipt-key and --receipt-certificate go together");
    if (kiosks == NULL && !is_anonymous)
        return usage_error("--kiosks FILE says who may ask; --anonymous lets everybody");
    const struct place read[] = {{"--db", db_path},
                                 {"--lookup-key", lookup_key_path},
                                 {"--kiosks", kiosks},
                                 {"--receipt-key", receipt_key},
                                 {"--receipt-certificate", receipt_certificate},
                                 {"--ticket-key", ticket_key}};
    const struct place written = {"--stats", stats};
    return places_keep_apart(&written, read, sizeof read / sizeof read[0]) == EXIT_OK &&
                   places_keep_list_apart(&written, "--authority", &authority_paths) == EXIT_OK &&
                   places_keep_list_apart(&written, "--key", &key_paths) == EXIT_OK
               ? EXIT_OK
               : EXIT_TROUBLE;
}

static int choose_counts(struct serve_settings *settings) {
    unsigned processors = parallel_processors(), cores = processors > 16 ? 16 : processors;
    settings->worker_count = is_once ? 1 : workers != 0 ? (unsigned)workers : cores;
    if (settings->worker_count < settings->xdp_queue_count) {
        if (workers != 0)
            return usage_error("--xdp: fewer --workers than queues");
        settings->worker_count = settings->xdp_queue_count;
    }
    settings->key_holder_count = is_once ? 1 : key_holders != 0 ? (unsigned)key_holders : cores;
    settings->connection_max = (unsigned)connections;
    settings->deadline_ms = (int64_t)timeout_s * 1000;
    settings->idle_ms = (int64_t)idle_s * 1000;
    settings->openings_per_second = (unsigned)openings;
    settings->openings_per_source = (unsigned)openings_per_source;
    return EXIT_OK;
}

/* Reads "10.0.0.0/8,fd00::/8". */
static int read_proxies(struct serve_settings *settings) {
    const char *list = proxy_from;
    struct span item;
    while (list != NULL && words_next(&list, ',', &item)) {
        char text[64], *slash;
        unsigned long long bits = 0;
        struct serve_network *network = &settings->proxies[settings->proxy_count];
        bool is_read =
            settings->proxy_count < SERVE_PROXIES_MAX &&
            format_text(text, sizeof text, "%.*s", (int)item.len, item.text) < sizeof text;
        slash = is_read ? strchr(text, '/') : NULL;
        if (slash != NULL)
            *slash++ = '\0';
        bool is_v6 = is_read && inet_pton(AF_INET6, text, network->address) == 1;
        bool is_v4 = is_read && !is_v6 && inet_pton(AF_INET, text, network->address + 12) == 1;
        unsigned most = is_v6 ? 128 : 32;
        if (slash == NULL)
            bits = most;
        if ((!is_v4 && !is_v6) || (slash != NULL && text_parse_count(slash, most, &bits) != 0))
            return usage_error(
                "--proxy-from \"%.*s\" is not a network such as 10.0.0.0/8 or fd00::/8",
                (int)item.len, item.text);
        if (is_v4)
            memcpy(network->address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
        network->bits = (unsigned)bits + (is_v4 ? 96 : 0);
        settings->proxy_count++;
    }
    return EXIT_OK;
}

static int read_quota(struct serve_settings *settings) {
    static char text[64];
    const char *own = anonymous_quota != NULL ? anonymous_quota : "1200/6000/200000";
    bool is_good = format_text(text, sizeof text, "%s", own) < sizeof text;
    if (strcmp(own, "0") == 0)
        return EXIT_OK;
    return is_good && quota_parse(&settings->anonymous_quota, text)
               ? EXIT_OK
               : usage_error(
                     "--anonymous-quota \"%s\" is not MINUTE/BURST/DAY, as 1200/6000/200000", own);
}

static int load_keys(struct serve_settings *settings) {
    struct error error;
    settings->is_keyed = lookup_key_path != NULL;
    settings->authority_paths = (struct serve_paths){authority_paths.count, authority_paths.items};
    settings->key_paths = (struct serve_paths){key_paths.count, key_paths.items};
    settings->receipt_key_path = receipt_key;
    settings->receipt_certificate_path = receipt_certificate;
    if (settings->is_keyed && lookup_key_load(&settings->lookup_key, lookup_key_path, &error) != 0)
        return trouble("%s", error.text);
    /* --check goes on after a file that is wrong. */
    if (!is_check && (server_keys_renew_authorities(settings, &error) < 0 ||
                      server_keys_renew_own(settings, &error) < 0 ||
                      server_keys_renew_receipts(settings, &error) < 0))
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Only root can become somebody else. */
static int find_user(struct serve_settings *settings) {
    if (geteuid() != 0)
        return user == NULL ? EXIT_OK : trouble("--user: only root can become another user");
    const char *own = user != NULL ? user : "nobody";
    unsigned long long number;
    bool is_found = users_find(own, &settings->uid, &settings->gid);
    if (!is_found && text_parse_count(own, UINT32_MAX - 1, &number) != 0)
        return trouble("--user: there is no user \"%s\" (give one that /etc/passwd has, or a "
                       "number)",
                       own);
    /* A number need not have a name; then its group has the same number. */
    if (!is_found)
        settings->uid = settings->gid = (uid_t)number;
    if (settings->uid == 0 || settings->gid == 0)
        return trouble("--user: not root, nor its group: these rights are what is to be given up");
    return EXIT_OK;
}

/* Whoever has the server reload while it starts has it reload afterwards, and not end. */
static void put_off_reload(void) {
    sigset_t reload;
    sigemptyset(&reload);
    sigaddset(&reload, SIGHUP);
    sigprocmask(SIG_BLOCK, &reload, NULL);
}

static int run_server(int operand_count, char **operands) {
    static struct serve_settings settings;
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    struct error error;
    put_off_reload();
    if (check_usage(operand_count, operands) != EXIT_OK || read_xdp(&settings) != EXIT_OK ||
        read_sandbox(&settings) != EXIT_OK || choose_counts(&settings) != EXIT_OK ||
        read_quota(&settings) != EXIT_OK || read_proxies(&settings) != EXIT_OK)
        return EXIT_TROUBLE;
    if (listen_text != NULL && listen_text[0] == '\0')
        return usage_error("--listen is empty (an unset variable?)");
    if (net_split(listen_text ? listen_text : ":8080", "8080", host, port, &error) != 0)
        return usage_error("--listen: %s", error.text);
    if (xdp != NULL && (*host != '\0' || is_tcp_only || is_once))
        return usage_error("--xdp takes UDP to every address of the interface: --listen :PORT, and "
                           "neither --tcp-only nor --once");
    if (time(NULL) < built_s())
        return trouble("the clock of this machine is behind the date of this program: set it");
    settings.is_demo = is_demo;
    if (load_keys(&settings) != EXIT_OK || find_user(&settings) != EXIT_OK)
        return EXIT_TROUBLE;
    settings.db_path = db_path;
    settings.host = host;
    settings.port = port;
    settings.kiosks_path = kiosks;
    settings.is_anonymous = is_anonymous;
    settings.ticket_key_path = ticket_key;
    settings.stats_path = stats;
    settings.audit_path = audit;
    settings.log_key_path = log_key;
    settings.audit_key_path = audit_key;
    settings.is_audit_optional = is_audit_optional;
    settings.audit_size = audit_size;
    settings.audit_sync_ms = (int64_t)audit_sync_ms;
    settings.stats_replacing = force ? REPLACE_ANY : REPLACE_KIND;
    settings.is_udp = !is_tcp_only && !is_once;
    settings.is_legacy = is_legacy;
    settings.is_once = is_once;
    settings.is_quick = is_quick;
    settings.populates = populates || locks;
    settings.locks = locks;
    settings.log = log_line;
    settings.tell = progress_show;
    if (is_check) {
        int status = server_check(&settings);
        wipe(&settings, sizeof settings);
        return status;
    }
    if (is_legacy)
        trouble("warning: --legacy does not prove to clients who the server is; its answers can be "
                "changed on the way, and anybody may ask");
    if (no_sandbox != NULL)
        trouble("warning: --no-sandbox=%s: an attacker who takes a process over is not held by it",
                no_sandbox);
    int code = serve_run(&settings, &error);
    enum sandbox_part missing = settings.sandbox_missing;
    wipe(&settings, sizeof settings);
    if (code != 0 && missing != SANDBOX_NOTHING)
        return trouble("%s (--no-sandbox=%s starts without it)", error.text,
                       missing == SANDBOX_SECCOMP ? "seccomp" : "landlock");
    return code == 0 ? EXIT_OK : trouble("%s", error.text);
}

const struct applet applet_server = {
    .name = "server",
    .summary = "answer clients from a signed database",
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_server,
};
