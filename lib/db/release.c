#include "db/release.h"

#include "base/date.h"

bool release_is_stale(const struct release_facts *facts, int64_t now_s) {
    return facts->valid_until_s != 0 && now_s > facts->valid_until_s;
}

int release_check_age(const struct release_facts *facts, const char *name, int64_t now_s,
                      struct error *error) {
    char until[TIME_TEXT_SIZE];
    if (!release_is_stale(facts, now_s))
        return 0;
    time_format(until, facts->valid_until_s, facts->utc_offset_s);
    return error_set(error, ERR_LIMIT, "%s: was valid until %s (get a newer release)", name, until);
}
