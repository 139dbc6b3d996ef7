/* The server's log: one event a line, key=value. Nothing in it is about a person. */
#ifndef DLV_SERVE_LOG_H
#define DLV_SERVE_LOG_H

#include "serve/serve.h"

/* `format` begins with the event's name: serve_log(s, "reloaded sequence=%llu", ...). */
void serve_log(const struct serve_settings *settings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
