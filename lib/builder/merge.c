#include "builder/merge.h"

#include "base/bytes.h"
#include "record/classes.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_PER_REPORT (1u << 20)
#define GROUP_MAX 1024 /* facts of one licence */

/* The facts with one key, in the order of their lines. */
struct group {
    size_t count;
    bool is_too_large;
    struct fact facts[GROUP_MAX];
};

struct merge {
    struct merge_job *job;
    struct error *error;
    const uint8_t
        *old; /* an entry of the predecessor that is not yet written; NULL: none is left */
    struct further old_further;
    struct group group;
    struct terms terms;
    struct class_builder builder;
    char set_texts[TERMS_GROUPS_MAX][CLASS_SET_MAX]; /* of groups that were put together */
    uint8_t codes[CODES_LEN];
    uint32_t code_lines[CHECK_FIELDS_MAX]; /* where each code was given; 0: nowhere yet */
};

/* --- contradictions --------------------------------------------------------------------------- */

static void conflict(struct merge *merge, uint32_t line, uint32_t other, const char *reason) {
    uint64_t later = line > other ? line : other, earlier = line > other ? other : line;
    merge->job->conflict_count++;
    if (merge->job->conflict != NULL)
        merge->job->conflict(merge->job->conflict_context, later, earlier, reason);
}

/* --- writing ---------------------------------------------------------------------------------- */

static int put_licence(struct merge *merge, const uint8_t *key) {
    uint8_t terms[DB_TERMS_LEN], further[FURTHER_MAX] NOT_CLEARED;
    size_t code_len = check_code_len(merge->job->fields);
    struct terms *say = &merge->terms;
    struct writer *writer = merge->job->writer;
    int len = 0;
    /* A set that no licence holds in the end must not get into the dictionary. */
    if (say->group_count > 2 || say->status_count + say->code_count + say->card_count > 0)
        len = terms_write(terms, further, say, code_len, writer_probe_set, writer);
    if (len >= 0)
        len = terms_write(terms, further, say, code_len, writer_set_number, writer);
    if (len < 0)
        return len;
    writer_put(writer, key, merge->codes, terms, further, (size_t)len);
    return 0;
}

static void put_withheld(struct merge *merge, const uint8_t *key) {
    merge->terms.status = STATUS_WITHHELD;
    merge->terms.since = DAY_UNKNOWN;
    merge->terms.until = DAY_NO_END;
    merge->terms.group_count = merge->terms.status_count = 0;
    merge->terms.card_count = merge->terms.code_count = 0;
    memset(merge->codes, 0, CODES_LEN);
    merge->job->withheld_count++;
    put_licence(merge, key);
}

/* --- several rows, one licence ---------------------------------------------------------------- */

static bool has_kind(const struct group *group, enum fact_kind kind) {
    for (size_t i = 0; i < group->count; i++) {
        if (group->facts[i].kind == kind)
            return true;
    }
    return false;
}

static const struct fact *first_of(const struct group *group, enum fact_kind kind) {
    for (size_t i = 0; i < group->count; i++) {
        if (group->facts[i].kind == kind)
            return &group->facts[i];
    }
    return NULL;
}

/* Brings the check codes of a row together with those of the rows before it. Returns whether some
 * field was compared and is the same; where one differs, the contradiction is told, and *differs
 * set. */
static bool join_codes(struct merge *merge, const struct fact *fact, bool *differs) {
    static const char *const reasons[FIELD_COUNT] = {
        [FIELD_NAME] = "the same licence, but another name",
        [FIELD_PHONE] = "the same licence, but another phone number",
        [FIELD_BIRTH_DATE] = "the same licence, but another birth date",
        [FIELD_CARD] = "the same licence, but another current card"};
    const struct check_fields *fields = merge->job->fields;
    size_t len = check_code_len(fields);
    bool is_same = false;
    for (unsigned i = 0; i < fields->count; i++) {
        uint8_t *joined = merge->codes + i * len;
        const uint8_t *own = fact->codes + i * len;
        if (bytes_are_zero(own, len))
            continue;
        if (merge->code_lines[i] == 0) {
            memcpy(joined, own, len);
            merge->code_lines[i] = fact_line(fact);
        } else if (memcmp(joined, own, len) == 0) {
            is_same = true;
        } else {
            conflict(merge, fact_line(fact), merge->code_lines[i], reasons[fields->fields[i]]);
            *differs = true;
        }
    }
    return is_same;
}

