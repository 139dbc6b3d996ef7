#include "registry/registry.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/text.h"

#include <string.h>

static const char *const column_names[COLUMN_COUNT] = {
    "name",     "phone",   "licence",  "status", "valid_from",
    "valid_to", "classes", "document", "op",     "old_document"};

static int column_by_name(const struct registry *registry, const struct csv_field *name) {
    int count = registry->is_change_list ? COLUMN_COUNT : COLUMN_OP;
    for (int column = 0; column < count; column++) {
        if (strlen(column_names[column]) == name->len &&
            memcmp(column_names[column], name->text, name->len) == 0)
            return column;
    }
    return -1;
}

int registry_header(struct registry *registry, const struct class_names *class_names,
                    bool is_change_list, const struct csv_row *row, struct error *error) {
    char quoted[TEXT_QUOTE_SIZE];
    registry->class_names = class_names;
    registry->is_change_list = is_change_list;
    registry->column_count = row->field_count;
    for (int column = 0; column < COLUMN_COUNT; column++)
        registry->field_of[column] = -1;
    for (size_t i = 0; i < row->field_count; i++) {
        const struct csv_field *field = &row->fields[i];
        int column = column_by_name(registry, field);
        text_quote(quoted, field->text, field->len);
        if (column < 0)
            return error_set(error, ERR_FORMAT,
                             "unknown column \"%s\" (want name, phone, licence, status, "
                             "valid_from, valid_to%s; optionally classes, document%s)",
                             quoted, is_change_list ? ", op" : "",
                             is_change_list ? ", old_document" : "");
        if (registry->field_of[column] >= 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is there twice", quoted);
        registry->field_of[column] = (int)i;
    }
    for (int column = 0; column < COLUMN_COUNT; column++) {
        bool is_needed = column <= COLUMN_VALID_TO || (column == COLUMN_OP && is_change_list);
        if (is_needed && registry->field_of[column] < 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is missing from the header row",
                             column_names[column]);
    }
    return 0;
}

bool registry_names_documents(const struct registry *registry) {
    return registry->field_of[COLUMN_DOCUMENT] >= 0 && registry->field_of[COLUMN_OLD_DOCUMENT] >= 0;
}

static struct csv_field column_of(const struct registry *registry, const struct csv_row *row,
                                  enum registry_column column) {
    int field = registry->field_of[column];
    return field < 0 ? (struct csv_field){"", 0} : row->fields[field];
}

/* Says which column is wrong, what it holds, and what is wanted. */
static int refuse(struct error *error, enum registry_column column, struct csv_field field,
                  const char *wanted) {
    char quoted[TEXT_QUOTE_SIZE];
    text_quote(quoted, field.text, field.len);
    return error_set(error, ERR_FORMAT, "%s \"%s\" is not %s", column_names[column], quoted,
                     wanted);
}

/* Name, phone and licence number: the record as it is asked for. */
static int record_entry(const struct registry *registry, const struct csv_row *row,
                        struct registry_entry *entry, char **text, struct error *error) {
    struct record record;
    record_begin(&record, *text);
    for (int column = COLUMN_NAME; column <= COLUMN_LICENCE; column++) {
        struct csv_field field = column_of(registry, row, (enum registry_column)column);
        bool is_blank;
        if (record_add(&record, field.text, field.len, &is_blank, error) != 0)
            return error_prefix(error, ERR_FORMAT, column_names[column]);
        if (is_blank)
            return error_set(error, ERR_FORMAT, "%s is empty", column_names[column]);
    }
    if (record_check(&record, error) != 0)
        return error_prefix(error, ERR_FORMAT, "record");
    entry->text = *text;
    entry->text_len = record.len;
    *text += record.len;
    return 0;
}

static int licence_of(const struct registry *registry, const struct csv_row *row,
                      struct licence *licence, struct error *error) {
    struct csv_field field = column_of(registry, row, COLUMN_STATUS);
    if (status_parse(field.text, field.len, &licence->status) != 0)
        return refuse(error, COLUMN_STATUS, field, "a status (want valid, suspended or revoked)");
    field = column_of(registry, row, COLUMN_VALID_FROM);
    if (date_parse(field.text, field.len, &licence->valid_from) != 0)
        return refuse(error, COLUMN_VALID_FROM, field, "a date (want YYYY-MM-DD)");
    field = column_of(registry, row, COLUMN_VALID_TO);
    if (date_parse(field.text, field.len, &licence->valid_to) != 0)
        return refuse(error, COLUMN_VALID_TO, field, "a date (want YYYY-MM-DD)");
    if (licence->valid_to < licence->valid_from)
        return error_set(error, ERR_FORMAT, "valid_to is before valid_from");
    field = column_of(registry, row, COLUMN_CLASSES);
    struct csv_field bad = {0};
    if (classes_parse(registry->class_names, field.text, field.len, &licence->classes, &bad.text,
                      &bad.len) != 0)
        return refuse(error, COLUMN_CLASSES, bad, "one of the authority's classes");
    return 0;
}

static int number_entry(const struct registry *registry, const struct csv_row *row,
                        struct registry_entry *entry, char **text, struct error *error) {
    struct csv_field field = column_of(registry, row, COLUMN_LICENCE);
    if (number_text(*text, &entry->text_len, field.text, field.len, error) != 0)
        return error_prefix(error, ERR_FORMAT, column_names[COLUMN_LICENCE]);
    entry->text = *text;
    *text += entry->text_len;
    return 0;
}

/* Returns 1, 0 where the column is empty, or ERR_FORMAT. */
static int document_entry(const struct registry *registry, const struct csv_row *row,
                          enum registry_column column, struct registry_entry *entry,
                          struct error *error) {
    struct csv_field field = column_of(registry, row, column);
    if (field.len == 0)
        return 0;
    if (hex_decode(entry->digest, SHA256_LEN, field.text, field.len) != SHA256_LEN)
        return refuse(error, column, field, "a SHA-256 (want 64 hex digits)");
    entry->text = NULL;
    return 1;
}

/* Whether a row of a change list removes its entries instead of setting them. 0 or ERR_FORMAT. */
static int read_operation(const struct registry *registry, const struct csv_row *row,
                          bool *is_removal, struct error *error) {
    *is_removal = false;
    if (!registry->is_change_list)
        return 0;
    struct csv_field field = column_of(registry, row, COLUMN_OP);
    *is_removal = field.len == 6 && memcmp(field.text, "delete", 6) == 0;
    if (*is_removal || (field.len == 3 && memcmp(field.text, "set", 3) == 0))
        return 0;
    return refuse(error, COLUMN_OP, field, "an operation (want set or delete)");
}

static void fill(struct registry_entry *entry, enum licence_kind kind,
                 const struct licence *licence, bool is_removal) {
    entry->licence = is_removal ? (struct licence){0} : *licence;
    entry->licence.kind = (uint8_t)kind;
}

int registry_row(const struct registry *registry, const struct csv_row *row,
                 struct registry_entry entries[REGISTRY_ENTRIES_MAX], char **text,
                 struct error *error) {
    struct licence licence = {0};
    if (row->field_count != registry->column_count)
        return error_set(error, ERR_FORMAT, "%zu fields, but the header row has %zu",
                         row->field_count, registry->column_count);
    bool is_removal;
    if (read_operation(registry, row, &is_removal, error) != 0 ||
        (!is_removal && licence_of(registry, row, &licence, error) != 0) ||
        record_entry(registry, row, &entries[0], text, error) != 0 ||
        number_entry(registry, row, &entries[1], text, error) != 0)
        return ERR_FORMAT;
    fill(&entries[0], KIND_RECORD, &licence, is_removal);
    fill(&entries[1], KIND_NUMBER, &licence, is_removal);

    int document = document_entry(registry, row, COLUMN_DOCUMENT, &entries[2], error);
    if (document < 0)
        return document;
    fill(&entries[2], KIND_DOCUMENT, &licence, is_removal);
    struct registry_entry *old = &entries[2 + document];
    int old_document = document_entry(registry, row, COLUMN_OLD_DOCUMENT, old, error);
    if (old_document < 0)
        return old_document;
    fill(old, KIND_DOCUMENT, &licence, true);
    if (document && old_document && memcmp(old->digest, entries[2].digest, SHA256_LEN) == 0)
        old_document = 0; /* the document stays the same */
    return 2 + document + old_document;
}

int registry_line(const struct csv_row *row, struct registry_entry entries[REGISTRY_ENTRIES_MAX],
                  char **text, struct error *error) {
    struct registry_entry *entry = &entries[0];
    int code =
        record_canonical(*text, &entry->text_len, row->fields[0].text, row->fields[0].len, error);
    if (code != 0)
        return code;
    entry->text = *text;
    entry->licence = (struct licence){
        .status = STATUS_VALID, .kind = KIND_RECORD, .valid_from = 0, .valid_to = DATE_DAY_MAX};
    *text += entry->text_len;
    return 1;
}

void registry_hash(struct registry_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (entries[i].text != NULL)
            sha256(entries[i].digest, entries[i].text, entries[i].text_len);
    }
}
