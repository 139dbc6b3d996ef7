#include "kat/run.h"

#include "base/bytes.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* Whether a value outlives its case (keys, files) or belongs to it alone. */
static const struct {
    const char *name;
    int is_kept;
} fields[FIELD_COUNT] = {
    [F_LENGTH] = {"L", 1},
    [F_LEN] = {"Len", 0},
    [F_TLEN] = {"Tlen", 0},
    [F_MSG] = {"Msg", 0},
    [F_MD] = {"MD", 0},
    [F_SEED] = {"Seed", 0},
    [F_COUNT] = {"COUNT", 0},
    [F_KEY] = {"Key", 0},
    [F_MAC] = {"Mac", 0},
    [F_N] = {"n", 1},
    [F_E] = {"e", 1},
    [F_P] = {"p", 1},
    [F_Q] = {"q", 1},
    [F_DP] = {"dP", 1},
    [F_DQ] = {"dQ", 1},
    [F_QINV] = {"qInv", 1},
    [F_HASH] = {"Hash", 0},
    [F_SHAALG] = {"SHAAlg", 0},
    [F_LABEL] = {"Label", 0},
    [F_CT] = {"CT", 0},
    [F_S] = {"S", 0},
    [F_RESULT] = {"Result", 0},
    [F_KIND] = {"Kind", 0},
    [F_INPUT] = {"Input", 0},
    [F_CANONICAL] = {"Canonical", 0},
    [F_DIGEST] = {"Digest", 0},
    [F_DATABASE] = {"Database", 1},
    [F_AUTHORITY] = {"Authority", 1},
    [F_LOOKUP_KEY] = {"LookupKey", 1},
    [F_AT] = {"At", 0},
    [F_VERDICT] = {"Verdict", 0},
    [F_SCALAR] = {"Scalar", 0},
    [F_POINT] = {"Point", 0},
    [F_SHARED] = {"Shared", 0},
    [F_SALT] = {"Salt", 0},
    [F_INFO] = {"Info", 0},
    [F_IKM] = {"IKM", 0},
    [F_OKM] = {"OKM", 0},
    [F_NONCE] = {"Nonce", 0},
    [F_AAD] = {"Aad", 0},
    [F_SEALED] = {"Sealed", 0},
    [F_KIOSK_KEY] = {"KioskKey", 1},
    [F_SECRET] = {"Secret", 0},
    [F_EXPONENT] = {"Exponent", 0},
    [F_OPEN] = {"Open", 0},
    [F_SERVER_EXPONENT] = {"ServerExponent", 0},
    [F_TICKET_KEY] = {"TicketKey", 0},
    [F_TICKET_NONCE] = {"TicketNonce", 0},
    [F_NOW] = {"Now", 0},
    [F_ACCEPT] = {"Accept", 0},
    [F_SESSION_KEY] = {"SessionKey", 0},
    [F_FLAGS] = {"Flags", 0},
    [F_DIGESTS] = {"Digests", 0},
    [F_ASK] = {"Ask", 0},
    [F_ANSWER_NONCE] = {"AnswerNonce", 0},
    [F_ANSWER] = {"Answer", 0},
    [F_CHECKSUM] = {"Checksum", 0},
    [F_IGNORED] = {"", 0},
};

/* Found in NIST's files, not needed to run them. */
static const char *const ignored[] = {
    "mod", "d", "SaltVal", "EM", "EM with hash moved", "EM with trailer wrong", "Klen"};

int kat_wrong(const struct run *run, const char *what) {
    return error_set(run->error, ERR_SIGNATURE, "%s:%lu: %s", run->name, run->line, what);
}

int kat_malformed(const struct run *run, const char *what) {
    return error_set(run->error, ERR_FORMAT, "%s:%lu: %s", run->name, run->line, what);
}

int kat_has(const struct run *run, enum field_name field) {
    return run->values[field].text != NULL;
}

int kat_is(const struct run *run, enum field_name field, const char *text) {
    const struct value *value = &run->values[field];
    return value->text != NULL && value->len == strlen(text) &&
           memcmp(value->text, text, value->len) == 0;
}

int kat_get_hex(const struct run *run, enum field_name field, uint8_t *bytes, size_t max,
                size_t *len) {
    const struct value *value = &run->values[field];
    char reason[64];
    long n = value->text == NULL ? ERR_FORMAT : hex_decode(bytes, max, value->text, value->len);
    if (n < 0) {
        snprintf(reason, sizeof reason, "%s is missing or not hexadecimal", fields[field].name);
        return kat_malformed(run, reason);
    }
    *len = (size_t)n;
    return 0;
}

int kat_get_bytes(const struct run *run, enum field_name field, uint8_t *bytes, size_t len) {
    char reason[64];
    size_t got = 0;
    int code = kat_get_hex(run, field, bytes, len, &got);
    if (code != 0 || got == len)
        return code;
    snprintf(reason, sizeof reason, "%s has not %zu bytes", fields[field].name, len);
    return kat_malformed(run, reason);
}

int kat_get_digest(const struct run *run, enum field_name field, uint8_t digest[SHA256_LEN]) {
    return kat_get_bytes(run, field, digest, SHA256_LEN);
}

int kat_get_number(const struct run *run, enum field_name field, unsigned long long *number) {
    char digits[24];
    const struct value *value = &run->values[field];
    if (value->text != NULL && value->len < sizeof digits) {
        snprintf(digits, sizeof digits, "%.*s", (int)value->len, value->text);
        if (text_parse_count(digits, 1000000000000, number) == 0)
            return 0;
    }
    return kat_malformed(run, "not a number");
}