/* Whether the rows are about one person. */
static bool join_rows(struct merge *merge) {
    const struct group *group = &merge->group;
    const struct fact *first = NULL;
    bool differs = false;
    memset(merge->codes, 0, CODES_LEN);
    memset(merge->code_lines, 0, sizeof merge->code_lines);
    for (size_t i = 0; i < group->count && !differs; i++) {
        const struct fact *fact = &group->facts[i];
        if (fact->kind != FACT_LICENCE)
            continue;
        bool is_same = join_codes(merge, fact, &differs);
        if (first != NULL && !differs && !is_same &&
            memcmp(first->of.says.spelling, fact->of.says.spelling, 4) != 0) {
            conflict(merge, fact_line(fact), fact_line(first),
                     "the same number written otherwise, and nothing shows that it is the same "
                     "licence");
            differs = true;
        }
        merge->job->joined_count += first != NULL;
        first = first != NULL ? first : fact;
    }
    return !differs;
}

static uint32_t text_number(const struct fact *fact) {
    return load_le32(fact->of.says.text);
}

/* Puts the classes of a group with the same days into one set. */
static bool join_classes(struct merge *merge, struct class_group *group, unsigned at,
                         struct span classes) {
    merge->builder.count = merge->builder.code_count = 0;
    if (class_builder_add_set(&merge->builder, group->classes) != 0 ||
        class_builder_add_set(&merge->builder, classes) != 0)
        return false;
    int len = class_builder_write(&merge->builder, merge->set_texts[at]);
    if (len < 0)
        return false;
    group->classes = (struct span){merge->set_texts[at], (size_t)len};
    return true;
}

static bool add_group(struct merge *merge, const struct fact *fact, uint32_t from, uint32_t to) {
    struct terms *terms = &merge->terms;
    struct span classes = texts_get(merge->job->texts, text_number(fact));
    for (unsigned i = 0; i < terms->group_count; i++) {
        struct class_group *group = &terms->groups[i];
        if (group->from == from && group->to == to)
            return span_compare(group->classes, classes) == 0 ||
                   join_classes(merge, group, i, classes);
    }
    if (terms->group_count == TERMS_GROUPS_MAX)
        return false;
    terms->groups[terms->group_count++] = (struct class_group){from, to, classes};
    return true;
}

static bool add_other_status(struct terms *terms, uint8_t status, uint32_t from, uint32_t to,
                             struct span classes) {
    if (terms->status_count == TERMS_LIST_MAX)
        return false;
    terms->statuses[terms->status_count++] = (struct other_status){status, from, to, classes};
    return true;
}

/* Takes one fact into the terms. False where there is no room. */
static bool add_fact(struct merge *merge, const struct fact *fact) {
    struct terms *terms = &merge->terms;
    switch (fact->kind) {
    case FACT_LICENCE:
        return fact_day(fact->of.says.group_from) == DAY_UNKNOWN ||
               add_group(merge, fact, fact_day(fact->of.says.group_from),
                         fact_day(fact->of.says.group_to));
    case FACT_GROUP:
        return add_group(merge, fact, fact_day(fact->of.says.since), fact_day(fact->of.says.until));
    case FACT_CLASS_STATUS:
        return add_other_status(terms, fact->status, fact_day(fact->of.says.since),
                                fact_day(fact->of.says.until),
                                texts_get(merge->job->texts, text_number(fact)));
    case FACT_CODE:
        if (terms->code_count == TERMS_LIST_MAX)
            return false;
        terms->codes[terms->code_count++] = texts_get(merge->job->texts, text_number(fact));
        return true;
    case FACT_CARD:
        if (terms->card_count == TERMS_LIST_MAX)
            return false;
        struct card_mark *card = &terms->cards[terms->card_count++];
        card->state = fact->status;
        memcpy(card->code, fact->codes, CODES_LEN);
        return true;
    default:
        return true;
    }
}

/* --- statuses --------------------------------------------------------------------------------- */

/* A status that rows give, and one of these rows. */
struct given_status {
    uint8_t status;
    uint32_t since;
    uint32_t until;
    uint32_t line;
};

static int compare_given(const void *a, const void *b) {
    const struct given_status *one = a, *other = b;
    return (one->since > other->since) - (one->since < other->since);
}

/* Gathers the different statuses that rows give. False where there are too many. */
static bool gather_statuses(const struct group *group, struct given_status *given,
                            unsigned *count) {
    *count = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *fact = &group->facts[i];
        const struct given_status own = {fact->status, fact_day(fact->of.says.since),
                                         fact_day(fact->of.says.until), fact_line(fact)};
        bool is_new = fact->kind == FACT_LICENCE && fact->status != 0;
        for (unsigned s = 0; s < *count && is_new; s++)
            is_new = given[s].status != own.status || given[s].since != own.since ||
                     given[s].until != own.until;
        if (is_new && *count == TERMS_LIST_MAX)
            return false;
        if (is_new)
            given[(*count)++] = own;
    }
    return true;
}

