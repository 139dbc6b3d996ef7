#include "record/lookalike.h"

#include <string.h>

enum { NUMBER_CHARACTERS_MAX = 40 };

static bool begins(struct span text, const char *word) {
    size_t len = strlen(word);
    return text.len >= len && memcmp(text.text, word, len) == 0;
}

static bool has(struct span text, const char *word) {
    size_t len = strlen(word);
    for (size_t at = 0; at + len <= text.len; at++) {
        if (memcmp(text.text + at, word, len) == 0)
            return true;
    }
    return false;
}

static size_t count_of(struct span text, char c) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.text[i] == c;
    return count;
}

static bool is_letter(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* "]Q1": an AIM symbology identifier. */
static bool is_symbology(struct span text) {
    return text.len >= 3 && text.text[0] == ']' && is_letter(text.text[1]) &&
           ((text.text[2] >= '0' && text.text[2] <= '9') || is_letter(text.text[2]));
}

/* "scheme:" with at least three letters, as in https: or mdoc: */
static bool is_address(struct span text) {
    size_t len = 0;
    while (len < text.len && (is_letter(text.text[len]) ||
                              (len > 0 && text.text[len] >= '0' && text.text[len] <= '9')))
        len++;
    return len >= 3 && len + 1 < text.len && text.text[len] == ':' &&
           (has(text, "://") || begins(text, "mdoc:") || begins(text, "MDOC:"));
}

const char *lookalike(struct span text) {
    while (text.len > 0 && (text.text[0] == ' ' || text.text[0] == '\t'))
        text = (struct span){text.text + 1, text.len - 1};
    if (text.len == 0)
        return NULL;
    if (is_symbology(text))
        return "a bar code with the mark of its symbology before it (set the scanner to leave it "
               "out)";
    if (begins(text, "mdoc:") || begins(text, "MDOC:"))
        return "a code that starts the exchange with a mobile licence, and holds no number";
    if (is_address(text))
        return "an address (URL)";
    if (text.text[0] == '{' || text.text[0] == '[')
        return "JSON";
    if (begins(text, "<?xml") || (text.text[0] == '<' && has(text, "</")))
        return "XML";
    if (has(text, "ANSI ") || has(text, "AAMVA") || begins(text, "@"))
        return "the text of a card's bar code, of which the number is only a part";
    if (count_of(text, '<') >= 2)
        return "a machine-readable line";
    if ((text.text[0] == '%' || text.text[0] == ';') && has(text, "?"))
        return "a card's magnetic stripe";
    if (text.len > NUMBER_CHARACTERS_MAX)
        return "more than a number: it is too long";
    return NULL;
}
