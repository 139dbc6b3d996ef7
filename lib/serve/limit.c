#include "serve/limit.h"

bool limit_take(struct limit *limit, int64_t now_us, unsigned per_second, unsigned burst) {
    if (per_second == 0)
        return true;
    int64_t interval_us = 1000000 / per_second, wait_us;
    return limit_take_many(limit, now_us, interval_us, interval_us * burst, &wait_us);
}

bool limit_take_many(struct limit *limit, int64_t now_us, int64_t cost_us, int64_t burst_us,
                     int64_t *wait_us) {
    int64_t due_us = atomic_load(&limit->due_us), start_us;
    int64_t room_us = cost_us < burst_us ? burst_us - cost_us : 0;
    do {
        start_us = due_us > now_us ? due_us : now_us;
        if (start_us - now_us > room_us) {
            *wait_us = start_us - now_us - room_us;
            return false;
        }
    } while (!atomic_compare_exchange_weak(&limit->due_us, &due_us, start_us + cost_us));
    return true;
}

void limit_give_back(struct limit *limit, int64_t cost_us) {
    atomic_fetch_sub(&limit->due_us, cost_us);
}
