#include "db/release.h"

#include "base/date.h"

#include <string.h>

bool release_is_name(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t len = strlen(name);
    return len > 0 && len < DB_NAME_MAX && strspn(name, allowed) == len;
}

bool release_is_stale(const struct release_facts *facts, int64_t now_s) {
    return facts->valid_until_s != 0 && now_s > facts->valid_until_s;
}

bool release_is_same_register(const struct release_facts *a, const struct release_facts *b) {
    return strcmp(a->name, b->name) == 0 && a->is_test == b->is_test;
}

int release_check_age(const struct release_facts *facts, const char *name, int64_t now_s,
                      struct error *error) {
    char until[TIME_TEXT_SIZE];
    if (!release_is_stale(facts, now_s))
        return 0;
    time_format(until, facts->valid_until_s, facts->utc_offset_s);
    return error_set(error, ERR_LIMIT, "%s: was valid until %s (get a newer release)", name, until);
}

static uint32_t day_at(const struct release_facts *facts, int64_t time_s) {
    const struct moment moment = {.unix_s = time_s};
    return moment_day(&moment, facts->utc_offset_s);
}

struct covered_days release_days(const struct release_facts *facts, int64_t now_s) {
    uint32_t today = day_at(facts, now_s), until = day_at(facts, facts->valid_until_s);
    return (struct covered_days){.created = day_at(facts, facts->created_s),
                                 .first = facts->history_since,
                                 .last = facts->valid_until_s == 0 ? DAY_NO_END
                                         : today > until           ? today
                                                                   : until};
}

enum number_standing release_number_standing(const struct release_facts *facts,
                                             struct span number) {
    if (!coverage_holds(facts->coverage, number))
        return NUMBER_NOT_COVERED;
    return patterns_fit(facts->patterns, number) ? NUMBER_COVERED : NUMBER_IMPOSSIBLE;
}
