/* Cases of records and numbers, and of verdicts in a database. */
#include "record/digest.h"

#include "base/date.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"
#include "db/find.h"
#include "kat/run.h"

#include <stdio.h>
#include <string.h>

/* The digest of Input as Kind says, and the canonical form on the way there. */
static int question_digest(const struct run *run, uint8_t digest[SHA256_LEN], char *canonical,
                           size_t *canonical_len, enum licence_kind *kind, int *is_refused) {
    uint8_t input[VALUE_MAX];
    size_t len;
    int code = kat_get_hex(run, F_INPUT, input, sizeof input, &len);
    if (code != 0)
        return code;
    const char *text = (const char *)input;
    *is_refused = 0;
    *canonical_len = 0;
    if (kat_is(run, F_KIND, "record")) {
        *kind = KIND_RECORD;
        *is_refused = record_canonical(canonical, canonical_len, text, len, NULL) != 0 ||
                      record_digest(digest, text, len, NULL) != 0;
    } else if (kat_is(run, F_KIND, "number")) {
        *kind = KIND_NUMBER;
        *is_refused = number_canonical(canonical, canonical_len, text, len, NULL) != 0 ||
                      number_digest(digest, text, len, NULL) != 0;
    } else if (kat_is(run, F_KIND, "document")) {
        *kind = KIND_DOCUMENT;
        sha256(digest, input, len);
    } else {
        return kat_malformed(run, "Kind is none of record, number, document");
    }
    return 0;
}

int kat_run_record(struct run *run) {
    char canonical[RECORD_MAX];
    uint8_t expected_canonical[VALUE_MAX], expected[SHA256_LEN], digest[SHA256_LEN];
    size_t canonical_len, expected_len;
    enum licence_kind kind;
    int is_refused;
    int code = question_digest(run, digest, canonical, &canonical_len, &kind, &is_refused);
    if (code != 0)
        return code;
    if (kat_has(run, F_RESULT)) {
        int is_pass;
        code = kat_get_result(run, &is_pass);
        if (code != 0)
            return code;
        return is_pass      ? kat_malformed(run, "Result of a record can only be F")
               : is_refused ? kat_pass(run)
                            : kat_wrong(run, "a text that is no record was accepted");
    }
    code =
        kat_get_hex(run, F_CANONICAL, expected_canonical, sizeof expected_canonical, &expected_len);
    if (code == 0)
        code = kat_get_digest(run, F_DIGEST, expected);
    if (code != 0)
        return code;
    if (is_refused)
        return kat_wrong(run, "a good record was refused");
    if (canonical_len != expected_len || memcmp(canonical, expected_canonical, expected_len) != 0)
        return kat_wrong(run, "the canonical form differs");
    return memcmp(digest, expected, SHA256_LEN) == 0 ? kat_pass(run)
                                                     : kat_wrong(run, "the digest differs");
}

void kat_path_beside(const struct run *run, enum field_name field, char path[PATH_MAX]) {
    const char *slash = strrchr(run->name, '/');
    int folder_len = slash == NULL ? 0 : (int)(slash - run->name) + 1;
    snprintf(path, PATH_MAX, "%.*s%.*s", folder_len, run->name, (int)run->values[field].len,
             run->values[field].text);
}

void kat_close_database(struct run *run) {
    if (run->db_is_open)
        db_close(&run->db);
    run->db_is_open = 0;
}

int kat_open_database(struct run *run) {
    char path[PATH_MAX];
    struct rsa_public authority;
    struct error reason;
    if (run->db_is_open)
        return 0;
    if (!kat_has(run, F_DATABASE) || !kat_has(run, F_AUTHORITY))
        return kat_malformed(run, "[Database] and [Authority] are needed");
    kat_path_beside(run, F_AUTHORITY, path);
    int code = rsa_public_load(&authority, path, 2048, &reason);
    if (code == 0 && kat_has(run, F_LOOKUP_KEY)) {
        kat_path_beside(run, F_LOOKUP_KEY, path);
        code = lookup_key_load(&run->lookup_key, path, &reason);
    }
    if (code == 0) {
        kat_path_beside(run, F_DATABASE, path);
        code = db_open(&run->db, path, &authority, &reason);
        run->db_is_open = code == 0;
    }
    if (code == 0)
        code = db_verify(&run->db, parallel_processors(), path, &reason);
    if (code == 0 && memcmp(run->lookup_key.id, run->db.header.lookup_key_id, SHA256_LEN) != 0)
        return kat_wrong(run, "the database is keyed otherwise");
    return code == 0 ? 0 : kat_wrong(run, reason.text);
}

int kat_run_verdict(struct run *run) {
    char canonical[RECORD_MAX], at[TIME_TEXT_SIZE + 1];
    uint8_t digest[SHA256_LEN];
    size_t canonical_len;
    enum licence_kind kind;
    int is_refused;
    struct moment moment;
    struct db_answer answer;
    int code = kat_open_database(run);
    if (code == 0)
        code = question_digest(run, digest, canonical, &canonical_len, &kind, &is_refused);
    if (code != 0)
        return code;
    if (is_refused)
        return kat_wrong(run, "a good record was refused");
    snprintf(at, sizeof at, "%.*s", (int)run->values[F_AT].len,
             kat_has(run, F_AT) ? run->values[F_AT].text : "");
    if (moment_parse(at, &moment) != 0)
        return kat_malformed(run, "At is not a time");
    db_ask(&run->db, run->db.header.flags & DB_FLAG_KEYED ? &run->lookup_key : NULL, digest, kind,
           moment_day(&moment, run->db.header.utc_offset_s), &answer);
    return kat_is(run, F_VERDICT, verdict_name(answer.verdict))
               ? kat_pass(run)
               : kat_wrong(run, "the verdict differs");
}
