#include "advice.h"

#include "applet.h"

#include "base/format.h"

/* Which option accepts what a guard has stopped at. */
static const char *accept_text(const struct guard_result *result) {
    static char text[64];
    /* Rounded up to a tenth of a percent, so that the share fits. */
    unsigned tenths = (result->share + 999) / 1000;
    const char *option = result->guard == GUARD_ON_DROPPED   ? "drop"
                         : result->guard == GUARD_ON_CHANGED ? "change"
                                                             : "rejects";
    switch (result->guard) {
    case GUARD_ON_VANISHED:
        return " (--accept-vanished takes it)";
    case GUARD_ON_KEYS:
        return " (--accept-rekey takes it)";
    case GUARD_ON_FACTS:
        return " (--accept-facts takes it)";
    case GUARD_ON_NUMBER:
        return " (--accept-same-sequence takes it)";
    case GUARD_ON_MILDER:
        format_text(text, sizeof text, " (--accept-milder %llu takes them)",
                    (unsigned long long)result->milder);
        return text;
    case GUARD_ON_CUT:
        return " (--accept-cut takes it)";
    default:
        format_text(text, sizeof text, " (--accept-%s %u.%u%% takes it)", option, tenths / 10,
                    tenths % 10);
        return text;
    }
}

const char *advice_text(const struct build_result *result) {
    switch (result->advice) {
    case BUILD_ALLOW_MEMORY:
        return " (see --memory)";
    case BUILD_CHOOSE_OUTPUT:
        return ADVICE_OF_OUTPUT;
    case BUILD_FOLLOW_AUTHORITY:
        return " (where this key takes the place of that one, --authority names the public key of "
               "that one)";
    case BUILD_SET_CLOCK:
        return " (set the clock, or give --created)";
    case BUILD_CHOOSE_SEQUENCE:
        return " (see --sequence)";
    case BUILD_LEAVE_OUT_BAD_ROWS:
        return " (--skip-bad leaves them out)";
    case BUILD_NAME_ENCODING:
        return " (see --encoding)";
    case BUILD_NAME_DELIMITER:
        return " (see --delimiter)";
    case BUILD_ACCEPT:
        return accept_text(&result->guard);
    case BUILD_CHANGE_PATTERNS:
        return " (see --number-pattern: # is a digit, @ a letter, ? either)";
    case BUILD_CHANGE_COVERAGE:
        return " (see --covers)";
    case BUILD_NO_ADVICE:
        break;
    }
    return "";
}

void print_unknown(const struct build_result *result, const char *input) {
    const struct unknown_words *unknown = &result->unknown;
    for (unsigned i = 0; i < unknown->count; i++) {
        const struct unknown_word *word = &unknown->list[i];
        bool is_card = word->column == COLUMN_CARD_STATUS;
        trouble("%s: %s \"%s\" in %llu rows has no meaning (see --%s)", input,
                registry_column_name(word->column), word->text, (unsigned long long)word->count,
                is_card ? "card-status" : "status");
    }
    if (unknown->other_count > 0)
        trouble("%s: further words without a meaning, in %llu rows", input,
                (unsigned long long)unknown->other_count);
}

/* Numbers that are not what the release says of its numbers: they are answered, but a slip of the
 * admin's may have made them so. */
void print_misfits(const struct build_result *result, const char *input) {
    const struct misfits *shapes = &result->beside_patterns;
    const struct misfits *prefixes = &result->beside_coverage;
    if (shapes->count > 0)
        trouble("warning: %s:%llu: number fits none of the patterns (such rows: %llu)", input,
                (unsigned long long)shapes->line, (unsigned long long)shapes->count);
    if (prefixes->count > 0)
        trouble("warning: %s:%llu: number is not covered (such rows: %llu)", input,
                (unsigned long long)prefixes->line, (unsigned long long)prefixes->count);
}
