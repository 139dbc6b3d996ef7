/* Text put together from a format. This takes the place of the C library's printf family, of which
 * floating point and wide characters alone are larger than all formatting that dlv does.
 *
 * What a format may hold: %s %c %d %i %u %x %X with the lengths h, l, ll and z; the flag 0 and the
 * flag - ; a width; a precision for %s, as digits or as *; %m for the text of errno; %%. Everything
 * else is a bug in the caller, which the compiler finds: the functions are marked as printf's
 * are. */
#ifndef DLV_BASE_FORMAT_H
#define DLV_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Where the bytes of a formatted text go, piece by piece. */
typedef void format_sink(void *context, const char *text, size_t len);

/* Formats into a sink. */
void format_to(format_sink *sink, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Formats into `text`, which holds `size` bytes and is always NUL-terminated. Returns the length of
 * the whole text, which was cut where that is `size` or more. */
size_t format_text(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_text_list(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
