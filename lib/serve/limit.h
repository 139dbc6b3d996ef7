/* Limits on rates that several processes share, by the generic cell rate algorithm (ITU-T I.371). A
 * limit is one 64-bit number, which is changed without locks. */
#ifndef DLV_SERVE_LIMIT_H
#define DLV_SERVE_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The time at which the next event would be due if all events came evenly; zero at first. */
struct limit {
    _Atomic int64_t due_us;
};

/* Whether one more event is allowed, where `per_second` are allowed in the long run and `burst`, one
 * or more, at once. An event that is allowed is counted. per_second 0: no limit. */
bool limit_take(struct limit *limit, int64_t now_us, unsigned per_second, unsigned burst);

/* The same for what takes up `cost_us` of the bucket's time, of which it holds `burst_us`; what is larger
 * than the bucket needs an empty one. Where it is not allowed, *wait_us is when it may be. */
bool limit_take_many(struct limit *limit, int64_t now_us, int64_t cost_us, int64_t burst_us,
                     int64_t *wait_us);

/* What was allowed was not used. */
void limit_give_back(struct limit *limit, int64_t cost_us);

#endif
