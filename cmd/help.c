#include "help.h"

#include "built.h"
#include "help_texts.h"

#include "base/date.h"
#include "base/format.h"

#include <stdio.h>
#include <string.h>

/* Takes the first line off a text. False at its end. */
static bool take_line(struct span *text, struct span *line) {
    if (text->len == 0)
        return false;
    const char *end = memchr(text->text, '\n', text->len);
    *line = (struct span){text->text, end != NULL ? (size_t)(end - text->text) : text->len};
    size_t used = line->len + (end != NULL);
    *text = (struct span){text->text + used, text->len - used};
    return true;
}

/* What an option does: the line "NAME: ...". Empty where the text does not have it. */
static struct span option_help(struct span texts, const struct option_words *words) {
    struct span line;
    while (take_line(&texts, &line)) {
        if (line.len > words->name_len + 2 &&
            strncmp(line.text, words->name, words->name_len) == 0 &&
            strncmp(line.text + words->name_len, ": ", 2) == 0)
            return (struct span){line.text + words->name_len + 2, line.len - words->name_len - 2};
    }
    return (struct span){"", 0};
}

/* The values that an option takes, behind its help: " (1 to 3600 seconds; default 10)". */
static void format_range(char text[96], const struct option *option) {
    char fallback[48] = "";
    const char *unit = option->kind->unit != NULL ? option->kind->unit : "";
    text[0] = '\0';
    if (option->kind->type != OPTION_IS_COUNT)
        return;
    if (option->kind->fallback >= option->kind->min)
        format_text(fallback, sizeof fallback, "; default %llu",
                    (unsigned long long)option->kind->fallback);
    format_text(text, 96, " (%llu to %llu%s%s%s)", (unsigned long long)option->kind->min,
                (unsigned long long)option->kind->max, *unit != '\0' ? " " : "", unit, fallback);
}

void help_print(const struct applet *applet) {
    struct span synopsis = help_text(applet->name, "synopsis"), line;
    struct span description = help_text(applet->name, "description");
    struct span options = help_text(applet->name, "options");
    char range[96];
    print("%s: %s\n\n", applet->name, applet->summary);
    while (take_line(&synopsis, &line))
        print("    dlv %s %.*s\n", applet->name, (int)line.len, line.text);
    print("\n%.*s\n\n", (int)description.len, description.text);
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
static void print_roff(struct span part) {
    bool line_start = true;
    for (const char *text = part.text, *end = text + part.len; text < end; text++) {
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

static void print_summary(const struct applet *applet) {
    print_roff((struct span){applet->summary, strlen(applet->summary)});
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

static void print_man_option(struct span options, const struct option *option) {
    struct option_words words = option_words(option);
    struct span help = option_help(options, &words);
    char range[96];
    format_range(range, option);
    print(".TP\n\\fB");
    if (words.letter != '\0')
        print("\\-%c\\fR, \\fB", words.letter);
    print("\\-\\-%.*s\\fR %.*s\n", (int)words.name_len, words.name, (int)words.argument_len,
          words.argument_len > 0 ? words.argument : "");
    print_roff(help);
    print("%s\n", range);
}

/* The day of the sources. */
static void format_day(char text[TIME_TEXT_SIZE]) {
    time_format(text, built_s(), 0);
    text[10] = '\0';
}

void help_print_man(const struct applet *applet) {
    char day[TIME_TEXT_SIZE];
    format_day(day);
    struct span synopsis = help_text(applet->name, "synopsis"), line;
    struct span options = help_text(applet->name, "options");
    print(".TH DLV-%s 1 %s dlv\n.SH NAME\ndlv\\-%s \\- ", applet->name, day, applet->name);
    print_summary(applet);
    print("\n.SH SYNOPSIS\n.nf\n");
    while (take_line(&synopsis, &line)) {
        print("dlv %s ", applet->name);
        print_roff(line);
        putchar('\n');
    }
    print(".fi\n.SH DESCRIPTION\n");
    print_roff(help_text(applet->name, "description"));
    print("\n.SH OPTIONS\n");
    for (const struct option *option = applet->options; option->text != NULL; option++)
        print_man_option(options, option);
    print(".SH EXIT STATUS\n"
          "0: VALID, or success. 1: a verdict other than VALID. 2: trouble, never a verdict.");
    print_see_also(applet->name);
}

void help_print_man_overview(const char *version) {
    char day[TIME_TEXT_SIZE];
    format_day(day);
    print(".TH DLV 1 %s \"dlv %s\"\n.SH NAME\ndlv \\- verifies driving licences\n"
          ".SH SYNOPSIS\n.nf\ndlv APPLET ...\ndlv help [APPLET]\ndlv \\-\\-list\n"
          "dlv \\-\\-install DIR\ndlv \\-\\-version\n.fi\n.SH APPLETS\n",
          day, version);
    for (size_t i = 0; applets[i] != NULL; i++) {
        print(".TP\n\\fB%s\\fR\n", applets[i]->name);
        print_summary(applets[i]);
        putchar('\n');
    }
    print(".SH DESCRIPTION\nAn applet is also started through a link to the binary that is named "
          "after it, such as dlv\\-server. \\-\\-install makes those links.");
    print_see_also(NULL);
}
