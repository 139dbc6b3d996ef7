/* dlv-load: load on a server, to measure it. It is built from the same library as dlv, and is not
 * part of what is deployed. */
#include "applet.h"
#include "json.h"
#include "load.h"
#include "run.h"

#include "base/bytes.h"
#include "crypto/rsa_key.h"

#include <stdio.h>
#include <string.h>

static const char *server, *server_key_path, *kiosk_key_path;
static bool is_udp, is_proved, is_openings, is_receipts, is_json;
static uint64_t connections, window, digests, rate, seconds;

static const struct option options[] = {
    OPTION_TEXT("-s, --server HOST:PORT", &server),
    OPTION_TEXT("--server-key PUB", &server_key_path),
    OPTION_TEXT("-k, --key KEY", &kiosk_key_path),
    OPTION_FLAG("-u, --udp", &is_udp),
    OPTION_FLAG("--openings", &is_openings),
    OPTION_FLAG("--receipts", &is_receipts),
    OPTION_COUNT("-c, --connections N", &connections, 1, LOAD_CONNECTIONS_MAX, 0, NULL),
    OPTION_COUNT("-w, --window N", &window, 1, 512, 0, NULL),
    OPTION_FLAG("--prove", &is_proved),
    OPTION_COUNT("-n, --digests N", &digests, 1, QUESTION_MAX, 1, NULL),
    OPTION_COUNT("-r, --rate N", &rate, 1, 100000000, 0, "a second"),
    OPTION_COUNT("-t, --seconds N", &seconds, 1, 86400, 5, "seconds"),
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

static unsigned long long us(const struct load_result *result, double part) {
    return histogram_percentile(&result->latency, part) / 1000;
}

static void print_result(const struct load_result *result) {
    unsigned long long frames = (unsigned long long)((double)result->answered / result->seconds);
    if (is_json) {
        json_begin();
        json_number("frames_per_second", (long long)frames);
        json_number("questions_per_second", (long long)(frames * digests));
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
    print("%llu frames/s", frames);
    if (!is_openings && !is_receipts)
        print(", %llu questions/s", frames * (unsigned long long)digests);
    print("; %llu answered, %llu refused, %llu lost, %llu wrong\n"
          "p50 %llu us, p90 %llu, p99 %llu, p99.9 %llu, longest %llu\n",
          (unsigned long long)result->answered, (unsigned long long)result->refused,
          (unsigned long long)result->lost, (unsigned long long)result->wrong, us(result, 0.5),
          us(result, 0.9), us(result, 0.99), us(result, 0.999), us(result, 1));
}

static int check_usage(int operand_count, char **operands) {
    unsigned datagram_max = (FRAME_DATAGRAM_MAX - ASK_LEN_MIN) / ITEM_FORMS;
    if (operand_count > 0)
        return usage_error("\"%s\" is not expected here", operands[0]);
    if (server == NULL || server_key_path == NULL)
        return usage_error("--server and --server-key are needed");
    if ((is_openings || is_receipts) &&
        (is_udp || is_openings == is_receipts || option_is_given("digests") || window > 1))
        return usage_error("--openings or --receipts go over TCP, one after the other: no --udp, "
                           "--digests or --window");
    if (is_proved && digests > QUESTION_PROVED_MAX)
        return usage_error("--digests: at most %u with --prove", QUESTION_PROVED_MAX);
    if (is_udp && digests > datagram_max)
        return usage_error("--digests: at most %u fit into a datagram", datagram_max);
    return EXIT_OK;
}

static int run_load(int operand_count, char **operands) {
    static struct key_set server_keys;
    static struct rsa_private kiosk;
    static struct load_result result;
    struct error error;
    if (check_usage(operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    if (key_set_load(&server_keys, &server_key_path, 1, 2048, &error) != 0 ||
        (kiosk_key_path != NULL && rsa_private_load(&kiosk, kiosk_key_path, 2048, &error) != 0))
        return trouble("%s", error.text);
    const struct load_settings settings = {.server = server,
                                           .server_keys = &server_keys,
                                           .kiosk = kiosk_key_path != NULL ? &kiosk : NULL,
                                           .is_udp = is_udp,
                                           .is_openings = is_openings,
                                           .is_receipts = is_receipts,
                                           .connections = (unsigned)(connections != 0 ? connections
                                                                     : is_udp         ? 4
                                                                                      : 64),
                                           .window = (unsigned)(window != 0 ? window
                                                                : is_udp    ? 64
                                                                            : 1),
                                           .digests = (unsigned)digests,
                                           .is_proved = is_proved,
                                           .rate = rate,
                                           .duration_ms = (int64_t)seconds * 1000,
                                           .timeout_ms = 5000};
    int code = load_run(&settings, &result, &error);
    wipe(&kiosk, sizeof kiosk);
    if (code != 0)
        return trouble("%s", error.text);
    print_result(&result);
    if (result.wrong > 0)
        return trouble("%llu wrong answers", (unsigned long long)result.wrong);
    return finish_output();
}

static const struct applet applet_load = {
    .name = "load",
    .summary = "measure a server under load",
    .options = options,
    .needs_cryptography = true,
    .run = run_load,
};

const struct applet *const applets[] = {&applet_load, NULL};

int main(int argc, char **argv) {
    return applet_run(&applet_load, argc - 1, argv + 1);
}
