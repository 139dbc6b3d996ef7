#include "print.h"

#include "base/format.h"

#include <stdio.h>

static void put(void *stream, const char *text, size_t len) {
    fwrite(text, 1, len, stream);
}

void print(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    format_to(put, stdout, format, arguments);
    va_end(arguments);
}