int kat_get_result(const struct run *run, int *is_pass) {
    const struct value *value = &run->values[F_RESULT];
    *is_pass = value->len > 0 && value->text[0] == 'P';
    if (value->len == 0 || (value->text[0] != 'P' && value->text[0] != 'F') ||
        (value->len > 1 && value->text[1] != ' '))
        return kat_malformed(run, "Result is neither P nor F");
    return 0;
}

int kat_skip(struct run *run) {
    run->count->skipped++;
    return 0;
}

int kat_pass(struct run *run) {
    run->count->passed++;
    return 0;
}

static int run_checksum(struct run *run, const char *line_start) {
    uint8_t expected[SHA256_LEN], digest[SHA256_LEN];
    int code = kat_get_digest(run, F_CHECKSUM, expected);
    if (code != 0)
        return code;
    sha256(digest, run->text, (size_t)(line_start - run->text));
    return memcmp(digest, expected, SHA256_LEN) == 0
               ? 0
               : kat_wrong(run, "the lines above do not have this SHA-256");
}

/* --- the file -------------------------------------------------------------------------------- */

static int run_case(struct run *run, enum field_name last, const char *line_start) {
    switch (last) {
    case F_MD:
        return kat_has(run, F_COUNT) ? kat_run_sha256_monte(run) : kat_run_sha256(run);
    case F_MAC:
        return kat_run_hmac(run);
    case F_RESULT:
        return kat_has(run, F_KIND) ? kat_run_record(run)
               : kat_has(run, F_S)  ? kat_run_signature(run)
                                    : kat_run_oaep(run);
    case F_DIGEST:
        return kat_run_record(run);
    case F_VERDICT:
        return kat_run_verdict(run);
    case F_SHARED:
        return kat_run_x25519(run);
    case F_OKM:
        return kat_run_hkdf(run);
    case F_SEALED:
        return kat_run_aead(run);
    case F_ANSWER:
        return kat_run_transcript(run);
    case F_CHECKSUM:
        return run_checksum(run, line_start);
    default:
        return 1; /* not complete yet */
    }
}

static int field_lookup(const char *name, size_t len) {
    for (int i = 0; i < F_IGNORED; i++) {
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return i;
    }
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        if (strlen(ignored[i]) == len && memcmp(ignored[i], name, len) == 0)
            return F_IGNORED;
    }
    return -1;
}

static int take_field(struct run *run, enum field_name field, struct value value,
                      const char *line_start) {
    if (!fields[field].is_kept && kat_has(run, field) && field != F_IGNORED)
        return kat_malformed(run, "the same name twice in one case");
    run->values[field] = value;
    if (field == F_DATABASE || field == F_AUTHORITY || field == F_LOOKUP_KEY)
        kat_close_database(run);
    /* Monte Carlo's, not OAEP's. */
    if (field == F_SEED && !kat_has(run, F_HASH) && !kat_has(run, F_SECRET)) {
        run->monte_next = 0;
        run->values[F_SEED] = value;
        int code = kat_get_digest(run, F_SEED, run->monte_seed);
        run->values[F_SEED].text = NULL;
        return code;
    }
    int code = run_case(run, field, line_start);
    if (code > 0)
        return 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!fields[i].is_kept)
            run->values[i].text = NULL;
    }
    return code;
}

static int is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* One line: nothing, a comment, or Name = value with or without brackets. */
static int take_line(struct run *run, const char *line, size_t len) {
    const char *start = line;
    while (len > 0 && is_space(*line))
        line++, len--;
    while (len > 0 && is_space(line[len - 1]))
        len--;
    if (len == 0 || *line == '#')
        return 0;
    if (*line == '[' && line[len - 1] == ']')
        line++, len -= 2;
    const char *equals = memchr(line, '=', len);
    if (equals == NULL)
        return kat_malformed(run, "not of the form Name = value");
    size_t name_len = (size_t)(equals - line);
    struct value value = {equals + 1, len - name_len - 1};
    while (name_len > 0 && is_space(line[name_len - 1]))
        name_len--;
    while (value.len > 0 && is_space(*value.text))
        value.text++, value.len--;
    while (value.len > 0 && is_space(value.text[value.len - 1]))
        value.len--;
    int field = field_lookup(line, name_len);
    if (field < 0)
        return kat_malformed(run, "unknown name");
    return take_field(run, (enum field_name)field, value, start);
}

int kat_run(const char *name, const char *text, size_t len, struct kat_count *count,
            struct error *error) {
    struct run run = {.name = name, .text = text, .count = count, .error = error, .monte_next = -1};
    int code = 0;
    *count = (struct kat_count){0};
    for (size_t at = 0; code == 0 && at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end == NULL ? len - at : (size_t)(end - text) - at;
        run.line++;
        code = take_line(&run, text + at, line_len);
        at += line_len + 1;
    }
    for (int i = 0; code == 0 && i < FIELD_COUNT; i++) {
        if (!fields[i].is_kept && i != F_IGNORED && kat_has(&run, (enum field_name)i))
            code = kat_malformed(&run, "the last case is not complete");
    }
    if (code == 0 && count->passed == 0)
        code = kat_malformed(&run, "no vector that dlv can run");
    kat_close_database(&run);
    return code;
}
