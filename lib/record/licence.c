#include "record/licence.h"

#include "base/bytes.h"
#include "base/error.h"

#include <string.h>

const struct class_names class_names_default = {
    {"MCWOG", "MCWG", "LMV", "LMV-TR", "TRANS", "HMV", "HGMV", "HPMV", "HTV", "3W-NT", "3W-TR",
     "E-RICKSHAW", "TRACTOR", "ROAD-ROLLER", "INVALID-CARR", "LOADER"}};

const char *verdict_name(enum verdict verdict) {
    static const char *const names[VERDICT_COUNT] = {"UNKNOWN",       "VALID",     "EXPIRED",
                                                     "NOT_YET_VALID", "SUSPENDED", "REVOKED"};
    return names[verdict];
}

enum verdict licence_verdict(const struct licence *licence, uint32_t day) {
    if (licence->status == STATUS_REVOKED)
        return VERDICT_REVOKED;
    if (licence->status == STATUS_SUSPENDED)
        return VERDICT_SUSPENDED;
    if (licence->status != STATUS_VALID)
        return VERDICT_UNKNOWN;
    if (day < licence->valid_from)
        return VERDICT_NOT_YET_VALID;
    if (day > licence->valid_to)
        return VERDICT_EXPIRED;
    return VERDICT_VALID;
}

static const char *const status_names[] = {"", "valid", "suspended", "revoked"};
static const char *const kind_names[] = {"any", "record", "number", "document"};

const char *status_name(uint8_t status) {
    return status <= STATUS_REVOKED ? status_names[status] : "";
}

int status_parse(const char *text, size_t len, uint8_t *status) {
    for (uint8_t i = STATUS_VALID; i <= STATUS_REVOKED; i++) {
        if (strlen(status_names[i]) == len && memcmp(status_names[i], text, len) == 0) {
            *status = i;
            return 0;
        }
    }
    return ERR_FORMAT;
}

const char *kind_name(uint8_t kind) {
    return kind <= KIND_DOCUMENT ? kind_names[kind] : "";
}

static bool is_separator(char c) {
    return c == ' ' || c == ',' || c == ';' || c == '|';
}

/* Finds the next name of a list at *at. Returns its length; 0 where there is none. */
static size_t next_name(const char *text, size_t len, size_t *at) {
    while (*at < len && is_separator(text[*at]))
        ++*at;
    size_t end = *at;
    while (end < len && !is_separator(text[end]))
        end++;
    return end - *at;
}

static bool is_name(const char name[CLASS_NAME_SIZE], const char *text, size_t len) {
    return len < CLASS_NAME_SIZE && memcmp(name, text, len) == 0 && name[len] == '\0';
}

int classes_parse(const struct class_names *names, const char *text, size_t len, uint16_t *classes,
                  const char **bad, size_t *bad_len) {
    size_t name_len;
    *classes = 0;
    for (size_t at = 0; (name_len = next_name(text, len, &at)) > 0; at += name_len) {
        int i = 0;
        while (i < CLASS_COUNT && !is_name(names->name[i], text + at, name_len))
            i++;
        if (i == CLASS_COUNT) {
            *bad = text + at;
            *bad_len = name_len;
            return ERR_FORMAT;
        }
        *classes = (uint16_t)(*classes | 1u << i);
    }
    return 0;
}

int class_names_parse(struct class_names *names, const char *text) {
    size_t name_len;
    size_t len = strlen(text);
    int count = 0;
    memset(names, 0, sizeof *names);
    for (size_t at = 0; (name_len = next_name(text, len, &at)) > 0; at += name_len) {
        if (count == CLASS_COUNT || name_len >= CLASS_NAME_SIZE)
            return ERR_FORMAT;
        memcpy(names->name[count++], text + at, name_len);
    }
    return count > 0 && class_names_are_valid(names) ? 0 : ERR_FORMAT;
}

bool class_names_are_valid(const struct class_names *names) {
    bool ended = 0;
    for (int i = 0; i < CLASS_COUNT; i++) {
        const char *name = names->name[i];
        size_t len = strnlen(name, CLASS_NAME_SIZE);
        if (len == CLASS_NAME_SIZE || !bytes_are_zero(name + len, CLASS_NAME_SIZE - len) ||
            (ended && len > 0))
            return false;
        ended = len == 0;
        for (size_t c = 0; c < len; c++) {
            if (!((name[c] >= 'A' && name[c] <= 'Z') || (name[c] >= '0' && name[c] <= '9') ||
                  name[c] == '-'))
                return false;
        }
        for (int other = 0; other < i; other++) {
            if (len > 0 && strcmp(names->name[other], name) == 0)
                return false;
        }
    }
    return true;
}

void classes_format(char text[CLASSES_TEXT_SIZE], const struct class_names *names, uint16_t classes,
                    char separator) {
    size_t out = 0;
    for (int i = 0; i < CLASS_COUNT; i++) {
        size_t len = strnlen(names->name[i], CLASS_NAME_SIZE - 1);
        if (!(classes >> i & 1) || len == 0)
            continue;
        if (out > 0)
            text[out++] = separator;
        memcpy(text + out, names->name[i], len);
        out += len;
    }
    text[out] = '\0';
}
