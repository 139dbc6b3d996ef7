#include "db/compare.h"

#include "base/bytes.h"
#include "record/classes.h"

#include <stdlib.h>
#include <string.h>

const char *said_name(unsigned said) {
    static const char *const names[SAID_COUNT] = {[SAID_STATUS] = "status",
                                                  [SAID_CLASSES] = "classes",
                                                  [SAID_CODES] = "codes",
                                                  [SAID_CARDS] = "former cards"};
    return said < FIELD_COUNT ? field_name(said) : said < SAID_COUNT ? names[said] : "";
}

const char *change_name(enum change change) {
    static const char *const names[CHANGE_COUNT] = {"added", "dropped", "changed"};
    return names[change];
}

/* --- one release ------------------------------------------------------------------------------ */

static void count_entry(const struct db *db, const uint8_t *entry, struct db_census *census) {
    enum entry_kind kind = terms_kind(entry + ENTRY_TERMS);
    const struct check_fields *fields = &db->header.facts.fields;
    size_t len = check_code_len(fields);
    census->kinds[kind]++;
    if (kind != ENTRY_LICENCE)
        return;
    census->statuses[terms_status(entry + ENTRY_TERMS)]++;
    for (unsigned i = 0; i < fields->count; i++) {
        if (!bytes_are_zero(entry + ENTRY_CODES + i * len, len))
            census->fields[fields->fields[i]]++;
    }
}

/* --- two entries with one key ------------------------------------------------------------------ */

struct compare {
    const struct db *before;
    const struct db *after;
    struct db_comparison *result;
    /* the number that each set of `before` has in `after`, 0 where it has none there; NULL where both
     * have the same sets */
    uint16_t *numbers;
    bool met_vanished_set;
};

static uint32_t number_after(void *context, uint32_t number) {
    struct compare *compare = context;
    uint32_t after = number == 0 ? 0 : compare->numbers[number];
    compare->met_vanished_set |= number != 0 && after == 0;
    return after;
}

/* Whether two licences say the same, byte for byte but for the numbers of sets and the place of
 * further terms. */
static bool is_same_licence(struct compare *compare, const uint8_t *old, const uint8_t *new,
                            struct further old_further, struct further new_further) {
    uint8_t a[DB_ENTRY_LEN], b[DB_ENTRY_LEN], items[FURTHER_MAX] NOT_CLEARED;
    if (old_further.len != new_further.len)
        return false;
    memcpy(a, old, DB_ENTRY_LEN);
    memcpy(b, new, DB_ENTRY_LEN);
    if (old_further.len > 0)
        memcpy(items, old_further.bytes, old_further.len);
    compare->met_vanished_set = false;
    if (compare->numbers != NULL)
        terms_renumber(a + ENTRY_TERMS, items, old_further.len, number_after, compare);
    if (terms_have_further(a + ENTRY_TERMS))
        entry_clear_place(a);
    if (terms_have_further(b + ENTRY_TERMS))
        entry_clear_place(b);
    return !compare->met_vanished_set && memcmp(a, b, DB_ENTRY_LEN) == 0 &&
           (old_further.len == 0 || memcmp(items, new_further.bytes, old_further.len) == 0);
}

static bool is_same_status(const struct terms *a, const struct terms *b) {
    bool is_same = a->status == b->status && a->since == b->since && a->until == b->until &&
                   a->status_count == b->status_count;
    for (unsigned i = 0; i < a->status_count && is_same; i++) {
        const struct other_status *one = &a->statuses[i], *other = &b->statuses[i];
        is_same = one->status == other->status && one->from == other->from &&
                  one->to == other->to && span_compare(one->classes, other->classes) == 0;
    }
    return is_same;
}

static bool is_same_classes(const struct terms *a, const struct terms *b) {
    bool is_same = a->group_count == b->group_count;
    for (unsigned i = 0; i < a->group_count && is_same; i++) {
        const struct class_group *one = &a->groups[i], *other = &b->groups[i];
        is_same = one->from == other->from && one->to == other->to &&
                  span_compare(one->classes, other->classes) == 0;
    }
    return is_same;
}

static bool is_same_codes(const struct terms *a, const struct terms *b) {
    bool is_same = a->code_count == b->code_count;
    for (unsigned i = 0; i < a->code_count && is_same; i++)
        is_same = span_compare(a->codes[i], b->codes[i]) == 0;
    return is_same;
}

static bool is_same_cards(const struct terms *a, const struct terms *b) {
    return a->card_count == b->card_count &&
           memcmp(a->cards, b->cards, a->card_count * sizeof *a->cards) == 0;
}

