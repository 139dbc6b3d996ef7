#include "serve/log.h"

#include "base/date.h"
#include "base/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A value in quotation marks, which is the last, has none inside, so that a program can read it. */
static void quote_once(char *event) {
    char *begin = strstr(event, "=\""), *end = strrchr(event, '"');
    for (char *at = begin != NULL ? begin + 2 : end; at < end; at++)
        *at = *at == '"' ? '\'' : *at;
}

void serve_log(const struct serve_settings *settings, const char *format, ...) {
    char line[1400], now[TIME_TEXT_SIZE], event[1024];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(event, sizeof event, format, arguments);
    va_end(arguments);
    quote_once(event);
    time_format(now, time(NULL), 0);
    format_text(line, sizeof line, "time=%s pid=%ld event=%s", now, (long)getpid(), event);
    settings->log(line);
}
