#include "kat/kat.h"

#include "kat/database.h"
#include "kat/suites.h"

#include <string.h>

/* A file of vectors, and how far it has been run. */
struct run {
    struct kat_vector vector;
    const char *text;
    bool is_over; /* the checksum has come */
    bool has_sum; /* and was right */
    struct error reason;
    kat_report *report;
    void *context;
    struct kat_count *count;
};

/* --- one case --------------------------------------------------------------------------------- */

/* A case that is closed by Result says by its other fields what it is about. */
static enum kat_outcome run_result(struct kat_vector *vector) {
    if (kat_has(vector, F_KIND))
        return kat_record(vector);
    if (kat_has(vector, F_S))
        return kat_signature(vector);
    if (kat_has(vector, F_DER))
        return kat_encoding(vector);
    if (kat_has(vector, F_IKM))
        return kat_hkdf(vector);
    if (kat_has(vector, F_TAG))
        return kat_has(vector, F_NONCE) ? kat_aead(vector) : kat_hmac_tag(vector);
    return kat_oaep(vector);
}

/* Whether this field closes a case. */
static bool closes_case(enum kat_field field) {
    return field == F_MD || field == F_MAC || field == F_RESULT || field == F_DIGEST ||
           field == F_VERDICT || field == F_SHARED || field == F_OKM || field == F_SEALED ||
           field == F_ANSWER;
}