/* Counts what is said otherwise about a licence. Returns whether anything is. */
static bool count_said(struct compare *compare, const uint8_t *old, const uint8_t *new,
                       struct further old_further, struct further new_further) {
    struct terms a NOT_CLEARED, b NOT_CLEARED;
    struct db_comparison *result = compare->result;
    const struct check_fields *fields = &compare->before->header.facts.fields;
    size_t len = check_code_len(fields);
    bool differs[SAID_COUNT] = {false}, is_any = false;
    if (!terms_read(&a, old + ENTRY_TERMS, old_further, &compare->before->sets, len, true) ||
        !terms_read(&b, new + ENTRY_TERMS, new_further, &compare->after->sets,
                    check_code_len(&compare->after->header.facts.fields), true))
        return true; /* verified databases hold no such terms */
    for (unsigned i = 0; i < fields->count && result->has_same_codes; i++)
        differs[fields->fields[i]] =
            memcmp(old + ENTRY_CODES + i * len, new + ENTRY_CODES + i *len, len) != 0;
    differs[SAID_STATUS] = !is_same_status(&a, &b);
    differs[SAID_CLASSES] = !is_same_classes(&a, &b);
    differs[SAID_CODES] = !is_same_codes(&a, &b);
    differs[SAID_CARDS] = result->has_same_codes && !is_same_cards(&a, &b);
    for (unsigned said = 0; said < SAID_COUNT; said++) {
        result->said[said] += differs[said];
        is_any |= differs[said];
    }
    result->milder += a.status != STATUS_VALID && b.status == STATUS_VALID;
    return is_any;
}

static bool has_changed(struct compare *compare, const uint8_t *old, const uint8_t *new) {
    struct further old_further, new_further;
    enum entry_kind kind = terms_kind(new + ENTRY_TERMS);
    if (kind != terms_kind(old + ENTRY_TERMS))
        return true;
    if (kind != ENTRY_LICENCE)
        return memcmp(old + ENTRY_TERMS, new + ENTRY_TERMS, DB_TERMS_LEN) != 0 ||
               (compare->result->has_same_codes &&
                memcmp(old + ENTRY_CODES, new + ENTRY_CODES, CODES_LEN) != 0);
    terms_further(old + ENTRY_TERMS, &compare->before->further, &old_further);
    terms_further(new + ENTRY_TERMS, &compare->after->further, &new_further);
    return !is_same_licence(compare, old, new, old_further, new_further) &&
           count_said(compare, old, new, old_further, new_further);
}

/* --- all of them ------------------------------------------------------------------------------- */

/* Finds the number that each set has after. */
static int match_sets(struct compare *compare, struct error *error) {
    const struct class_sets *old = &compare->before->sets, *new = &compare->after->sets;
    compare->numbers = NULL;
    if (memcmp(compare->before->header.dictionary_root, compare->after->header.dictionary_root,
               SHA256_LEN) == 0)
        return 0;
    compare->numbers = malloc((old->count + 1) * sizeof *compare->numbers);
    if (compare->numbers == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    compare->numbers[0] = 0;
    for (uint32_t number = 1; number <= old->count; number++)
        compare->numbers[number] = (uint16_t)class_sets_find(new, class_sets_text(old, number));
    return 0;
}

static void note(const struct compare *compare, enum change change, const uint8_t *entry,
                 db_compare_tell *tell, void *context) {
    compare->result->changes[change][terms_kind(entry + ENTRY_TERMS)]++;
    if (tell != NULL)
        tell(context, change, entry);
}

static void walk(struct compare *compare, db_compare_tell *tell, void *context) {
    const struct db *before = compare->before, *after = compare->after;
    uint64_t i = 0, j = 0;
    while (i < before->header.count || j < after->header.count) {
        const uint8_t *old = i < before->header.count ? db_entry(before, i) : NULL;
        const uint8_t *new = j < after->header.count ? db_entry(after, j) : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1 : memcmp(old, new, DB_KEY_LEN);
        if (order <= 0)
            count_entry(before, old, &compare->result->before);
        if (order >= 0)
            count_entry(after, new, &compare->result->after);
        if (!compare->result->has_same_keys)
            ; /* that two keys differ says nothing */
        else if (order < 0)
            note(compare, CHANGE_DROPPED, old, tell, context);
        else if (order > 0)
            note(compare, CHANGE_ADDED, new, tell, context);
        else if (has_changed(compare, old, new))
            note(compare, CHANGE_CHANGED, old, tell, context);
        i += order <= 0;
        j += order >= 0;
    }
}

static bool have_same_fields(const struct check_fields *a, const struct check_fields *b) {
    return a->count == b->count && memcmp(a->fields, b->fields, a->count) == 0;
}

int db_compare(const struct db *before, const struct db *after, db_compare_tell *tell,
               void *context, struct db_comparison *comparison, struct error *error) {
    struct compare compare = {before, after, comparison, NULL, false};
    memset(comparison, 0, sizeof *comparison);
    comparison->has_same_keys =
        before->header.is_keyed == after->header.is_keyed &&
        memcmp(before->header.lookup_key_id, after->header.lookup_key_id, SHA256_LEN) == 0;
    comparison->has_same_codes =
        comparison->has_same_keys &&
        have_same_fields(&before->header.facts.fields, &after->header.facts.fields);
    int code = match_sets(&compare, error);
    if (code == 0)
        walk(&compare, tell, context);
    free(compare.numbers);
    return code;
}

struct span db_vanished_class(const struct db *before, const struct db *after) {
    for (uint32_t number = 1; number <= before->sets.count; number++) {
        struct span set = class_sets_text(&before->sets, number);
        struct class_item item;
        while (class_set_next(&set, &item)) {
            if (!class_sets_name(&after->sets, item.name))
                return item.name;
        }
    }
    return (struct span){"", 0};
}
