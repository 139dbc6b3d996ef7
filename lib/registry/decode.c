#include "registry/decode.h"

#include "base/utf8.h"

#include <string.h>

#define REPLACEMENT 0xFFFDu

void decoder_init(struct decoder *decoder, enum encoding encoding) {
    memset(decoder, 0, sizeof *decoder);
    decoder->encoding = encoding;
}

static char *put(char *out, uint32_t character) {
    return out + utf8_encode(out, character);
}

/* --- single bytes ----------------------------------------------------------------------------- */

/* Windows-1252, 0x80 to 0x9F (the Unicode Consortium's mapping file CP1252.TXT). 0: no character. */
static const uint16_t windows_1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

static uint32_t single(enum encoding encoding, uint8_t byte) {
    if (encoding != ENCODING_WINDOWS_1252 || byte < 0x80 || byte > 0x9F)
        return byte;
    return windows_1252[byte - 0x80] != 0 ? windows_1252[byte - 0x80] : REPLACEMENT;
}

/* Counts what looks like UTF-8: a first byte with as many behind it as it says. */
static void count_utf8(struct decoder *decoder, uint8_t byte) {
    bool continues = (byte & 0xC0) == 0x80;
    if (decoder->utf8_left > 0 && continues) {
        decoder->utf8_count += --decoder->utf8_left == 0;
        return;
    }
    decoder->other_count += decoder->utf8_left > 0;
    decoder->utf8_left = 0;
    if (byte >= 0xC2 && byte <= 0xF4)
        decoder->utf8_left = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
    else
        decoder->other_count += byte >= 0x80;
}

static char *take_single(struct decoder *decoder, uint8_t byte, char *out) {
    if (byte >= 0x80 || decoder->utf8_left > 0)
        count_utf8(decoder, byte);
    return put(out, single(decoder->encoding, byte));
}

/* --- UTF-16 (RFC 2781) ------------------------------------------------------------------------ */

static char *take_unit(struct decoder *decoder, uint16_t unit, char *out) {
    uint16_t high = decoder->high;
    bool is_low = unit >= 0xDC00 && unit <= 0xDFFF;
    decoder->high = 0;
    if (high != 0 && is_low)
        return put(out, 0x10000u + ((uint32_t)(high - 0xD800) << 10) + (unit - 0xDC00u));
    if (high != 0)
        out = put(out, REPLACEMENT);
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        decoder->high = unit;
        return out;
    }
    return put(out, is_low ? REPLACEMENT : unit);
}

/* The byte order mark, or the zero of the first letter, tells the order. */
static char *begin_utf16(struct decoder *decoder, uint8_t first, uint8_t second, char *out) {
    decoder->is_begun = true;
    decoder->is_big_endian = (first == 0xFE && second == 0xFF) || (first == 0 && second != 0);
    if ((first == 0xFE && second == 0xFF) || (first == 0xFF && second == 0xFE))
        return out;
    uint16_t unit =
        decoder->is_big_endian ? (uint16_t)(first << 8 | second) : (uint16_t)(second << 8 | first);
    return take_unit(decoder, unit, out);
}

static char *take_utf16(struct decoder *decoder, uint8_t byte, char *out) {
    uint8_t first = decoder->odd;
    decoder->has_odd = !decoder->has_odd;
    if (decoder->has_odd) {
        decoder->odd = byte;
        return out;
    }
    if (!decoder->is_begun)
        return begin_utf16(decoder, first, byte, out);
    return take_unit(decoder,
                     decoder->is_big_endian ? (uint16_t)(first << 8 | byte)
                                            : (uint16_t)(byte << 8 | first),
                     out);
}

/* --- all of them ------------------------------------------------------------------------------- */

size_t decoder_take(struct decoder *decoder, const uint8_t *bytes, size_t len, char *out) {
    char *at = out;
    for (size_t i = 0; i < len; i++)
        at = decoder->encoding == ENCODING_UTF16 ? take_utf16(decoder, bytes[i], at)
                                                 : take_single(decoder, bytes[i], at);
    return (size_t)(at - out);
}

size_t decoder_finish(struct decoder *decoder, char *out) {
    bool is_cut = decoder->has_odd || decoder->high != 0;
    decoder->other_count += decoder->utf8_left > 0;
    decoder->has_odd = false;
    decoder->high = 0;
    decoder->utf8_left = 0;
    return is_cut ? (size_t)(put(out, REPLACEMENT) - out) : 0;
}

bool decoder_was_utf8(const struct decoder *decoder) {
    return decoder->encoding != ENCODING_UTF16 && decoder->utf8_count > 0 &&
           decoder->other_count == 0;
}
