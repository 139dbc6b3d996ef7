/* Cases of records and numbers, and of the verdicts of a database. */
#include "kat/suites.h"

#include "base/date.h"
#include "base/format.h"
#include "db/find.h"
#include "kat/database.h"
#include "record/digest.h"

#include <stdio.h>
#include <string.h>

/* What a case asks: Input, read as Kind says. */
struct asked {
    enum licence_kind kind;
    bool is_refused; /* Input is no such text */
    char canonical[RECORD_MAX];
    size_t canonical_len;
    uint8_t digest[SHA256_LEN];
};

static bool read_asked(const struct kat_vector *vector, struct asked *asked) {
    uint8_t input[KAT_VALUE_MAX];
    size_t len;
    if (!kat_get_hex(vector, F_INPUT, input, sizeof input, &len))
        return false;
    const char *text = (const char *)input;
    memset(asked, 0, sizeof *asked);
    if (kat_is(vector, F_KIND, "record")) {
        asked->kind = KIND_RECORD;
        asked->is_refused =
            record_canonical(asked->canonical, &asked->canonical_len, text, len, NULL) != 0 ||
            record_digest(asked->digest, text, len, NULL) != 0;
    } else if (kat_is(vector, F_KIND, "number")) {
        asked->kind = KIND_NUMBER;
        asked->is_refused =
            number_canonical(asked->canonical, &asked->canonical_len, text, len, NULL) != 0 ||
            number_digest(asked->digest, text, len, NULL) != 0;
    } else if (kat_is(vector, F_KIND, "document")) {
        asked->kind = KIND_DOCUMENT;
        sha256(asked->digest, input, len);
    } else {
        kat_fail(vector, "Kind is none of record, number, document");
        return false;
    }
    return true;
}

/* Closed by Result, a record must be refused. Closed by Digest, it must have that digest. */
enum kat_outcome kat_record(struct kat_vector *vector) {
    uint8_t canonical[KAT_VALUE_MAX], expected[SHA256_LEN];
    size_t canonical_len;
    struct asked asked;
    if (!read_asked(vector, &asked))
        return KAT_FAILED;
    if (kat_has(vector, F_RESULT)) {
        enum kat_expected result;
        if (!kat_get_result(vector, &result))
            return KAT_FAILED;
        if (result != KAT_MUST_FAIL)
            return kat_fail(vector, "Result of a record can only be F");
        return kat_compare_result(vector, result, !asked.is_refused, "text of a record");
    }
    if (!kat_get_hex(vector, F_CANONICAL, canonical, sizeof canonical, &canonical_len) ||
        !kat_get_bytes(vector, F_DIGEST, expected, sizeof expected))
        return KAT_FAILED;
    if (asked.is_refused)
        return kat_fail(vector, "a good record was refused");
    if (asked.canonical_len != canonical_len ||
        memcmp(asked.canonical, canonical, canonical_len) != 0)
        return kat_fail(vector, "the canonical form differs");
    return memcmp(asked.digest, expected, SHA256_LEN) == 0 ? KAT_PASSED
                                                           : kat_fail(vector, "the digest differs");
}

enum kat_outcome kat_verdict(struct kat_vector *vector) {
    const struct kat_value *at = &vector->values[F_AT];
    char at_text[TIME_TEXT_SIZE + 1];
    struct asked asked;
    struct moment moment;
    struct db_answer answer;
    if (!kat_open_database(vector) || !read_asked(vector, &asked))
        return KAT_FAILED;
    if (asked.is_refused)
        return kat_fail(vector, "a good record was refused");
    format_text(at_text, sizeof at_text, "%.*s", (int)at->len, at->text != NULL ? at->text : "");
    if (at->len >= sizeof at_text || moment_parse(at_text, &moment) != 0)
        return kat_fail(vector, "At is not a time");
    const struct db *db = &vector->database->db;
    db_ask(db, kat_lookup_key(vector), asked.digest, asked.kind,
           moment_day(&moment, db->header.facts.utc_offset_s), &answer);
    return kat_is(vector, F_VERDICT, verdict_name(answer.verdict))
               ? KAT_PASSED
               : kat_fail(vector, "the verdict differs");
}
