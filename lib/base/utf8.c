#include "base/utf8.h"

size_t utf8_decode(const uint8_t *text, size_t len, uint32_t *character) {
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t first = text[0];
    size_t size = first < 0x80   ? 1
                  : first < 0xC0 ? 0
                  : first < 0xE0 ? 2
                  : first < 0xF0 ? 3
                  : first < 0xF8 ? 4
                                 : 0;
    if (size == 0 || size > len)
        return 0;
    uint32_t c = size == 1 ? first : first & (0xFFu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3Fu);
    }
    if (c < smallest[size] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *character = c;
    return size;
}

size_t utf8_encode(char bytes[UTF8_MAX], uint32_t character) {
    if (character < 0x80) {
        bytes[0] = (char)character;
        return 1;
    }
    size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = size; i-- > 1; character >>= 6)
        bytes[i] = (char)(0x80 | (character & 0x3F));
    bytes[0] = (char)((0xF00u >> size & 0xF0) | character);
    return size;
}

bool utf8_is_control(uint32_t character) {
    return character < 0x20 || (character >= 0x7F && character <= 0x9F);
}

bool utf8_is_unsafe(uint32_t character) {
    return utf8_is_control(character) || character == 0x061C || character == 0x200E ||
           character == 0x200F || (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069);
}

bool utf8_is_quotable(const char *text, size_t len) {
    uint32_t character;
    for (size_t at = 0, size; at < len; at += size) {
        size = utf8_decode((const uint8_t *)text + at, len - at, &character);
        if (size == 0 || utf8_is_unsafe(character) || character == '"')
            return false;
    }
    return true;
}
