#include "serve/limit.h"

bool limit_take(struct limit *limit, int64_t now_us, unsigned per_second, unsigned burst) {
    if (per_second == 0)
        return true;
    int64_t interval_us = 1000000 / per_second, due_us = atomic_load(&limit->due_us), next_us;
    do {
        next_us = (due_us > now_us ? due_us : now_us) + interval_us;
        if (next_us - now_us > interval_us * burst)
            return false;
    } while (!atomic_compare_exchange_weak(&limit->due_us, &due_us, next_us));
    return true;
}
