/* Writes the counters to a file in Prometheus' text format, for the textfile collector of
 * node_exporter. */
#ifndef DLV_SERVE_STATS_H
#define DLV_SERVE_STATS_H

#include "base/file.h"
#include "serve/board.h"
#include "serve/serve.h"

extern const struct file_kind stats_file_kind;

/* Replaces the file as a whole, where file_write does that. `restarts` is how often a child that had
 * failed was replaced. 0 or a negative code. */
int stats_write(const char *path, enum file_replacing replacing, const struct tally *tally,
                unsigned worker_count, const struct db_header *header, unsigned restarts,
                int64_t now_s, struct error *error);

#endif
