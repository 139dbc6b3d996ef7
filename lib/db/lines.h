/* Texts of "NAME = VALUE" lines, as evidence and receipts are written (EVIDENCE.md). */
#ifndef DLV_DB_LINES_H
#define DLV_DB_LINES_H

#include "base/error.h"
#include "record/terms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- writing: each returns where the text ends, at a NUL ---------------------------------------- */

char *put_text(char *out, const char *text);
char *put_hex(char *out, const void *bytes, size_t len);
char *put_number(char *out, unsigned long long number);

/* "NAME = HEX" and the end of the line. */
char *put_hex_line(char *out, const char *name, const void *bytes, size_t len);

/* "NAME = TEXT" and the end of the line. */
char *put_span_line(char *out, const char *name, const char *text, size_t len);

/* --- reading: total ----------------------------------------------------------------------------- */

struct lines {
    const char *at;
    const char *end;
    unsigned line; /* the last one that was taken, or else the one that was not; from 1 on */
    bool was_taken;
    struct error *error;
};

/* ERR_FORMAT, with the line and what was wanted there. */
int lines_refuse(const struct lines *lines, const char *wanted);

/* The value of the next line if it begins with `prefix`. */
bool lines_take(struct lines *lines, const char *prefix, struct span *value);

/* Takes what stands before the first blank off the value. */
struct span span_take_word(struct span *value);

bool span_is(struct span value, const char *word);

/* Lower-case hexadecimal of exactly `len` bytes. */
bool span_decode(uint8_t *bytes, size_t len, struct span text);

/* Decimal digits without a leading zero. */
bool span_parse_number(struct span text, unsigned long long max, unsigned long long *number);

#endif
