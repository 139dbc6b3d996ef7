#include "record/registry.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/text.h"
#include "record/digest.h"

#include <string.h>

static const char *const column_names[COLUMN_COUNT] = {
    "name", "phone", "licence", "status", "valid_from", "valid_to", "classes", "document"};

int registry_header(struct registry *registry, const struct class_names *class_names,
                    const struct csv_row *row, struct error *error) {
    char quoted[TEXT_QUOTE_SIZE];
    registry->class_names = class_names;
    registry->column_count = row->field_count;
    for (int column = 0; column < COLUMN_COUNT; column++)
        registry->field_of[column] = -1;
    for (size_t i = 0; i < row->field_count; i++) {
        const struct csv_field *field = &row->fields[i];
        int column = 0;
        while (column < COLUMN_COUNT && (strlen(column_names[column]) != field->len ||
                                         memcmp(column_names[column], field->text, field->len)))
            column++;
        text_quote(quoted, field->text, field->len);
        if (column == COLUMN_COUNT)
            return error_set(error, ERR_FORMAT,
                             "unknown column \"%s\" (want name, phone, licence, status, "
                             "valid_from, valid_to; optionally classes, document)",
                             quoted);
        if (registry->field_of[column] >= 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is there twice", quoted);
        registry->field_of[column] = (int)i;
    }
    for (int column = 0; column <= COLUMN_VALID_TO; column++) {
        if (registry->field_of[column] < 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is missing from the header row",
                             column_names[column]);
    }
    return 0;
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

static int is_blank_field(struct csv_field field) {
    for (size_t i = 0; i < field.len; i++) {
        if (field.text[i] != ' ' && field.text[i] != '\t')
            return 0;
    }
    return 1;
}

/* Name, phone and licence number with single spaces between: the record as it is asked for. */
static int record_entry(const struct registry *registry, const struct csv_row *row,
                        struct registry_entry *entry, struct error *error) {
    char record[3 * RECORD_MAX + 3];
    size_t len = 0;
    for (int column = COLUMN_NAME; column <= COLUMN_LICENCE; column++) {
        struct csv_field field = column_of(registry, row, (enum registry_column)column);
        if (is_blank_field(field))
            return error_set(error, ERR_FORMAT, "%s is empty", column_names[column]);
        if (field.len > RECORD_MAX)
            return error_set(error, ERR_FORMAT, "%s is longer than %d bytes", column_names[column],
                             RECORD_MAX);
        if (len > 0)
            record[len++] = ' ';
        memcpy(record + len, field.text, field.len);
        len += field.len;
    }
    struct error reason;
    if (record_digest(entry->digest, record, len, &reason) != 0)
        return error_set(error, ERR_FORMAT, "record: %.900s", reason.text);
    return 0;
}

int registry_row(const struct registry *registry, const struct csv_row *row,
                 struct registry_entry entries[REGISTRY_ENTRIES_MAX], struct error *error) {
    if (row->field_count != registry->column_count)
        return error_set(error, ERR_FORMAT, "%zu fields, but the header row has %zu",
                         row->field_count, registry->column_count);

    struct licence licence = {0};
    struct csv_field field = column_of(registry, row, COLUMN_STATUS);
    if (status_parse(field.text, field.len, &licence.status) != 0)
        return refuse(error, COLUMN_STATUS, field, "a status (want valid, suspended or revoked)");
    field = column_of(registry, row, COLUMN_VALID_FROM);
    if (date_parse(field.text, field.len, &licence.valid_from) != 0)
        return refuse(error, COLUMN_VALID_FROM, field, "a date (want YYYY-MM-DD)");
    field = column_of(registry, row, COLUMN_VALID_TO);
    if (date_parse(field.text, field.len, &licence.valid_to) != 0)
        return refuse(error, COLUMN_VALID_TO, field, "a date (want YYYY-MM-DD)");
    if (licence.valid_to < licence.valid_from)
        return error_set(error, ERR_FORMAT, "valid_to is before valid_from");
    field = column_of(registry, row, COLUMN_CLASSES);
    struct csv_field bad = {0};
    if (classes_parse(registry->class_names, field.text, field.len, &licence.classes, &bad.text,
                      &bad.len) != 0)
        return refuse(error, COLUMN_CLASSES, bad, "one of the authority's classes (see --classes)");

    if (record_entry(registry, row, &entries[0], error) != 0)
        return ERR_FORMAT;
    field = column_of(registry, row, COLUMN_LICENCE);
    struct error reason;
    if (number_digest(entries[1].digest, field.text, field.len, &reason) != 0)
        return error_set(error, ERR_FORMAT, "licence: %.900s", reason.text);
    int count = 2;
    field = column_of(registry, row, COLUMN_DOCUMENT);
    if (field.len > 0) {
        if (hex_decode(entries[2].digest, SHA256_LEN, field.text, field.len) != SHA256_LEN)
            return refuse(error, COLUMN_DOCUMENT, field, "a SHA-256 (want 64 hex digits)");
        count = 3;
    }
    for (int i = 0; i < count; i++) {
        entries[i].licence = licence;
        entries[i].licence.kind = (uint8_t)(KIND_RECORD + i);
    }
    return count;
}

int registry_line(const struct csv_row *row, struct registry_entry entries[REGISTRY_ENTRIES_MAX],
                  struct error *error) {
    entries[0].licence = (struct licence){
        .status = STATUS_VALID, .kind = KIND_RECORD, .valid_from = 0, .valid_to = DATE_DAY_MAX};
    int code = record_digest(entries[0].digest, row->fields[0].text, row->fields[0].len, error);
    return code == 0 ? 1 : code;
}
