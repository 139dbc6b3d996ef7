#include "serve/stats.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX 16384

/* Where each count appears: a metric, and its label where it is one of several. */
static const struct {
    enum count_name name;
    const char *metric;
    const char *label; /* empty: none */
    const char *help;  /* of the metric, at its first; empty: not its first */
} metrics[] = {
    {COUNT_ACCEPTED, "dlv_connections_accepted_total", "", "TCP connections accepted"},
    {COUNT_CLOSED, "dlv_connections_closed_total", "", "TCP connections closed"},
    {COUNT_TIMED_OUT, "dlv_connections_timed_out_total", "", "of those, past their time"},
    {COUNT_EVICTED, "dlv_connections_evicted_total", "", "of those, to make room for others"},
    {COUNT_DATAGRAMS, "dlv_datagrams_total", "", "UDP datagrams received"},
    {COUNT_COOKIES, "dlv_cookies_total", "", "UDP openings that were sent a cookie first"},
    {COUNT_OPENINGS, "dlv_openings_total", "", "session openings given to key-holders"},
    {COUNT_OPENED, "dlv_opened_total", "", "sessions opened"},
    {COUNT_RENEWED, "dlv_renewed_total", "", "sessions renewed, without RSA"},
    {COUNT_UNWRAPPED, "dlv_unwrapped_total", "", "questions that kiosks have kept and asked later"},
    {COUNT_RECEIPTS, "dlv_receipts_total", "", "receipts that were given"},
    {COUNT_ASKS, "dlv_frames_total", "", "frames of questions answered"},
    {COUNT_PIECES, "dlv_pieces_total", "", "pieces of releases and lists of changes fetched"},
    {COUNT_LEGACY, "dlv_legacy_questions_total", "", "questions answered in the original protocol"},
    {COUNT_WITHHELD, "dlv_withheld_total", "",
     "of those not answered, because the database is past its valid-until"},
    {COUNT_UNRECORDED, "dlv_unrecorded_total", "",
     "frames of questions answered, but not recorded"},
    {COUNT_REFUSED_OPENING, "dlv_refusals_total", "opening", "refusals by reason"},
    {COUNT_REFUSED_KIOSK, "dlv_refusals_total", "kiosk", ""},
    {COUNT_REFUSED_SESSION, "dlv_refusals_total", "session", ""},
    {COUNT_REFUSED_VERSION, "dlv_refusals_total", "version", ""},
    {COUNT_REFUSED_MALFORMED, "dlv_refusals_total", "malformed", ""},
    {COUNT_REFUSED_BUSY, "dlv_refusals_total", "busy", ""},
    {COUNT_REFUSED_LIMIT, "dlv_refusals_total", "limit", ""},
    {COUNT_REFUSED_QUOTA, "dlv_refusals_total", "quota", ""},
    {COUNT_REFUSED_RECORD, "dlv_refusals_total", "record", ""},
};

struct writer {
    char *at;
    char *end;
};

static void put(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct writer *writer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = (size_t)(writer->end - writer->at);
    size_t len = format_text_list(writer->at, room, format, arguments);
    va_end(arguments);
    if (len < room)
        writer->at += len;
}

static void put_head(struct writer *writer, const char *metric, const char *type,
                     const char *help) {
    put(writer, "# HELP %s %s.\n# TYPE %s %s\n", metric, help, metric, type);
}

static void put_gauge(struct writer *writer, const char *metric, const char *help,
                      long long value) {
    put_head(writer, metric, "gauge", help);
    put(writer, "%s %lld\n", metric, value);
}

static void put_counts(struct writer *writer, const uint64_t named[COUNT_NAMES]) {
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        unsigned long long value = named[metrics[i].name];
        if (metrics[i].help[0] != '\0')
            put_head(writer, metrics[i].metric, "counter", metrics[i].help);
        if (metrics[i].label[0] != '\0')
            put(writer, "%s{reason=\"%s\"} %llu\n", metrics[i].metric, metrics[i].label, value);
        else
            put(writer, "%s %llu\n", metrics[i].metric, value);
    }
}

static void put_found(struct writer *writer, const uint64_t found[FOUND_COUNT]) {
    static const char *const names[FOUND_COUNT] = {"nothing", "licence", "document",
                                                   "former_number", "legacy_record"};
    put_head(writer, "dlv_questions_total", "counter", "questions answered, by what was found");
    for (int i = 0; i < FOUND_COUNT; i++)
        put(writer, "dlv_questions_total{found=\"%s\"} %llu\n", names[i],
            (unsigned long long)found[i]);
}

static void put_latency(struct writer *writer, const uint64_t buckets[LATENCY_BUCKETS],
                        uint64_t sum_us) {
    const char *metric = "dlv_answer_seconds";
    uint64_t total = 0;
    put_head(writer, metric, "histogram", "time from reading a frame to its answer");
    for (int i = 0; i < LATENCY_BUCKETS - 1; i++) {
        total += buckets[i];
        unsigned long long us = 1ull << i;
        put(writer, "%s_bucket{le=\"%llu.%06llu\"} %llu\n", metric, us / 1000000, us % 1000000,
            (unsigned long long)total);
    }
    total += buckets[LATENCY_BUCKETS - 1];
    put(writer, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", metric,
        (unsigned long long)total, metric, (unsigned long long)(sum_us / 1000000),
        (unsigned long long)(sum_us % 1000000), metric, (unsigned long long)total);
}

