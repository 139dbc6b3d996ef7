#include "builder/merge.h"

#include <string.h>

#define ENTRIES_PER_REPORT (1u << 20)

/* The entries with one key, which come in the order of their lines: the first that sets it, and the
 * first that removes it. */
struct group {
    struct sort_entry set;
    struct sort_entry removal;
    bool is_set;
    bool is_removed;
};

struct merge {
    struct collector *collector;
    struct predecessor *predecessor;
    struct writer *writer;
    struct merge_summary *summary;
    struct error *error;
    bool has_old; /* an entry of the predecessor is at old_key and not yet written */
    const uint8_t *old_key;
    const uint8_t *old_attributes;
};

/* A removal has no status (sort_entry_set). */
static bool is_removal(const struct sort_entry *entry) {
    return db_attributes_status(entry->attributes) == 0;
}

static void note_conflict(struct merge_summary *summary, uint64_t line, uint64_t other_line,
                          uint8_t kind) {
    uint64_t earlier = line < other_line ? line : other_line;
    uint64_t later = line < other_line ? other_line : line;
    if (summary->conflict_count++ > 0 && later >= summary->conflict_lines[1])
        return;
    summary->conflict_kind = kind;
    summary->conflict_lines[0] = earlier;
    summary->conflict_lines[1] = later;
}

static void note_absent(struct merge_summary *summary, const struct sort_entry *removal) {
    uint64_t line = sort_entry_line(removal);
    if (summary->absent_count++ > 0 && line >= summary->absent_line)
        return;
    summary->absent_line = line;
    summary->absent_kind = db_attributes_kind(removal->attributes);
}

/* Takes one more entry into its group. */
static void group_add(struct group *group, const struct sort_entry *entry,
                      struct merge_summary *summary) {
    if (is_removal(entry)) {
        if (!group->is_removed)
            group->removal = *entry;
        group->is_removed = true;
    } else if (!group->is_set) {
        group->set = *entry;
        group->is_set = true;
    } else if (memcmp(group->set.attributes, entry->attributes, DB_ATTRIBUTES_LEN) == 0) {
        summary->duplicate_count++;
    } else {
        note_conflict(summary, sort_entry_line(&group->set), sort_entry_line(entry),
                      db_attributes_kind(entry->attributes));
    }
}

static int next_old(struct merge *merge) {
    int result = merge->predecessor == NULL
                     ? 0
                     : predecessor_next(merge->predecessor, &merge->old_key, &merge->old_attributes,
                                        merge->error);
    merge->has_old = result == 1;
    return result < 0 ? result : 0;
}

/* Writes the predecessor's entries whose keys are below `key`, or all that are left where `key` is
 * NULL. */
static int pass_old(struct merge *merge, const uint8_t *key) {
    int code = 0;
    while (code == 0 && merge->has_old &&
           (key == NULL || memcmp(merge->old_key, key, DB_KEY_LEN) < 0)) {
        writer_put(merge->writer, merge->old_key, merge->old_attributes);
        code = next_old(merge);
    }
    return code;
}

/* Writes what a group comes to. */
static int settle(struct merge *merge, const struct group *group) {
    const struct sort_entry *any = group->is_set ? &group->set : &group->removal;
    const uint8_t *key = any->sort_key;
    int code = pass_old(merge, key);
    if (code != 0)
        return code;
    uint8_t old_kind = 0;
    if (merge->has_old && memcmp(merge->old_key, key, DB_KEY_LEN) == 0) {
        old_kind = db_attributes_kind(merge->old_attributes);
        code = next_old(merge);
    }
    uint8_t kind = db_attributes_kind(any->attributes);
    if (group->is_set && old_kind != 0 && old_kind != kind)
        return error_set(merge->error, ERR_FORMAT, "line %llu: its %s is a %s in %s",
                         (unsigned long long)sort_entry_line(&group->set), kind_name(kind),
                         kind_name(old_kind), merge->predecessor->path);
    if (group->is_removed && old_kind != db_attributes_kind(group->removal.attributes))
        note_absent(merge->summary, &group->removal);
    if (group->is_removed && group->is_set && kind == KIND_RECORD)
        note_conflict(merge->summary, sort_entry_line(&group->set),
                      sort_entry_line(&group->removal), kind);
    if (group->is_set)
        writer_put(merge->writer, key, group->set.attributes);
    return code;
}

static int merge_all(struct merge *merge, uint64_t total) {
    const struct sort_entry *entry;
    struct group group = {0};
    uint64_t seen = 0;
    int code = next_old(merge);
    int more = 1;
    while (code == 0 && (more = collector_next(merge->collector, &entry, merge->error)) > 0) {
        const struct sort_entry *first = group.is_set ? &group.set : &group.removal;
        if (seen++ % ENTRIES_PER_REPORT == 0)
            build_report(merge->collector->settings, "writing", "entries", merge->writer->count,
                         total);
        if ((group.is_set || group.is_removed) &&
            memcmp(first->sort_key, entry->sort_key, DB_KEY_LEN) != 0) {
            code = settle(merge, &group);
            group.is_set = group.is_removed = false;
        }
        group_add(&group, entry, merge->summary);
    }
    if (code == 0)
        code = more < 0 ? more : 0;
    if (code == 0 && (group.is_set || group.is_removed))
        code = settle(merge, &group);
    return code == 0 ? pass_old(merge, NULL) : code;
}

int merge_entries(struct collector *collector, struct predecessor *predecessor,
                  struct writer *writer, uint64_t total, struct merge_summary *summary,
                  struct error *error) {
    struct merge merge = {.collector = collector,
                          .predecessor = predecessor,
                          .writer = writer,
                          .summary = summary,
                          .error = error};
    memset(summary, 0, sizeof *summary);
    int code = merge_all(&merge, total);
    if (code == 0 && summary->conflict_count > 0)
        code = error_set(error, ERR_CONFLICT, "entries contradict each other");
    if (code == 0 && summary->absent_count > 0)
        code = error_set(error, ERR_CONFLICT, "an entry that is to be removed is not there");
    return code;
}
