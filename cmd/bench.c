#include "applet.h"
#include "json.h"

#include "crypto/rsa_key.h"
#include "load/load.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

static const char *server, *server_key_path, *kiosk_key_path, *connections_text, *window_text,
    *digests_text, *rate_text, *seconds_text;
static bool is_udp, is_openings, is_json;

static const struct option options[] = {
    {"server", 's', "HOST:PORT", &server, NULL, "whom to ask"},
    {"server-key", 0, "PUB", &server_key_path, NULL, "its public key"},
    {"key", 'k', "KEY", &kiosk_key_path, NULL, "a kiosk's private key"},
    {"udp", 'u', NULL, NULL, &is_udp, "over UDP"},
    {"openings", 0, NULL, NULL, &is_openings, "open sessions (over TCP) instead of asking"},
    {"connections", 'c', "N", &connections_text, NULL, "default 64; over UDP sockets, default 4"},
    {"window", 'w', "N", &window_text, NULL, "frames under way on each; default 1, over UDP 64"},
    {"digests", 'n', "N", &digests_text, NULL, "in a frame; default 1"},
    {"rate", 'r', "N", &rate_text, NULL, "frames a second; default as fast as answers come"},
    {"seconds", 't', "N", &seconds_text, NULL, "default 5"},
    {"json", 'j', NULL, NULL, &is_json, "one JSON object"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

static double us(const struct load_result *result, double part) {
    return (double)histogram_percentile(&result->latency, part) / 1000;
}

static void print(const struct load_result *result, unsigned digests) {
    double rate = (double)result->answered / result->seconds;
    if (is_json) {
        json_begin();
        json_number("frames_per_second", (long long)rate);
        json_number("questions_per_second", (long long)(rate * digests));
        json_number("answered", (long long)result->answered);
        json_number("refused", (long long)result->refused);
        json_number("lost", (long long)result->lost);
        json_number("wrong", (long long)result->wrong);
        json_number("p50_us", (long long)us(result, 0.5));
        json_number("p90_us", (long long)us(result, 0.9));
        json_number("p99_us", (long long)us(result, 0.99));
        json_number("p999_us", (long long)us(result, 0.999));
        json_number("max_us", (long long)us(result, 1));
        json_end();
        return;
    }
    printf("%.0f frames/s", rate);
    if (!is_openings)
        printf(", %.0f questions/s", rate * digests);
    printf("; %llu answered, %llu refused, %llu lost, %llu wrong\n"
           "p50 %.0f us, p90 %.0f, p99 %.0f, p99.9 %.0f, longest %.0f\n",
           (unsigned long long)result->answered, (unsigned long long)result->refused,
           (unsigned long long)result->lost, (unsigned long long)result->wrong, us(result, 0.5),
           us(result, 0.9), us(result, 0.99), us(result, 0.999), us(result, 1));
}

static int run(int operand_count, char **operands) {
    static struct rsa_public server_key;
    static struct rsa_private kiosk;
    static struct load_result result;
    unsigned long long connections, window, digests, rate, seconds;
    struct error error;
    if (operand_count != 1 || strcmp(operands[0], "server") != 0)
        return usage_error("what is to be measured is needed: server");
    if (server == NULL || server_key_path == NULL)
        return usage_error("--server and --server-key are needed");
    if (is_openings && (is_udp || digests_text != NULL))
        return usage_error("--openings go over TCP, and have no --digests");
    if (!option_count("connections", connections_text, 1, LOAD_CONNECTIONS_MAX, is_udp ? 4 : 64,
                      &connections) ||
        !option_count("window", window_text, 1, 512, is_udp ? 64 : 1, &window) ||
        !option_count("digests", digests_text, 1,
                      is_udp ? (FRAME_DATAGRAM_MAX - ASK_LEN(0)) / SHA256_LEN : QUESTION_MAX, 1,
                      &digests) ||
        !option_count("rate", rate_text, 1, 100000000, 0, &rate) ||
        !option_count("seconds", seconds_text, 1, 86400, 5, &seconds))
        return EXIT_TROUBLE;
    if (is_openings && window > 1)
        return usage_error("--openings: nothing follows an opening before its answer: no --window");
    if (rsa_public_load(&server_key, server_key_path, 2048, &error) != 0 ||
        (kiosk_key_path != NULL && rsa_private_load(&kiosk, kiosk_key_path, 2048, &error) != 0))
        return trouble("%s", error.text);
    const struct load_settings settings = {.server = server,
                                           .server_key = &server_key,
                                           .kiosk = kiosk_key_path != NULL ? &kiosk : NULL,
                                           .is_udp = is_udp,
                                           .is_openings = is_openings,
                                           .connections = (unsigned)connections,
                                           .window = (unsigned)window,
                                           .digests = (unsigned)digests,
                                           .rate = rate,
                                           .duration_ms = (int64_t)seconds * 1000,
                                           .timeout_ms = 5000};
    int code = load_run(&settings, &result, &error);
    wipe(&kiosk, sizeof kiosk);
    if (code != 0)
        return trouble("%s", error.text);
    print(&result, (unsigned)digests);
    if (result.wrong > 0)
        return trouble("%llu wrong answers", (unsigned long long)result.wrong);
    return finish_output();
}

const struct applet applet_bench = {
    .name = "bench",
    .summary = "measure a server under load",
    .synopsis = "server --server HOST:PORT --server-key server.pub [OPTION ...]",
    .options = options,
    .description =
        "Asks about random digests, from one thread, and prints how many frames were answered and how\n"
        "long that took. Without --rate each answer is followed by the next question: what the server\n"
        "can do. With --rate questions are due at even intervals and times count from then, so that a\n"
        "server that stalls is charged for all that had to wait.\n\n"
        "Only for servers that are yours: it is a flood. What one source may open is theirs to set.",
    .needs_cryptography = true,
    .run = run,
};