/* The current status is the one that begins last; what was before it is kept. False after a
 * contradiction was told. */
static bool settle_status(struct merge *merge) {
    struct given_status given[TERMS_LIST_MAX];
    struct terms *terms = &merge->terms;
    unsigned count;
    terms->status = STATUS_VALID;
    terms->since = DAY_UNKNOWN;
    terms->until = DAY_NO_END;
    if (!gather_statuses(&merge->group, given, &count)) {
        conflict(merge, fact_line(&merge->group.facts[0]), 0, "too many statuses for one licence");
        return false;
    }
    if (count == 0)
        return true;
    qsort(given, count, sizeof *given, compare_given);
    for (unsigned i = 0; i + 1 < count; i++) {
        const struct given_status *earlier = &given[i], *later = &given[i + 1];
        if (later->since == DAY_UNKNOWN || earlier->since == later->since) {
            conflict(merge, later->line, earlier->line,
                     "the same licence, but another status, and nothing says which is the later "
                     "one");
            return false;
        }
        uint32_t end = earlier->until < later->since - 1 ? earlier->until : later->since - 1;
        if (!add_other_status(terms, earlier->status, earlier->since, end, (struct span){"", 0}))
            return false;
    }
    const struct given_status *current = &given[count - 1];
    terms->status = current->status;
    terms->since = current->since;
    terms->until = current->until;
    return true;
}

/* --- what a group comes to --------------------------------------------------------------------- */

/* Makes the licence that the rows of the group are about. */
static void settle_licence(struct merge *merge) {
    const struct group *group = &merge->group;
    const uint8_t *key = group->facts[0].key;
    uint32_t line = fact_line(&group->facts[0]);
    struct terms *terms = &merge->terms;
    bool is_good = true;
    terms->group_count = terms->status_count = terms->card_count = terms->code_count = 0;
    if (has_kind(group, FACT_WITHHELD)) {
        put_withheld(merge, key);
        return;
    }
    if (!join_rows(merge) || !settle_status(merge)) {
        put_withheld(merge, key);
        return;
    }
    for (size_t i = 0; i < group->count && is_good; i++)
        is_good = add_fact(merge, &group->facts[i]);
    if (!is_good || put_licence(merge, key) != 0) {
        conflict(merge, line, 0, "more is said about this licence than an entry can hold");
        put_withheld(merge, key);
    }
}

/* Makes the entry that depends on a licence. Rows about one licence may name the same document or
 * former number, and give different fields with it. */
static void settle_dependent(struct merge *merge) {
    const struct group *group = &merge->group;
    const struct fact *first = &group->facts[0];
    uint8_t terms[DB_TERMS_LEN];
    bool differs = false;
    memset(merge->codes, 0, CODES_LEN);
    memset(merge->code_lines, 0, sizeof merge->code_lines);
    for (size_t i = 0; i < group->count && !differs; i++) {
        const struct fact *fact = &group->facts[i];
        if (fact->status != first->status ||
            memcmp(fact->of.licence_prefix, first->of.licence_prefix, LICENCE_PREFIX_LEN) != 0) {
            conflict(merge, fact_line(fact), fact_line(first),
                     fact->status == ENTRY_FORMER     ? "the former number of two licences"
                     : fact->status == ENTRY_DOCUMENT ? "the document of two licences"
                                                      : "the record of two licences");
            return;
        }
        join_codes(merge, fact, &differs);
    }
    terms_write_dependent(terms, (enum entry_kind)first->status, first->of.licence_prefix);
    writer_put(merge->job->writer, first->key, merge->codes, terms, NULL, 0);
}

/* --- the predecessor --------------------------------------------------------------------------- */

static int next_old(struct merge *merge) {
    struct predecessor *predecessor = merge->job->predecessor;
    merge->old = NULL;
    if (predecessor == NULL)
        return 0;
    int result = predecessor_next(predecessor, &merge->old, &merge->old_further, merge->error);
    if (result != 1)
        merge->old = NULL;
    return result < 0 ? result : 0;
}

static int damaged(const struct merge *merge) {
    return error_set(merge->error, ERR_FORMAT, "%s: an entry has impossible terms",
                     merge->job->predecessor->path);
}

/* Reads the terms of the old entry into merge->terms, and its codes into merge->codes. */
static bool read_old(struct merge *merge) {
    const struct predecessor *predecessor = merge->job->predecessor;
    memcpy(merge->codes, merge->old + ENTRY_CODES, CODES_LEN);
    return terms_read(&merge->terms, merge->old + ENTRY_TERMS, merge->old_further,
                      &predecessor->sets, check_code_len(merge->job->fields), false);
}

