#include "db/lines.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/text.h"

#include <string.h>

/* --- writing ---------------------------------------------------------------------------------- */

char *put_text(char *out, const char *text) {
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return out + len;
}

char *put_hex(char *out, const void *bytes, size_t len) {
    hex_encode(out, bytes, len);
    return out + 2 * len;
}

char *put_number(char *out, unsigned long long number) {
    return out + format_text(out, 24, "%llu", number);
}

char *put_hex_line(char *out, const char *name, const void *bytes, size_t len) {
    return put_text(put_hex(put_text(put_text(out, name), " = "), bytes, len), "\n");
}

char *put_span_line(char *out, const char *name, const char *text, size_t len) {
    out = put_text(put_text(out, name), " = ");
    memcpy(out, text, len);
    return put_text(out + len, "\n");
}

/* --- reading ---------------------------------------------------------------------------------- */

int lines_refuse(const struct lines *lines, const char *wanted) {
    return error_set(lines->error, ERR_FORMAT, "line %u: want %s", lines->line, wanted);
}

bool lines_take(struct lines *lines, const char *prefix, struct span *value) {
    size_t prefix_len = strlen(prefix);
    lines->line += lines->was_taken;
    lines->was_taken = false;
    const char *line_end = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    if (line_end == NULL || (size_t)(line_end - lines->at) < prefix_len ||
        memcmp(lines->at, prefix, prefix_len) != 0)
        return false;
    value->text = lines->at + prefix_len;
    value->len = (size_t)(line_end - value->text);
    lines->at = line_end + 1;
    lines->was_taken = true;
    return true;
}

bool span_is(struct span value, const char *word) {
    return strlen(word) == value.len && memcmp(word, value.text, value.len) == 0;
}

struct span span_take_word(struct span *value) {
    const char *blank = memchr(value->text, ' ', value->len);
    struct span word = {value->text, blank != NULL ? (size_t)(blank - value->text) : value->len};
    size_t used = word.len + (blank != NULL);
    *value = (struct span){value->text + used, value->len - used};
    return word;
}

bool span_decode(uint8_t *bytes, size_t len, struct span text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.text[i] >= 'A' && text.text[i] <= 'F')
            return false;
    }
    return text.len == 2 * len && hex_decode(bytes, len, text.text, text.len) == (long)len;
}

bool span_parse_number(struct span text, unsigned long long max, unsigned long long *number) {
    char digits[24];
    if (text.len == 0 || text.len >= sizeof digits || (text.text[0] == '0' && text.len > 1))
        return false;
    memcpy(digits, text.text, text.len);
    digits[text.len] = '\0';
    return strlen(digits) == text.len && text_parse_count(digits, max, number) == 0;
}
