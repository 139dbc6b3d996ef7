#include "record/fields.h"

#include "base/bytes.h"

#include <string.h>

const char *field_name(unsigned field) {
    static const char *const names[FIELD_COUNT] = {"", "name", "phone", "birth date", "card"};
    return field < FIELD_COUNT ? names[field] : "";
}

const char *field_match_name(enum field_match match) {
    static const char *const names[] = {"not asked", "same", "differs", "not on file", "not kept"};
    return (unsigned)match < sizeof names / sizeof *names ? names[match] : "";
}

bool check_fields_are_valid(const struct check_fields *fields) {
    unsigned seen = 0;
    if (fields->count > CHECK_FIELDS_MAX)
        return false;
    for (unsigned i = 0; i < CHECK_FIELDS_MAX; i++) {
        unsigned field = fields->fields[i];
        if (field >= FIELD_COUNT || (i < fields->count) != (field != FIELD_NONE) ||
            (seen >> field & 1 && field != FIELD_NONE))
            return false;
        seen |= 1u << field;
    }
    return true;
}

int check_fields_place(const struct check_fields *fields, unsigned field) {
    for (unsigned i = 0; i < fields->count; i++) {
        if (fields->fields[i] == field)
            return (int)i;
    }
    return -1;
}

size_t check_code_len(const struct check_fields *fields) {
    return fields->count == 0 ? 0 : CODES_LEN / fields->count;
}

size_t field_text(char text[FIELD_TEXT_MAX], enum field field,
                  const uint8_t number_digest[SHA256_LEN], const struct form *form) {
    static const char *const tags[FIELD_COUNT] = {
        "", "dlv:name:", "dlv:phone:", "dlv:birth:", "dlv:card:"};
    size_t len = strlen(tags[field]);
    memcpy(text, tags[field], len);
    memcpy(text + len, number_digest, SHA256_LEN / 2);
    memcpy(text + len + SHA256_LEN / 2, form->text, form->len);
    return len + SHA256_LEN / 2 + form->len;
}

void field_digest(uint8_t digest[FIELD_DIGEST_LEN], const char *text, size_t len) {
    uint8_t whole[SHA256_LEN];
    sha256(whole, text, len);
    memcpy(digest, whole, FIELD_DIGEST_LEN);
}

void check_code_set(uint8_t *code, size_t len, const uint8_t *digest) {
    memcpy(code, digest, len);
    if (len > 0 && bytes_are_zero(code, len))
        code[len - 1] = 1;
}
