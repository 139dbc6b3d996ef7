/* The process that writes the audit log (audit/log.h). It alone has the log's key and the audit's own key, and
 * of all files it can write those of the log. */
#ifndef DLV_SERVE_RECORDER_H
#define DLV_SERVE_RECORDER_H

#include "audit/log.h"
#include "serve/audit_rings.h"
#include "serve/board.h"

struct recorder {
    const struct serve_settings *settings;
    const struct board *board;
    struct audit_rings *rings;
    const uint8_t *run; /* AUDIT_RUN_LEN bytes, of this start of the server */
    struct rsa_private key;
    struct audit_key audit_key;
    struct audit_log log;
    struct audit_reading reading;
    unsigned turns;                            /* of the board that it has seen */
    int64_t recorded_ms, synced_ms, signed_ms; /* when that was done last */
    bool is_dirty;                             /* blocks may not have reached the disk */
    bool is_unsigned;                          /* questions since the last checkpoint */
    bool is_failing;
};

/* Loads the keys and opens the folder, as long as the process still may; and opens the log, when it is the user
 * that it stays, and goes on where it was. 0, or a negative code with the reason. */
int recorder_prepare(struct recorder *recorder, struct error *error);
int recorder_open(struct recorder *recorder, struct error *error);

/* Records until the board says that the server ends. Returns the process's exit status. */
int recorder_run(struct recorder *recorder);

#endif
