#include "question.h"

#include "trouble.h"

#include "base/format.h"
#include "base/text.h"
#include "record/digest.h"
#include "record/lookalike.h"
#include "registry/registry.h"
#include "registry/words.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void query_refuse(struct query *query, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    format_text_list(query->reason, sizeof query->reason, format, arguments);
    va_end(arguments);
    query->is_bad = true;
}

void query_take_record(struct query *query, struct span record) {
    query->kind = ASK_NUMBER;
    if (!record_split(record, &query->fields[FIELD_NAME], &query->fields[FIELD_PHONE],
                      &query->number))
        query_refuse(query, "the record has no phone number between name and licence number "
                            "(--number asks by the number alone)");
}

int query_take_document(struct query *query, const char *path) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    query->kind = ASK_DOCUMENT;
    if (fd < 0 || document_digest(query->digest, fd) != 0)
        return trouble("%s: %m", path);
    if (!is_stdin)
        close(fd);
    return EXIT_OK;
}

static int make_form(struct form *form, unsigned field, struct span text,
                     const struct matching_rules *rules, enum name_reading reading,
                     struct error *error) {
    switch (field) {
    case FIELD_NAME:
        return name_form(form, text.text, text.len, rules, reading, error);
    case FIELD_PHONE:
        return phone_form(form, text.text, text.len, rules, error);
    case FIELD_BIRTH_DATE:
        return birth_date_form(form, text.text, text.len, error);
    default:
        return card_form(form, text.text, text.len, error);
    }
}

/* Adds the digest of a form, unless it is there already. */
static void add_form(struct inquired *item, unsigned field, const struct form *form) {
    char text[FIELD_TEXT_MAX];
    struct form_digest *digest = &item->forms[item->form_count];
    digest->field = (uint8_t)field;
    field_digest(digest->digest, text, field_text(text, (enum field)field, item->digest, form));
    for (unsigned i = 0; i < item->form_count; i++) {
        if (memcmp(&item->forms[i], digest, sizeof *digest) == 0)
            return;
    }
    item->form_count++;
}

int query_take_classes(const char *list, struct span classes[EVIDENCE_CLASSES_MAX],
                       unsigned *count) {
    const char *rest = list;
    struct span item;
    *count = 0;
    while (words_next(&rest, ',', &item)) {
        if (!class_name_is_valid(item) || *count == EVIDENCE_CLASSES_MAX)
            return usage_error("--class \"%s\" is not a list of at most %d classes", list,
                               EVIDENCE_CLASSES_MAX);
        classes[(*count)++] = item;
    }
    return EXIT_OK;
}

int query_take_moment(const char *text, struct moment *at) {
    if (text == NULL || moment_parse(text, at) == 0)
        return EXIT_OK;
    return usage_error("--at \"%s\" is not a time (want 2026-11-24T10:00:00+05:30 or 2026-11-24)",
                       text);
}

bool query_check_number(struct query *query) {
    struct error error;
    if (!query->is_bad && query->kind == ASK_NUMBER &&
        number_form(&query->form, query->number.text, query->number.len, &error) != 0) {
        const char *like = lookalike(query->number);
        query_refuse(query, "the number %s%s%s", error.text, like ? "; it looks like " : "",
                     like ? like : "");
    }
    return !query->is_bad;
}

bool query_form(struct query *query, const struct release_facts *facts, struct inquired *item) {
    struct error error;
    struct form form;
    *item = (struct inquired){.kind = query->kind};
    memcpy(item->digest, query->digest, SHA256_LEN);
    if (!query_check_number(query) || query->kind != ASK_NUMBER)
        return !query->is_bad;
    number_digest(item->digest, &query->form);
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        struct span text = query->fields[field];
        unsigned readings = field == FIELD_NAME ? NAME_READINGS : 1;
        for (unsigned reading = 0; text.len > 0 && reading < readings; reading++) {
            if (make_form(&form, field, text, &facts->rules, (enum name_reading)reading, &error) !=
                0) {
                query_refuse(query, "the %s %s", field_name(field), error.text);
                return false;
            }
            add_form(item, field, &form);
        }
    }
    return true;
}

/* Whether the form has letters that no number of this register has: those of another keyboard. */
static bool has_foreign_letters(const struct form *form, const struct release_facts *facts) {
    const char *lists[2] = {facts->coverage, facts->patterns};
    bool is_foreign = false;
    for (size_t i = 0; i < form->len; i++)
        is_foreign |= (uint8_t)form->text[i] >= 0x80;
    for (int list = 0; list < 2; list++) {
        for (const char *c = lists[list]; *c != '\0'; c++)
            is_foreign &= (uint8_t)*c < 0x80;
    }
    return is_foreign && (*lists[0] != '\0' || *lists[1] != '\0');
}

enum verdict query_missed(struct query *query, const struct release_facts *facts) {
    const char *like = lookalike(query->number);
    if (query->kind != ASK_NUMBER)
        return VERDICT_UNKNOWN;
    if (like != NULL) {
        query_refuse(query, "this is no licence number; it looks like %s", like);
        return VERDICT_COUNT;
    }
    if (has_foreign_letters(&query->form, facts)) {
        query_refuse(query, "the number has letters of another script (another keyboard layout?)");
        return VERDICT_COUNT;
    }
    switch (release_number_standing(facts, (struct span){query->form.text, query->form.len})) {
    case NUMBER_COVERED:
        return VERDICT_UNKNOWN;
    case NUMBER_NOT_COVERED:
        return VERDICT_NOT_COVERED;
    case NUMBER_IMPOSSIBLE:
        break;
    }
    query_refuse(query, "no number of %s looks like this (they are like %.120s)", facts->name,
                 facts->patterns);
    return VERDICT_COUNT;
}
