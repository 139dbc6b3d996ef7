#include "registry/dates.h"

#include "base/date.h"
#include "base/format.h"
#include "registry/words.h"

#include <string.h>

/* --- formats ---------------------------------------------------------------------------------- */

enum part { PART_LITERAL, PART_YEAR, PART_MONTH, PART_DAY, PART_MONTH_NAME };

struct token {
    enum part part;
    unsigned min; /* digits */
    unsigned max;
    char literal;
};

static bool begins(struct span format, const char *word) {
    size_t len = strlen(word);
    return format.len >= len && memcmp(format.text, word, len) == 0;
}

/* Takes the next token off the format. */
static struct token take_token(struct span *format) {
    static const struct {
        const char *word;
        struct token token;
    } kinds[] = {{"YYYY", {PART_YEAR, 4, 4, 0}}, {"Mon", {PART_MONTH_NAME, 3, 3, 0}},
                 {"MM", {PART_MONTH, 2, 2, 0}},  {"DD", {PART_DAY, 2, 2, 0}},
                 {"M", {PART_MONTH, 1, 2, 0}},   {"D", {PART_DAY, 1, 2, 0}}};
    struct token token = {PART_LITERAL, 1, 1, format->text[0]};
    size_t used = 1;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (begins(*format, kinds[i].word)) {
            token = kinds[i].token;
            used = strlen(kinds[i].word);
            break;
        }
    }
    *format = (struct span){format->text + used, format->len - used};
    return token;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct date {
    unsigned parts[PART_MONTH_NAME]; /* by enum part; 0: not there */
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The month of an English name's first three letters; 0: none. */
static unsigned month_of(struct span text) {
    static const char months[] = "jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec";
    for (unsigned month = 0; month < 12; month++) {
        if (span_is_same_word((struct span){months + (size_t)4 * month, 3},
                              (struct span){text.text, 3}))
            return month + 1;
    }
    return 0;
}

/* Whether the text fits the format from here on. Numbers of one or two digits are tried both ways. */
static bool fits(struct span format, struct span text, struct date *date) {
    if (format.len == 0)
        return text.len == 0;
    struct token token = take_token(&format);
    for (unsigned len = token.max; len >= token.min; len--) {
        struct span rest = {text.text + len, text.len - len};
        unsigned value = 0;
        bool is_good = text.len >= len;
        if (is_good && token.part == PART_LITERAL)
            is_good = text.text[0] == token.literal;
        else if (is_good && token.part == PART_MONTH_NAME)
            is_good = (value = month_of(text)) > 0;
        for (unsigned i = 0;
             is_good && i < len && token.part != PART_LITERAL && token.part != PART_MONTH_NAME;
             i++) {
            is_good = is_digit(text.text[i]);
            value = value * 10 + (unsigned)(text.text[i] - '0');
        }
        if (is_good && token.part != PART_LITERAL)
            date->parts[token.part == PART_MONTH_NAME ? PART_MONTH : token.part] = value;
        if (is_good && fits(format, rest, date))
            return true;
    }
    return false;
}

/* The day of a date; that of the month's last one where it has no day. */
static int day_of(const struct date *date, uint32_t *day) {
    char text[DATE_TEXT_SIZE];
    unsigned first = date->parts[PART_DAY], last = first;
    if (first == 0) {
        first = 28;
        last = 31;
    }
    int code = ERR_FORMAT;
    for (unsigned of_month = last; code != 0 && of_month >= first; of_month--) {
        format_text(text, sizeof text, "%04u-%02u-%02u", date->parts[PART_YEAR] % 10000,
                    date->parts[PART_MONTH] % 100, of_month % 100);
        code = date_parse(text, strlen(text), day);
    }
    return code;
}

static bool has_part(struct span format, enum part part) {
    while (format.len > 0) {
        struct token token = take_token(&format);
        if (token.part == part || (token.part == PART_MONTH_NAME && part == PART_MONTH))
            return true;
    }
    return false;
}

int dates_read(const char *formats, struct span text, uint32_t *day) {
    struct span format;
    if (formats == NULL)
        return date_parse(text.text, text.len, day);
    while (words_next(&formats, ',', &format)) {
        struct date date = {0};
        if (fits(format, text, &date) &&
            (date.parts[PART_DAY] > 0 || !has_part(format, PART_DAY)) && day_of(&date, day) == 0)
            return 0;
    }
    return ERR_FORMAT;
}

/* --- checking --------------------------------------------------------------------------------- */

/* Whether some text can fit both formats: whether they are the same but for what the digits mean. */
static bool can_meet(struct span a, struct span b) {
    if (a.len == 0 || b.len == 0)
        return a.len == b.len;
    struct token one = take_token(&a), other = take_token(&b);
    bool is_number = one.part != PART_LITERAL && one.part != PART_MONTH_NAME;
    bool is_other_number = other.part != PART_LITERAL && other.part != PART_MONTH_NAME;
    if (is_number != is_other_number || (!is_number && one.part != other.part))
        return false;
    if (one.part == PART_LITERAL && one.literal != other.literal)
        return false;
    return (!is_number || (one.min <= other.max && other.min <= one.max)) && can_meet(a, b);
}

int dates_check_formats(const char *formats, struct error *error) {
    struct span format, other;
    const char *rest = formats;
    while (words_next(&rest, ',', &format)) {
        const char *later = rest;
        if (!has_part(format, PART_YEAR) || !has_part(format, PART_MONTH))
            return error_set(error, ERR_FORMAT,
                             "\"%.*s\" is not a date format (want YYYY, MM or Mon, and DD, such as "
                             "DD/MM/YYYY)",
                             (int)format.len, format.text);
        while (words_next(&later, ',', &other)) {
            if (can_meet(format, other))
                return error_set(error, ERR_FORMAT,
                                 "a date can fit both \"%.*s\" and \"%.*s\": which is meant?",
                                 (int)format.len, format.text, (int)other.len, other.text);
        }
    }
    return 0;
}
