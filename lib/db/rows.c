#include "db/rows.h"

#include <string.h>

#define PIECE 64 /* rows of one unit of work */

void rows_clear(struct rows *rows) {
    rows->count = 0;
    rows->text_used = 0;
}

static const char *keep(struct rows *rows, const char *text, size_t len) {
    char *copy = rows->text + rows->text_used;
    memcpy(copy, text, len);
    rows->text_used += len;
    return copy;
}

int rows_add(struct rows *rows, const struct csv_row *row) {
    struct csv_row *copy = &rows->items[rows->count++].row;
    copy->line = row->line;
    copy->reason = row->reason;
    copy->raw = keep(rows, row->raw, row->raw_len);
    copy->raw_len = row->raw_len;
    copy->field_count = row->reason != NULL ? 0 : row->field_count;
    for (size_t i = 0; i < copy->field_count; i++) {
        const struct csv_field *field = &row->fields[i];
        /* Most fields lie in the row; those with doubled quotation marks elsewhere. */
        int is_inside = field->text >= row->raw && field->text <= row->raw + row->raw_len;
        copy->fields[i].text =
            is_inside ? copy->raw + (field->text - row->raw) : keep(rows, field->text, field->len);
        copy->fields[i].len = field->len;
    }
    return rows->count < ROWS_MAX && sizeof rows->text - rows->text_used >= 2 * CSV_ROW_MAX;
}

static void hash_item(const struct rows *rows, struct rows_item *item) {
    if (item->row.reason != NULL)
        return;
    item->entry_count = rows->registry != NULL
                            ? registry_row(rows->registry, &item->row, item->entries, NULL)
                            : registry_line(&item->row, item->entries, NULL);
    for (int i = 0; i < item->entry_count; i++) {
        uint8_t stored[SHA256_LEN];
        lookup_key_apply(rows->lookup_key, item->entries[i].digest, stored);
        memcpy(item->entries[i].digest, stored, sizeof stored);
    }
}

static int hash_piece(void *context, uint64_t first, uint64_t end) {
    struct rows *rows = context;
    for (uint64_t i = first; i < end; i++)
        hash_item(rows, &rows->items[i]);
    return 0;
}

void rows_hash(struct rows *rows, const struct registry *registry,
               const struct lookup_key *lookup_key, struct parallel *parallel) {
    rows->registry = registry;
    rows->lookup_key = lookup_key;
    parallel_start(parallel, rows->count, PIECE, hash_piece, rows);
}
