#include "serve/kiosks.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/format.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 4096
#define BLANKS " \t\r\n"
#define REMOVED_FREELY 10 /* kiosks, however many there are */

static int compare_ids(const void *a, const void *b) {
    return memcmp(((const struct kiosk *)a)->id, ((const struct kiosk *)b)->id, SHA256_LEN);
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

bool kiosks_key(const struct kiosks *kiosks, const struct kiosk *kiosk, struct rsa_public *key) {
    return kiosk->key_at <= KIOSKS_KEY_BYTES - kiosk->key_len &&
           rsa_public_decode(key, kiosks->keys + kiosk->key_at, kiosk->key_len) == 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

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

/* Adds a kiosk with this key. 0 or ERR_LIMIT. */
static int add(struct kiosks *kiosks, const struct kiosk *kiosk, const uint8_t *der, size_t len) {
    if (kiosks->count == KIOSKS_MAX || KIOSKS_KEY_BYTES - kiosks->keys_len < len)
        return ERR_LIMIT;
    struct kiosk *added = &kiosks->sorted[kiosks->count++];
    *added = *kiosk;
    added->key_at = kiosks->keys_len;
    added->key_len = (uint16_t)len;
    memcpy(kiosks->keys + kiosks->keys_len, der, len);
    kiosks->keys_len += (uint32_t)len;
    return 0;
}

bool quota_parse(struct quota *quota, char *text) {
    uint32_t *const parts[] = {&quota->minute, &quota->burst, &quota->day};
    for (unsigned i = 0; i < 3; i++) {
        unsigned long long value;
        char *slash = strchr(text, '/');
        if ((slash != NULL) != (i < 2))
            return false;
        if (slash != NULL)
            *slash = '\0';
        if (text_parse_count(text, QUOTA_MAX, &value) != 0 || value == 0)
            return false;
        *parts[i] = (uint32_t)value;
        text = slash != NULL ? slash + 1 : text;
    }
    return true;
}

/* The words behind name and key. */
static int read_more(struct kiosk *kiosk, char *line, const char *quoted, struct error *error) {
    static const char quota_word[] = "quota=", sync_word[] = "sync=";
    struct moment moment;
    bool has_day = false;
    for (char *word; (word = next_word(&line)) != NULL;) {
        if (strncmp(word, quota_word, sizeof quota_word - 1) == 0) {
            if (!quota_parse(&kiosk->quota, word + sizeof quota_word - 1))
                return error_set(error, ERR_FORMAT,
                                 "kiosk %s: its quota is not MINUTE/BURST/DAY, as 120/600/10000",
                                 quoted);
            continue;
        }
        if (strncmp(word, sync_word, sizeof sync_word - 1) == 0) {
            unsigned long long mib;
            if (text_parse_count(word + sizeof sync_word - 1, SYNC_MIB_MAX, &mib) != 0 || mib == 0)
                return error_set(error, ERR_FORMAT,
                                 "kiosk %s: sync= needs a number of MiB a day, as sync=2000",
                                 quoted);
            kiosk->quota.sync_mib = (uint32_t)mib;
            continue;
        }
        if (has_day)
            return error_set(error, ERR_FORMAT, "more than name, key, last day, quota and sync");
        if (moment_parse(word, &moment) != 0)
            return error_set(error, ERR_FORMAT, "kiosk %s: its last day is not a day or a time",
                             quoted);
        kiosk->not_after_s = moment.unix_s + (moment.is_day ? 86400 - 1 : 0);
        has_day = true;
    }
    return 0;
}

static int enrol(struct kiosks *kiosks, const char *name, char *line, struct error *error) {
    uint8_t der[RSA_PUBLIC_DER_MAX];
    char quoted[TEXT_QUOTE_SIZE];
    struct kiosk kiosk = {.not_after_s = INT64_MAX, .quota = quota_default};
    struct rsa_public public;
    const char *key = next_word(&line);
    text_quote(quoted, name, strlen(name));
    if (key == NULL)
        return error_set(error, ERR_FORMAT, "kiosk %s has no key", quoted);
    if (strlen(name) >= KIOSK_NAME_SIZE)
        return error_set(error, ERR_FORMAT, "kiosk %s: its name is longer than %d bytes", quoted,
                         KIOSK_NAME_SIZE - 1);
    long len = base64_decode(der, sizeof der, key, strlen(key));
    if (len < 0 || rsa_public_decode(&public, der, (size_t)len) != 0)
        return error_set(error, ERR_FORMAT,
                         "kiosk %s: its key is not base64 of an RSA SubjectPublicKeyInfo", quoted);
    if (rsa_bits(&public) < 2048)
        return error_set(error, ERR_FORMAT, "kiosk %s: its key has fewer than 2048 bits", quoted);
    memcpy(kiosk.name, name, strlen(name));
    rsa_public_id(&public, kiosk.id);
    int code = read_more(&kiosk, line, quoted, error);
    if (code == 0 && add(kiosks, &kiosk, der, (size_t)len) != 0)
        code = error_set(error, ERR_LIMIT, "more than %d kiosks", KIOSKS_MAX);
    return code;
}

/* --- the file --------------------------------------------------------------------------------- */

/* "# end COUNT" or "# end COUNT removing N" */
struct end_line {
    bool is_there; /* with nothing but remarks behind it */
    unsigned long long count, removing;
};

/* Whether the line is one. */
static bool read_end(struct end_line *end, const char *line) {
    char words[LINE_MAX_LEN], *at = words;
    format_text(words, sizeof words, "%s", line);
    const char *mark = next_word(&at), *what = mark != NULL ? next_word(&at) : NULL;
    if (what == NULL || strcmp(mark, "#") != 0 || strcmp(what, "end") != 0)
        return false;
    const char *count = next_word(&at), *removing = next_word(&at), *number = next_word(&at);
    end->removing = 0;
    end->is_there =
        count != NULL && text_parse_count(count, KIOSKS_MAX, &end->count) == 0 &&
        (removing == NULL || (strcmp(removing, "removing") == 0 && number != NULL &&
                              text_parse_count(number, KIOSKS_MAX, &end->removing) == 0));
    return true;
}

/* Reads all lines that enrol somebody. */
static int read_kiosks(struct kiosks *next, FILE *file, struct end_line *end, const char *path,
                       struct error *error) {
    char line[LINE_MAX_LEN];
    struct error reason;
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        char *rest = line;
        if (strchr(line, '\n') == NULL && !feof(file))
            return error_set(error, ERR_LIMIT,
                             "%s:%u: a line of more than %d bytes, or with a zero", path, number,
                             LINE_MAX_LEN - 2);
        if (strchr(line, '\n') == NULL) /* a name or a day that was cut off may be another one */
            return error_set(error, ERR_FORMAT, "%s:%u: no line feed at its end: was it cut off?",
                             path, number);
        if (read_end(end, line))
            continue;
        line[strcspn(line, "#")] = '\0';
        const char *name = next_word(&rest);
        if (name == NULL)
            continue;
        if (strcmp(name, "revoke") == 0)
            continue;
        end->is_there = false;
        int code = enrol(next, name, rest, &reason);
        if (code != 0)
            return error_set(error, code, "%s:%u: %.900s", path, number, reason.text);
    }
    if (ferror(file))
        return error_set_errno(error, "%s", path);
    qsort(next->sorted, next->count, sizeof *next->sorted, compare_ids);
    for (uint32_t i = 1; i < next->count; i++) {
        const struct kiosk *one = &next->sorted[i - 1], *other = &next->sorted[i];
        if (memcmp(one->id, other->id, KIOSK_ID_LEN) == 0)
            return error_set(error, ERR_CONFLICT, "%s: kiosks %s and %s have one key", path,
                             one->name, other->name);
    }
    return 0;
}

/* --- revocation ------------------------------------------------------------------------------- */

static bool is_meant(const struct kiosk *kiosk, const char *word) {
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (strcmp(kiosk->name, word) == 0)
        return true;
    if (strncmp(word, "SHA256:", 7) != 0)
        return false;
    /* Some programs write the padding, too. */
    rsa_fingerprint_of_id(kiosk->id, fingerprint);
    size_t len = strlen(fingerprint);
    return strncmp(fingerprint, word, len) == 0 &&
           (word[len] == '\0' || strcmp(word + len, "=") == 0);
}

/* Marks whom the word means in the new list, and in the old one by `revoked`. */
static void revoke(struct kiosks *next, const struct kiosks *old, bool *revoked, const char *word,
                   struct kiosks_change *change) {
    bool is_known = false;
    for (uint32_t i = 0; i < next->count; i++) {
        if (is_meant(&next->sorted[i], word))
            is_known = next->sorted[i].is_revoked = true;
    }
    for (uint32_t i = 0; old != NULL && i < old->count; i++) {
        if (is_meant(&old->sorted[i], word))
            is_known = revoked[i] = true;
    }
    if (is_known)
        return;
    if (change->unknown++ == 0)
        text_quote(change->unknown_name, word, strlen(word));
}

/* Every such line counts, also behind a line that is wrong. */
static void read_revocations(struct kiosks *next, const struct kiosks *old, bool *revoked,
                             FILE *file, struct kiosks_change *change) {
    char line[LINE_MAX_LEN];
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char *rest = line;
        if (strchr(line, '\n') == NULL)
            continue; /* the name may be the beginning of another one */
        line[strcspn(line, "#")] = '\0';
        const char *first = next_word(&rest);
        if (first == NULL || strcmp(first, "revoke") != 0)
            continue;
        for (const char *word; (word = next_word(&rest)) != NULL;)
            revoke(next, old, revoked, word, change);
    }
}

