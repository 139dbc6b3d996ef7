#include "json.h"

#include "base/format.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 60 /* of the names of members, which are ours */

static bool is_first;
static size_t used;
static char buffer[1u << 16];

/* Room for `len` bytes, at most the size of the buffer. Whoever has written them adds to `used`. */
static char *room(size_t len) {
    if (used + len > sizeof buffer) {
        fwrite(buffer, 1, used, stdout);
        used = 0;
    }
    return buffer + used;
}

static void put(const char *text, size_t len) {
    if (len > sizeof buffer) {
        room(sizeof buffer);
        fwrite(text, 1, len, stdout);
        return;
    }
    char *out = room(len);
    for (size_t i = 0; i < len; i++)
        out[i] = text[i];
    used += len;
}

static void put_text(const char *text) {
    put(text, strlen(text));
}

static bool is_plain(char c) {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/* Writes what stands at `at`, which is not plain, and returns its length. */
static size_t put_character(struct span text, size_t at) {
    uint32_t character;
    char escaped[8];
    size_t size = utf8_decode((const uint8_t *)text.text + at, text.len - at, &character);
    if (size == 0) {
        put("?", 1);
        return 1;
    }
    if (character >= 0x20 && character != '"' && character != '\\') {
        put(text.text + at, size);
        return size;
    }
    if (character < 0x20)
        format_text(escaped, sizeof escaped, "\\u%04x", (unsigned)character);
    else
        format_text(escaped, sizeof escaped, "\\%c", (int)character);
    put_text(escaped);
    return size;
}

#define PIECE 1024

/* Most texts are short and plain, so bytes are copied one by one: memcpy would take longer to begin
 * than they take. */
static void put_string(struct span text) {
    put("\"", 1);
    for (size_t at = 0; at < text.len;) {
        char *out = room(PIECE);
        size_t n = 0;
        while (at + n < text.len && n < PIECE && is_plain(text.text[at + n])) {
            out[n] = text.text[at + n];
            n++;
        }
        used += n;
        at += n;
        if (at < text.len && n < PIECE)
            at += put_character(text, at);
    }
    put("\"", 1);
}

static void put_name(const char *name) {
    char *out = room(NAME_MAX_LEN + 4), *at = out;
    if (!is_first)
        *at++ = ',';
    is_first = false;
    if (name != NULL) {
        *at++ = '"';
        while (*name != '\0')
            *at++ = *name++;
        *at++ = '"';
        *at++ = ':';
    }
    used += (size_t)(at - out);
}

void json_begin(void) {
    is_first = true;
    put("{", 1);
}

void json_span(const char *name, struct span value) {
    put_name(name);
    put_string(value);
}

void json_text(const char *name, const char *value) {
    if (value == NULL)
        json_null(name);
    else
        json_span(name, (struct span){value, strlen(value)});
}

void json_number(const char *name, long long value) {
    char digits[24];
    put_name(name);
    put(digits, format_text(digits, sizeof digits, "%lld", value));
}

void json_bool(const char *name, bool value) {
    put_name(name);
    put_text(value ? "true" : "false");
}

void json_null(const char *name) {
    put_name(name);
    put("null", 4);
}

static void open_nested(const char *name, char bracket) {
    put_name(name);
    put(&bracket, 1);
    is_first = true;
}

static void close_nested(char bracket) {
    put(&bracket, 1);
    is_first = false;
}

void json_open_object(const char *name) {
    open_nested(name, '{');
}

void json_close_object(void) {
    close_nested('}');
}

void json_open_list(const char *name) {
    open_nested(name, '[');
}

void json_close_list(void) {
    close_nested(']');
}

void json_list(const char *name, const char *items, char separator) {
    if (items == NULL) {
        json_null(name);
        return;
    }
    json_open_list(name);
    while (*items != '\0') {
        const char *end = strchr(items, separator);
        size_t len = end ? (size_t)(end - items) : strlen(items);
        json_span(NULL, (struct span){items, len});
        items += len + (end != NULL);
    }
    json_close_list();
}

void json_end(void) {
    put("}\n", 2);
    fwrite(buffer, 1, used, stdout);
    used = 0;
}
