#include "kat/vector.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum kat_outcome kat_fail(const struct kat_vector *vector, const char *what) {
    error_set(vector->error, ERR_FORMAT, "%s:%lu: %s", vector->file, vector->line, what);
    return KAT_FAILED;
}

/* Fails with "FIELD WHAT". */
static bool fail_field(const struct kat_vector *vector, enum kat_field field, const char *what) {
    char reason[96];
    format_text(reason, sizeof reason, "%s %s", kat_field_name(field), what);
    kat_fail(vector, reason);
    return false;
}

bool kat_has(const struct kat_vector *vector, enum kat_field field) {
    return vector->values[field].text != NULL;
}

bool kat_is(const struct kat_vector *vector, enum kat_field field, const char *text) {
    const struct kat_value *value = &vector->values[field];
    return value->text != NULL && value->len == strlen(text) &&
           memcmp(value->text, text, value->len) == 0;
}

bool kat_get_hex(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes, size_t max,
                 size_t *len) {
    const struct kat_value *value = &vector->values[field];
    long n = value->text == NULL ? ERR_FORMAT : hex_decode(bytes, max, value->text, value->len);
    *len = n < 0 ? 0 : (size_t)n;
    return n >= 0 || fail_field(vector, field, "is missing, too long or not hexadecimal");
}

bool kat_get_optional(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes,
                      size_t max, size_t *len) {
    *len = 0;
    return !kat_has(vector, field) || kat_get_hex(vector, field, bytes, max, len);
}

bool kat_get_bytes(const struct kat_vector *vector, enum kat_field field, uint8_t *bytes,
                   size_t len) {
    size_t got;
    return kat_get_hex(vector, field, bytes, len, &got) &&
           (got == len || fail_field(vector, field, "has not the right length"));
}

bool kat_get_number(const struct kat_vector *vector, enum kat_field field,
                    unsigned long long *number) {
    char digits[24];
    const struct kat_value *value = &vector->values[field];
    if (value->text != NULL && value->len < sizeof digits) {
        format_text(digits, sizeof digits, "%.*s", (int)value->len, value->text);
        if (text_parse_count(digits, 1000000000000, number) == 0)
            return true;
    }
    return fail_field(vector, field, "is not a number");
}

bool kat_get_result(const struct kat_vector *vector, enum kat_expected *expected) {
    const struct kat_value *value = &vector->values[F_RESULT];
    char letter = value->len > 0 ? value->text[0] : '\0';
    *expected = letter == 'P' ? KAT_MUST_PASS : letter == 'A' ? KAT_MAY_PASS : KAT_MUST_FAIL;
    if ((letter != 'P' && letter != 'F' && letter != 'A') ||
        (value->len > 1 && value->text[1] != ' '))
        return fail_field(vector, F_RESULT, "is none of P, F and A");
    return true;
}

enum kat_outcome kat_compare_result(const struct kat_vector *vector, enum kat_expected expected,
                                    bool is_good, const char *what) {
    char reason[96];
    if (expected == KAT_MAY_PASS || is_good == (expected == KAT_MUST_PASS))
        return KAT_PASSED;
    format_text(reason, sizeof reason, "a %s %s was %s", is_good ? "bad" : "good", what,
                is_good ? "accepted" : "refused");
    return kat_fail(vector, reason);
}

void kat_path_beside(const struct kat_vector *vector, enum kat_field field, char path[PATH_MAX]) {
    const char *slash = strrchr(vector->file, '/');
    int folder_len = slash == NULL ? 0 : (int)(slash - vector->file) + 1;
    format_text(path, PATH_MAX, "%.*s%.*s", folder_len, vector->file,
                (int)vector->values[field].len, vector->values[field].text);
}
