/* What is counted, for the log and for --stats. Each worker has its own; only it writes them. */
#ifndef DLV_SERVE_COUNTS_H
#define DLV_SERVE_COUNTS_H

#include "record/licence.h"

#include <stdatomic.h>
#include <stdint.h>

enum count_name {
    COUNT_ACCEPTED, /* connections */
    COUNT_CLOSED,
    COUNT_TIMED_OUT,
    COUNT_EVICTED,
    COUNT_DATAGRAMS,
    COUNT_OPENINGS, /* asked for */
    COUNT_OPENED,
    COUNT_COOKIES,
    COUNT_ASKS,              /* frames of questions that were answered */
    COUNT_LEGACY,            /* questions answered in the original protocol */
    COUNT_WITHHELD,          /* of those, not: the database is past its valid-until */
    COUNT_REFUSED_OPENING,   /* bad ciphertext, kiosk, signature */
    COUNT_REFUSED_SESSION,   /* bad or expired ticket, removed kiosk, broken seal */
    COUNT_REFUSED_VERSION,   /* another protocol, another version */
    COUNT_REFUSED_MALFORMED, /* frames that make no sense */
    COUNT_REFUSED_BUSY,      /* the queue to the key-holders is full */
    COUNT_REFUSED_LIMIT,     /* too many openings, in total or from one source */
    COUNT_QUEUE,             /* openings waiting now */
    COUNT_NAMES
};

#define LATENCY_BUCKETS 24 /* the i-th: at most 2^i microseconds; the last: all */

struct counts {
    _Atomic uint64_t named[COUNT_NAMES];
    _Atomic uint64_t verdicts[VERDICT_COUNT];
    _Atomic uint64_t latency[LATENCY_BUCKETS]; /* frames, from their reading to their answer */
    _Atomic uint64_t latency_sum_us;
};

static inline void count_add(_Atomic uint64_t *count, uint64_t n) {
    /* One writer: no need for a locked addition. */
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void count(struct counts *counts, enum count_name name) {
    count_add(&counts->named[name], 1);
}

static inline uint64_t count_read(const struct counts *counts, enum count_name name) {
    return atomic_load_explicit(&counts->named[name], memory_order_relaxed);
}

#endif
