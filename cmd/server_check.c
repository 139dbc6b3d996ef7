#include "server_check.h"

#include "applet.h"
#include "print.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
#include "serve/kiosks.h"
#include "serve/release.h"
#include "serve/stats.h"
#include "serve/tickets.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define METRICS_MAX 65536

/* The metrics of the server that is running; empty where there are none. */
static char metrics[METRICS_MAX + 1];

static void read_metrics(const struct serve_settings *settings) {
    struct error error;
    const char *path = settings->stats_path;
    ssize_t len =
        path != NULL && access(path, R_OK) == 0 ? file_read(path, metrics, METRICS_MAX, &error) : 0;
    metrics[len > 0 ? len : 0] = '\0';
}

/* The value of a metric without labels. False where it is not there. */
static bool find_metric(const char *name, unsigned long long *value) {
    char wanted[80], digits[24];
    format_text(wanted, sizeof wanted, "\n%s ", name);
    const char *at = strstr(metrics, wanted);
    if (at == NULL)
        return false;
    at += strlen(wanted);
    format_text(digits, sizeof digits, "%.*s", (int)strcspn(at, "\n"), at);
    return text_parse_count(digits, UINT64_MAX, value) == 0;
}

/* Whether the server that is running has this key. */
static bool is_in_use(const char *of, const char *fingerprint) {
    char wanted[120];
    format_text(wanted, sizeof wanted, "\n" STATS_KEY_INFO " 1\n", of, fingerprint);
    return strstr(metrics, wanted) != NULL;
}

static int check_sequence(const char *path, unsigned long long sequence) {
    unsigned long long in_use;
    if (!find_metric("dlv_database_sequence", &in_use))
        return EXIT_OK;
    if (sequence < in_use)
        return trouble("%s: its sequence number %llu is not above %llu, in use", path, sequence,
                       in_use);
    if (sequence == in_use)
        print("  that release is in use\n");
    else
        print("  takes the place of release %llu\n", in_use);
    return EXIT_OK;
}

static int check_database(const struct serve_settings *settings) {
    struct release release = {.settings = settings};
    char until[TIME_TEXT_SIZE] = "any day";
    struct error error;
    if (release_open(&release, &error) != 0)
        return trouble("%s", error.text);
    close(release.fd);
    const struct release_facts *facts = &release.header.facts;
    if (facts->valid_until_s != 0)
        time_format(until, facts->valid_until_s, facts->utc_offset_s);
    print("%s: release %llu of %s, %llu entries, good until %s\n", settings->db_path,
          (unsigned long long)facts->sequence, facts->name,
          (unsigned long long)release.header.count, until);
    return check_sequence(settings->db_path, facts->sequence);
}

static void show_keys(const char *of, const char *option, const struct key_set *keys) {
    for (unsigned i = 0; i < keys->count; i++) {
        char fingerprint[RSA_FINGERPRINT_SIZE];
        rsa_fingerprint_of_id(keys->ids[i], fingerprint);
        print("%s: %s%s\n", option, fingerprint,
              metrics[0] == '\0'           ? ""
              : is_in_use(of, fingerprint) ? ", in use"
                                           : ", new");
    }
}

static int check_kiosks(const struct serve_settings *settings) {
    unsigned ended = 0;
    unsigned long long in_use;
    struct error error;
    if (settings->kiosks_path == NULL)
        return EXIT_OK;
    struct kiosks *list = calloc(1, sizeof *list);
    if (list == NULL)
        return trouble("no memory");
    int code = kiosks_load(list, settings->kiosks_path, &error);
    for (uint32_t i = 0; i < list->count && code == 0; i++)
        ended += list->sorted[i].not_after_s < (int64_t)time(NULL);
    if (code == 0)
        print("%s: %u kiosks, %u of them past their last day\n", settings->kiosks_path, list->count,
              ended);
    if (code == 0 && find_metric("dlv_kiosks", &in_use))
        print("  %llu kiosks are enrolled now\n", in_use);
    free(list);
    return code == 0 ? EXIT_OK : trouble("%s", error.text);
}

static int check_ticket_key(const struct serve_settings *settings) {
    static struct ticket_source source;
    struct error error;
    int code = tickets_load(&source, settings->ticket_key_path, time(NULL), &error);
    wipe(&source, sizeof source);
    if (code != 0)
        return trouble("%s", error.text);
    if (settings->ticket_key_path != NULL)
        print("%s: a ticket key\n", settings->ticket_key_path);
    return EXIT_OK;
}

int server_check(const struct serve_settings *settings) {
    read_metrics(settings);
    int database = check_database(settings);
    show_keys("authority", "--authority", &settings->public.authorities);
    show_keys("server", "--key", &settings->public.servers);
    int kiosk_list = check_kiosks(settings), tickets = check_ticket_key(settings);
    bool is_good = database == EXIT_OK && kiosk_list == EXIT_OK && tickets == EXIT_OK;
    return finish_output() == EXIT_OK && is_good ? EXIT_OK : EXIT_TROUBLE;
}
