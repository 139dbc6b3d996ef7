/* The server's log: one event on each line, as key=value pairs. Nothing in it says who was asked
 * about. */
#ifndef DLV_SERVE_LOG_H
#define DLV_SERVE_LOG_H

#include "serve/serve.h"

/* Writes one line. `format` begins with the event's name: serve_log(s, "reloaded sequence=%llu",
 * ...). */
void serve_log(const struct serve_settings *settings, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
