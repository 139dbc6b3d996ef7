#include "base/text.h"

#include "base/error.h"
#include "base/utf8.h"

#include <string.h>

void text_quote(char quoted[TEXT_QUOTE_SIZE], const char *bytes, size_t len) {
    size_t out = 0;
    size_t at = 0;
    while (at < len && out < 60) {
        uint32_t character;
        size_t size = utf8_decode((const uint8_t *)bytes + at, len - at, &character);
        if (size == 0 || utf8_is_unsafe(character)) {
            quoted[out++] = '?';
            at++;
        } else {
            memcpy(quoted + out, bytes + at, size);
            out += size;
            at += size;
        }
    }
    if (at < len) {
        memcpy(quoted + out, "...", 3);
        out += 3;
    }
    quoted[out] = '\0';
}

int text_parse_count(const char *text, unsigned long long max, unsigned long long *count) {
    unsigned long long value = 0;
    if (*text == '\0')
        return ERR_FORMAT;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return ERR_FORMAT;
        unsigned digit = (unsigned)(*text - '0');
        if (value > (max - digit) / 10)
            return ERR_FORMAT;
        value = value * 10 + digit;
    }
    if (value > max)
        return ERR_FORMAT;
    *count = value;
    return 0;
}
