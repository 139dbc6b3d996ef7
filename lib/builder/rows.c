#include "builder/rows.h"

#include "base/bytes.h"

#define PIECE 64 /* rows of one unit of work */
#define PENDING_MAX 128
#define PENDING_TEXT_MAX (8 * REGISTRY_TEXT_MAX)

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

/* Entries that wait to be hashed. */
struct pending {
    size_t count;
    char *text_end;
    struct registry_entry entries[PENDING_MAX];
    uint64_t lines[PENDING_MAX];
    char text[PENDING_TEXT_MAX];
};

static void clear(struct pending *pending) {
    pending->count = 0;
    pending->text_end = pending->text;
}

static bool is_full(const struct pending *pending) {
    return pending->count > PENDING_MAX - REGISTRY_ENTRIES_MAX ||
           pending->text_end > pending->text + sizeof pending->text - REGISTRY_TEXT_MAX;
}

/* Hashes what waits and puts it into the collector. */
static void flush(const struct rows_target *target, struct pending *pending) {
    struct sort_entry made[PENDING_MAX] NOT_CLEARED;
    registry_hash(pending->entries, pending->count);
    for (size_t i = 0; i < pending->count; i++) {
        uint8_t key[DB_KEY_LEN];
        lookup_key_apply(target->lookup_key, pending->entries[i].digest, key);
        sort_entry_set(&made[i], key, &pending->entries[i].licence, pending->lines[i]);
    }
    collector_put(target->collector, made, pending->count);
    clear(pending);
}

static void add_item(const struct rows_target *target, struct rows_item *item,
                     struct pending *pending) {
    struct registry_entry *entries = pending->entries + pending->count;
    int count = ERR_FORMAT;
    if (item->row.reason == NULL)
        count = target->registry != NULL
                    ? registry_row(target->registry, &item->row, entries, &pending->text_end, NULL)
                    : registry_line(&item->row, entries, &pending->text_end, NULL);
    item->is_bad = count < 0;
    for (int i = 0; i < count; i++)
        pending->lines[pending->count++] = item->row.line;
}

static int hash_piece(void *context, uint64_t first, uint64_t end) {
    struct rows *rows = context;
    struct pending pending NOT_CLEARED;
    size_t bad_count = 0;
    clear(&pending);
    for (uint64_t i = first; i < end; i++) {
        if (is_full(&pending))
            flush(rows->target, &pending);
        add_item(rows->target, &rows->items[i], &pending);
        bad_count += rows->items[i].is_bad;
    }
    flush(rows->target, &pending);
    __atomic_fetch_add(&rows->bad_count, bad_count, __ATOMIC_RELAXED);
    return 0;
}

void rows_hash(struct rows *rows, const struct rows_target *target, struct parallel *parallel) {
    rows->target = target;
    rows->bad_count = 0;
    parallel_start(parallel, rows->count, PIECE, hash_piece, rows);
}
