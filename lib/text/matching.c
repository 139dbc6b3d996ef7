#include "text/matching.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/utf8.h"
#include "text/fold.h"

#include <string.h>

/* --- writing ---------------------------------------------------------------------------------- */

static int put(struct form *form, uint32_t character, struct error *error) {
    char bytes[UTF8_MAX];
    size_t size = utf8_encode(bytes, character);
    if (form->len + size > FORM_MAX)
        return error_set(error, ERR_LIMIT, "longer than %d bytes", FORM_MAX);
    memcpy(form->text + form->len, bytes, size);
    form->len += size;
    return 0;
}

static int empty(const char *wanted, struct error *error) {
    return error_set(error, ERR_FORMAT, "holds no %s", wanted);
}

/* --- text that stands for nothing ------------------------------------------------------------- */

/* What programs write where there is no value, or where they could not keep it. */
static const char *const placeholders[] = {"null",    "\\n",    "#ref!",   "#n/a",
                                           "#value!", "#name?", "#div/0!", "#null!",
                                           "#num!",   "nan",    "n/a",     "none"};

static bool is_blank(uint32_t character) {
    return character == ' ' || character == '\t' || character == 0xA0 || character == 0x3000;
}

static bool is_word(const struct folded *folded, size_t first, size_t end, const char *word) {
    size_t len = strlen(word);
    if (end - first != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (folded->characters[first + i] != (uint8_t)word[i])
            return false;
    }
    return true;
}

static int refuse_placeholder(const struct folded *folded, struct error *error) {
    size_t first = 0, end = folded->count;
    while (first < end && is_blank(folded->characters[first]))
        first++;
    while (end > first && is_blank(folded->characters[end - 1]))
        end--;
    if (first == end || memchr("n\\#", (int)(folded->characters[first] & 0x7F), 3) == NULL)
        return 0; /* how all of them begin */
    for (size_t i = 0; i < sizeof placeholders / sizeof *placeholders; i++) {
        if (is_word(folded, first, end, placeholders[i]))
            return error_set(error, ERR_FORMAT, "stands for a missing value");
    }
    return 0;
}

