#include "record/verdict.h"

#include "record/classes.h"

const char *verdict_name(enum verdict verdict) {
    static const char *const names[VERDICT_COUNT] = {
        "UNKNOWN", "VALID",    "EXPIRED",      "NOT_YET_VALID", "SUSPENDED",
        "REVOKED", "MISMATCH", "NOT_ENTITLED", "REPLACED",      "NOT_COVERED"};
    return names[verdict];
}

const char *silence_text(enum silence silence) {
    static const char *const texts[] = {
        [SILENCE_NONE] = "",
        [SILENCE_WITHHELD] = "withholds this licence, because its own data about it are in doubt",
        [SILENCE_BEFORE_START] = "does not reach back to that day",
        [SILENCE_BEFORE_STATUS] = "does not say what held on that day, only since later",
        [SILENCE_AFTER_END] = "cannot say what will hold on that day",
        [SILENCE_NO_CLASSES] = "has no classes of this licence",
        [SILENCE_NO_DATES] = "does not say when this licence is valid",
        [SILENCE_NUMBER] = "is not that of this number",
    };
    return texts[silence];
}

const char *entitlement_name(enum entitlement entitlement) {
    static const char *const names[] = {"held", "never held", "lapsed", "not yet held",
                                        "only provisionally held"};
    return names[entitlement];
}

/* --- status ----------------------------------------------------------------------------------- */

static enum verdict verdict_of(unsigned status) {
    switch (status) {
    case STATUS_VALID:
        return VERDICT_VALID;
    case STATUS_SUSPENDED:
    case STATUS_DISQUALIFIED:
        return VERDICT_SUSPENDED;
    case STATUS_REVOKED:
    case STATUS_SURRENDERED:
    case STATUS_DECEASED:
        return VERDICT_REVOKED;
    default:
        return VERDICT_NOT_COVERED;
    }
}

/* Which of two statuses counts where both hold. */
static unsigned severity(unsigned status) {
    switch (verdict_of(status)) {
    case VERDICT_REVOKED:
        return 3;
    case VERDICT_SUSPENDED:
        return 2;
    case VERDICT_VALID:
        return 1;
    default:
        return 4;
    }
}

/* Takes a status into account that may hold on that day. */
static void consider(struct outcome *outcome, uint32_t day, unsigned status, uint32_t from,
                     uint32_t to) {
    if (day < from || day > to ||
        (outcome->status != 0 && severity(status) <= severity(outcome->status)))
        return;
    outcome->status = (uint8_t)status;
    outcome->status_from = from;
    outcome->status_to = to;
}

/* Finds the status on that day; 0 where nothing on file says it. */
static void find_status(struct outcome *outcome, const struct terms *terms, uint32_t day,
                        const struct covered_days *covered) {
    bool is_known = terms->since != DAY_UNKNOWN;
    /* What began on an unknown day held when the release was made, and nobody knows before. */
    consider(outcome, day, terms->status, is_known ? terms->since : covered->created, terms->until);
    for (unsigned i = 0; i < terms->status_count; i++) {
        const struct other_status *other = &terms->statuses[i];
        if (other->classes.len == 0)
            consider(outcome, day, other->status, other->from, other->to);
    }
    /* A suspension that has ended leaves a valid licence. */
    if (outcome->status == 0 && day > terms->until)
        consider(outcome, day, STATUS_VALID, terms->until + 1, DAY_NO_END);
    if (outcome->status_from == covered->created && !is_known && outcome->status == terms->status)
        outcome->status_from = DAY_UNKNOWN;
}

/* A status of single classes that were asked for, where it is severer than that of the licence. */
static enum verdict class_status(struct outcome *outcome, const struct terms *terms,
                                 const struct inquiry *inquiry) {
    unsigned worst = severity(outcome->status);
    enum verdict verdict = VERDICT_VALID;
    for (unsigned i = 0; i < terms->status_count; i++) {
        const struct other_status *other = &terms->statuses[i];
        if (inquiry->day < other->from || inquiry->day > other->to ||
            severity(other->status) <= worst)
            continue;
        for (unsigned c = 0; c < inquiry->class_count; c++) {
            struct class_item item;
            if (!class_set_find(other->classes, inquiry->classes[c], &item))
                continue;
            worst = severity(other->status);
            verdict = verdict_of(other->status);
            outcome->class_at = c;
            outcome->is_class_status = true;
            outcome->status = other->status;
            outcome->status_from = other->from;
            outcome->status_to = other->to;
            break;
        }
    }
    return verdict;
}

