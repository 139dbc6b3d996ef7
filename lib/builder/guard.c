#include "builder/guard.h"

#include "base/bytes.h"
#include "base/format.h"
#include "record/classes.h"

#include <string.h>

#define EXAMPLES_MAX 10
#define EXAMPLE_BYTES 8 /* of a key */

static int stop_at(struct guard_result *result, enum guard guard) {
    result->guard = guard;
    return ERR_CONFLICT;
}

/* --- shares ------------------------------------------------------------------------------------ */

/* Millionths, rounded up, at most all of them. */
static uint32_t share_of(uint64_t part, uint64_t whole) {
    if (part >= whole)
        return 1000000;
    return (uint32_t)((part * 1000000 + whole - 1) / whole);
}

static bool is_too_many(uint64_t part, uint64_t whole, uint32_t limit,
                        struct guard_result *result) {
    result->share = whole == 0 ? 0 : share_of(part, whole);
    return part > GUARD_FEW && result->share > limit;
}

int guard_bad_rows(const struct guard_limits *limits, uint64_t bad_count, uint64_t row_count,
                   struct guard_result *result, struct error *error) {
    *result = (struct guard_result){.guard = GUARD_PASSED};
    if (!is_too_many(bad_count, row_count + bad_count, limits->bad_rows, result))
        return 0;
    stop_at(result, GUARD_ON_BAD_ROWS);
    return error_set(error, ERR_CONFLICT, "%llu of %llu rows are bad",
                     (unsigned long long)bad_count, (unsigned long long)(row_count + bad_count));
}

/* --- examples ---------------------------------------------------------------------------------- */

/* The starts of keys, as text. Numbers are not in a database. */
struct examples {
    unsigned count;
    size_t len;
    char text[EXAMPLES_MAX * (2 * EXAMPLE_BYTES + 2) + 1];
};

/* A db_compare_tell: keeps the first few of each change. */
static void take_example(void *context, enum change change, const uint8_t *entry) {
    struct examples *examples = (struct examples *)context + change;
    char key[2 * EXAMPLE_BYTES + 1];
    if (examples->count == EXAMPLES_MAX)
        return;
    hex_encode(key, entry, EXAMPLE_BYTES);
    examples->len +=
        format_text(examples->text + examples->len, sizeof examples->text - examples->len, "%s%s",
                    examples->count++ > 0 ? ", " : "", key);
}

/* --- what the release says of itself ------------------------------------------------------------ */

static bool is_same_text(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

static bool is_same_rules(const struct matching_rules *a, const struct matching_rules *b) {
    return is_same_text(a->calling_code, b->calling_code) && a->national_min == b->national_min &&
           a->national_max == b->national_max && a->drops_senior == b->drops_senior;
}

/* The first thing that is said otherwise; NULL: nothing is. */
static const char *other_fact(const struct release_facts *a, const struct release_facts *b) {
    return a->utc_offset_s != b->utc_offset_s ? "it has another UTC offset"
           : a->is_test != b->is_test         ? "it is marked as test data, or is not any more"
           : a->has_legacy != b->has_legacy
               ? "it answers the original protocol, or does not any more"
           : a->history_since != b->history_since ? "it speaks about the past from another day on"
           : !is_same_text(a->coverage, b->coverage) ? "it has another coverage"
           : !is_same_text(a->patterns, b->patterns) ? "it has other number patterns"
           : !is_same_rules(&a->rules, &b->rules) ? "it has other rules for phone numbers and names"
           : b->created_s < a->created_s          ? "it was made before the release before"
                                                  : NULL;
}

static int guard_facts(const struct guard_limits *limits, const struct db *before,
                       const struct db *after, struct guard_result *result, struct error *error) {
    const struct db_header *old = &before->header, *new = &after->header;
    const char *fact = other_fact(&old->facts, &new->facts);
    if (fact != NULL && !limits->accepts_facts) {
        stop_at(result, GUARD_ON_FACTS);
        return error_set(error, ERR_CONFLICT, "%s", fact);
    }
    if (old->facts.sequence == new->facts.sequence && !limits->accepts_same_number &&
        memcmp(old->merkle_root, new->merkle_root, SHA256_LEN) != 0) {
        stop_at(result, GUARD_ON_NUMBER);
        return error_set(error, ERR_CONFLICT,
                         "release %llu is there already, with other content: servers and kiosks "
                         "would not take it",
                         (unsigned long long)new->facts.sequence);
    }
    return 0;
}

static int guard_keys(const struct guard_limits *limits, const struct db_comparison *comparison,
                      const struct db *before, const struct db *after, struct guard_result *result,
                      struct error *error) {
    if (limits->accepts_rekey || (comparison->has_same_keys && comparison->has_same_codes))
        return 0;
    stop_at(result, GUARD_ON_KEYS);
    const char *what = before->header.is_keyed && !after->header.is_keyed
                           ? "it is not keyed any more"
                       : comparison->has_same_keys ? "it keeps other fields for comparison"
                                                   : "it has another lookup key";
    return error_set(error, ERR_CONFLICT,
                     "%s, so that it cannot be compared with the release before", what);
}

/* --- what has vanished -------------------------------------------------------------------------- */

/* Licences of which some set has the class. */
static uint64_t count_class(const struct db *db, struct span name) {
    uint64_t count = 0;
    size_t code_len = check_code_len(&db->header.facts.fields);
    for (uint64_t i = 0; i < db->header.count && count <= GUARD_FEW; i++) {
        const uint8_t *bytes = db_entry(db, i) + ENTRY_TERMS;
        struct terms terms NOT_CLEARED;
        struct further further;
        struct class_item item;
        if (terms_kind(bytes) != ENTRY_LICENCE || !terms_further(bytes, &db->further, &further) ||
            !terms_read(&terms, bytes, further, &db->sets, code_len, true))
            continue;
        bool is_held = false;
        for (unsigned g = 0; g < terms.group_count && !is_held; g++)
            is_held = class_set_find(terms.groups[g].classes, name, &item);
        count += is_held;
    }
    return count;
}

static int guard_vanished(const struct db_comparison *comparison, const struct db *before,
                          const struct db *after, struct guard_result *result,
                          struct error *error) {
    const struct db_census *old = &comparison->before, *new = &comparison->after;
    struct span class = db_vanished_class(before, after);
    stop_at(result, GUARD_ON_VANISHED);
    for (unsigned status = STATUS_VALID; status < STATUS_COUNT; status++) {
        if (old->statuses[status] > GUARD_FEW && new->statuses[status] == 0)
            return error_set(error, ERR_CONFLICT, "no licence is %s any more; %llu were",
                             status_name(status), (unsigned long long)old->statuses[status]);
    }
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        bool is_kept = check_fields_place(&after->header.facts.fields, field) >= 0;
        if (is_kept && old->fields[field] > GUARD_FEW && new->fields[field] == 0)
            return error_set(error, ERR_CONFLICT, "no licence has a %s on file any more; %llu had",
                             field_name(field), (unsigned long long)old->fields[field]);
    }
    for (unsigned kind = ENTRY_DOCUMENT; kind < ENTRY_KINDS; kind++) {
        if (old->kinds[kind] > GUARD_FEW && new->kinds[kind] == 0)
            return error_set(error, ERR_CONFLICT, "there is no %s any more; there were %llu",
                             entry_kind_name(kind), (unsigned long long)old->kinds[kind]);
    }
    if (class.len > 0 && count_class(before, class) > GUARD_FEW)
        return error_set(error, ERR_CONFLICT, "nobody holds class %.*s any more", (int)class.len,
                         class.text);
    result->guard = GUARD_PASSED;
    return 0;
}

