#include "text/fold.h"

#include "base/utf8.h"
#include "text/tables.h"

#include <string.h>

enum { REPLACEMENT = 0xFFFD, TAGS_FIRST = 0xE0000, TAGS_LAST = 0xE0FFF };

/* Hangul syllables are decomposed by arithmetic (the Unicode Standard, section 3.12). */
enum {
    HANGUL_FIRST = 0xAC00,
    HANGUL_LAST = 0xD7A3,
    HANGUL_LEADS = 0x1100,
    HANGUL_VOWELS = 0x1161,
    HANGUL_TAILS = 0x11A7,
    HANGUL_VOWEL_COUNT = 21,
    HANGUL_TAIL_COUNT = 28
};

/* What is true of the run that a character is in. */
static unsigned run_value(const uint32_t *runs, size_t count, uint32_t character) {
    size_t low = 0, high = count; /* the run is in low .. high - 1 */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if ((runs[middle] & 0xFFFFFF) <= character)
            low = middle;
        else
            high = middle;
    }
    return runs[low] >> 24;
}

enum character_class character_class(uint32_t character) {
    return (enum character_class)run_value(text_tables.classes, TEXT_CLASSES_COUNT, character);
}

static unsigned combining_class(uint32_t character) {
    return run_value(text_tables.orders, TEXT_ORDERS_COUNT, character);
}

/* The range that holds a character; TEXT_RANGES_COUNT where it stays as it is. */
static size_t find_range(uint32_t character) {
    size_t low = 0, high = TEXT_RANGES_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text_tables.range_lasts[middle] < character)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_before =
        low < TEXT_RANGES_COUNT && (text_tables.range_firsts[low] & 0xFFFFFF) > character;
    return is_before ? TEXT_RANGES_COUNT : low;
}

#define EXPANSION_MAX 8 /* characters that one becomes */

/* Writes what one character becomes; returns how many. */
static size_t expand(uint32_t out[EXPANSION_MAX], uint32_t character) {
    if (character >= HANGUL_FIRST && character <= HANGUL_LAST) {
        uint32_t index = character - HANGUL_FIRST, tail = index % HANGUL_TAIL_COUNT;
        uint32_t pair = index / HANGUL_TAIL_COUNT;
        out[0] = HANGUL_LEADS + pair / HANGUL_VOWEL_COUNT;
        out[1] = HANGUL_VOWELS + pair % HANGUL_VOWEL_COUNT;
        out[2] = HANGUL_TAILS + tail;
        return tail > 0 ? 3 : 2;
    }
    if (character >= TAGS_FIRST && character <= TAGS_LAST)
        return 0;
    size_t range = find_range(character);
    out[0] = character;
    if (range == TEXT_RANGES_COUNT)
        return 1;
    uint32_t first = text_tables.range_firsts[range] & 0xFFFFFF;
    uint32_t step = text_tables.range_firsts[range] >> 24,
             offset = text_tables.range_offsets[range];
    if (step > 0) {
        if ((character - first) % step == 0)
            out[0] = character + offset;
        return 1;
    }
    uint32_t target = text_tables.targets[offset + character - first];
    out[0] = target;
    if (!(target & TEXT_SEQUENCE))
        return 1;
    size_t count = target >> TEXT_SEQUENCE_LEN_SHIFT & (EXPANSION_MAX - 1);
    size_t at = target & ((1u << TEXT_SEQUENCE_LEN_SHIFT) - 1);
    for (size_t i = 0; i < count; i++)
        out[i] = text_tables.sequences[at + i];
    return count;
}

/* Appends a character where canonical ordering puts it: behind all marks whose combining class is
 * not higher (the Unicode Standard, section 3.11, D109). */
static bool append(struct folded *folded, uint32_t character) {
    if (folded->count == FOLD_MAX)
        return false;
    size_t at = folded->count++;
    unsigned order = character < 0x80 ? 0 : combining_class(character);
    for (; order > 0 && at > 0 && combining_class(folded->characters[at - 1]) > order; at--)
        folded->characters[at] = folded->characters[at - 1];
    folded->characters[at] = character;
    return true;
}

static int too_long(struct error *error) {
    return error_set(error, ERR_LIMIT, "longer than %d characters", FOLD_MAX);
}

static bool append_all(struct folded *folded, uint32_t character) {
    uint32_t out[EXPANSION_MAX];
    size_t count = expand(out, character);
    for (size_t i = 0; i < count; i++) {
        if (!append(folded, out[i]))
            return false;
    }
    return true;
}

/* Refuses what cannot be compared. `at` counts bytes. */
static int check(uint32_t character, size_t at, struct error *error) {
    if (utf8_is_control(character))
        return error_set(error, ERR_FORMAT, "control character U+%04X at byte %zu",
                         (unsigned)character, at + 1);
    if (character == REPLACEMENT)
        return error_set(error, ERR_FORMAT,
                         "U+FFFD at byte %zu: a character was lost when the text was converted",
                         at + 1);
    if (character_class(character) == CHARACTER_UNASSIGNED)
        return error_set(error, ERR_FORMAT, "U+%04X at byte %zu is not a character of Unicode %u",
                         (unsigned)character, at + 1, TEXT_UNICODE_MAJOR);
    return 0;
}

int text_fold(struct folded *folded, const char *text, size_t len, struct error *error) {
    folded->count = 0;
    for (size_t at = 0; at < len;) {
        uint8_t byte = (uint8_t)text[at];
        if (byte == '\t' || (byte >= 0x20 && byte < 0x7F)) {
            if (byte != '\'' && byte != '`' &&
                !append(folded, byte >= 'A' && byte <= 'Z' ? byte + 0x20u : byte))
                return too_long(error);
            at++;
            continue;
        }
        uint32_t character;
        size_t size = utf8_decode((const uint8_t *)text + at, len - at, &character);
        if (size == 0)
            return error_set(error, ERR_FORMAT, "invalid UTF-8 at byte %zu", at + 1);
        int code = check(character, at, error);
        if (code != 0)
            return code;
        if (!append_all(folded, character))
            return too_long(error);
        at += size;
    }
    return 0;
}
