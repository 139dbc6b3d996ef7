/* Cases of matching forms and digests, and of the verdicts of a database. */
#include "kat/suites.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/format.h"
#include "db/answer.h"
#include "kat/database.h"
#include "record/digest.h"
#include "text/matching.h"

#include <stdio.h>
#include <string.h>

/* --- forms ------------------------------------------------------------------------------------ */

/* What a case asks: Input, read as Kind says. */
struct asked {
    bool is_refused; /* Input is no such text */
    char canonical[RECORD_MAX];
    size_t canonical_len;
    uint8_t digest[SHA256_LEN];
    size_t digest_len;
};

/* The fields of vectors belong to this number. */
static const struct form field_number = {8, "GJ051234"};

/* Takes a form, and what is hashed of it. */
static void take_form(struct asked *asked, const struct form *form, enum field field) {
    char text[FIELD_TEXT_MAX];
    uint8_t number[SHA256_LEN];
    memcpy(asked->canonical, form->text, form->len);
    asked->canonical_len = form->len;
    asked->digest_len = field == FIELD_NONE ? SHA256_LEN : FIELD_DIGEST_LEN;
    if (field == FIELD_NONE) {
        number_digest(asked->digest, form);
        return;
    }
    number_digest(number, &field_number);
    field_digest(asked->digest, text, field_text(text, field, number, form));
}

static bool read_asked(const struct kat_vector *vector, struct asked *asked) {
    static const char *const readings[NAME_READINGS] = {"name", "name joined", "name plain"};
    static const struct matching_rules none,
        india = {
            .drops_senior = true, .calling_code = "91", .national_min = 10, .national_max = 10};
    uint8_t input[KAT_VALUE_MAX];
    struct form form;
    enum field field = FIELD_NONE;
    size_t len;
    int code = ERR_FORMAT;
    if (!kat_get_hex(vector, F_INPUT, input, sizeof input, &len))
        return false;
    const char *text = (const char *)input;
    memset(asked, 0, sizeof *asked);
    if (kat_is(vector, F_KIND, "record")) {
        asked->is_refused =
            record_canonical(asked->canonical, &asked->canonical_len, text, len, NULL) != 0 ||
            record_digest(asked->digest, text, len, NULL) != 0;
        asked->digest_len = SHA256_LEN;
        return true;
    }
    for (int reading = 0; reading < NAME_READINGS; reading++) {
        if (kat_is(vector, F_KIND, readings[reading])) {
            field = FIELD_NAME;
            code = name_form(&form, text, len, &none, (enum name_reading)reading, NULL);
        }
    }
    if (kat_is(vector, F_KIND, "name senior")) {
        field = FIELD_NAME;
        code = name_form(&form, text, len, &india, NAME_STORED, NULL);
    } else if (kat_is(vector, F_KIND, "phone") || kat_is(vector, F_KIND, "phone 91")) {
        field = FIELD_PHONE;
        code = phone_form(&form, text, len, kat_is(vector, F_KIND, "phone") ? &none : &india, NULL);
    } else if (kat_is(vector, F_KIND, "birth date")) {
        field = FIELD_BIRTH_DATE;
        code = birth_date_form(&form, text, len, NULL);
    } else if (kat_is(vector, F_KIND, "card")) {
        field = FIELD_CARD;
        code = card_form(&form, text, len, NULL);
    } else if (kat_is(vector, F_KIND, "number")) {
        code = number_form(&form, text, len, NULL);
    } else if (field == FIELD_NONE) {
        kat_fail(vector, "Kind is none of those that there are");
        return false;
    }
    asked->is_refused = code != 0;
    if (!asked->is_refused)
        take_form(asked, &form, field);
    return true;
}

/* Closed by Result, a text must be refused. Closed by Digest, it must have that form and digest. */
enum kat_outcome kat_record(struct kat_vector *vector) {
    uint8_t canonical[KAT_VALUE_MAX], expected[SHA256_LEN];
    size_t canonical_len;
    static struct asked asked;
    if (!read_asked(vector, &asked))
        return KAT_FAILED;
    if (kat_has(vector, F_RESULT)) {
        enum kat_expected result;
        if (!kat_get_result(vector, &result))
            return KAT_FAILED;
        if (result != KAT_MUST_FAIL)
            return kat_fail(vector, "Result of a text can only be F");
        return kat_compare_result(vector, result, !asked.is_refused, "text");
    }
    if (!kat_get_hex(vector, F_CANONICAL, canonical, sizeof canonical, &canonical_len))
        return KAT_FAILED;
    if (asked.is_refused)
        return kat_fail(vector, "a good text was refused");
    if (!kat_get_bytes(vector, F_DIGEST, expected, asked.digest_len))
        return KAT_FAILED;
    if (asked.canonical_len != canonical_len ||
        memcmp(asked.canonical, canonical, canonical_len) != 0)
        return kat_fail(vector, "the form differs");
    return memcmp(asked.digest, expected, asked.digest_len) == 0
               ? KAT_PASSED
               : kat_fail(vector, "the digest differs");
}