/* --- all of it ---------------------------------------------------------------------------------- */

static uint64_t sum(const uint64_t counts[ENTRY_KINDS]) {
    return counts[ENTRY_LICENCE] + counts[ENTRY_DOCUMENT] + counts[ENTRY_FORMER] +
           counts[ENTRY_LEGACY];
}

/* One kind of change, among licences or among all entries. Where keys cannot be compared, the number
 * of licences is. */
static int guard_change(const struct db_comparison *comparison, const struct examples *examples,
                        enum change change, uint32_t limit, struct guard_result *result,
                        struct error *error) {
    const uint64_t *old = comparison->before.kinds, *new = comparison->after.kinds;
    uint64_t count = sum(comparison->changes[change]), whole = sum(old);
    uint64_t licences = comparison->changes[change][ENTRY_LICENCE];
    if (!comparison->has_same_keys) {
        count = licences = change == CHANGE_DROPPED && new[0] < old[0] ? old[0] - new[0] : 0;
        whole = old[ENTRY_LICENCE];
    }
    if (!is_too_many(licences, old[ENTRY_LICENCE], limit, result) &&
        !is_too_many(count, whole, limit, result))
        return 0;
    stop_at(result, change == CHANGE_DROPPED ? GUARD_ON_DROPPED : GUARD_ON_CHANGED);
    if (!comparison->has_same_keys)
        return error_set(error, ERR_CONFLICT, "%llu licences instead of %llu",
                         (unsigned long long)new[0], (unsigned long long)old[0]);
    return error_set(error, ERR_CONFLICT, "%llu of %llu entries are %s, with the keys %s%s",
                     (unsigned long long)count, (unsigned long long)whole, change_name(change),
                     examples[change].text, count > examples[change].count ? ", ..." : "");
}

/* Going back must not make licences valid by the way that are suspended or revoked now. */
static int guard_milder(const struct guard_limits *limits, const struct db_comparison *comparison,
                        struct guard_result *result, struct error *error) {
    result->milder = comparison->milder;
    if (!limits->is_republished || comparison->milder <= limits->milder)
        return 0;
    stop_at(result, GUARD_ON_MILDER);
    return error_set(error, ERR_CONFLICT,
                     "%llu licences would be valid again that are not valid now",
                     (unsigned long long)comparison->milder);
}

int guard_release(const struct guard_limits *limits, const struct db *before,
                  const struct db *after, struct guard_result *result, struct error *error) {
    struct examples examples[CHANGE_COUNT] = {0};
    struct db_comparison comparison;
    *result = (struct guard_result){.guard = GUARD_PASSED};
    int code = db_compare(before, after, take_example, examples, &comparison, error);
    if (code == 0)
        code = guard_facts(limits, before, after, result, error);
    if (code == 0)
        code = guard_keys(limits, &comparison, before, after, result, error);
    if (code == 0)
        code = guard_milder(limits, &comparison, result, error);
    if (code == 0)
        code = guard_change(&comparison, examples, CHANGE_DROPPED, limits->dropped, result, error);
    if (code == 0 && !limits->accepts_vanished)
        code = guard_vanished(&comparison, before, after, result, error);
    if (code == 0)
        code = guard_change(&comparison, examples, CHANGE_CHANGED, limits->changed, result, error);
    return code;
}
