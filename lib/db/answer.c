#include "db/answer.h"

#include "base/bytes.h"
#include "db/find.h"

#include <string.h>

const char *ask_kind_name(unsigned kind) {
    static const char *const names[] = {"", "number", "document", "legacy"};
    return kind <= ASK_LEGACY ? names[kind] : "";
}

bool inquired_is_sound(const struct inquired *inquired) {
    unsigned counts[FIELD_COUNT] = {0};
    for (unsigned i = 0; i < inquired->form_count; i++) {
        unsigned field = inquired->forms[i].field;
        if (field <= FIELD_NONE || field >= FIELD_COUNT ||
            ++counts[field] > (field == FIELD_NAME ? NAME_FORMS_MAX : 1))
            return false;
    }
    return true;
}

struct db_answer db_answer_none(void) {
    return (struct db_answer){.is_found = false, .is_whole = true};
}

bool db_kind_answers(enum entry_kind kind, unsigned ask_kind) {
    switch (kind) {
    case ENTRY_LICENCE:
    case ENTRY_FORMER:
        return ask_kind == ASK_NUMBER;
    case ENTRY_DOCUMENT:
        return ask_kind == ASK_DOCUMENT;
    case ENTRY_LEGACY:
        return ask_kind == ASK_LEGACY;
    }
    return false;
}

/* Compares one form with the codes on file. */
static void compare_form(struct db_answer *answer, const struct check_fields *fields,
                         const struct lookup_key *key, const struct form_digest *form,
                         const uint8_t *codes) {
    uint8_t stored[SHA256_LEN], code[CODES_LEN] = {0};
    uint8_t *match = &answer->matches[form->field];
    size_t len = check_code_len(fields);
    int place = check_fields_place(fields, form->field);
    if (place < 0) {
        *match = FIELD_NOT_KEPT;
        return;
    }
    const uint8_t *own = codes + (size_t)place * len;
    lookup_key_apply_field(key, form->digest, stored);
    check_code_set(code, len, stored);
    if (form->field == FIELD_CARD)
        answer->card_state = further_card(answer->further, code, len);
    if (bytes_are_zero(own, len))
        *match = FIELD_NOT_ON_FILE;
    else if (memcmp(own, code, len) == 0)
        *match = FIELD_SAME;
    else if (*match != FIELD_SAME)
        *match = FIELD_DIFFERS;
}

struct db_answer db_answer_of(const struct check_fields *fields, const struct lookup_key *key,
                              const struct inquired *inquired, const uint8_t asked[DB_ENTRY_LEN],
                              const uint8_t licence[DB_ENTRY_LEN], struct further further) {
    struct db_answer answer = {.is_found = true,
                               .is_whole = true,
                               .kind = (uint8_t)terms_kind(asked + ENTRY_TERMS),
                               .further = further};
    memcpy(answer.terms, licence + ENTRY_TERMS, DB_TERMS_LEN);
    for (unsigned i = 0; i < inquired->form_count; i++)
        compare_form(&answer, fields, key, &inquired->forms[i], asked + ENTRY_CODES);
    return answer;
}

static struct db_answer read_entry(const struct db *db, const struct lookup_key *key,
                                   const struct inquired *inquired, bool is_found, uint64_t at) {
    if (!is_found)
        return db_answer_none();
    const uint8_t *asked = db_entry(db, at), *licence = asked;
    enum entry_kind kind = terms_kind(asked + ENTRY_TERMS);
    struct further further;
    if (!db_kind_answers(kind, inquired->kind))
        return db_answer_none();
    if (kind != ENTRY_LICENCE) {
        if (!db_find_licence(db, terms_licence_prefix(asked + ENTRY_TERMS), &at))
            return db_answer_none();
        licence = db_entry(db, at);
    }
    if (!terms_further(licence + ENTRY_TERMS, &db->further, &further))
        return db_answer_none();
    return db_answer_of(&db->header.facts.fields, key, inquired, asked, licence, further);
}

void db_ask(const struct db *db, const struct lookup_key *key, const struct inquired *inquired,
            struct db_answer *answer) {
    uint8_t stored[DB_KEY_LEN];
    uint64_t at;
    lookup_key_apply(key, inquired->digest, stored);
    bool is_found = db_find(db, stored, &at);
    *answer = read_entry(db, key, inquired, is_found, at);
}

void db_ask_batch(const struct db *db, const struct lookup_key *key,
                  const struct inquired *inquired, size_t n, struct db_answer *answers) {
    uint8_t keys[DB_BATCH_MAX * DB_KEY_LEN] = {0}, found[DB_BATCH_MAX];
    uint64_t at[DB_BATCH_MAX];
    for (size_t i = 0; i < n; i++)
        lookup_key_apply(key, inquired[i].digest, keys + i * DB_KEY_LEN);
    db_find_batch(db, keys, n, found, at);
    for (size_t i = 0; i < n; i++)
        answers[i] = read_entry(db, key, &inquired[i], found[i], at[i]);
}

int db_decide(const struct db_answer *answer, const struct release_facts *facts,
              const struct class_sets *sets, uint32_t day, int64_t now_s,
              const struct span *classes, unsigned class_count, struct terms *terms,
              struct outcome *outcome) {
    struct inquiry inquiry = {.day = day, .class_count = class_count, .classes = classes};
    struct covered_days covered = release_days(facts, now_s);
    *outcome = (struct outcome){.verdict = VERDICT_UNKNOWN, .standing = VERDICT_UNKNOWN};
    if (!answer->is_found)
        return 0;
    if (!terms_read(terms, answer->terms, answer->further, sets, check_code_len(&facts->fields),
                    answer->is_whole))
        return ERR_FORMAT;
    for (unsigned field = FIELD_NAME; field < FIELD_CARD; field++)
        inquiry.matches[field] = (enum field_match)answer->matches[field];
    inquiry.card =
        (struct card_match){(enum field_match)answer->matches[FIELD_CARD], answer->card_state};
    *outcome = verdict_decide(terms, &inquiry, &covered);
    return 0;
}