/* --- verdicts --------------------------------------------------------------------------------- */

/* What a field of a case holds: text in hexadecimal. Returns its length; 0 where it is not there. */
static size_t text_of(const struct kat_vector *vector, enum kat_field field, uint8_t *text,
                      size_t max) {
    size_t len = 0;
    return kat_has(vector, field) && kat_get_hex(vector, field, text, max, &len) ? len : 0;
}

static bool add_form(struct inquired *inquired, enum field field, const struct form *form) {
    char text[FIELD_TEXT_MAX];
    struct form_digest *digest = &inquired->forms[inquired->form_count++];
    digest->field = (uint8_t)field;
    field_digest(digest->digest, text, field_text(text, field, inquired->digest, form));
    return true;
}

static bool read_inquired(const struct kat_vector *vector, const struct matching_rules *rules,
                          struct inquired *inquired) {
    uint8_t input[KAT_VALUE_MAX];
    struct form form;
    size_t len = text_of(vector, F_INPUT, input, sizeof input);
    const char *text = (const char *)input;
    bool is_good = true;
    *inquired = (struct inquired){0};
    for (uint8_t kind = ASK_NUMBER; kind <= ASK_LEGACY; kind++)
        inquired->kind = kat_is(vector, F_KIND, ask_kind_name(kind)) ? kind : inquired->kind;
    if (inquired->kind == ASK_NUMBER) {
        is_good = number_form(&form, text, len, NULL) == 0;
        if (is_good)
            number_digest(inquired->digest, &form);
    } else if (inquired->kind == ASK_LEGACY) {
        is_good = record_digest(inquired->digest, text, len, NULL) == 0;
    } else {
        sha256(inquired->digest, input, len);
    }
    len = text_of(vector, F_NAME, input, sizeof input);
    for (int reading = 0; reading < NAME_READINGS && len > 0 && is_good; reading++)
        is_good = name_form(&form, text, len, rules, (enum name_reading)reading, NULL) == 0 &&
                  add_form(inquired, FIELD_NAME, &form);
    len = text_of(vector, F_PHONE, input, sizeof input);
    if (len > 0 && is_good)
        is_good = phone_form(&form, text, len, rules, NULL) == 0 &&
                  add_form(inquired, FIELD_PHONE, &form);
    len = text_of(vector, F_BIRTH_DATE, input, sizeof input);
    if (len > 0 && is_good)
        is_good = birth_date_form(&form, text, len, NULL) == 0 &&
                  add_form(inquired, FIELD_BIRTH_DATE, &form);
    len = text_of(vector, F_CARD, input, sizeof input);
    if (len > 0 && is_good)
        is_good = card_form(&form, text, len, NULL) == 0 && add_form(inquired, FIELD_CARD, &form);
    if (!is_good || inquired->kind == 0)
        kat_fail(vector, "the question cannot be asked");
    return is_good && inquired->kind != 0;
}

enum kat_outcome kat_verdict(struct kat_vector *vector) {
    static struct terms terms;
    const struct kat_value *at = &vector->values[F_AT];
    char at_text[TIME_TEXT_SIZE + 1];
    uint8_t class_text[64];
    struct inquired inquired;
    struct moment moment;
    struct db_answer answer;
    struct outcome outcome;
    unsigned long long now;
    if (!kat_open_database(vector))
        return KAT_FAILED;
    const struct db *db = &vector->database->db;
    const struct release_facts *facts = &db->header.facts;
    if (!read_inquired(vector, &facts->rules, &inquired) || !kat_get_number(vector, F_NOW, &now))
        return KAT_FAILED;
    format_text(at_text, sizeof at_text, "%.*s", (int)at->len, at->text != NULL ? at->text : "");
    if (at->len >= sizeof at_text || moment_parse(at_text, &moment) != 0)
        return kat_fail(vector, "At is not a time");
    struct span class = {(char *)class_text,
                         text_of(vector, F_CLASS, class_text, sizeof class_text)};
    db_ask(db, kat_lookup_key(vector), &inquired, &answer);
    if (db_decide(&answer, facts, &db->sets, moment_day(&moment, facts->utc_offset_s), (int64_t)now,
                  &class, class.len > 0, &terms, &outcome) != 0)
        return kat_fail(vector, "the entry has impossible terms");
    return kat_is(vector, F_VERDICT, verdict_name(outcome.verdict))
               ? KAT_PASSED
               : kat_fail(vector, "the verdict differs");
}
