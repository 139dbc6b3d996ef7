#include "help_texts.h"

#include "base/format.h"
#include "base/inflate.h"

#include <stdint.h>
#include <string.h>

/* The files, each behind a line "= APPLET", as the Makefile has put them together. */
__asm__(".pushsection .rodata\n"
        ".global help_texts_start\n"
        ".hidden help_texts_start\n"
        ".global help_texts_end\n"
        ".hidden help_texts_end\n"
        "help_texts_start:\n"
        ".incbin \"" HELP_TEXTS "\"\n"
        "help_texts_end:\n"
        ".popsection\n");

extern const uint8_t help_texts_start[] __attribute__((visibility("hidden")));
extern const uint8_t help_texts_end[] __attribute__((visibility("hidden")));

#define TEXTS_MAX 65536
#define GZIP_HEADER_LEN 10 /* without a file's name (RFC 1952) */

static char texts[TEXTS_MAX];

/* What follows the line "= NAME"; NULL: there is no such line. */
static const char *behind_line(const char *text, const char *name) {
    char line[48];
    size_t len = format_text(line, sizeof line, "\n= %s\n", name);
    const char *found = strstr(text, line);
    return found != NULL ? found + len : NULL;
}

const char *help_text(const char *applet, const char *section) {
    size_t len = (size_t)(help_texts_end - help_texts_start);
    if (texts[0] == '\0')
        inflate(texts, sizeof texts - 1, help_texts_start + GZIP_HEADER_LEN, len - GZIP_HEADER_LEN);
    const char *text = behind_line(texts, applet);
    return text != NULL ? behind_line(text, section) : NULL;
}
