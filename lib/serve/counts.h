/* The counters for the log and for the file of statistics. Each worker has its own set, which only
 * that worker writes. */
#ifndef DLV_SERVE_COUNTS_H
#define DLV_SERVE_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

enum count_name {
    COUNT_ACCEPTED, /* connections */
    COUNT_CLOSED,
    COUNT_TIMED_OUT,
    COUNT_EVICTED,
    COUNT_DATAGRAMS,
    COUNT_OPENINGS, /* sessions that were asked for */
    COUNT_OPENED,
    COUNT_RENEWED, /* sessions, without RSA */
    COUNT_UNWRAPPED,
    COUNT_RECEIPTS,
    COUNT_COOKIES,
    COUNT_ASKS,   /* frames of questions that were answered */
    COUNT_PIECES, /* of releases and lists of changes that were fetched */
    COUNT_LEGACY, /* questions answered in the original protocol */
    /* questions in the original protocol that were left unanswered, because the database is past
     * its valid-until */
    COUNT_WITHHELD,
    COUNT_UNRECORDED, /* frames of questions that were answered, though they could not be recorded */
    COUNT_REFUSED_OPENING,   /* bad ciphertext */
    COUNT_REFUSED_KIOSK,     /* one that is not enrolled, or does not say who it is */
    COUNT_REFUSED_SESSION,   /* bad or expired ticket, removed kiosk, broken seal */
    COUNT_REFUSED_VERSION,   /* another protocol, another version */
    COUNT_REFUSED_MALFORMED, /* frames that make no sense */
    COUNT_REFUSED_BUSY,      /* the queue to the key-holders is full */
    COUNT_REFUSED_QUOTA,     /* a kiosk, or a network, has asked about too many licences */
    COUNT_REFUSED_RECORD,    /* they could not be recorded */
    COUNT_REFUSED_LIMIT,     /* too many openings, in total or from one source */
    COUNT_QUEUE,             /* openings waiting now */
    COUNT_NAMES
};

/* What look-ups find, in the order of enum entry_kind. */
enum found {
    FOUND_NOTHING,
    FOUND_LICENCE,
    FOUND_DOCUMENT,
    FOUND_FORMER,
    FOUND_LEGACY,
    FOUND_COUNT
};

/* the i-th counts times of at most 2^i microseconds; the last counts all */
#define LATENCY_BUCKETS 24

struct counts {
    _Atomic uint64_t named[COUNT_NAMES];
    _Atomic uint64_t found[FOUND_COUNT];
    /* how long each frame took, from when it was read to when it was answered */
    _Atomic uint64_t latency[LATENCY_BUCKETS];
    _Atomic uint64_t latency_sum_us;
};

static inline void count_add(_Atomic uint64_t *count, uint64_t n) {
    /* There is one writer only, so no locked addition is needed. */
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
