#include "record/digest.h"

#include "base/bytes.h"
#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Returns the length of the character at text[at], which is not printable ASCII. 0 with the reason
 * where a record may not contain it. */
static size_t character_size(const char *text, size_t at, size_t len, struct error *error) {
    uint32_t character;
    size_t size = utf8_decode((const uint8_t *)text + at, len - at, &character);
    if (size == 0)
        error_set(error, ERR_FORMAT, "invalid UTF-8 at byte %zu", at + 1);
    else if (utf8_is_control(character)) {
        error_set(error, ERR_FORMAT, "control character U+%04X at byte %zu", (unsigned)character,
                  at + 1);
        return 0;
    }
    return size;
}

/* Returns where the word that begins at text[at] ends. 0 with the reason where it contains a
 * forbidden character. */
static size_t word_end(const char *text, size_t at, size_t len, struct error *error) {
    while (at < len && !is_blank(text[at])) {
        if (text[at] > 0x20 && text[at] < 0x7F) {
            at++;
            continue;
        }
        size_t size = character_size(text, at, len, error);
        if (size == 0)
            return 0;
        at += size;
    }
    return at;
}

void record_begin(struct record *record, char *text) {
    *record = (struct record){.text = text};
}

int record_add(struct record *record, const char *part, size_t len, bool *is_blank_part,
               struct error *error) {
    size_t before = record->len;
    bool is_space_due = record->len > 0;
    for (size_t at = 0; at < len;) {
        if (is_blank(part[at])) {
            is_space_due = record->len > 0;
            at++;
            continue;
        }
        size_t end = word_end(part, at, len, error);
        if (end == 0)
            return ERR_FORMAT;
        if (record->len + (size_t)is_space_due + (end - at) > RECORD_MAX)
            return error_set(error, ERR_LIMIT, "longer than %d bytes", RECORD_MAX);
        if (is_space_due)
            record->text[record->len++] = ' ';
        is_space_due = false;
        while (at < end)
            record->text[record->len++] = part[at++];
    }
    *is_blank_part = record->len == before;
    return 0;
}

int record_check(const struct record *record, struct error *error) {
    if (record->len == 0)
        return error_set(error, ERR_FORMAT, "empty");
    if (record->len >= 4 && memcmp(record->text, "dlv:", 4) == 0)
        return error_set(error, ERR_FORMAT, "begins with \"dlv:\", which is reserved");
    return 0;
}

int record_canonical(char *canonical, size_t *canonical_len, const char *text, size_t len,
                     struct error *error) {
    struct record record;
    bool is_blank_text;
    record_begin(&record, canonical);
    int code = record_add(&record, text, len, &is_blank_text, error);
    if (code == 0)
        code = record_check(&record, error);
    *canonical_len = record.len;
    return code;
}

int record_digest(uint8_t digest[SHA256_LEN], const char *text, size_t len, struct error *error) {
    char canonical[RECORD_MAX];
    size_t canonical_len;
    int code = record_canonical(canonical, &canonical_len, text, len, error);
    if (code == 0)
        sha256(digest, canonical, canonical_len);
    return code;
}

size_t number_text(char text[NUMBER_TEXT_MAX], const struct form *number) {
    memcpy(text, NUMBER_PREFIX, NUMBER_PREFIX_LEN);
    memcpy(text + NUMBER_PREFIX_LEN, number->text, number->len);
    return NUMBER_PREFIX_LEN + number->len;
}

void number_digest(uint8_t digest[SHA256_LEN], const struct form *number) {
    char text[NUMBER_TEXT_MAX] NOT_CLEARED;
    sha256(digest, text, number_text(text, number));
}

int document_digest(uint8_t digest[SHA256_LEN], int fd) {
    uint8_t buffer[65536];
    struct sha256 hash;
    sha256_init(&hash);
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_SYSTEM;
        if (n == 0)
            break;
        sha256_update(&hash, buffer, (size_t)n);
    }
    sha256_out(&hash, digest);
    return 0;
}
