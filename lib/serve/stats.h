/* Writes the counters to a file in Prometheus' text format, for the textfile collector of
 * node_exporter. */
#ifndef DLV_SERVE_STATS_H
#define DLV_SERVE_STATS_H

#include "base/file.h"
#include "serve/board.h"
#include "serve/serve.h"

/* What was read anew, and what came of it. Why something was refused is in the log. */
enum reload_result {
    RELOAD_DATABASE,
    RELOAD_DATABASE_REFUSED,
    RELOAD_KIOSKS,
    RELOAD_KIOSKS_REFUSED,
    RELOAD_KIOSKS_KEPT, /* who is no longer in the file was not removed */
    RELOAD_TICKET_KEY_REFUSED,
    RELOAD_TICKET_KEY,
    RELOAD_KEYS,
    RELOAD_KEYS_REFUSED,
    RELOAD_COUNT
};

/* What the parent counts. */
struct parent_counts {
    unsigned restarts; /* children that had failed and were replaced */
    unsigned reloads[RELOAD_COUNT];
    unsigned rounds;             /* how often everything has been read again, to the end */
    const struct kiosks *kiosks; /* that are enrolled; NULL: none */
    struct quotas *quotas;
};

/* What was read anew, by the word for what came of it. */
#define STATS_RELOADS "dlv_reloads_total{what=\"%s\"}"
extern const char *const stats_reload_names[RELOAD_COUNT];

/* A key in use: of the "server" or the "authority", by its fingerprint. */
#define STATS_KEY_INFO "dlv_key_info{of=\"%s\",id=\"%s\"}"

extern const struct file_kind stats_file_kind;

/* Replaces the file of the settings as a whole, where file_write does that. 0 or a negative code. */
int stats_write(const struct serve_settings *settings, const struct tally *tally,
                const struct db_header *header, const struct parent_counts *parent, int64_t now_s,
                struct error *error);

#endif
