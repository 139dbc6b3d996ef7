/* UTF-8 (RFC 3629), strictly. */
#ifndef DLV_BASE_UTF8_H
#define DLV_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the well-formed character at `text` (1 to 4), its code point at `*character`;
 * 0 where the bytes are not UTF-8 (overlong, surrogate, beyond U+10FFFF, cut short).
 * `len` must be at least 1. */
size_t utf8_decode(const uint8_t *text, size_t len, uint32_t *character);

#define UTF8_MAX 4 /* bytes of a character */

/* Writes a character, which must be at most U+10FFFF; returns its length. */
size_t utf8_encode(char bytes[UTF8_MAX], uint32_t character);

/* Whether this is a control character (Unicode's category Cc: C0, DEL and C1). */
bool utf8_is_control(uint32_t character);

/* Whether foreign text must not be shown with it, because it could make the line around it say something else: a control
 * character, or one that ends a line or changes the direction of what stands beside it (Unicode 15's categories Zl and Zp,
 * and its property Bidi_Control). */
bool utf8_is_unsafe(uint32_t character);

/* Whether a text can be shown in quotation marks: well-formed, and without these and what is unsafe. */
bool utf8_is_quotable(const char *text, size_t len);

#endif