/* --- both lists ------------------------------------------------------------------------------- */

static void take_out_revoked(struct kiosks *next) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < next->count; i++) {
        if (!next->sorted[i].is_revoked)
            next->sorted[kept++] = next->sorted[i];
    }
    next->count = kept;
}

/* Adds those of the old list who are not in the new one, nor revoked. */
static int keep_old(struct kiosks *next, const struct kiosks *old, const bool *revoked) {
    uint32_t listed = next->count;
    int code = 0;
    for (uint32_t i = 0; i < old->count && code == 0; i++) {
        const struct kiosk *kiosk = &old->sorted[i];
        bool is_listed =
            listed > 0 && bsearch(kiosk, next->sorted, listed, sizeof *kiosk, compare_ids) != NULL;
        if (!is_listed && !revoked[i])
            code = add(next, kiosk, old->keys + kiosk->key_at, kiosk->key_len);
    }
    qsort(next->sorted, next->count, sizeof *next->sorted, compare_ids);
    return code;
}

static void compare(const struct kiosks *next, const struct kiosks *old, const bool *revoked,
                    struct kiosks_change *change) {
    for (uint32_t i = 0; i < next->count; i++)
        change->added += kiosks_find(old, next->sorted[i].id, SHA256_LEN) == NULL;
    for (uint32_t i = 0; i < old->count; i++) {
        change->revoked += revoked[i];
        change->removed += !revoked[i] && kiosks_find(next, old->sorted[i].id, SHA256_LEN) == NULL;
    }
}

