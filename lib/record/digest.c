#include "record/digest.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Size of the character at text[at]; 0 with the reason where it may not stand in a record. */
static size_t character_size(const char *text, size_t at, size_t len, struct error *error) {
    uint32_t character;
    unsigned char first = (unsigned char)text[at];
    if (first >= 0x20 && first < 0x7F)
        return 1;
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

int record_canonical(char *canonical, size_t *canonical_len, const char *text, size_t len,
                     struct error *error) {
    size_t out = 0;
    int space_pending = 0;
    for (size_t at = 0; at < len;) {
        if (is_blank(text[at])) {
            space_pending = out > 0;
            at++;
            continue;
        }
        size_t size = character_size(text, at, len, error);
        if (size == 0)
            return ERR_FORMAT;
        if (out + (size_t)space_pending + size > RECORD_MAX)
            return error_set(error, ERR_LIMIT, "longer than %d bytes", RECORD_MAX);
        if (space_pending)
            canonical[out++] = ' ';
        space_pending = 0;
        for (size_t end = at + size; at < end; at++)
            canonical[out++] = text[at];
    }
    if (out == 0)
        return error_set(error, ERR_FORMAT, "empty");
    if (out >= 4 && memcmp(canonical, "dlv:", 4) == 0)
        return error_set(error, ERR_FORMAT, "begins with \"dlv:\", which is reserved");
    *canonical_len = out;
    return 0;
}

int record_digest(uint8_t digest[SHA256_LEN], const char *text, size_t len, struct error *error) {
    char canonical[RECORD_MAX];
    size_t canonical_len;
    int code = record_canonical(canonical, &canonical_len, text, len, error);
    if (code == 0)
        sha256(digest, canonical, canonical_len);
    return code;
}

int number_canonical(char *canonical, size_t *canonical_len, const char *text, size_t len,
                     struct error *error) {
    size_t out = 0;
    for (size_t at = 0; at < len;) {
        if (is_blank(text[at]) || text[at] == '-') {
            at++;
            continue;
        }
        size_t size = character_size(text, at, len, error);
        if (size == 0)
            return ERR_FORMAT;
        if (out + size > RECORD_MAX)
            return error_set(error, ERR_LIMIT, "longer than %d bytes", RECORD_MAX);
        for (size_t end = at + size; at < end; at++)
            canonical[out++] =
                text[at] >= 'a' && text[at] <= 'z' ? (char)(text[at] - 'a' + 'A') : text[at];
    }
    if (out == 0)
        return error_set(error, ERR_FORMAT, "empty");
    *canonical_len = out;
    return 0;
}

int number_digest(uint8_t digest[SHA256_LEN], const char *text, size_t len, struct error *error) {
    static const char prefix[] = "dlv:number:";
    char canonical[RECORD_MAX];
    size_t canonical_len;
    int code = number_canonical(canonical, &canonical_len, text, len, error);
    if (code != 0)
        return code;
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, prefix, sizeof prefix - 1);
    sha256_update(&hash, canonical, canonical_len);
    sha256_out(&hash, digest);
    return 0;
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
