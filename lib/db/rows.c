#include "db/rows.h"

#include "base/bytes.h"

#define PIECE 64 /* rows of one unit of work */

int rows_read(struct rows *rows, struct csv_reader *reader) {
    int result = CSV_ROW;
    rows->count = 0;
    csv_reader_turn(reader, &rows->block);
    while (rows->count < ROWS_MAX) {
        struct rows_item *item = &rows->items[rows->count];
        result = csv_reader_next_kept(reader, &item->row);
        if (result != CSV_ROW && result != CSV_BAD)
            return result;
        rows->count++;
    }
    return CSV_FULL;
}

/* Returns how many entries a row makes, as they are stored. */
static int make_entries(const struct rows *rows, struct rows_item *item,
                        struct sort_entry made[REGISTRY_ENTRIES_MAX]) {
    struct registry_entry entries[REGISTRY_ENTRIES_MAX] NOT_CLEARED;
    int count = ERR_FORMAT;
    if (item->row.reason == NULL)
        count = rows->registry != NULL ? registry_row(rows->registry, &item->row, entries, NULL)
                                       : registry_line(&item->row, entries, NULL);
    item->is_bad = count < 0;
    for (int i = 0; i < count; i++) {
        uint8_t key[DB_KEY_LEN];
        lookup_key_apply(rows->lookup_key, entries[i].digest, key);
        sort_entry_set(&made[i], key, &entries[i].licence, item->row.line);
    }
    return item->is_bad ? 0 : count;
}

static int hash_piece(void *context, uint64_t first, uint64_t end) {
    struct rows *rows = context;
    struct sort_entry made[PIECE * REGISTRY_ENTRIES_MAX] NOT_CLEARED;
    size_t made_count = 0, bad_count = 0;
    for (uint64_t i = first; i < end; i++) {
        made_count += (size_t)make_entries(rows, &rows->items[i], made + made_count);
        bad_count += (size_t)rows->items[i].is_bad;
    }
    db_build_put(rows->builder, made, made_count);
    __atomic_fetch_add(&rows->bad_count, bad_count, __ATOMIC_RELAXED);
    return 0;
}

void rows_hash(struct rows *rows, const struct registry *registry,
               const struct lookup_key *lookup_key, struct db_builder *builder,
               struct parallel *parallel) {
    rows->registry = registry;
    rows->lookup_key = lookup_key;
    rows->builder = builder;
    rows->bad_count = 0;
    parallel_start(parallel, rows->count, PIECE, hash_piece, rows);
}