/* Writes the old entry as it is, but for the numbers of its sets. */
static int keep_old(struct merge *merge) {
    const uint8_t *terms = merge->old + ENTRY_TERMS;
    if (terms_kind(terms) != ENTRY_LICENCE) {
        if (!touched_has(merge->job->touched, terms_licence_prefix(terms)))
            writer_put(merge->job->writer, merge->old, merge->old + ENTRY_CODES, terms, NULL, 0);
        return 0;
    }
    if (!read_old(merge))
        return damaged(merge);
    return put_licence(merge, merge->old) == 0 ? 0 : damaged(merge);
}

/* Writes the predecessor's entries whose keys are below `key`, or all that are left where `key` is
 * NULL. */
static int pass_old(struct merge *merge, const uint8_t *key) {
    int code = 0;
    while (code == 0 && merge->old != NULL &&
           (key == NULL || memcmp(merge->old, key, DB_KEY_LEN) < 0)) {
        code = keep_old(merge);
        if (code == 0)
            code = next_old(merge);
    }
    return code;
}

/* --- changes ----------------------------------------------------------------------------------- */

/* Whether a row that sets a licence may replace what is there: some field is the same, or the row
 * says that it replaces, or nothing was known. */
static bool may_replace(const struct merge *merge, const struct fact *set) {
    const struct check_fields *fields = merge->job->fields;
    size_t len = check_code_len(fields);
    const uint8_t *old = merge->old + ENTRY_CODES;
    const struct fact *row = set;
    for (size_t i = 0; i < merge->group.count; i++) {
        if (merge->group.facts[i].kind == FACT_LICENCE &&
            memcmp(merge->group.facts[i].line, set->line, 4) == 0)
            row = &merge->group.facts[i];
    }
    struct terms terms NOT_CLEARED;
    bool is_withheld = terms_read(&terms, merge->old + ENTRY_TERMS, merge->old_further,
                                  &merge->job->predecessor->sets, len, true) &&
                       terms.status == STATUS_WITHHELD;
    if (set->status != 0 || fields->count == 0 || is_withheld)
        return true;
    for (unsigned i = 0; i < fields->count; i++) {
        if (!bytes_are_zero(old + i * len, len) &&
            memcmp(old + i * len, row->codes + i * len, len) == 0)
            return true;
    }
    return false;
}

/* Ends the statuses of the licence as a whole that are kept beside the current one before a day;
 * those that begin later are gone. */
static void end_statuses(struct terms *terms, uint32_t day) {
    unsigned kept = 0;
    for (unsigned i = 0; i < terms->status_count; i++) {
        struct other_status *other = &terms->statuses[i];
        bool is_of_licence = other->classes.len == 0;
        if (is_of_licence && other->from >= day)
            continue;
        if (is_of_licence && other->to >= day)
            other->to = day - 1;
        terms->statuses[kept++] = *other;
    }
    terms->status_count = kept;
}

/* Gives a licence a new status. What was before it is kept, as if a row had been added to those that
 * have given statuses so far, in place of the later ones. False where there is no room. */
static bool change_status(struct terms *terms, const struct fact *fact) {
    uint32_t since = fact_day(fact->of.says.since);
    bool is_later =
        terms->since != DAY_UNKNOWN && terms->status != STATUS_WITHHELD && terms->since < since;
    end_statuses(terms, since);
    if (is_later) {
        uint32_t end = terms->until < since - 1 ? terms->until : since - 1;
        if (!add_other_status(terms, terms->status, terms->since, end, (struct span){"", 0}))
            return false;
    }
    terms->status = fact->status;
    terms->since = since;
    terms->until = fact_day(fact->of.says.until);
    return true;
}

