#include "help.h"

#include "base/format.h"

#include <stdio.h>
#include <string.h>

/* Each line of `text` with `before` and `after` around it. */
static void print_lines(const char *text, const char *before, const char *after) {
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        print("%s%.*s%s", before, (int)len, text, after);
        text += len + (text[len] == '\n');
    }
}

/* The values that an option takes, behind its help: " (1 to 3600 seconds; default 10)". */
static void format_range(char text[96], const struct option *option) {
    char fallback[48] = "";
    const char *unit = option->unit != NULL ? option->unit : "";
    text[0] = '\0';
    if (option->type != OPTION_IS_COUNT)
        return;
    if (option->fallback >= option->min)
        format_text(fallback, sizeof fallback, "; default %llu",
                    (unsigned long long)option->fallback);
    format_text(text, 96, " (%llu to %llu%s%s%s)", (unsigned long long)option->min,
                (unsigned long long)option->max, *unit != '\0' ? " " : "", unit, fallback);
}

void help_print(const struct applet *applet) {
    char prefix[64], range[96], spelling[64];
    print("%s: %s\n\n", applet->name, applet->summary);
    format_text(prefix, sizeof prefix, "    dlv %s ", applet->name);
    print_lines(applet->synopsis, prefix, "\n");
    print("\n%s\n\n", applet->description);
    if (applet->details != NULL)
        print("%s\n\n", applet->details);
    for (const struct option *option = applet->options; option->text != NULL; option++) {
        struct option_words words = option_words(option);
        format_range(range, option);
        format_text(spelling, sizeof spelling, "%.*s", (int)words.spelling_len, option->text);
        print("  %-26s %s%s\n", spelling, words.help, range);
    }
    print("  %-26s %s\n", "--help", "show this text");
}

/* Prints text as roff: hyphens and backslashes are escaped, and so are dots at the start of a line,
 * which would begin a request. */
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
    print("\n.SH SEE ALSO\n");
    print(".BR dlv (1)");
    for (size_t i = 0; applets[i] != NULL; i++) {
        if (except == NULL || strcmp(applets[i]->name, except) != 0)
            print(",\n.BR dlv\\-%s (1)", applets[i]->name);
    }
    putchar('\n');
}

static void print_man_option(const struct option *option) {
    struct option_words words = option_words(option);
    char range[96];
    format_range(range, option);
    print(".TP\n\\fB");
    if (words.letter != '\0')
        print("\\-%c\\fR, \\fB", words.letter);
    print("\\-\\-%.*s\\fR %.*s\n", (int)words.name_len, words.name, (int)words.argument_len,
          words.argument_len > 0 ? words.argument : "");
    print_roff(words.help);
    print("%s\n", range);
}

void help_print_man(const struct applet *applet) {
    print(".TH DLV-%s 1 \"\" dlv\n.SH NAME\ndlv\\-%s \\- ", applet->name, applet->name);
    print_roff(applet->summary);
    print("\n.SH SYNOPSIS\n.nf\n");
    for (const char *line = applet->synopsis; *line != '\0';) {
        char copy[512];
        size_t len = strcspn(line, "\n");
        format_text(copy, sizeof copy, "dlv %s %.*s\n", applet->name, (int)len, line);
        print_roff(copy);
        line += len + (line[len] == '\n');
    }
    print(".fi\n.SH DESCRIPTION\n");
    print_roff(applet->description);
    if (applet->details != NULL) {
        print("\n.PP\n");
        print_roff(applet->details);
    }
    print("\n.SH OPTIONS\n");
    for (const struct option *option = applet->options; option->text != NULL; option++)
        print_man_option(option);
    print(".SH EXIT STATUS\n"
          "0: VALID, or success. 1: a verdict other than VALID. 2: trouble, never a verdict.");
    print_see_also(applet->name);
}

void help_print_man_overview(const char *version) {
    print(".TH DLV 1 \"\" \"dlv %s\"\n.SH NAME\ndlv \\- verifies driving licences\n"
          ".SH SYNOPSIS\n.nf\ndlv APPLET ...\ndlv help [APPLET]\ndlv \\-\\-list\n"
          "dlv \\-\\-install DIR\ndlv \\-\\-version\n.fi\n.SH APPLETS\n",
          version);
    for (size_t i = 0; applets[i] != NULL; i++) {
        print(".TP\n\\fB%s\\fR\n", applets[i]->name);
        print_roff(applets[i]->summary);
        putchar('\n');
    }
    print(".SH DESCRIPTION\nAn applet is also started through a link to the binary that is named "
          "after it, such as dlv\\-server. \\-\\-install makes those links.");
    print_see_also(NULL);
}
