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
    const struct audit_rings *rings;
    const uint8_t *run; /* AUDIT_RUN_LEN bytes, of this start of the server */
    struct rsa_private key;
    struct audit_key audit_key;
    struct audit_log log;
    struct audit_reading reading;
    unsigned turns;                                       /* of the board that it has seen */
    int64_t recorded_ms, synced_ms, signed_ms, looked_ms; /* when that was done last */
    bool is_dirty;                                        /* blocks may not have reached the disk */
    bool is_unsigned;                                     /* questions since the last checkpoint */
    bool is_failing;
    bool is_lost;                           /* something could not reach the disk */
    bool is_told[SERVE_PROCESSES_MAX];      /* that this worker notes what cannot be */
    uint64_t recorded[SERVE_PROCESSES_MAX]; /* of what each worker has noted */
};

/* Loads the keys, as long as the process still may; and opens the log, when it is the user that it stays, and goes
 * on where it was. Its folder is open at log.folder_fd. 0, or a negative code with the reason. */
int recorder_load_keys(struct recorder *recorder, struct error *error);
int recorder_open(struct recorder *recorder, struct error *error);

/* Records until the board says that the server ends. Returns the process's exit status. */
int recorder_run(struct recorder *recorder);

#endif
