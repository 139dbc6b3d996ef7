#include "help.h"

#include "help_texts.h"

#include "base/format.h"
#include "record/terms.h"

#include <stdio.h>
#include <string.h>

/* The end of a section, or of its last line but blank ones. */
static const char *end_of(const char *text) {
    const char *end = strstr(text, "\n\n= ");
    return end != NULL ? end : text + strlen(text);
}

/* Each line up to `end`, with `before` in front of it. */
static void print_lines(const char *text, const char *end, const char *before) {
    while (text < end) {
        size_t len = strcspn(text, "\n");
        print("%s%.*s\n", before, (int)len, text);
        text += len + (text + len < end);
    }
}

/* What an option does: the line "NAME: ...". An empty one where the text does not have it. */
static struct span option_help(const char *texts, const struct option_words *words) {
    for (const char *line = texts; line < end_of(texts);) {
        size_t len = strcspn(line, "\n");
        if (strncmp(line, words->name, words->name_len) == 0 &&
            strncmp(line + words->name_len, ": ", 2) == 0)
            return (struct span){line + words->name_len + 2, len - words->name_len - 2};
        line += len + (line[len] == '\n');
    }
    return (struct span){"", 0};
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
    const char *synopsis = help_text(applet->name, "synopsis");
    const char *description = help_text(applet->name, "description");
    const char *options = help_text(applet->name, "options");
    char prefix[64], range[96];
    print("%s: %s\n\n", applet->name, applet->summary);
    format_text(prefix, sizeof prefix, "    dlv %s ", applet->name);
    print_lines(synopsis, end_of(synopsis), prefix);
    print("\n%.*s\n\n", (int)(end_of(description) - description), description);
    for (const struct option *option = applet->options; option->text != NULL; option++) {
        struct option_words words = option_words(option);
        struct span help = option_help(options, &words);
        format_range(range, option);
        print("  %-26s %.*s%s\n", option->text, (int)help.len, help.text, range);
    }
    print("  %-26s %s\n", "--help", "show this text");
}

/* Prints text as roff: hyphens and backslashes are escaped, and so are dots at the start of a line,
 * which would begin a request. */
static void print_roff_part(const char *text, const char *end) {
    bool line_start = true;
    for (; text < end; text++) {
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

static void print_roff(const char *text) {
    print_roff_part(text, text + strlen(text));
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

static void print_man_option(const char *options, const struct option *option) {
    struct option_words words = option_words(option);
    struct span help = option_help(options, &words);
    char range[96];
    format_range(range, option);
    print(".TP\n\\fB");
    if (words.letter != '\0')
        print("\\-%c\\fR, \\fB", words.letter);
    print("\\-\\-%.*s\\fR %.*s\n", (int)words.name_len, words.name, (int)words.argument_len,
          words.argument_len > 0 ? words.argument : "");
    print_roff_part(help.text, help.text + help.len);
    print("%s\n", range);
}

void help_print_man(const struct applet *applet) {
    const char *synopsis = help_text(applet->name, "synopsis");
    const char *description = help_text(applet->name, "description");
    const char *options = help_text(applet->name, "options");
    print(".TH DLV-%s 1 \"\" dlv\n.SH NAME\ndlv\\-%s \\- ", applet->name, applet->name);
    print_roff(applet->summary);
    print("\n.SH SYNOPSIS\n.nf\n");
    for (const char *line = synopsis; line < end_of(synopsis);) {
        size_t len = strcspn(line, "\n");
        print("dlv %s ", applet->name);
        print_roff_part(line, line + len);
        putchar('\n');
        line += len + 1;
    }
    print(".fi\n.SH DESCRIPTION\n");
    print_roff_part(description, end_of(description));
    print("\n.SH OPTIONS\n");
    for (const struct option *option = applet->options; option->text != NULL; option++)
        print_man_option(options, option);
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
