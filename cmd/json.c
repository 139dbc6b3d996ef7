#include "json.h"

#include "print.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static bool is_first;

static void put_string(const char *text, size_t len) {
    putchar('"');
    for (size_t at = 0; at < len;) {
        uint32_t character;
        size_t size = utf8_decode((const uint8_t *)text + at, len - at, &character);
        if (size == 0) {
            putchar('?');
            at++;
            continue;
        }
        if (character < 0x20)
            print("\\u%04x", (unsigned)character);
        else if (character == '"' || character == '\\')
            print("\\%c", (int)character);
        else
            fwrite(text + at, 1, size, stdout);
        at += size;
    }
    putchar('"');
}

static void put_name(const char *name) {
    if (!is_first)
        putchar(',');
    is_first = false;
    put_string(name, strlen(name));
    putchar(':');
}

void json_begin(void) {
    is_first = true;
    putchar('{');
}

void json_text(const char *name, const char *value) {
    put_name(name);
    if (value == NULL)
        fputs("null", stdout);
    else
        put_string(value, strlen(value));
}

void json_number(const char *name, long long value) {
    put_name(name);
    print("%lld", value);
}

void json_bool(const char *name, bool value) {
    put_name(name);
    fputs(value ? "true" : "false", stdout);
}

void json_null(const char *name) {
    put_name(name);
    fputs("null", stdout);
}

void json_list(const char *name, const char *items, char separator) {
    if (items == NULL) {
        json_null(name);
        return;
    }
    put_name(name);
    putchar('[');
    for (int count = 0; *items != '\0'; count++) {
        const char *end = strchr(items, separator);
        size_t len = end ? (size_t)(end - items) : strlen(items);
        if (count > 0)
            putchar(',');
        put_string(items, len);
        items += len + (end != NULL);
    }
    putchar(']');
}

void json_end(void) {
    puts("}");
}
