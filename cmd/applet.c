#include "applet.h"

#include "base/format.h"

#include "help.h"

#include "kat/kat.h"

#include <stdarg.h>
#include <stdio.h>

const struct applet *current_applet;

static void print_trouble(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0)));

/* The line is put together first, so that it is one write(2) and lines of several processes do not
 * mix. */
static void print_trouble(const char *format, va_list arguments) {
    char line[2048];
    size_t len = format_text(line, sizeof line - 1, "dlv%s%s: ", current_applet ? " " : "",
                             current_applet ? current_applet->name : "");
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
    return trouble("%s (see dlv help%s%s)", line, current_applet ? " " : "",
                   current_applet ? current_applet->name : "");
}

int finish_output(void) {
    if (fflush(stdout) != 0 || ferror(stdout))
        return trouble("standard output cannot be written");
    return EXIT_OK;
}

int applet_run(const struct applet *applet, int argc, char **argv) {
    int operand_count;
    current_applet = applet;
    switch (options_parse(applet->options, argc, argv, &operand_count)) {
    case OPTIONS_WRONG:
        return EXIT_TROUBLE;
    case OPTIONS_HELP:
        help_print(applet);
        return finish_output();
    case OPTIONS_READ:
        break;
    }
    if (applet->needs_cryptography) {
        struct kat_count count;
        struct error error;
        if (kat_run_builtin(&count, &error) != 0)
            return trouble("self-test failed, nothing is done: %s", error.text);
    }
    return applet->run(operand_count, argv);
}