/* --- dates and classes ------------------------------------------------------------------------ */

static bool holds(const struct class_group *group, uint32_t day) {
    return day >= group->from && day <= group->to;
}

static enum verdict dates(const struct terms *terms, uint32_t day) {
    bool has_ended = false;
    for (unsigned i = 0; i < terms->group_count; i++) {
        if (holds(&terms->groups[i], day))
            return VERDICT_VALID;
        has_ended |= day > terms->groups[i].to;
    }
    return has_ended ? VERDICT_EXPIRED : VERDICT_NOT_YET_VALID;
}

static enum entitlement entitlement_of(const struct terms *terms, uint32_t day, struct span name) {
    enum entitlement best = NEVER_HELD;
    for (unsigned i = 0; i < terms->group_count; i++) {
        const struct class_group *group = &terms->groups[i];
        struct class_item item;
        if (!class_set_find(group->classes, name, &item))
            continue;
        if (holds(group, day)) {
            if (!item.is_provisional)
                return ENTITLED;
            best = PROVISIONAL;
        } else if (best != PROVISIONAL) {
            best = day > group->to || best == LAPSED ? LAPSED : NOT_YET_HELD;
        }
    }
    return best;
}

static bool has_classes(const struct terms *terms) {
    for (unsigned i = 0; i < terms->group_count; i++) {
        if (terms->groups[i].classes.len > 0)
            return true;
    }
    return false;
}

static enum verdict classes(struct outcome *outcome, const struct terms *terms,
                            const struct inquiry *inquiry) {
    if (inquiry->class_count > 0 && !has_classes(terms)) {
        outcome->silence = SILENCE_NO_CLASSES;
        return VERDICT_NOT_COVERED;
    }
    for (unsigned c = 0; c < inquiry->class_count; c++) {
        enum entitlement entitlement = entitlement_of(terms, inquiry->day, inquiry->classes[c]);
        if (entitlement == ENTITLED)
            continue;
        outcome->entitlement = entitlement;
        outcome->class_at = c;
        return VERDICT_NOT_ENTITLED;
    }
    return VERDICT_VALID;
}

/* --- fields ----------------------------------------------------------------------------------- */

static enum verdict fields(const struct inquiry *inquiry) {
    if (inquiry->card.state != 0)
        return VERDICT_REPLACED;
    if (inquiry->card.match == FIELD_DIFFERS)
        return VERDICT_MISMATCH;
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (inquiry->matches[field] == FIELD_DIFFERS)
            return VERDICT_MISMATCH;
    }
    return VERDICT_VALID;
}

/* --- all of it -------------------------------------------------------------------------------- */

static struct outcome silent(struct outcome outcome, enum silence silence) {
    outcome.silence = silence;
    outcome.verdict = outcome.standing = VERDICT_NOT_COVERED;
    return outcome;
}

struct outcome verdict_decide(const struct terms *terms, const struct inquiry *inquiry,
                              const struct covered_days *covered) {
    struct outcome outcome = {0};
    uint32_t day = inquiry->day;
    if (terms->status == STATUS_WITHHELD)
        return silent(outcome, SILENCE_WITHHELD);
    if (day < covered->first)
        return silent(outcome, SILENCE_BEFORE_START);
    if (day > covered->last)
        return silent(outcome, SILENCE_AFTER_END);
    find_status(&outcome, terms, day, covered);
    if (outcome.status == 0)
        return silent(outcome, SILENCE_BEFORE_STATUS);
    outcome.standing = verdict_of(outcome.status);
    if (outcome.standing == VERDICT_VALID)
        outcome.standing = terms->group_count > 0 ? dates(terms, day) : VERDICT_NOT_COVERED;
    outcome.verdict = outcome.standing;
    enum verdict of_classes = class_status(&outcome, terms, inquiry);
    if (of_classes != VERDICT_VALID)
        outcome.verdict = of_classes;
    if (outcome.verdict == VERDICT_NOT_COVERED)
        return silent(outcome, SILENCE_NO_DATES);
    if (outcome.verdict == VERDICT_VALID)
        outcome.verdict = classes(&outcome, terms, inquiry);
    if (outcome.verdict == VERDICT_VALID)
        outcome.verdict = fields(inquiry);
    return outcome;
}
