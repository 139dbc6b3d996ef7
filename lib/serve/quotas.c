#include "serve/quotas.h"

#define PROBES 32
#define WINDOW 1000
#define MINUTE_US 60000000ll
#define DAY_US 86400000000ll
#define HOUR_US 3600000000ll

struct quota_use *quotas_find(struct quotas *quotas, uint64_t who) {
    struct quota_use *use = NULL;
    for (unsigned i = 0; i < PROBES; i++) {
        use = &quotas->uses[(who + i) % QUOTA_PLACES];
        uint64_t is = atomic_load_explicit(&use->who, memory_order_relaxed);
        if (is == 0 && atomic_compare_exchange_strong(&use->who, &is, who))
            return use;
        if (is == who)
            return use;
    }
    return use; /* shared with another, where very many have come and gone */
}

/* How full the bucket is, of `size`. */
static int64_t level_of(struct limit *limit, int64_t now_us) {
    int64_t due_us = atomic_load_explicit(&limit->due_us, memory_order_relaxed);
    return due_us > now_us ? due_us - now_us : 0;
}

static uint32_t seconds(int64_t us) {
    return us <= 0 ? 1 : us / 1000000 >= UINT32_MAX - 1 ? UINT32_MAX : (uint32_t)(us / 1000000 + 1);
}

struct quota_result quotas_take(struct quota_use *use, const struct quota *quota, unsigned count,
                                int64_t now_us) {
    struct quota_result result = {.wait_s = 0};
    int64_t minute_us = MINUTE_US / quota->minute, day_us = DAY_US / quota->day;
    int64_t burst_us = minute_us * quota->burst, wait_us = 0, day_wait_us = 0;
    if (!limit_take_many(&use->minute, now_us, count * minute_us, burst_us, &wait_us)) {
        result.wait_s = seconds(wait_us);
    } else if (!limit_take_many(&use->day, now_us, count * day_us, DAY_US, &day_wait_us)) {
        limit_give_back(&use->minute, count * minute_us);
        result.wait_s = seconds(day_wait_us);
    }
    if (result.wait_s > 0)
        atomic_fetch_add_explicit(&use->refused, count, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&use->asked, count, memory_order_relaxed);
    uint32_t hour = (uint32_t)(now_us / HOUR_US) + 1;
    bool is_much = level_of(&use->minute, now_us) > burst_us / 5 * 4 ||
                   level_of(&use->day, now_us) > DAY_US / 5 * 4;
    if (is_much && atomic_load_explicit(&use->told_hour, memory_order_relaxed) != hour)
        result.runs_out = atomic_exchange(&use->told_hour, hour) != hour;
    return result;
}

/* How much of `size` a bucket of `bucket_us` has room for. */
static uint32_t room(struct limit *limit, int64_t now_us, uint32_t size, int64_t bucket_us) {
    int64_t free_us = bucket_us - level_of(limit, now_us);
    return free_us <= 0 ? 0
                        : (uint32_t)((uint64_t)size * (uint64_t)(free_us / 1000) /
                                     (uint64_t)(bucket_us / 1000));
}

void quotas_left(struct quota_use *use, const struct quota *quota, int64_t now_us,
                 struct quota_left *left) {
    int64_t burst_us = MINUTE_US / quota->minute * quota->burst;
    *left = (struct quota_left){.minute = quota->minute,
                                .burst = quota->burst,
                                .day = quota->day,
                                .burst_left = room(&use->minute, now_us, quota->burst, burst_us),
                                .day_left = room(&use->day, now_us, quota->day, DAY_US),
                                .sync_mib = quota->sync_mib,
                                .sync_mib_left = room(&use->sync, now_us, quota->sync_mib, DAY_US)};
}

uint32_t quotas_take_bytes(struct quota_use *use, const struct quota *quota, size_t len,
                           int64_t now_us) {
    int64_t wait_us = 0, cost_us = (int64_t)len * DAY_US / ((int64_t)quota->sync_mib << 20);
    return limit_take_many(&use->sync, now_us, cost_us, DAY_US, &wait_us) ? 0 : seconds(wait_us);
}

bool quotas_note_missed(struct quota_use *use, unsigned count, unsigned missed) {
    uint32_t all_missed = atomic_fetch_add(&use->missed, missed) + missed;
    uint32_t all = atomic_fetch_add(&use->window, count) + count;
    if (all < WINDOW || atomic_exchange(&use->window, 0) < WINDOW)
        return false;
    atomic_store(&use->missed, 0);
    return all_missed > all / 2;
}