static enum kat_outcome run_case(struct kat_vector *vector, enum kat_field last) {
    switch (last) {
    case F_MD:
        return kat_has(vector, F_COUNT) ? kat_sha256_monte(vector) : kat_sha256(vector);
    case F_MAC:
        return kat_hmac(vector);
    case F_DIGEST:
        return kat_record(vector);
    case F_VERDICT:
        return kat_verdict(vector);
    case F_SHARED:
        return kat_x25519(vector);
    case F_OKM:
        return kat_hkdf(vector);
    case F_SEALED:
        return kat_aead(vector);
    case F_ANSWER:
        return kat_session(vector);
    default:
        return run_result(vector);
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

static void forget_case(struct run *run) {
    for (int i = 0; i < KAT_FIELD_COUNT; i++) {
        if (!kat_field_is_kept((enum kat_field)i))
            run->vector.values[i].text = NULL;
    }
}

/* Counts a failure, whose reason has been set, and goes on with the next case. */
static void fail(struct run *run) {
    run->count->failed++;
    run->report(run->context, run->reason.text);
    forget_case(run);
}

static void fail_with(struct run *run, const char *what) {
    kat_fail(&run->vector, what);
    fail(run);
}

/* The checksum covers everything before its line, and is the end of the file. */
static void take_checksum(struct run *run, const char *line_start) {
    uint8_t expected[SHA256_LEN], digest[SHA256_LEN];
    run->is_over = true;
    if (!kat_get_bytes(&run->vector, F_CHECKSUM, expected, sizeof expected)) {
        fail(run);
        return;
    }
    sha256(digest, run->text, (size_t)(line_start - run->text));
    run->has_sum = memcmp(digest, expected, SHA256_LEN) == 0;
    if (!run->has_sum)
        fail_with(run, "the lines above do not have this SHA-256");
    run->vector.values[F_CHECKSUM].text = NULL;
}

/* A Seed of its own begins a chain of the Monte Carlo test. Elsewhere it belongs to RSA-OAEP. */
static bool begins_chain(const struct kat_vector *vector) {
    return !kat_has(vector, F_HASH) && !kat_has(vector, F_SECRET);
}

static void take_chain(struct run *run) {
    struct kat_vector *vector = &run->vector;
    vector->monte_next = 0;
    bool is_good = kat_get_bytes(vector, F_SEED, vector->monte_seed, SHA256_LEN);
    vector->values[F_SEED].text = NULL;
    if (!is_good)
        fail(run);
}

static void take_field(struct run *run, enum kat_field field, struct kat_value value,
                       const char *line_start) {
    struct kat_vector *vector = &run->vector;
    if (!kat_field_is_kept(field) && kat_has(vector, field) && field != F_IGNORED) {
        fail_with(run, "the same name twice in one case");
        return;
    }
    vector->values[field] = value;
    if (field == F_DATABASE || field == F_AUTHORITY || field == F_LOOKUP_KEY)
        kat_close_database(vector);
    if (field == F_CHECKSUM) {
        take_checksum(run, line_start);
    } else if (field == F_SEED && begins_chain(vector)) {
        take_chain(run);
    } else if (closes_case(field)) {
        switch (run_case(vector, field)) {
        case KAT_PASSED:
            run->count->passed++;
            break;
        case KAT_SKIPPED:
            run->count->skipped++;
            break;
        case KAT_FAILED:
            fail(run);
            break;
        }
        forget_case(run);
    }
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct kat_value trimmed(struct kat_value value) {
    while (value.len > 0 && is_space(*value.text))
        value.text++, value.len--;
    while (value.len > 0 && is_space(value.text[value.len - 1]))
        value.len--;
    return value;
}

/* One line: nothing, a comment, or "Name = value", which may stand in brackets. */
static void take_line(struct run *run, const char *start, size_t len) {
    struct kat_value line = trimmed((struct kat_value){start, len});
    if (line.len == 0 || *line.text == '#')
        return;
    if (run->is_over) {
        fail_with(run, "behind the checksum, which does not cover it");
        return;
    }
    if (line.len >= 2 && *line.text == '[' && line.text[line.len - 1] == ']')
        line.text++, line.len -= 2;
    const char *equals = memchr(line.text, '=', line.len);
    if (equals == NULL) {
        fail_with(run, "not of the form Name = value");
        return;
    }
    size_t name_len = (size_t)(equals - line.text);
    struct kat_value name = trimmed((struct kat_value){line.text, name_len});
    struct kat_value value = trimmed((struct kat_value){equals + 1, line.len - name_len - 1});
    int field = kat_field_find(name.text, name.len);
    if (field < 0)
        fail_with(run, "unknown name");
    else
        take_field(run, (enum kat_field)field, value, start);
}

/* --- the file --------------------------------------------------------------------------------- */

static bool is_case_open(const struct kat_vector *vector) {
    for (int i = 0; i < F_IGNORED; i++) {
        if (!kat_field_is_kept((enum kat_field)i) && kat_has(vector, (enum kat_field)i))
            return true;
    }
    return false;
}

/* Where the file says how many cases it has, all of them must have come, and the checksum. */
static void check_end(struct run *run) {
    struct kat_count *count = run->count;
    unsigned long long cases;
    if (is_case_open(&run->vector))
        fail_with(run, "the last case is not complete");
    if (count->passed + count->failed == 0)
        fail_with(run, "no vector that dlv can run");
    if (!kat_has(&run->vector, F_CASES))
        return;
    if (!kat_get_number(&run->vector, F_CASES, &cases))
        fail(run);
    else if (count->failed == 0 && count->passed + count->skipped != cases)
        fail_with(run, "the file does not have as many cases as [Cases] says");
    if (!run->is_over)
        fail_with(run, "the file ends before its checksum");
    count->is_sealed = run->has_sum;
}

bool kat_run(const char *name, const char *text, size_t len, kat_report *report, void *context,
             struct kat_count *count) {
    static struct kat_database database;
    struct run run = {.text = text, .report = report, .context = context, .count = count};
    run.vector = (struct kat_vector){
        .file = name, .error = &run.reason, .monte_next = -1, .database = &database};
    *count = (struct kat_count){0};
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line_len = end == NULL ? len - at : (size_t)(end - text) - at;
        run.vector.line++;
        take_line(&run, text + at, line_len);
        at += line_len + 1;
    }
    check_end(&run);
    kat_close_database(&run.vector);
    return count->failed == 0;
}
