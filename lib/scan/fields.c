#include "scan/fields.h"

#include "base/date.h"
#include "base/format.h"
#include "base/utf8.h"

#include <string.h>

const char *scan_kind_name(enum scan_kind kind) {
    static const char *const names[] = {"typed", "pdf417", "magstripe", "mrz", "digilocker"};
    return names[kind];
}

size_t scan_digits(const char *text) {
    return strspn(text, "0123456789");
}

void scan_doubt(struct scan *scan, const char *doubt) {
    if (scan->doubt_count < SCAN_DOUBTS_MAX)
        scan->doubts[scan->doubt_count++] = doubt;
}

void scan_add(char field[SCAN_FIELD_SIZE], const char *text, size_t len) {
    size_t at = strlen(field), used;
    bool is_gap = at > 0;
    for (; len > 0; text += used, len -= used) {
        uint32_t character;
        char bytes[UTF8_MAX];
        used = utf8_decode((const uint8_t *)text, len, &character);
        if (used == 0) {
            character = (uint8_t)*text;
            used = 1;
        }
        if (character == ' ' || character == ',' || utf8_is_control(character)) {
            is_gap = at > 0;
            continue;
        }
        size_t n = utf8_encode(bytes, character);
        if (at + is_gap + n >= SCAN_FIELD_SIZE)
            break;
        if (is_gap)
            field[at++] = ' ';
        memcpy(field + at, bytes, n);
        at += n;
        is_gap = false;
    }
    field[at] = '\0';
}

uint32_t scan_day(const char digits[8]) {
    char text[DATE_TEXT_SIZE];
    uint32_t day;
    format_text(text, sizeof text, "%.4s-%.2s-%.2s", digits, digits + 4, digits + 6);
    return date_parse(text, DATE_TEXT_SIZE - 1, &day) == 0 ? day : 0;
}
