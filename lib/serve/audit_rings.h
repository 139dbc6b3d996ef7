/* What workers have answered, on its way to the recorder: a ring for each worker, in memory that they share.
 *
 * A worker notes each question before its answer leaves. Where the recorder cannot keep up, or cannot write,
 * there is no room, and the worker answers nobody. What a worker writes here may be anything, once it is in
 * an attacker's hands: the recorder takes it as what that worker says, and nothing else turns on it. */
#ifndef DLV_SERVE_AUDIT_RINGS_H
#define DLV_SERVE_AUDIT_RINGS_H

#include "base/error.h"
#include "crypto/sha256.h"

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
    _Atomic uint64_t noted;    /* by the worker, since the server was started */
    _Atomic uint64_t recorded; /* of these */
    struct audit_note notes[AUDIT_RING];
};

struct audit_rings {
    _Atomic int64_t alive_ms;  /* when the recorder could write last (net_now_ms) */
    struct audit_ring rings[]; /* one a worker */
};

/* Shared memory, zeroed, of which only what is used is touched. 0 or ERR_SYSTEM. */
int audit_rings_open(struct audit_rings **rings, unsigned worker_count, struct error *error);

/* For the worker: waits until `count` more can be noted, where the recorder is only behind. False where they
 * cannot. */
bool audit_ring_await_room(const struct audit_ring *ring, unsigned count);

/* For the worker: adds a note; there is room. */
void audit_ring_add(struct audit_ring *ring, const struct audit_note *note);

#endif