/* Applies a change list's facts to the old licence with their key, or to none. */
static int settle_change(struct merge *merge, bool has_old) {
    const struct group *group = &merge->group;
    const struct fact *set = first_of(group, FACT_SET), *remove = first_of(group, FACT_REMOVE);
    const struct fact *status = first_of(group, FACT_STATUS);
    const uint8_t *key = group->facts[0].key;
    const struct fact *first = remove != NULL ? remove : status;
    if ((set != NULL) + (remove != NULL) + (status != NULL) > 1) {
        const struct fact *other = set != NULL ? set : status;
        conflict(merge, fact_line(first), fact_line(other), "two different changes of one licence");
        return 0;
    }
    if (set != NULL) {
        if (has_old && !may_replace(merge, set))
            conflict(merge, fact_line(set), 0,
                     "none of its fields is on file for this licence: another person? (op replace "
                     "sets it all the same)");
        settle_licence(merge);
        return 0;
    }
    if (!has_old) {
        conflict(merge, fact_line(first), 0, "this licence is not on file");
        return 0;
    }
    if (remove != NULL)
        return 0;
    if (!read_old(merge))
        return damaged(merge);
    for (size_t i = 0; i < group->count; i++) {
        const struct fact *other = &group->facts[i];
        if (other->status != status->status || memcmp(&other->of, &status->of, 6) != 0)
            conflict(merge, fact_line(other), fact_line(status),
                     "two different changes of one licence");
    }
    if (!change_status(&merge->terms, status) || put_licence(merge, key) != 0)
        conflict(merge, fact_line(status), 0,
                 "more is said about this licence than an entry can hold");
    return 0;
}

/* --- all of it ---------------------------------------------------------------------------------- */

/* Writes what a group comes to. */
static int settle(struct merge *merge) {
    const struct group *group = &merge->group;
    const struct fact *first = &group->facts[0];
    const struct fact *dependent = first_of(group, FACT_DEPENDENT), *licence = NULL;
    for (size_t i = 0; i < group->count; i++) {
        if (group->facts[i].kind != FACT_DEPENDENT)
            licence = &group->facts[i];
    }
    int code = pass_old(merge, first->key);
    if (code != 0)
        return code;
    bool has_old = merge->old != NULL && memcmp(merge->old, first->key, DB_KEY_LEN) == 0;
    enum entry_kind old_kind = has_old ? terms_kind(merge->old + ENTRY_TERMS) : ENTRY_LICENCE;
    const uint8_t *old_terms = merge->old != NULL ? merge->old + ENTRY_TERMS : NULL;
    bool is_old_gone = has_old && old_kind != ENTRY_LICENCE &&
                       touched_has(merge->job->touched, terms_licence_prefix(old_terms));
    if (group->is_too_large) {
        conflict(merge, fact_line(first), 0, "more rows are about this licence than can be joined");
        put_withheld(merge, first->key);
    } else if (dependent != NULL && licence != NULL) {
        conflict(merge, fact_line(dependent), fact_line(licence),
                 "the former number of one licence is the number of another");
        put_withheld(merge, first->key);
    } else if (dependent != NULL) {
        if (has_old && !is_old_gone &&
            (old_kind == ENTRY_LICENCE ||
             memcmp(terms_licence_prefix(old_terms), first->of.licence_prefix,
                    LICENCE_PREFIX_LEN) != 0))
            conflict(merge, fact_line(first), 0,
                     "it belongs to another licence in the release before");
        settle_dependent(merge);
    } else if (has_old && old_kind != ENTRY_LICENCE && !is_old_gone) {
        conflict(merge, fact_line(first), 0,
                 "its number is the former number of another licence in the release before");
    } else if (merge->job->predecessor != NULL) {
        code = settle_change(merge, has_old && old_kind == ENTRY_LICENCE);
    } else {
        settle_licence(merge);
    }
    if (code == 0 && has_old)
        code = next_old(merge);
    return code;
}

static void group_add(struct group *group, const struct fact *fact) {
    if (group->count == GROUP_MAX)
        group->is_too_large = true;
    else
        group->facts[group->count++] = *fact;
}

static int merge_all(struct merge *merge) {
    struct merge_job *job = merge->job;
    struct group *group = &merge->group;
    const struct fact *fact;
    uint64_t seen = 0;
    int code = next_old(merge);
    int more = 1;
    while (code == 0 && (more = collector_next(job->collector, &fact, merge->error)) > 0) {
        if (seen++ % FACTS_PER_REPORT == 0)
            build_report(job->collector->settings, "writing", "facts", seen - 1, job->total);
        if (group->count > 0 && memcmp(group->facts[0].key, fact->key, DB_KEY_LEN) != 0) {
            code = settle(merge);
            group->count = 0;
            group->is_too_large = false;
        }
        group_add(group, fact);
    }
    if (code == 0)
        code = more < 0 ? more : 0;
    if (code == 0 && group->count > 0)
        code = settle(merge);
    return code == 0 ? pass_old(merge, NULL) : code;
}

int merge_facts(struct merge_job *job, struct error *error) {
    struct merge *merge = calloc(1, sizeof *merge);
    if (merge == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    merge->job = job;
    merge->error = error;
    job->conflict_count = job->joined_count = job->withheld_count = 0;
    int code = merge_all(merge);
    free(merge);
    return code;
}
