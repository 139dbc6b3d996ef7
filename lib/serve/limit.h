/* Limits on rates, shared by processes: a generic cell rate algorithm (as of ITU-T I.371), one
 * 64-bit number a limit, changed without locks. */
#ifndef DLV_SERVE_LIMIT_H
#define DLV_SERVE_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The time at which the next would be due if all came evenly; zero to begin with. */
struct limit {
    _Atomic int64_t due_us;
};

/* Takes one, where `per_second` are allowed in the long run and `burst` at once. 1, or 0 where it
 * is one too many. per_second 0: no limit. */
bool limit_take(struct limit *limit, int64_t now_us, unsigned per_second, unsigned burst);

#endif