const char *const stats_reload_names[RELOAD_COUNT] = {
    "database",           "database_refused", "kiosks", "kiosks_refused", "kiosks_kept",
    "ticket_key_refused", "ticket_key",       "keys",   "keys_refused"};

/* Every one begins with the description of the first metric. */
const struct file_kind stats_file_kind = {
    .what = "a file of metrics of dlv", .mark = "# HELP dlv_", .mode = 0644};

static void put_keys(struct writer *writer, const char *of, const struct key_set *keys) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    for (unsigned i = 0; i < keys->count; i++) {
        rsa_fingerprint_of_id(keys->ids[i], fingerprint);
        put(writer, STATS_KEY_INFO " 1\n", of, fingerprint);
    }
}

#define BUSIEST 20

/* The kiosks that have asked the most, since this server was started. */
static void put_kiosks(struct writer *writer, const struct kiosks *kiosks, struct quotas *quotas) {
    const struct kiosk *busiest[BUSIEST] = {NULL};
    uint64_t asked[BUSIEST] = {0};
    for (uint32_t i = 0; kiosks != NULL && i < kiosks->count; i++) {
        const struct kiosk *kiosk = &kiosks->sorted[i];
        const struct quota_use *use = quotas_find(quotas, load_le64(kiosk->id));
        uint64_t own = atomic_load_explicit(&use->asked, memory_order_relaxed);
        for (unsigned place = BUSIEST; place > 0 && own > asked[place - 1]; place--) {
            if (place < BUSIEST) {
                asked[place] = asked[place - 1];
                busiest[place] = busiest[place - 1];
            }
            asked[place - 1] = own;
            busiest[place - 1] = kiosk;
        }
    }
    put_head(writer, "dlv_kiosk_licences_total", "counter",
             "licences that the busiest kiosks have asked about");
    for (unsigned i = 0; i < BUSIEST && busiest[i] != NULL; i++)
        put(writer, "dlv_kiosk_licences_total{kiosk=\"%s\"} %llu\n", busiest[i]->name,
            (unsigned long long)asked[i]);
}

int stats_write(const struct serve_settings *settings, const struct tally *tally,
                const struct db_header *header, const struct parent_counts *parent, int64_t now_s,
                struct error *error) {
    char text[TEXT_MAX];
    struct writer writer = {text, text + sizeof text};
    uint64_t named[COUNT_NAMES] = {0}, found[FOUND_COUNT] = {0}, latency[LATENCY_BUCKETS] = {0},
             sum_us = 0;
    for (unsigned w = 0; w < settings->worker_count; w++) {
        const struct counts *counts = &tally->counts[w];
        for (int i = 0; i < COUNT_NAMES; i++)
            named[i] += atomic_load(&counts->named[i]);
        for (int i = 0; i < FOUND_COUNT; i++)
            found[i] += atomic_load(&counts->found[i]);
        for (int i = 0; i < LATENCY_BUCKETS; i++)
            latency[i] += atomic_load(&counts->latency[i]);
        sum_us += atomic_load(&counts->latency_sum_us);
    }
    put_found(&writer, found);
    put_counts(&writer, named);
    put_latency(&writer, latency, sum_us);
    put_gauge(&writer, "dlv_queue_length", "openings waiting for a key-holder",
              (long long)named[COUNT_QUEUE]);
    put_gauge(&writer, "dlv_database_sequence", "sequence number of the database in use",
              (long long)header->facts.sequence);
    put_gauge(&writer, "dlv_database_entries", "its entries", (long long)header->count);
    put_gauge(&writer, "dlv_database_created_seconds", "when it was made, Unix time",
              (long long)header->facts.created_s);
    put_gauge(&writer, "dlv_database_age_seconds", "how old it is",
              (long long)(now_s - header->facts.created_s));
    put_gauge(&writer, "dlv_database_valid_until_seconds", "until when it is good; 0: no limit",
              (long long)header->facts.valid_until_s);
    if (header->facts.valid_until_s != 0)
        put_gauge(
            &writer, "dlv_database_left_seconds", "for how long it is good; 0: it has run out",
            header->facts.valid_until_s > now_s ? (long long)(header->facts.valid_until_s - now_s)
                                                : 0);
    put_head(&writer, "dlv_restarts_total", "counter", "processes that failed and were replaced");
    put(&writer, "dlv_restarts_total %u\n", parent->restarts);
    put_head(&writer, "dlv_reloads_total", "counter", "what was read anew, and taken or refused");
    for (int what = 0; what < RELOAD_COUNT; what++)
        put(&writer, STATS_RELOADS " %u\n", stats_reload_names[what], parent->reloads[what]);
    put_head(&writer, "dlv_reload_rounds_total", "counter", "how often everything was read anew");
    put(&writer, "dlv_reload_rounds_total %u\n", parent->rounds);
    put_gauge(&writer, "dlv_process_id", "of the parent, for dlv reload", (long long)getpid());
    uint32_t kiosk_count = parent->kiosks != NULL ? parent->kiosks->count : 0;
    put_gauge(&writer, "dlv_kiosks", "kiosks that are enrolled", (long long)kiosk_count);
    if (parent->quotas != NULL)
        put_kiosks(&writer, parent->kiosks, parent->quotas);
    put_head(&writer, "dlv_key_info", "gauge", "public keys in use");
    put_keys(&writer, "server", &settings->public.servers);
    put_keys(&writer, "authority", &settings->public.authorities);
    return file_write(settings->stats_path, text, (size_t)(writer.at - text), &stats_file_kind,
                      settings->stats_replacing, error);
}
