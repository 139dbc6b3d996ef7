#include "db/build.h"

#include "base/file.h"
#include "base/parallel.h"
#include "db/runs.h"
#include "db/sort.h"
#include "db/write.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RELEASE (1u << 16) /* entries; whole pages */

/* Until the first spill all memory is filled at once; then one half is filled while the other is
 * sorted and written on a thread of its own. */
struct db_builder {
    const struct db_build_settings *settings;
    struct sort_entry *entries; /* mapped: takes memory as it is filled */
    size_t capacity;
    size_t start; /* of the part that is being filled ... */
    size_t count; /* ... how far it is, from the start of memory ... */
    size_t limit; /* ... and where it ends */
    struct runs runs;
    struct parallel spiller;
    struct sort_entry *spilling; /* what it works on */
    size_t spilling_count;
    struct error spill_error;
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
    parallel_open(&b->spiller, settings->thread_count > 1 ? 2 : 1);
    b->capacity = b->limit = settings->memory / sizeof *b->entries;
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
    parallel_close(&builder->spiller);
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

/* --- spilling --------------------------------------------------------------------------------- */

/* Sorts what is to be spilled and makes a run of it. */
static int spill(void *context, uint64_t first, uint64_t end) {
    struct db_builder *builder = context;
    (void)first, (void)end; /* one unit */
    sort_entries(builder->spilling, builder->spilling_count, builder->settings->thread_count);
    return runs_spill(&builder->runs, builder->spilling, builder->spilling_count,
                      &builder->spill_error);
}

static int wait_for_spill(struct db_builder *builder, struct error *error) {
    int code = parallel_wait(&builder->spiller);
    if (code != 0)
        *error = builder->spill_error;
    return code;
}

/* Begins to spill what is in memory between two places. */
static int begin_spill(struct db_builder *builder, size_t from, size_t to, struct error *error) {
    int code = wait_for_spill(builder, error);
    if (code == 0 && from < to) {
        builder->spilling = builder->entries + from;
        builder->spilling_count = to - from;
        parallel_start(&builder->spiller, 1, 1, spill, builder);
    }
    return code;
}

/* Spills the part that is full, and goes on with the half of memory that is free. */
static int turn(struct db_builder *builder, struct error *error) {
    size_t half = builder->capacity / 2;
    int code = 0;
    if (builder->start == 0 && builder->limit == builder->capacity) { /* the first time */
        code = begin_spill(builder, 0, half, error);
        builder->start = half;
    }
    if (code == 0)
        code = begin_spill(builder, builder->start, builder->count, error);
    builder->start = builder->count = builder->start > 0 ? 0 : half;
    builder->limit = builder->start + half;
    return code;
}

int db_build_reserve(struct db_builder *builder, size_t count, struct error *error) {
    if (builder->count + count <= builder->limit)
        return 0;
    if (count > builder->capacity / 2)
        return error_set(error, ERR_LIMIT, "too little memory (see --memory)");
    return turn(builder, error);
}

void db_build_put(struct db_builder *builder, const struct sort_entry *entries, size_t count) {
    size_t at = __atomic_fetch_add(&builder->count, count, __ATOMIC_RELAXED);
    memcpy(builder->entries + at, entries, count * sizeof *entries);
}

int db_build_add(struct db_builder *builder, const uint8_t key[DB_KEY_LEN],
                 const struct licence *licence, uint64_t line, struct error *error) {
    int code = db_build_reserve(builder, 1, error);
    if (code == 0)
        sort_entry_set(&builder->entries[builder->count++], key, licence, line);
    return code;
}

/* --- in order --------------------------------------------------------------------------------- */

/* Gives back the memory of the entries before `at`: the file's own pages in the system's cache can
 * then take it, which is cheaper than memory that was not in use. */
static void release(const struct db_builder *builder, size_t at) {
    madvise(builder->entries + (at - RELEASE), RELEASE * sizeof *builder->entries, MADV_DONTNEED);
}

/* The next entry in order, from memory or from the runs. */
static int next_entry(struct db_builder *builder, size_t *at, const struct sort_entry **entry,
                      struct error *error) {
    if (builder->runs.count > 0)
        return run_stream_next(&builder->stream, entry, error);
    if (*at == builder->count)
        return 0;
    if (*at % RELEASE == 0 && *at > 0)
        release(builder, *at);
    *entry = &builder->entries[(*at)++];
    __builtin_prefetch((const void *)((uintptr_t)*entry + 16 * sizeof **entry));
    return 1;
}

static int start_order(struct db_builder *builder, struct error *error) {
    int code = wait_for_spill(builder, error);
    if (code != 0)
        return code;
    report(builder, "sorting", 0, builder->count);
    if (builder->runs.count == 0) {
        sort_entries(builder->entries, builder->count, builder->settings->thread_count);
        return 0;
    }
    code = begin_spill(builder, builder->start, builder->count, error);
    if (code == 0)
        code = wait_for_spill(builder, error);
    if (code == 0 && builder->capacity < builder->runs.count)
        code = error_set(error, ERR_LIMIT, "too little memory to merge (see --memory)");
    return code != 0 ? code
                     : run_stream_open(&builder->stream, &builder->runs, builder->entries,
                                       builder->capacity, error);
}

/* --- what becomes of entries with one key ----------------------------------------------------- */

/* All entries with one key, which come by line: the first that sets it, the first that removes it.
 */
struct group {
    struct sort_entry set;
    struct sort_entry removal;
    int is_set;
    int is_removed;
};

struct merge {
    struct db_builder *builder;
    struct db_writer *writer;
    struct db_build_summary *summary;
    struct error *error;
    int has_base; /* an entry of the base is at base_key, not yet written */
    const uint8_t *base_key;
    const uint8_t *base_attributes;
};

static uint8_t kind_of(const uint8_t attributes[DB_ATTRIBUTES_LEN]) {
    return attributes[DB_ATTRIBUTES_LEN - 1] >> 6;
}

static int is_removal(const struct sort_entry *entry) {
    return (entry->attributes[DB_ATTRIBUTES_LEN - 1] >> 4 & 3) == 0;
}

static void note_conflict(struct db_build_summary *summary, uint64_t earlier, uint64_t later,
                          uint8_t kind) {
    if (summary->conflict_count++ > 0 && later >= summary->conflict_lines[1])
        return;
    summary->conflict_kind = kind;
    summary->conflict_lines[0] = earlier;
    summary->conflict_lines[1] = later;
}

static void note_absent(struct db_build_summary *summary, const struct sort_entry *removal) {
    uint64_t line = sort_entry_line(removal);
    if (summary->absent_count++ > 0 && line >= summary->absent_line)
        return;
    summary->absent_line = line;
    summary->absent_kind = kind_of(removal->attributes);
}

/* Takes one more entry into its group. */
static void group_add(struct group *group, const struct sort_entry *entry,
                      struct db_build_summary *summary) {
    if (is_removal(entry)) {
        if (!group->is_removed)
            group->removal = *entry;
        group->is_removed = 1;
    } else if (!group->is_set) {
        group->set = *entry;
        group->is_set = 1;
    } else if (memcmp(group->set.attributes, entry->attributes, DB_ATTRIBUTES_LEN) == 0) {
        summary->duplicate_count++;
    } else {
        note_conflict(summary, sort_entry_line(&group->set), sort_entry_line(entry),
                      kind_of(entry->attributes));
    }
}

static int next_of_base(struct merge *merge) {
    struct db_base *base = merge->builder->settings->base;
    int result = base == NULL
                     ? 0
                     : db_base_next(base, &merge->base_key, &merge->base_attributes, merge->error);
    merge->has_base = result == 1;
    return result < 0 ? result : 0;
}

/* Writes the base's entries whose keys are below `key`; all that are left where it is NULL. */
static int pass_base(struct merge *merge, const uint8_t *key) {
    int code = 0;
    while (code == 0 && merge->has_base &&
           (key == NULL || memcmp(merge->base_key, key, DB_KEY_LEN) < 0)) {
        db_writer_put(merge->writer, merge->base_key, merge->base_attributes);
        code = next_of_base(merge);
    }
    return code;
}

/* Writes what a group comes to. */
static int settle(struct merge *merge, const struct group *group) {
    const struct sort_entry *any = group->is_set ? &group->set : &group->removal;
    const uint8_t *key = any->sort_key;
    int code = pass_base(merge, key);
    if (code != 0)
        return code;
    uint8_t base_kind = 0;
    if (merge->has_base && memcmp(merge->base_key, key, DB_KEY_LEN) == 0) {
        base_kind = kind_of(merge->base_attributes);
        code = next_of_base(merge);
    }
    uint8_t kind = kind_of(any->attributes);
    if (group->is_set && base_kind != 0 && base_kind != kind)
        return error_set(merge->error, ERR_FORMAT, "line %llu: its %s is a %s in %s",
                         (unsigned long long)sort_entry_line(&group->set), kind_name(kind),
                         kind_name(base_kind), merge->builder->settings->base->path);
    if (group->is_removed && base_kind != kind_of(group->removal.attributes))
        note_absent(merge->summary, &group->removal);
    if (group->is_removed && group->is_set && kind == KIND_RECORD) {
        uint64_t set = sort_entry_line(&group->set), removal = sort_entry_line(&group->removal);
        note_conflict(merge->summary, set < removal ? set : removal, set < removal ? removal : set,
                      kind);
    }
    if (group->is_set)
        db_writer_put(merge->writer, key, group->set.attributes);
    return code;
}

/* Gives every key to the writer once, in order. */
static int merge_all(struct merge *merge, uint64_t total) {
    struct db_builder *builder = merge->builder;
    const struct sort_entry *entry;
    struct group group = {0};
    size_t at = 0;
    uint64_t seen = 0;
    int code = next_of_base(merge);
    int more = 1;
    while (code == 0 && (more = next_entry(builder, &at, &entry, merge->error)) > 0) {
        const struct sort_entry *first = group.is_set ? &group.set : &group.removal;
        if (seen++ % (1u << 20) == 0)
            report(builder, "writing", merge->writer->count, total);
        if ((group.is_set || group.is_removed) &&
            memcmp(first->sort_key, entry->sort_key, DB_KEY_LEN) != 0) {
            code = settle(merge, &group);
            group.is_set = group.is_removed = 0;
        }
        group_add(&group, entry, merge->summary);
    }
    if (code == 0)
        code = more < 0 ? more : 0;
    if (code == 0 && (group.is_set || group.is_removed))
        code = settle(merge, &group);
    return code == 0 ? pass_base(merge, NULL) : code;
}

static int check_result(const struct merge *merge) {
    const struct db_build_settings *settings = merge->builder->settings;
    const struct db_build_summary *summary = merge->summary;
    if (settings->base != NULL && settings->base->has_documents && !settings->names_documents)
        return error_set(merge->error, ERR_FORMAT,
                         "%s has documents, so the header row must name document and old_document "
                         "(empty where a row has none)",
                         settings->base->path);
    if (summary->conflict_count > 0)
        return error_set(merge->error, ERR_CONFLICT, "entries contradict each other");
    if (summary->absent_count > 0)
        return error_set(merge->error, ERR_CONFLICT, "what is to be removed is not there");
    if (merge->writer->count == 0)
        return error_set(merge->error, ERR_FORMAT, "no licences to write");
    if (merge->writer->count > DB_COUNT_MAX)
        return error_set(merge->error, ERR_LIMIT, "more than %lu entries",
                         (unsigned long)DB_COUNT_MAX);
    return 0;
}

/* --- the file --------------------------------------------------------------------------------- */

static int write_file(struct db_builder *builder, int fd, struct db_build_summary *summary,
                      struct error *error) {
    struct db_writer writer;
    struct merge merge = {
        .builder = builder, .writer = &writer, .summary = summary, .error = error};
    int code = start_order(builder, error);
    uint64_t total = builder->runs.count == 0 ? builder->count : 0;
    for (unsigned i = 0; i < builder->runs.count; i++)
        total += builder->runs.entry_counts[i];
    if (builder->settings->base != NULL)
        total += builder->settings->base->header.count;
    if (code == 0)
        code = db_writer_open(&writer, builder->settings, fd, total, error);
    if (code != 0)
        return code;
    code = merge_all(&merge, total);
    if (code == 0)
        code = check_result(&merge);
    if (code == 0)
        return db_writer_finish(&writer, &summary->header, error);
    db_writer_abort(&writer);
    return code;
}

int db_build_finish(struct db_builder *builder, struct db_build_summary *summary,
                    struct error *error) {
    struct atomic_file file;
    memset(summary, 0, sizeof *summary);
    int code = atomic_file_open(&file, builder->settings->path, 0644, error);
    if (code == 0) {
        code = write_file(builder, file.fd, summary, error);
        if (code == 0)
            code = atomic_file_commit(&file, !builder->settings->is_new, error);
        else
            atomic_file_abort(&file);
    }
    db_build_abort(builder);
    return code;
}
