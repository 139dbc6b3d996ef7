#include "record/coverage.h"

#include "base/utf8.h"
#include "text/matching.h"

#include <string.h>

/* Takes the next item of a list, at *list. False at the end. */
static bool next_item(const char **list, struct span *item) {
    if (**list == '\0')
        return false;
    item->text = *list;
    item->len = strcspn(*list, ",");
    *list += item->len + ((*list)[item->len] == ',');
    return true;
}

/* --- prefixes --------------------------------------------------------------------------------- */

bool coverage_is_valid(const char *prefixes) {
    struct span prefix;
    struct form form;
    size_t len = strlen(prefixes);
    if (len > 0 && prefixes[len - 1] == ',')
        return false;
    while (next_item(&prefixes, &prefix)) {
        if (number_form(&form, prefix.text, prefix.len, NULL) != 0 || form.len != prefix.len ||
            memcmp(form.text, prefix.text, form.len) != 0)
            return false;
    }
    return true;
}

bool coverage_holds(const char *prefixes, struct span number) {
    struct span prefix;
    bool is_any = *prefixes == '\0';
    while (!is_any && next_item(&prefixes, &prefix))
        is_any = prefix.len <= number.len && memcmp(prefix.text, number.text, prefix.len) == 0;
    return is_any;
}

/* --- patterns --------------------------------------------------------------------------------- */

#define REPEAT_MAX 64

/* What stands for one or more characters of a number. */
struct element {
    char what; /* '#', '@', '?', or the character itself */
    unsigned min;
    unsigned max;
};

/* Takes a count at *at, of one or two digits. 0 where there is none. */
static unsigned take_count(const struct span *pattern, size_t *at) {
    unsigned count = 0;
    for (int i = 0; i < 2 && *at < pattern->len; i++) {
        char c = pattern->text[*at];
        if (c < '0' || c > '9')
            break;
        count = count * 10 + (unsigned)(c - '0');
        ++*at;
    }
    return count;
}

static bool take_repeat(const struct span *pattern, size_t *at, struct element *element) {
    ++*at;
    element->min = element->max = take_count(pattern, at);
    if (*at < pattern->len && pattern->text[*at] == '-') {
        ++*at;
        element->max = take_count(pattern, at);
    }
    return *at < pattern->len && pattern->text[(*at)++] == '}' && element->min > 0 &&
           element->max >= element->min && element->max <= REPEAT_MAX;
}

static bool is_silent(char c) {
    return c == ' ' || c == '-' || c == '/' || c == '.';
}

enum taken { TAKEN, TAKEN_END, TAKEN_BAD };

/* Takes the next element of a pattern at *at. */
static enum taken take_element(const struct span *pattern, size_t *at, struct element *element) {
    while (*at < pattern->len && is_silent(pattern->text[*at]))
        ++*at;
    if (*at == pattern->len)
        return TAKEN_END;
    char c = pattern->text[(*at)++];
    bool is_kind = c == '#' || c == '@' || c == '?';
    bool is_literal = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
    *element = (struct element){c, 1, 1};
    if (!is_kind)
        return is_literal ? TAKEN : TAKEN_BAD;
    if (*at < pattern->len && pattern->text[*at] == '{')
        return take_repeat(pattern, at, element) ? TAKEN : TAKEN_BAD;
    return TAKEN;
}

bool patterns_are_valid(const char *patterns) {
    struct span pattern;
    size_t len = strlen(patterns);
    if (len > 0 && patterns[len - 1] == ',')
        return false;
    while (next_item(&patterns, &pattern)) {
        struct element element;
        enum taken taken;
        size_t at = 0, count = 0;
        while ((taken = take_element(&pattern, &at, &element)) == TAKEN)
            count++;
        if (taken == TAKEN_BAD || count == 0)
            return false;
    }
    return true;
}

/* Length of the character of the number at `at` if the element stands for it, else 0. */
static size_t matches(const struct element *element, struct span number, size_t at) {
    uint32_t character;
    if (at == number.len)
        return 0;
    size_t size = utf8_decode((const uint8_t *)number.text + at, number.len - at, &character);
    bool is_digit = character >= '0' && character <= '9';
    bool fits = element->what == '#'   ? is_digit
                : element->what == '@' ? !is_digit
                : element->what == '?' ? true
                                       : character == (uint8_t)element->what;
    return fits ? size : 0;
}

#define NUMBER_PLACES (FORM_MAX + 1)

/* The places of the number that a pattern can have come to: bit i is set where it can stand before
 * byte i. So a pattern costs at most its length times the number's, however it repeats. */
struct places {
    uint8_t at[NUMBER_PLACES];
};

/* Moves on by one element. */
static void advance(struct places *to, const struct places *from, const struct element *element,
                    struct span number) {
    memset(to, 0, sizeof *to);
    for (size_t start = 0; start <= number.len; start++) {
        size_t at = start, size;
        if (!from->at[start])
            continue;
        for (unsigned count = 1; count <= element->max && (size = matches(element, number, at)) > 0;
             count++) {
            at += size;
            if (count >= element->min)
                to->at[at] = 1;
        }
    }
}

static bool fits(struct span pattern, struct span number) {
    struct places places[2] = {{.at = {1}}};
    struct element element;
    unsigned turn = 0;
    for (size_t at = 0; take_element(&pattern, &at, &element) == TAKEN; turn ^= 1)
        advance(&places[turn ^ 1], &places[turn], &element, number);
    return places[turn].at[number.len];
}

bool patterns_fit(const char *patterns, struct span number) {
    struct span pattern;
    bool is_any = *patterns == '\0';
    while (!is_any && number.len < NUMBER_PLACES && next_item(&patterns, &pattern))
        is_any = fits(pattern, number);
    return is_any;
}
