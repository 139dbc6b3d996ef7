#include "server_check.h"

#include "applet.h"
#include "metrics.h"
#include "print.h"
#include "progress.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "serve/kiosks.h"
#include "serve/recorder.h"
#include "serve/release.h"
#include "serve/server_keys.h"
#include "serve/stats.h"
#include "serve/tickets.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The metrics of the server that is running; empty where there are none. */
static struct metrics metrics;

static int read_metrics(const struct serve_settings *settings) {
    if (settings->stats_path == NULL)
        return EXIT_OK;
    int status = metrics_read(&metrics, settings->stats_path);
    if (status == EXIT_OK && metrics.text[0] == '\0')
        print("%s: no server writes it, so nothing is compared\n", settings->stats_path);
    return status;
}

/* Whether the server that is running has this key. */
static bool is_in_use(const char *of, const char *fingerprint) {
    char wanted[120];
    format_text(wanted, sizeof wanted, "\n" STATS_KEY_INFO " 1\n", of, fingerprint);
    return strstr(metrics.text, wanted) != NULL;
}

static int check_sequence(const char *path, unsigned long long sequence) {
    unsigned long long in_use;
    if (!metrics_find(&metrics, "dlv_database_sequence", &in_use))
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
    char fingerprint[RSA_FINGERPRINT_SIZE], wanted[80];
    for (unsigned i = 0; i < keys->count; i++) {
        rsa_fingerprint_of_id(keys->ids[i], fingerprint);
        print("%s: %s%s\n", option, fingerprint,
              metrics.text[0] == '\0'      ? ""
              : is_in_use(of, fingerprint) ? ", in use"
                                           : ", new");
    }
    /* And those that are in use and would be no more. */
    format_text(wanted, sizeof wanted, "\ndlv_key_info{of=\"%s\",id=\"", of);
    for (const char *at = metrics.text; (at = strstr(at, wanted)) != NULL;) {
        at += strlen(wanted);
        format_text(fingerprint, sizeof fingerprint, "%.*s", (int)strcspn(at, "\""), at);
        bool stays = false;
        for (unsigned i = 0; i < keys->count; i++) {
            char own[RSA_FINGERPRINT_SIZE];
            rsa_fingerprint_of_id(keys->ids[i], own);
            stays |= strcmp(own, fingerprint) == 0;
        }
        if (!stays)
            print("%s: %s is in use and goes: who knows no other key of the %s is left out\n",
                  option, fingerprint, of);
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
    struct kiosks_change change;
    int code = kiosks_load(list, NULL, settings->kiosks_path, &change, &error);
    for (uint32_t i = 0; i < list->count && code == 0; i++)
        ended += list->sorted[i].not_after_s < (int64_t)time(NULL);
    if (code == 0)
        print("%s: %u kiosks, %u of them past their last day\n", settings->kiosks_path, list->count,
              ended);
    bool is_empty = code == 0 && list->count == 0;
    free(list);
    if (code != 0)
        return trouble("%s", error.text);
    if (!metrics_find(&metrics, "dlv_kiosks", &in_use))
        return EXIT_OK;
    print("  %llu kiosks are enrolled now\n", in_use);
    return is_empty && in_use > 0
               ? trouble("%s: enrols nobody any more (was it cut off?)", settings->kiosks_path)
               : EXIT_OK;
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

/* The end of the log is read as a recorder reads it, which then writes. */
static int check_audit(const struct serve_settings *settings) {
    static struct recorder recorder;
    static struct audit_reading reading;
    struct error error;
    if (settings->audit_path == NULL)
        return EXIT_OK;
    recorder.settings = settings;
    reading.folder = settings->audit_path;
    reading.tell = progress_show;
    int code = recorder_load_keys(&recorder, &error);
    if (code == 0)
        code = audit_read(&reading, &error);
    wipe(&recorder, sizeof recorder);
    if (code != 0)
        return trouble("%s", error.text);
    print("%s: an audit log of %llu blocks\n", settings->audit_path,
          (unsigned long long)reading.last_block);
    return EXIT_OK;
}

/* Each file is looked at, also after one that is wrong. */
static int check_keys(struct serve_settings *settings) {
    struct error error;
    int status = EXIT_OK;
    if (server_keys_renew_authorities(settings, &error) < 0)
        status = trouble("%s", error.text);
    if (server_keys_renew_own(settings, &error) < 0)
        status = trouble("%s", error.text);
    int receipts = server_keys_renew_receipts(settings, &error);
    if (receipts < 0)
        status = trouble("%s", error.text);
    show_keys("authority", "--authority", &settings->public.authorities);
    show_keys("server", "--key", &settings->public.servers);
    if (receipts > 0) {
        char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE];
        time_format(from, settings->signer->from_s, 0);
        time_format(until, settings->signer->until_s, 0);
        print("%s: signs receipts from %s until %s\n", settings->receipt_key_path, from, until);
    }
    return status;
}

int server_check(struct serve_settings *settings) {
    signal(SIGIO, SIG_IGN); /* of a lease on the database, which is held for a moment */
    int read = read_metrics(settings), keys = check_keys(settings);
    int database = check_database(settings), kiosk_list = check_kiosks(settings);
    int tickets = check_ticket_key(settings), audit = check_audit(settings);
    bool is_good = read == EXIT_OK && database == EXIT_OK && keys == EXIT_OK &&
                   kiosk_list == EXIT_OK && tickets == EXIT_OK && audit == EXIT_OK;
    server_keys_forget(settings);
    return finish_output() == EXIT_OK && is_good ? EXIT_OK : EXIT_TROUBLE;
}
