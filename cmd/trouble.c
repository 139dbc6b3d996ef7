#include "trouble.h"

#include "base/format.h"

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const char *applet_name; /* NULL: none runs yet */
static bool is_line_begun;

const char *trouble_applet(void) {
    return applet_name != NULL ? applet_name : "";
}

void trouble_set_applet(const char *name) {
    applet_name = name;
}

void trouble_clears_line(void) {
    is_line_begun = true;
}

static void print_trouble(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

/* The line is put together first, so that it is one write(2) and lines of several processes do not
 * mix. */
static void print_trouble(const char *format, va_list arguments) {
    char line[2048];
    size_t len = format_text(line, sizeof line - 1, "%sdlv%s%s: ", is_line_begun ? "\r\033[K" : "",
                             applet_name ? " " : "", applet_name ? applet_name : "");
    is_line_begun = false;
    len += format_text_list(line + len, sizeof line - 1 - len, format, arguments);
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    line[len++] = '\n';
    fflush(stdout);
    fwrite(line, 1, len, stderr);
}

int trouble(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_trouble(format, arguments);
    va_end(arguments);
    return EXIT_TROUBLE;
}

int usage_error(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    format_text_list(line, sizeof line, format, arguments);
    va_end(arguments);
    return trouble("%s (see dlv help%s%s)", line, applet_name ? " " : "",
                   applet_name ? applet_name : "");
}

static char lost_line[1200];
static size_t lost_len;

static void lose_file(int number) {
    (void)number;
    ssize_t written = write(2, lost_line, lost_len);
    (void)written;
    _exit(EXIT_TROUBLE);
}

void trouble_end_with_file(const char *path) {
    const struct sigaction action = {.sa_handler = lose_file};
    lost_len = format_text(lost_line, sizeof lost_line,
                           "dlv %s: %.1000s: was cut short, or cannot be read any more\n",
                           applet_name, path);
    sigaction(SIGBUS, &action, NULL);
}

int finish_output(void) {
    if (fflush(stdout) != 0 || ferror(stdout))
        return trouble("standard output cannot be written");
    return EXIT_OK;
}
