#include "serve/kiosks.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 4096
#define BLANKS " \t\r\n"

static int compare_ids(const void *a, const void *b) {
    return memcmp(((const struct kiosk *)a)->id, ((const struct kiosk *)b)->id, SHA256_LEN);
}

/* Returns the next word of the line, or NULL at its end. */
static char *next_word(char **line) {
    char *word = *line + strspn(*line, BLANKS);
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, BLANKS);
    *line = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return word;
}

static int parse_line(struct kiosks *kiosks, char *line, struct error *error) {
    uint8_t der[RSA_PUBLIC_DER_MAX];
    char quoted[TEXT_QUOTE_SIZE];
    line[strcspn(line, "#")] = '\0';
    const char *name = next_word(&line), *key = next_word(&line), *until = next_word(&line);
    if (name == NULL)
        return 0;
    text_quote(quoted, name, strlen(name));
    if (key == NULL)
        return error_set(error, ERR_FORMAT, "kiosk %s has no key", quoted);
    if (next_word(&line) != NULL)
        return error_set(error, ERR_FORMAT, "more than name, key and last day");
    if (kiosks->count == KIOSKS_MAX)
        return error_set(error, ERR_LIMIT, "more than %d kiosks", KIOSKS_MAX);
    struct kiosk *kiosk = &kiosks->sorted[kiosks->count];
    struct rsa_public *public = &kiosks->keys[kiosks->count];
    struct moment moment;
    long len = base64_decode(der, sizeof der, key, strlen(key));
    if (len < 0 || rsa_public_decode(public, der, (size_t)len) != 0)
        return error_set(error, ERR_FORMAT,
                         "kiosk %s: its key is not base64 of an RSA SubjectPublicKeyInfo", quoted);
    if (rsa_bits(public) < 2048)
        return error_set(error, ERR_FORMAT, "kiosk %s: its key has fewer than 2048 bits", quoted);
    if (until != NULL && moment_parse(until, &moment) != 0)
        return error_set(error, ERR_FORMAT, "kiosk %s: its last day is not a day or a time",
                         quoted);
    kiosk->key = kiosks->count++;
    kiosk->not_after_s =
        until == NULL ? INT64_MAX : moment.unix_s + (moment.is_day ? 86400 - 1 : 0);
    rsa_public_id(public, kiosk->id);
    return 0;
}

static int parse(struct kiosks *kiosks, FILE *file, const char *path, struct error *error) {
    char line[LINE_MAX_LEN];
    struct error reason;
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (strchr(line, '\n') == NULL && !feof(file))
            return error_set(error, ERR_LIMIT, "%s:%u: a line of more than %d bytes", path, number,
                             LINE_MAX_LEN - 2);
        int code = parse_line(kiosks, line, &reason);
        if (code != 0)
            return error_set(error, code, "%s:%u: %.900s", path, number, reason.text);
    }
    return ferror(file) ? error_set_errno(error, "%s", path) : 0;
}

int kiosks_load(struct kiosks *kiosks, const char *path, struct error *error) {
    /* A pipe that nobody writes to would be waited for, for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (file == NULL)
        return error_set_errno(error, "%s", path);
    kiosks->count = 0;
    int code = parse(kiosks, file, path, error);
    fclose(file);
    if (code != 0)
        return code;
    qsort(kiosks->sorted, kiosks->count, sizeof *kiosks->sorted, compare_ids);
    for (uint32_t i = 1; i < kiosks->count; i++) {
        if (memcmp(kiosks->sorted[i - 1].id, kiosks->sorted[i].id, KIOSK_ID_LEN) == 0)
            return error_set(error, ERR_CONFLICT, "%s: two kiosks have one key", path);
    }
    return 0;
}

const struct kiosk *kiosks_find(const struct kiosks *kiosks, const uint8_t *id, size_t id_len) {
    uint32_t low = 0, high = kiosks->count < KIOSKS_MAX ? kiosks->count : KIOSKS_MAX;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(kiosks->sorted[middle].id, id, id_len);
        if (order == 0)
            return &kiosks->sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