/* Whether those who are not in the file any more may be removed. */
static bool may_remove(const struct kiosks *next, const struct kiosks *old,
                       const struct end_line *end, unsigned enrolled,
                       struct kiosks_change *change) {
    size_t size = sizeof change->why_kept;
    unsigned freely = old->count / 100 > REMOVED_FREELY ? old->count / 100 : REMOVED_FREELY;
    if (change->removed == 0)
        return true;
    if (!end->is_there)
        format_text(change->why_kept, size, "no last line \"# end %u\"", enrolled);
    else if (end->count != enrolled)
        format_text(change->why_kept, size, "the last line says %llu kiosks, and there are %u",
                    end->count, enrolled);
    else if ((change->removed > freely || next->count == 0) && change->removed > end->removing)
        format_text(change->why_kept, size,
                    "so many at once, or all: \"# end %u removing %u\" accepts it", enrolled,
                    change->removed);
    else
        return true;
    return false;
}

static int merge(struct kiosks *next, const struct kiosks *old, const bool *revoked,
                 const struct end_line *end, const char *path, struct kiosks_change *change,
                 struct error *error) {
    unsigned enrolled = next->count;
    take_out_revoked(next);
    if (old == NULL)
        return 0;
    compare(next, old, revoked, change);
    if (may_remove(next, old, end, enrolled, change))
        return 0;
    change->unlisted = change->removed;
    change->removed = 0;
    return keep_old(next, old, revoked) == 0
               ? 0
               : error_set(error, ERR_LIMIT, "%s: more than %d kiosks", path, KIOSKS_MAX);
}

static void clear(struct kiosks *kiosks) {
    kiosks->count = 0;
    kiosks->keys_len = 0;
}

/* What the file says, with two passes over it. */
static int load(struct kiosks *next, const struct kiosks *old, bool *revoked, FILE *file,
                const char *path, struct kiosks_change *change, struct error *error) {
    struct end_line end = {.is_there = false};
    int code = read_kiosks(next, file, &end, path, error);
    read_revocations(next, old, revoked, file, change);
    if (code == 0)
        code = merge(next, old, revoked, &end, path, change, error);
    if (code == 0 || old == NULL)
        return code;
    clear(next);
    change->added = change->removed = change->revoked = 0;
    for (uint32_t i = 0; i < old->count; i++)
        change->revoked += revoked[i];
    keep_old(next, old, revoked);
    return code;
}

int kiosks_load(struct kiosks *next, const struct kiosks *old, const char *path,
                struct kiosks_change *change, struct error *error) {
    bool *revoked = calloc(KIOSKS_MAX, sizeof *revoked);
    /* A pipe that nobody writes to would be waited for, for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    int code = 0;
    memset(change, 0, sizeof *change);
    clear(next);
    if (file == NULL || revoked == NULL)
        code = error_set_errno(error, "%s", path);
    else
        code = load(next, old, revoked, file, path, change, error);
    if (file == NULL && old != NULL && revoked != NULL)
        keep_old(next, old, revoked);
    if (file != NULL)
        fclose(file);
    free(revoked);
    return code;
}
