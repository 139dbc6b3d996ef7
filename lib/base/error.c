#include "base/error.h"

#include "base/format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...) {
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        format_text_list(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

int error_set_errno(struct error *error, const char *format, ...) {
    int saved = errno;
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        format_text_list(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        size_t len = strlen(error->text);
        format_text(error->text + len, sizeof error->text - len, ": %s", strerror(saved));
    }
    errno = saved;
    return ERR_SYSTEM;
}

int error_prefix(struct error *error, int code, const char *name) {
    if (error != NULL) {
        struct error reason = *error;
        error_set(error, code, "%s: %.900s", name, reason.text);
    }
    return code;
}
