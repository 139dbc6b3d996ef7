#include "record/hints.h"

#include "base/format.h"
#include "record/coverage.h"
#include "text/matching.h"

#include <string.h>

/* Pairs that are taken for each other. */
static const char alike[][2] = {{'O', '0'}, {'I', '1'}, {'B', '8'}, {'S', '5'}, {'Z', '2'}};

static bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static char upper_case(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char other_of(char c) {
    c = upper_case(c);
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        if (alike[i][0] == c)
            return alike[i][1];
        if (alike[i][1] == c)
            return alike[i][0];
    }
    return '\0';
}

/* Keeps the hint at hints[count] if it fits the patterns and differs from the number. Returns the
 * new count. */
static unsigned keep(struct hint *hints, unsigned count, const struct form *own,
                     const char *patterns) {
    struct hint *hint = &hints[count];
    struct form form;
    if (number_form(&form, hint->text, strlen(hint->text), NULL) != 0 ||
        (form.len == own->len && memcmp(form.text, own->text, form.len) == 0) ||
        !patterns_fit(patterns, (struct span){form.text, form.len}))
        return count;
    return count + 1;
}

static void begin(struct hint *hint, struct span number) {
    memcpy(hint->text, number.text, number.len);
    hint->text[number.len] = '\0';
}

/* Where zeros can have been lost: before the first digit of a run of digits. */
static unsigned add_zeros(struct hint *hints, unsigned count, struct span number,
                          const struct form *own, const char *patterns) {
    for (size_t at = 0; at < number.len; at++) {
        bool is_digit = number.text[at] >= '0' && number.text[at] <= '9';
        bool was_digit = at > 0 && number.text[at - 1] >= '0' && number.text[at - 1] <= '9';
        if (!is_digit || was_digit)
            continue;
        for (size_t zeros = 1; zeros <= 3 && count < HINTS_MAX; zeros++) {
            struct hint *hint = &hints[count];
            begin(hint, number);
            memmove(hint->text + at + zeros, hint->text + at, number.len - at + 1);
            memset(hint->text + at, '0', zeros);
            format_text(hint->check, sizeof hint->check, "whether zeros are missing");
            count = keep(hints, count, own, patterns);
        }
    }
    return count;
}

unsigned hints_of(struct hint hints[HINTS_MAX], struct span number, const char *patterns) {
    struct form own;
    unsigned count = 0, place = 0;
    if (number.len > HINT_TEXT_MAX || number_form(&own, number.text, number.len, NULL) != 0)
        return 0;
    for (size_t at = 0; at < number.len && count < HINTS_MAX; at++) {
        char c = number.text[at], other = other_of(c);
        place += is_letter_or_digit(c);
        if (other == '\0')
            continue;
        struct hint *hint = &hints[count];
        begin(hint, number);
        hint->text[at] = other;
        bool is_digit = c >= '0' && c <= '9';
        format_text(hint->check, sizeof hint->check, "the %s %c at place %u",
                    is_digit ? "digit" : "letter", upper_case(c), place);
        count = keep(hints, count, &own, patterns);
    }
    place = 0;
    for (size_t at = 0; at + 1 < number.len && count < HINTS_MAX; at++) {
        place += is_letter_or_digit(number.text[at]);
        if (!is_letter_or_digit(number.text[at]) || !is_letter_or_digit(number.text[at + 1]))
            continue;
        struct hint *hint = &hints[count];
        begin(hint, number);
        hint->text[at] = number.text[at + 1];
        hint->text[at + 1] = number.text[at];
        format_text(hint->check, sizeof hint->check, "the order at places %u and %u", place,
                    place + 1);
        count = keep(hints, count, &own, patterns);
    }
    /* Without a pattern nothing says how many digits there should be. */
    return *patterns != '\0' ? add_zeros(hints, count, number, &own, patterns) : count;
}
