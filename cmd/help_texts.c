#include "help_texts.h"

#include "base/embed.h"
#include "base/format.h"
#include "base/inflate.h"

#include <string.h>

/* The files, each behind a line "= APPLET", as the Makefile has put them together. */
EMBED_FILE(help_texts, HELP_TEXTS);

#define TEXTS_MAX 65536

static char texts[TEXTS_MAX];

/* What follows the line "= NAME"; NULL: there is no such line. */
static const char *behind_line(const char *text, const char *name) {
    char line[48];
    size_t len = format_text(line, sizeof line, "\n= %s\n", name);
    const char *found = strstr(text, line);
    return found != NULL ? found + len : NULL;
}

struct span help_text(const char *applet, const char *section) {
    size_t len = (size_t)(help_texts_end - help_texts_start);
    if (texts[0] == '\0')
        inflate_gzip(texts, sizeof texts - 1, help_texts_start, len);
    const char *text = behind_line(texts, applet);
    if (text != NULL)
        text = behind_line(text, section);
    if (text == NULL)
        return (struct span){"", 0};
    const char *end = strstr(text, "\n\n= "); /* the next section or file */
    return (struct span){text, end != NULL ? (size_t)(end - text) : strlen(text)};
}
