#include "applet.h"

#include "base/bytes.h"
#include "base/text.h"
#include "crypto/rsa_key.h"
#include "net/socket.h"
#include "serve/serve.h"
#include "xdp/program.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *db_path, *authority, *key_path, *listen_text, *lookup_key_path, *workers_text,
    *key_holders_text, *connections_text, *timeout_text, *idle_text, *kiosks, *ticket_key, *stats,
    *user, *openings_text, *openings_per_source_text, *xdp, *xdp_busy_poll_text;
static bool is_xdp_optional, is_xdp_generic;
static bool is_legacy, is_anonymous, is_once, is_quick, populates, locks, is_tcp_only;

static const struct option options[] = {
    {"db", 'd', "FILE", &db_path, NULL, "the database"},
    {"authority", 'a', "PUB", &authority, NULL, "the public key that signed it"},
    {"key", 'k', "KEY", &key_path, NULL, "the server's private key"},
    {"lookup-key", 0, "FILE", &lookup_key_path, NULL, "of a keyed database"},
    {"listen", 'l', "ADDR:PORT", &listen_text, NULL,
     "default :8080, every address, TCP and UDP; port 0: any free one"},
    {"kiosks", 0, "FILE", &kiosks, NULL, "answer the kiosks enrolled in this file"},
    {"anonymous", 0, NULL, NULL, &is_anonymous, "answer clients that are not enrolled"},
    {"legacy", 0, NULL, NULL, &is_legacy,
     "speak the protocol of the scripts that dlv replaces, too"},
    {"tcp-only", 0, NULL, NULL, &is_tcp_only, "no UDP"},
    {"xdp", 0, "IFACE[:QUEUE,...]", &xdp, NULL,
     "take UDP from the driver's ring of this interface (AF_XDP); a worker a queue, default queue 0"},
    {"xdp-optional", 0, NULL, NULL, &is_xdp_optional,
     "go on with sockets where that cannot be had"},
    {"xdp-generic", 0, NULL, NULL, &is_xdp_generic,
     "behind the driver, copying, even where it could be in it"},
    {"xdp-busy-poll", 0, "USEC", &xdp_busy_poll_text, NULL, "poll the driver for so long"},
    {"ticket-key", 0, "FILE", &ticket_key, NULL,
     "shared by servers that answer each other's sessions (keygen --type ticket)"},
    {"stats", 0, "FILE", &stats, NULL, "counts, every 5 seconds, in Prometheus' text format"},
    {"user", 0, "NAME", &user, NULL,
     "whom the processes run as that face the network, where started as root; default nobody"},
    {"quick", 0, NULL, NULL, &is_quick,
     "start and reload without checking the whole file: you have run dlv verify"},
    {"populate", 0, NULL, NULL, &populates, "read the database into memory first"},
    {"lock", 0, NULL, NULL, &locks,
     "and keep it there; RLIMIT_MEMLOCK must allow it, and the next release beside it"},
    {"once", 0, NULL, NULL, &is_once, "serve one connection, then end"},
    {"workers", 0, "N", &workers_text, NULL, "processes that talk to clients; default 1 a core"},
    {"key-holders", 0, "N", &key_holders_text, NULL, "processes that decrypt; default 1 a core"},
    {"connections", 0, "N", &connections_text, NULL,
     "at once, for each worker; default 10000; then the oldest is closed"},
    {"timeout", 0, "SECONDS", &timeout_text, NULL,
     "for a connection without a session; default 30"},
    {"idle", 0, "SECONDS", &idle_text, NULL, "for one with a session, unasked; default 300"},
    {"openings", 0, "N", &openings_text, NULL,
     "of sessions a second, in total; default 1000; 0: no limit"},
    {"openings-per-source", 0, "N", &openings_per_source_text, NULL,
     "and from one address; default 20; 0: no limit"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

/* "IFACE" or "IFACE:0,1,2" into the settings. */
static int read_xdp(struct serve_settings *settings) {
    static char interface[64];
    unsigned long long busy_poll_us, queue;
    if (!option_count("xdp-busy-poll", xdp_busy_poll_text, 1, 1000000, 0, &busy_poll_us))
        return EXIT_TROUBLE;
    if (xdp == NULL)
        return is_xdp_optional || is_xdp_generic || xdp_busy_poll_text != NULL
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
        snprintf(digits, sizeof digits, "%.*s", (int)digits_len, at);
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
    settings->xdp_busy_poll_us = (unsigned)busy_poll_us;
    return EXIT_OK;
}

static void log_line(const char *line) {
    char whole[1600];
    int len = snprintf(whole, sizeof whole, "dlv server: %s\n", line);
    /* One write a line, so that processes do not mix theirs. */
    if (len > 0 && write(STDERR_FILENO, whole, (size_t)len) < 0)
        return; /* nowhere left to say so */
}

static int check_usage(int operand_count, char **operands) {
    if (operand_count > 0)
        return usage_error("\"%s\" is not expected here", operands[0]);
    if (db_path == NULL || authority == NULL || key_path == NULL)
        return usage_error("--db, --authority and --key are needed");
    if (is_legacy && !is_anonymous)
        return usage_error("--legacy needs --anonymous: its clients cannot be enrolled");
    if (kiosks == NULL && !is_anonymous)
        return usage_error("--kiosks FILE says who may ask; --anonymous lets everybody");
    return EXIT_OK;
}

static int read_counts(struct serve_settings *settings) {
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned long long cores = online < 1 ? 1 : online > 16 ? 16 : (unsigned long long)online;
    unsigned long long workers, key_holders, connections, timeout_s, idle_s, openings, per_source;
    if (!option_count("workers", workers_text, 1, SERVE_PROCESSES_MAX / 2, cores, &workers) ||
        !option_count("key-holders", key_holders_text, 1, SERVE_PROCESSES_MAX / 2, cores,
                      &key_holders) ||
        !option_count("connections", connections_text, 1, 1000000, 10000, &connections) ||
        !option_count("timeout", timeout_text, 1, 3600, 30, &timeout_s) ||
        !option_count("idle", idle_text, 1, 86400, 300, &idle_s) ||
        !option_count("openings", openings_text, 0, 1000000, 1000, &openings) ||
        !option_count("openings-per-source", openings_per_source_text, 0, 1000000, 20, &per_source))
        return EXIT_TROUBLE;
    settings->worker_count = is_once ? 1 : (unsigned)workers;
    if (settings->worker_count < settings->xdp_queue_count) {
        if (workers_text != NULL)
            return usage_error("--xdp: fewer --workers than queues");
        settings->worker_count = settings->xdp_queue_count;
    }
    settings->key_holder_count = is_once ? 1 : (unsigned)key_holders;
    settings->connection_max = (unsigned)connections;
    settings->deadline_ms = (int64_t)timeout_s * 1000;
    settings->idle_ms = (int64_t)idle_s * 1000;
    settings->openings_per_second = (unsigned)openings;
    settings->openings_per_source = (unsigned)per_source;
    return EXIT_OK;
}

static int load_keys(struct serve_settings *settings) {
    struct error error;
    settings->is_keyed = lookup_key_path != NULL;
    if (rsa_public_load(&settings->authority, authority, 2048, &error) != 0 ||
        (settings->is_keyed &&
         lookup_key_load(&settings->lookup_key, lookup_key_path, &error) != 0) ||
        rsa_private_load(&settings->key, key_path, 2048, &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Only root can become somebody else. */
static int find_user(struct serve_settings *settings) {
    if (geteuid() != 0)
        return user == NULL ? EXIT_OK : trouble("--user: only root can become another user");
    const struct passwd *entry = getpwnam(user != NULL ? user : "nobody");
    if (entry == NULL)
        return trouble("--user: there is no user \"%s\"", user != NULL ? user : "nobody");
    if (entry->pw_uid == 0)
        return trouble("--user: not root: its rights are what is to be given up");
    settings->uid = entry->pw_uid;
    settings->gid = entry->pw_gid;
    return EXIT_OK;
}

static int run(int operand_count, char **operands) {
    static struct serve_settings settings;
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    struct error error;
    if (check_usage(operand_count, operands) != EXIT_OK || read_xdp(&settings) != EXIT_OK ||
        read_counts(&settings) != EXIT_OK)
        return EXIT_TROUBLE;
    if (net_split(listen_text ? listen_text : ":8080", "8080", host, port, &error) != 0)
        return usage_error("--listen: %s", error.text);
    if (xdp != NULL && (*host != '\0' || is_tcp_only || is_once))
        return usage_error("--xdp takes UDP to every address of the interface: --listen :PORT, and "
                           "neither --tcp-only nor --once");
    if (load_keys(&settings) != EXIT_OK || find_user(&settings) != EXIT_OK)
        return EXIT_TROUBLE;
    settings.db_path = db_path;
    settings.host = host;
    settings.port = port;
    settings.key_path = key_path;
    settings.kiosks_path = kiosks;
    settings.is_anonymous = is_anonymous;
    settings.ticket_key_path = ticket_key;
    settings.stats_path = stats;
    settings.is_udp = !is_tcp_only && !is_once;
    settings.is_legacy = is_legacy;
    settings.is_once = is_once;
    settings.is_quick = is_quick;
    settings.populates = populates || locks;
    settings.locks = locks;
    settings.log = log_line;
    if (is_legacy)
        trouble("warning: --legacy does not prove to clients who the server is; its answers can be "
                "changed on the way, and anybody may ask");
    int code = serve_run(&settings, &error);
    wipe(&settings, sizeof settings);
    return code == 0 ? EXIT_OK : trouble("%s", error.text);
}

const struct applet applet_server = {
    .name = "server",
    .summary = "answer clients from a signed database",
    .synopsis = "--db licences.db --authority authority.pub --key server.key\n"
                "    (--kiosks FILE | --anonymous) [OPTION ...]",
    .options = options,
    .description =
        "Checks the database in full, then serves. It does not start on a database that fails a check\n"
        "or is past its valid-until; answers from one that passes it later say so.\n\n"
        "Clients know the server by its public key and open sessions, over TCP or UDP. --kiosks names\n"
        "those that may: a line each of a name, the kiosk's public key (the base64 of its PEM file, on\n"
        "one line), and, if wanted, a last day.\n\n"
        "SIGHUP reads the kiosks, the ticket key and the database anew. A database is checked beside\n"
        "the running service, and only one that passes every check, and whose sequence number is\n"
        "higher, takes the old one's place; no question is lost. The sessions of a kiosk that was\n"
        "removed end at once. SIGTERM and SIGINT let connections end, each within its time, then end\n"
        "the server.\n\n"
        "The private key is held by processes that only decrypt; those that talk to clients never\n"
        "have it. Both give up root, the file system and every system call that they have no use for,\n"
        "and are replaced when they fail. Sockets may come by LISTEN_FDS; NOTIFY_SOCKET is told when\n"
        "the server is ready. The log on stderr is one event a line and says nothing of persons.\n\n"
        "--xdp is for a server that has an interface to itself: UDP to its port is taken out before the\n"
        "kernel's network stack; all else on the interface goes on to the kernel.\n\n"
        "--legacy protects little: the key is sent unauthenticated, and the answer is neither\n"
        "encrypted nor signed. Use it only to keep old clients working.",
    .needs_cryptography = true,
    .run = run,
};
