#include "base/bytes.h"

#include "base/error.h"

#include <string.h>

void wipe(void *secret, size_t len) {
    memset(secret, 0, len);
    __asm__ volatile("" : : "r"(secret) : "memory");
}

__attribute__((noinline)) void wipe_stack(void) {
    uint8_t below[16384] NOT_CLEARED;
    wipe(below, sizeof below);
}

bool bytes_are_equal(const void *a, const void *b, size_t len) {
    const uint8_t *p = a, *q = b;
    uint32_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (uint32_t)(p[i] ^ q[i]);
    return (int)((difference - 1) >> 31);
}

bool bytes_are_zero(const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

/* Computed, because a look-up in a table would depend on the value, which may be secret. */
static char hex_digit(unsigned value) {
    unsigned letters = (9 - value) >> 8 & ('a' - '9' - 1); /* the gap behind '9', for 10 to 15 */
    return (char)('0' + value + letters);
}

void hex_encode(char *text, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = hex_digit(p[i] >> 4);
        text[2 * i + 1] = hex_digit(p[i] & 15);
    }
    text[2 * len] = '\0';
}

/* The value of each digit plus 1; 0 where the character is not a digit. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

long hex_decode(void *bytes, size_t max, const char *text, size_t text_len) {
    uint8_t *p = bytes;
    if (text_len % 2 != 0 || text_len / 2 > max)
        return ERR_FORMAT;
    for (size_t i = 0; i < text_len / 2; i++) {
        int high = hex_digits[(uint8_t)text[2 * i]];
        int low = hex_digits[(uint8_t)text[2 * i + 1]];
        if (high == 0 || low == 0)
            return ERR_FORMAT;
        p[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    return (long)(text_len / 2);
}

void base64_encode(char *text, const void *bytes, size_t len) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)p[i + 2] : 0);
        *text++ = alphabet[group >> 18];
        *text++ = alphabet[group >> 12 & 63];
        *text++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *text++ = left > 2 ? alphabet[group & 63] : '=';
    }
    *text = '\0';
}

static int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

long base64_decode(void *bytes, size_t max, const char *text, size_t text_len) {
    uint8_t *out = bytes;
    size_t padding = 0, len = 0;
    uint32_t group = 0;
    if (text_len % 4 != 0)
        return ERR_FORMAT;
    while (padding < 2 && padding < text_len && text[text_len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text_len; i++) {
        int digit = i < text_len - padding ? base64_digit(text[i]) : 0;
        if (digit < 0)
            return ERR_FORMAT;
        group = group << 6 | (uint32_t)digit;
        if (i % 4 != 3)
            continue;
        size_t count = i + 1 == text_len ? 3 - padding : 3;
        if (len + count > max || (count < 3 && (group & 0xFFFFFFu >> 8 * count) != 0))
            return ERR_FORMAT;
        for (size_t j = 0; j < count; j++)
            out[len++] = (uint8_t)(group >> (16 - 8 * j));
        group = 0;
    }
    return (long)len;
}
