#include "db/build.h"

#include "base/file.h"
#include "db/runs.h"
#include "db/sort.h"
#include "db/write.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct db_builder {
    const struct db_build_settings *settings;
    struct sort_entry *entries; /* mapped: takes memory as it is filled */
    size_t count;
    size_t capacity;
    struct runs runs;
    struct run_stream stream;
};

int db_build_open(struct db_builder **builder, const struct db_build_settings *settings,
                  struct error *error) {
    struct db_builder *b = calloc(1, sizeof *b);
    *builder = b;
    if (b == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    b->settings = settings;
    runs_init(&b->runs, settings->temporary_folder);
    b->capacity = settings->memory / sizeof *b->entries;
    b->entries = mmap(NULL, b->capacity * sizeof *b->entries, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b->entries == MAP_FAILED) {
        b->entries = NULL;
        db_build_abort(b);
        *builder = NULL;
        return error_set(error, ERR_MEMORY, "no memory for %zu entries",
                         settings->memory / sizeof *b->entries);
    }
    return 0;
}

void db_build_abort(struct db_builder *builder) {
    if (builder == NULL)
        return;
    if (builder->entries != NULL)
        munmap(builder->entries, builder->capacity * sizeof *builder->entries);
    runs_close(&builder->runs);
    free(builder);
}

static void report(const struct db_builder *builder, const char *phase, uint64_t done,
                   uint64_t total) {
    if (builder->settings->progress != NULL)
        builder->settings->progress(builder->settings->progress_context, phase, done, total);
}

/* Sorts what is in memory and makes a run of it. */
static int spill(struct db_builder *builder, struct error *error) {
    sort_entries(builder->entries, builder->count, builder->settings->thread_count);
    int code = runs_spill(&builder->runs, builder->entries, builder->count, error);
    builder->count = 0;
    return code;
}

int db_build_add(struct db_builder *builder, const uint8_t key[DB_KEY_LEN],
                 const struct licence *licence, uint64_t line, struct error *error) {
    if (builder->count == builder->capacity) {
        int code = spill(builder, error);
        if (code != 0)
            return code;
    }
    struct sort_entry *entry = &builder->entries[builder->count++];
    memcpy(entry->sort_key, key, DB_KEY_LEN);
    for (int i = 0; i < 8; i++)
        entry->sort_key[DB_KEY_LEN + i] = (uint8_t)(line >> (56 - 8 * i));
    db_attributes_encode(entry->attributes, licence);
    return 0;
}

/* --- in order --------------------------------------------------------------------------------- */

/* The next entry in order, from memory or from the runs. */
static int next_entry(struct db_builder *builder, size_t *at, const struct sort_entry **entry,
                      struct error *error) {
    if (builder->runs.count > 0)
        return run_stream_next(&builder->stream, entry, error);
    if (*at == builder->count)
        return 0;
    *entry = &builder->entries[(*at)++];
    return 1;
}

static int start_order(struct db_builder *builder, struct error *error) {
    report(builder, "sorting", 0, builder->count);
    if (builder->runs.count == 0) {
        sort_entries(builder->entries, builder->count, builder->settings->thread_count);
        return 0;
    }
    int code = builder->count > 0 ? spill(builder, error) : 0;
    if (code == 0 && builder->capacity < builder->runs.count)
        code = error_set(error, ERR_LIMIT, "too little memory to merge (see --memory)");
    return code != 0 ? code
                     : run_stream_open(&builder->stream, &builder->runs, builder->entries,
                                       builder->capacity, error);
}

/* Takes note of an entry whose key is there already. Entries with one key come by line. */
static void note_twin(struct db_build_summary *summary, const struct sort_entry *kept,
                      const struct sort_entry *twin) {
    if (memcmp(kept->attributes, twin->attributes, DB_ATTRIBUTES_LEN) == 0) {
        summary->duplicate_count++;
        return;
    }
    uint64_t line = sort_entry_line(twin);
    if (summary->conflict_count++ == 0 || line < summary->conflict_lines[1]) {
        struct licence licence;
        db_attributes_decode(&licence, twin->attributes);
        summary->conflict_kind = licence.kind;
        summary->conflict_lines[0] = sort_entry_line(kept);
        summary->conflict_lines[1] = line;
    }
}

/* Gives every key to the writer once. */
static int put_all(struct db_builder *builder, struct db_writer *writer, uint64_t total,
                   struct db_build_summary *summary, struct error *error) {
    const struct sort_entry *entry;
    struct sort_entry kept;
    size_t at = 0;
    uint64_t seen = 0;
    int code;
    while ((code = next_entry(builder, &at, &entry, error)) > 0) {
        if (seen++ % (1u << 20) == 0)
            report(builder, "writing", seen, total);
        if (writer->count > 0 && memcmp(kept.sort_key, entry->sort_key, DB_KEY_LEN) == 0) {
            note_twin(summary, &kept, entry);
            continue;
        }
        kept = *entry;
        db_writer_put(writer, &kept);
    }
    if (code == 0 && summary->conflict_count > 0)
        return error_set(error, ERR_CONFLICT, "entries contradict each other");
    if (code == 0 && writer->count > DB_COUNT_MAX)
        return error_set(error, ERR_LIMIT, "more than %lu entries", (unsigned long)DB_COUNT_MAX);
    return code;
}

static int write_file(struct db_builder *builder, int fd, struct db_build_summary *summary,
                      struct error *error) {
    struct db_writer writer;
    uint64_t total = builder->count;
    for (unsigned i = 0; i < builder->runs.count; i++)
        total += builder->runs.entry_counts[i];
    int code = start_order(builder, error);
    if (code == 0)
        code = db_writer_open(&writer, builder->settings, fd, builder->settings->temporary_folder,
                              error);
    if (code != 0)
        return code;
    code = put_all(builder, &writer, total, summary, error);
    if (code == 0)
        return db_writer_finish(&writer, &summary->header, error);
    db_writer_abort(&writer);
    return code;
}

int db_build_finish(struct db_builder *builder, struct db_build_summary *summary,
                    struct error *error) {
    struct atomic_file file;
    int code = 0;
    memset(summary, 0, sizeof *summary);
    if (builder->count == 0 && builder->runs.count == 0)
        code = error_set(error, ERR_FORMAT, "no licences to write");
    if (code == 0)
        code = atomic_file_open(&file, builder->settings->path, 0644, error);
    if (code == 0) {
        code = write_file(builder, file.fd, summary, error);
        if (code == 0)
            code = atomic_file_commit(&file, 1, error);
        else
            atomic_file_abort(&file);
    }
    db_build_abort(builder);
    return code;
}