static int fold(struct folded *folded, const char *text, size_t len, struct error *error) {
    int code = text_fold(folded, text, len, error);
    return code == 0 ? refuse_placeholder(folded, error) : code;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static bool is_digit(uint32_t character) {
    return character >= '0' && character <= '9';
}

/* Whether a spreadsheet has turned the number into something like 2.34E+09. */
static bool is_scientific(const struct folded *folded) {
    bool has_point = false;
    size_t at = 0;
    for (; at < folded->count; at++) {
        uint32_t character = folded->characters[at];
        if (character == 'e')
            break;
        if (!is_digit(character) && (has_point || (character != '.' && character != ',')))
            return false;
        has_point |= !is_digit(character);
    }
    if (!has_point || at + 2 >= folded->count || folded->characters[at + 1] != '+')
        return false;
    for (at += 2; at < folded->count; at++) {
        if (!is_digit(folded->characters[at]))
            return false;
    }
    return true;
}

static int refuse_scientific(const struct folded *folded, struct error *error) {
    if (!is_scientific(folded))
        return 0;
    return error_set(error, ERR_FORMAT,
                     "is a number that a spreadsheet has rounded: its digits are lost");
}

/* Whether a folded character is a letter or a digit. */
static bool is_letter(uint32_t character) {
    if (character < 0x80)
        return (character >= 'a' && character <= 'z') || is_digit(character);
    return character_class(character) == CHARACTER_LETTER;
}

static uint32_t upper_case(uint32_t character) {
    return character >= 'a' && character <= 'z' ? character - 0x20 : character;
}

int number_form(struct form *form, const char *text, size_t len, struct error *error) {
    struct folded folded NOT_CLEARED;
    form->len = 0;
    int code = fold(&folded, text, len, error);
    if (code == 0)
        code = refuse_scientific(&folded, error);
    for (size_t i = 0; code == 0 && i < folded.count; i++) {
        uint32_t character = folded.characters[i];
        if (is_letter(character))
            code = put(form, upper_case(character), error);
    }
    return code == 0 && form->len == 0 ? empty("letter or digit", error) : code;
}

int card_form(struct form *form, const char *text, size_t len, struct error *error) {
    return number_form(form, text, len, error);
}

/* --- names ------------------------------------------------------------------------------------ */

/* Letters that Unicode does not decompose, and what people write instead. */
static const struct {
    uint32_t character;
    char text[3];
} plain_letters[] = {
    {0xE6, "ae"}, {0xF0, "d"},  {0xF8, "o"},  {0xFE, "th"},  {0x111, "d"}, {0x127, "h"},
    {0x138, "k"}, {0x142, "l"}, {0x14B, "n"}, {0x153, "oe"}, {0x167, "t"},
};

/* A name's words, one behind the other. */
struct words {
    size_t len;
    uint32_t letters[FOLD_MAX + FOLD_MAX / 2];
    size_t count;
    uint16_t ends[FOLD_MAX / 2 + 1];
};

static void add_letter(struct words *words, uint32_t character) {
    if (words->len + 2 > sizeof words->letters / sizeof *words->letters)
        return; /* cannot be: two letters come of few characters, and FORM_MAX is smaller */
    if (character < plain_letters[0].character || character > 0x167) {
        words->letters[words->len++] = character;
        return;
    }
    for (size_t i = 0; i < sizeof plain_letters / sizeof *plain_letters; i++) {
        if (plain_letters[i].character != character)
            continue;
        for (const char *c = plain_letters[i].text; *c != '\0'; c++)
            words->letters[words->len++] = (uint8_t)*c;
        return;
    }
    words->letters[words->len++] = character;
}

static bool is_in_word(uint32_t character) {
    if (character < 0x80)
        return (character >= 'a' && character <= 'z') || is_digit(character);
    enum character_class is = character_class(character);
    return is == CHARACTER_LETTER || is == CHARACTER_MARK;
}

static void split(struct words *words, const struct folded *folded) {
    bool is_inside = false;
    words->len = words->count = 0;
    for (size_t i = 0; i < folded->count; i++) {
        bool was_inside = is_inside;
        is_inside = is_in_word(folded->characters[i]);
        if (is_inside)
            add_letter(words, folded->characters[i]);
        else if (was_inside)
            words->ends[words->count++] = (uint16_t)words->len;
    }
    if (is_inside)
        words->ends[words->count++] = (uint16_t)words->len;
}

static bool is_same(const uint32_t *letters, size_t len, const char *word) {
    if (strlen(word) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (letters[i] != (uint8_t)word[i])
            return false;
    }
    return true;
}

static bool is_suffix(const uint32_t *letters, size_t len, bool drops_senior) {
    if (len < 2 || len > 3)
        return false;
    return is_same(letters, len, "jr") || is_same(letters, len, "ii") ||
           is_same(letters, len, "iii") || is_same(letters, len, "iv") ||
           (drops_senior && is_same(letters, len, "sr"));
}

/* Takes out the words that are suffixes, unless nothing would be left. */
static void drop_suffixes(struct words *words, bool drops_senior) {
    size_t start = 0, kept = 0, kept_len = 0;
    struct words left NOT_CLEARED;
    for (size_t i = 0; i < words->count; start = words->ends[i++]) {
        size_t len = words->ends[i] - start;
        if (is_suffix(words->letters + start, len, drops_senior))
            continue;
        memcpy(left.letters + kept_len, words->letters + start, len * sizeof *left.letters);
        kept_len += len;
        left.ends[kept++] = (uint16_t)kept_len;
    }
    if (kept == 0 || kept == words->count)
        return;
    memcpy(words->letters, left.letters, kept_len * sizeof *left.letters);
    memcpy(words->ends, left.ends, kept * sizeof *left.ends);
    words->count = kept;
    words->len = kept_len;
}

static bool is_pair(uint32_t first, uint32_t second) {
    return (second == 'e' && (first == 'a' || first == 'o' || first == 'u')) ||
           (first == 'a' && second == 'a');
}

/* Reads pairs as one letter, from the left, inside first .. end. Appends to `out`; returns its
 * length. */
static size_t read_pairs(uint32_t *out, size_t count, const uint32_t *letters, size_t len) {
    for (size_t i = 0; i < len; i++) {
        out[count++] = letters[i];
        if (i + 1 < len && is_pair(letters[i], letters[i + 1]))
            i++;
    }
    return count;
}

static size_t read_words(uint32_t *out, const struct words *words, enum name_reading reading) {
    size_t count = 0, start = 0;
    switch (reading) {
    case NAME_STORED:
        for (size_t i = 0; i < words->count; start = words->ends[i++])
            count = read_pairs(out, count, words->letters + start, words->ends[i] - start);
        return count;
    case NAME_JOINED:
        return read_pairs(out, 0, words->letters, words->len);
    case NAME_PLAIN:
    case NAME_READINGS:
        break;
    }
    memcpy(out, words->letters, words->len * sizeof *out);
    return words->len;
}

static void sort(uint32_t *letters, size_t count) {
    for (size_t i = 1; i < count; i++) {
        uint32_t moving = letters[i];
        size_t at = i;
        for (; at > 0 && letters[at - 1] > moving; at--)
            letters[at] = letters[at - 1];
        letters[at] = moving;
    }
}

int name_form(struct form *form, const char *text, size_t len, const struct matching_rules *rules,
              enum name_reading reading, struct error *error) {
    struct folded folded NOT_CLEARED;
    struct words words NOT_CLEARED;
    uint32_t letters[FOLD_MAX + FOLD_MAX / 2] NOT_CLEARED;
    bool has_letter = false;
    form->len = 0;
    int code = fold(&folded, text, len, error);
    if (code == 0)
        code = refuse_scientific(&folded, error);
    if (code != 0)
        return code;
    split(&words, &folded);
    drop_suffixes(&words, rules->drops_senior);
    size_t count = read_words(letters, &words, reading);
    if (count > FORM_MAX)
        return error_set(error, ERR_LIMIT, "longer than %d letters", FORM_MAX);
    sort(letters, count);
    for (size_t i = 0; code == 0 && i < count; i++) {
        has_letter |= !is_digit(letters[i]);
        code = put(form, letters[i], error);
    }
    return code == 0 && !has_letter ? empty("letter", error) : code;
}

/* --- phone numbers ---------------------------------------------------------------------------- */

enum { PHONE_DIGITS_MIN = 3, PHONE_DIGITS_MAX = 20 };

static bool fits_nation(size_t digits, const struct matching_rules *rules) {
    return rules->national_max > 0 && digits >= rules->national_min &&
           digits <= rules->national_max;
}

/* The digits of a text that holds nothing but a phone number. */
static int read_digits(struct form *form, const struct folded *folded, bool *has_plus,
                       struct error *error) {
    *has_plus = false;
    for (size_t i = 0; i < folded->count; i++) {
        uint32_t character = folded->characters[i];
        bool is_plus = character == '+' && form->len == 0 && !*has_plus;
        *has_plus |= is_plus;
        if (is_digit(character)) {
            if (form->len == PHONE_DIGITS_MAX)
                return error_set(error, ERR_FORMAT, "has more than %d digits", PHONE_DIGITS_MAX);
            form->text[form->len++] = (char)character;
        } else if (!is_plus && character_class(character) != CHARACTER_OTHER) {
            return error_set(error, ERR_FORMAT, "holds a letter");
        }
    }
    if (form->len < PHONE_DIGITS_MIN)
        return error_set(error, ERR_FORMAT, "has fewer than %d digits", PHONE_DIGITS_MIN);
    return 0;
}

static void drop_front(struct form *form, size_t count) {
    form->len -= count;
    memmove(form->text, form->text + count, form->len);
}

int phone_form(struct form *form, const char *text, size_t len, const struct matching_rules *rules,
               struct error *error) {
    struct folded folded NOT_CLEARED;
    bool is_international;
    form->len = 0;
    int code = fold(&folded, text, len, error);
    if (code == 0)
        code = refuse_scientific(&folded, error);
    if (code == 0)
        code = read_digits(form, &folded, &is_international, error);
    if (code != 0)
        return code;
    if (!is_international && form->text[0] == '0' && form->text[1] == '0') {
        drop_front(form, 2);
        is_international = true;
    }
    size_t code_len = strnlen(rules->calling_code, sizeof rules->calling_code);
    bool is_own = code_len > 0 && form->len > code_len &&
                  memcmp(form->text, rules->calling_code, code_len) == 0;
    if (is_international && !is_own) {
        memmove(form->text + 1, form->text, form->len);
        form->text[0] = '+';
        form->len++;
        return 0;
    }
    bool is_long = !fits_nation(form->len, rules) && fits_nation(form->len - code_len, rules);
    if (is_own && (is_international || is_long))
        drop_front(form, code_len);
    if (form->text[0] == '0' && form->len > 1)
        drop_front(form, 1);
    return 0;
}

/* --- dates ------------------------------------------------------------------------------------ */

int birth_date_form(struct form *form, const char *text, size_t len, struct error *error) {
    uint32_t day;
    form->len = 0;
    if (date_parse(text, len, &day) != 0)
        return error_set(error, ERR_FORMAT, "is not a date (want YYYY-MM-DD)");
    memcpy(form->text, text, len);
    form->len = len;
    return 0;
}
