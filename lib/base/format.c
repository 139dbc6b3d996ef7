#include "base/format.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* One conversion, as the format describes it. */
struct conversion {
    bool is_left; /* flag - */
    bool is_zero; /* flag 0 */
    size_t width;
    size_t precision; /* SIZE_MAX: none */
    unsigned longs;   /* how many l; z counts as one */
    char letter;
};

struct output {
    format_sink *sink;
    void *context;
};

static void put(const struct output *output, const char *text, size_t len) {
    if (len > 0)
        output->sink(output->context, text, len);
}

static void pad(const struct output *output, char with, size_t len, size_t width) {
    for (; len < width; len++)
        put(output, &with, 1);
}

static void put_padded(const struct output *output, const struct conversion *conversion,
                       const char *text, size_t len) {
    if (!conversion->is_left)
        pad(output, ' ', len, conversion->width);
    put(output, text, len);
    if (conversion->is_left)
        pad(output, ' ', len, conversion->width);
}

static void put_number(const struct output *output, const struct conversion *conversion,
                       uint64_t value, bool is_negative) {
    char text[24], *at = text + sizeof text;
    unsigned base = conversion->letter == 'x' || conversion->letter == 'X' ? 16 : 10;
    const char *digits = conversion->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
        *--at = digits[value % base];
        value /= base;
    } while (value != 0);
    size_t len = (size_t)(text + sizeof text - at);
    if (conversion->is_zero && !conversion->is_left) {
        put(output, "-", is_negative);
        pad(output, '0', len + is_negative, conversion->width);
        put(output, at, len);
        return;
    }
    if (is_negative)
        *--at = '-', len++;
    put_padded(output, conversion, at, len);
}

/* Reads digits, or the argument where there is a *. */
static size_t read_size(const char **format, va_list *arguments) {
    size_t size = 0;
    if (**format == '*') {
        ++*format;
        int given = va_arg(*arguments, int);
        return given < 0 ? 0 : (size_t)given;
    }
    for (; **format >= '0' && **format <= '9'; ++*format)
        size = size * 10 + (size_t)(**format - '0');
    return size;
}

/* Reads a conversion behind its '%', and leaves *format behind it. */
static struct conversion read_conversion(const char **format, va_list *arguments) {
    struct conversion conversion = {.precision = SIZE_MAX};
    for (; **format == '0' || **format == '-'; ++*format) {
        conversion.is_zero |= **format == '0';
        conversion.is_left |= **format == '-';
    }
    conversion.width = read_size(format, arguments);
    if (**format == '.') {
        ++*format;
        conversion.precision = read_size(format, arguments);
    }
    for (; **format == 'l' || **format == 'z' || **format == 'h'; ++*format)
        conversion.longs += **format != 'h';
    conversion.letter = **format;
    *format += **format != '\0';
    return conversion;
}

static int64_t read_signed(const struct conversion *conversion, va_list *arguments) {
    return conversion->longs > 1   ? va_arg(*arguments, long long)
           : conversion->longs > 0 ? va_arg(*arguments, long)
                                   : va_arg(*arguments, int);
}

static uint64_t read_unsigned(const struct conversion *conversion, va_list *arguments) {
    return conversion->longs > 1   ? va_arg(*arguments, unsigned long long)
           : conversion->longs > 0 ? va_arg(*arguments, unsigned long)
                                   : va_arg(*arguments, unsigned);
}

static void convert(const struct output *output, const struct conversion *conversion,
                    va_list *arguments, int error_number) {
    const char *text;
    char character;
    int64_t number;
    switch (conversion->letter) {
    case 's':
    case 'm':
        text =
            conversion->letter == 'm' ? strerror(error_number) : va_arg(*arguments, const char *);
        put_padded(output, conversion, text, strnlen(text, conversion->precision));
        break;
    case 'c':
        character = (char)va_arg(*arguments, int);
        put_padded(output, conversion, &character, 1);
        break;
    case 'd':
    case 'i':
        number = read_signed(conversion, arguments);
        put_number(output, conversion, number < 0 ? -(uint64_t)number : (uint64_t)number,
                   number < 0);
        break;
    case 'u':
    case 'x':
    case 'X':
        put_number(output, conversion, read_unsigned(conversion, arguments), false);
        break;
    default: /* %% */
        put(output, &conversion->letter, conversion->letter != '\0');
    }
}

void format_to(format_sink *sink, void *context, const char *format, va_list arguments) {
    const struct output output = {sink, context};
    int error_number = errno;
    va_list rest;
    va_copy(rest, arguments);
    while (*format != '\0') {
        size_t len = strcspn(format, "%");
        put(&output, format, len);
        format += len;
        if (*format == '\0')
            break;
        format++;
        const struct conversion conversion = read_conversion(&format, &rest);
        convert(&output, &conversion, &rest, error_number);
    }
    va_end(rest);
}

/* --- into memory ------------------------------------------------------------------------------ */

struct buffer {
    char *text;
    size_t size;
    size_t len; /* of the whole text */
};

static void append(void *context, const char *text, size_t len) {
    struct buffer *buffer = context;
    size_t room = buffer->len < buffer->size ? buffer->size - buffer->len : 0;
    memcpy(buffer->text + (room > 0 ? buffer->len : 0), text, len < room ? len : room);
    buffer->len += len;
}

size_t format_text_list(char *text, size_t size, const char *format, va_list arguments) {
    struct buffer buffer = {text, size, 0};
    format_to(append, &buffer, format, arguments);
    if (size > 0)
        text[buffer.len < size ? buffer.len : size - 1] = '\0';
    return buffer.len;
}

size_t format_text(char *text, size_t size, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t len = format_text_list(text, size, format, arguments);
    va_end(arguments);
    return len;
}
