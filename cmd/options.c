#include "applet.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct applet *current_applet;

static void print_line(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static void print_line(const char *format, va_list arguments) {
    fflush(stdout);
    fprintf(stderr, "dlv%s%s: ", current_applet ? " " : "",
            current_applet ? current_applet->name : "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int trouble(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    return EXIT_TROUBLE;
}

int usage_error(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return trouble("%s (see dlv help%s%s)", line, current_applet ? " " : "",
                   current_applet ? current_applet->name : "");
}

int finish_output(void) {
    if (fflush(stdout) != 0 || ferror(stdout))
        return trouble("standard output cannot be written");
    return EXIT_OK;
}

bool option_count(const char *option, const char *text, unsigned long long min,
                  unsigned long long max, unsigned long long fallback, unsigned long long *count) {
    *count = fallback;
    if (text == NULL)
        return true;
    if (text_parse_count(text, max, count) == 0 && *count >= min)
        return true;
    usage_error("--%s \"%s\" is not a number from %llu to %llu", option, text, min, max);
    return false;
}

static const struct option *find_option(const struct applet *applet, const char *name, size_t len,
                                        char letter) {
    for (const struct option *option = applet->options; option->name != NULL; option++) {
        if (letter != 0 ? option->letter == letter
                        : strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    }
    return NULL;
}

int options_parse(const struct applet *applet, int argc, char **argv) {
    int operand_count = 0;
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (only_operands || word[0] != '-' || word[1] == '\0') {
            argv[operand_count++] = argv[i];
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (strcmp(word, "--help") == 0)
            return -2;
        bool is_long = word[1] == '-';
        const char *name = word + (is_long ? 2 : 1);
        const char *equals = is_long ? strchr(name, '=') : NULL;
        size_t len = equals ? (size_t)(equals - name) : strlen(name);
        const struct option *option = find_option(applet, name, len, is_long ? 0 : name[0]);
        if (option == NULL || (!is_long && len > 1 && option->argument == NULL)) {
            usage_error("there is no option %s", word);
            return -1;
        }
        if (option->argument == NULL) {
            if (equals != NULL) {
                usage_error("--%s takes no argument", option->name);
                return -1;
            }
            *option->flag = true;
            continue;
        }
        const char *value = equals ? equals + 1 : !is_long && len > 1 ? name + 1 : NULL;
        if (value == NULL && ++i < argc)
            value = argv[i];
        if (value == NULL) {
            usage_error("--%s wants %s", option->name, option->argument);
            return -1;
        }
        if (*option->value != NULL) {
            usage_error("--%s is given twice", option->name);
            return -1;
        }
        *option->value = value;
    }
    return operand_count;
}

/* --- help ------------------------------------------------------------------------------------- */

/* Each line of `text` with `before` and `after` around it. */
static void print_lines(const char *text, const char *before, const char *after) {
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        printf("%s%.*s%s", before, (int)len, text, after);
        text += len + (text[len] == '\n');
    }
}

void help_print(const struct applet *applet) {
    char prefix[64];
    printf("%s: %s\n\n", applet->name, applet->summary);
    snprintf(prefix, sizeof prefix, "    dlv %s ", applet->name);
    print_lines(applet->synopsis, prefix, "\n");
    printf("\n%s\n\n", applet->description);
    for (const struct option *option = applet->options; option->name != NULL; option++) {
        char words[64];
        char letter[8] = "";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(words, sizeof words, "%s--%s%s%s", letter, option->name,
                 option->argument ? " " : "", option->argument ? option->argument : "");
        printf("  %-26s %s\n", words, option->help);
    }
    printf("  %-26s %s\n", "--help", "this text");
}

/* roff: hyphens that are meant as such, backslashes, and dots that would begin a request. */
static void print_roff(const char *text) {
    bool line_start = true;
    for (; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '\n' && text[1] == '\n') {
            fputs("\n.PP", stdout);
        } else
            putchar(*text);
        line_start = *text == '\n';
    }
}

static void print_see_also(const char *except) {
    printf("\n.SH SEE ALSO\n");
    printf(".BR dlv (1)");
    for (size_t i = 0; applets[i] != NULL; i++) {
        if (except == NULL || strcmp(applets[i]->name, except) != 0)
            printf(",\n.BR dlv\\-%s (1)", applets[i]->name);
    }
    putchar('\n');
}

void help_print_man(const struct applet *applet) {
    printf(".TH DLV-%s 1 \"\" dlv\n.SH NAME\ndlv\\-%s \\- ", applet->name, applet->name);
    print_roff(applet->summary);
    printf("\n.SH SYNOPSIS\n.nf\n");
    for (const char *line = applet->synopsis; *line != '\0';) {
        char copy[512];
        size_t len = strcspn(line, "\n");
        snprintf(copy, sizeof copy, "dlv %s %.*s\n", applet->name, (int)len, line);
        print_roff(copy);
        line += len + (line[len] == '\n');
    }
    printf(".fi\n.SH DESCRIPTION\n");
    print_roff(applet->description);
    printf("\n.SH OPTIONS\n");
    for (const struct option *option = applet->options; option->name != NULL; option++) {
        printf(".TP\n\\fB");
        if (option->letter)
            printf("\\-%c\\fR, \\fB", option->letter);
        printf("\\-\\-");
        print_roff(option->name);
        printf("\\fR %s\n", option->argument ? option->argument : "");
        print_roff(option->help);
        putchar('\n');
    }
    printf(".SH EXIT STATUS\n"
           "0: VALID, or success. 1: a verdict other than VALID. 2: trouble, never a verdict.");
    print_see_also(applet->name);
}

void help_print_man_overview(const char *version) {
    printf(".TH DLV 1 \"\" \"dlv %s\"\n.SH NAME\ndlv \\- verifies driving licences\n"
           ".SH SYNOPSIS\n.nf\ndlv APPLET ...\ndlv help [APPLET]\ndlv \\-\\-list\n"
           "dlv \\-\\-install DIR\ndlv \\-\\-version\n.fi\n.SH APPLETS\n",
           version);
    for (size_t i = 0; applets[i] != NULL; i++) {
        printf(".TP\n\\fB%s\\fR\n", applets[i]->name);
        print_roff(applets[i]->summary);
        putchar('\n');
    }
    printf(".SH DESCRIPTION\nAn applet is also started through a link to the binary that is named "
           "after it, such as dlv\\-server. \\-\\-install makes those links.");
    print_see_also(NULL);
}
