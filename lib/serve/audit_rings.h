/* What workers have answered, on its way to the recorder: a ring for each worker, in memory that the two share, and
 * a page that the recorder writes and all workers read.
 *
 * A worker notes each question before its answer leaves. Where the recorder cannot keep up, or cannot write,
 * there is no room, and the worker answers nobody. A worker has its own ring alone, and can change nothing of
 * the page: once it is in an attacker's hands, the log holds what that worker says, and no more turns on it. */
#ifndef DLV_SERVE_AUDIT_RINGS_H
#define DLV_SERVE_AUDIT_RINGS_H

#include "base/error.h"
#include "crypto/sha256.h"
#include "serve/serve.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AUDIT_RING 32768 /* a power of two */

struct audit_note {
    int64_t time_ms;
    uint64_t release;
    uint8_t kiosk[16];
    uint8_t digest[SHA256_LEN];
    uint8_t asked, is_proved, is_repeated, is_slip, found, status, card, matches[4];
};

struct audit_ring {
    _Atomic uint64_t noted; /* since the server was started */
    struct audit_note notes[AUDIT_RING];
};

/* What the recorder says. */
struct audit_progress {
    _Atomic int64_t alive_ms; /* when it could write last (net_now_ms); 0: it cannot */
    _Atomic uint64_t recorded[SERVE_PROCESSES_MAX]; /* of what each worker has noted */
};

struct audit_rings {
    int progress_fd;
    struct audit_progress *progress;
    struct audit_ring *rings[SERVE_PROCESSES_MAX];
};

/* Shared memory, zeroed, of which only what is used is touched. 0 or ERR_SYSTEM. */
int audit_rings_open(struct audit_rings *rings, unsigned worker_count, struct error *error);

/* For a child that has nothing to do with it: gives it up. */
void audit_rings_close(struct audit_rings *rings);

/* A worker's end. */
struct audit_desk {
    struct audit_ring *ring;
    const struct audit_progress *progress;
    unsigned worker;
    bool is_alive;   /* the recorder, as its owner has found; and then ... */
    bool has_waited; /* ... it was waited for, in this turn of the owner's */
};

/* For a worker: gives up all but its own ring, and the right to write what the recorder says. What its place has
 * noted impossibly is forgotten. 0 or ERR_SYSTEM. */
int audit_desk_open(struct audit_desk *desk, struct audit_rings *rings, unsigned worker,
                    struct error *error);

/* Whether `count` more can be noted; waits for that a while where the recorder is only behind, once a turn. */
bool audit_desk_await_room(struct audit_desk *desk, unsigned count);

/* Adds a note; there is room. */
void audit_desk_note(struct audit_desk *desk, const struct audit_note *note);

#endif
