#include "builder/changes.h"

#include "base/bytes.h"
#include "builder/write.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers of sets in one dictionary, by those in another; 0: the set is not there. */
struct set_map {
    uint16_t numbers[CLASS_SETS_MAX + 1];
    bool is_missing; /* one was asked for that is not there */
};

/* A class_set_renumber. */
static uint32_t map_set(void *context, uint32_t number) {
    struct set_map *map = context;
    map->is_missing = map->is_missing || (number > 0 && map->numbers[number] == 0);
    return map->numbers[number];
}

/* An entry by itself. */
struct loose_entry {
    uint8_t entry[DB_ENTRY_LEN];
    uint8_t further[FURTHER_MAX];
    size_t further_len;
};

/* Takes a copy of an entry, without the place of its further terms. False where these are outside their section. */
static bool take_entry(struct loose_entry *loose, const struct db *db, const uint8_t *entry) {
    struct further further;
    if (!terms_further(entry + ENTRY_TERMS, &db->further, &further) || further.len > FURTHER_MAX)
        return false;
    memcpy(loose->entry, entry, DB_ENTRY_LEN);
    loose->further_len = further.len;
    if (further.len > 0) {
        memcpy(loose->further, further.bytes, further.len);
        entry_clear_place(loose->entry);
    }
    return true;
}

static void renumber(struct loose_entry *loose, struct set_map *map) {
    if (terms_kind(loose->entry + ENTRY_TERMS) == ENTRY_LICENCE)
        terms_renumber(loose->entry + ENTRY_TERMS, loose->further, loose->further_len, map_set,
                       map);
}

static int damaged(struct error *error) {
    return error_set(error, ERR_FORMAT, "further terms outside their section");
}

/* --- making a list ---------------------------------------------------------------------------- */

#define BUFFER ((size_t)1 << 16)

struct maker {
    const struct db *from, *to;
    struct atomic_file file;
    uint64_t written; /* bytes before those in the buffer */
    size_t used;
    struct sha256 hash; /* of what follows the first page */
    bool is_renumbered;
    struct set_map map; /* from the sets before to those after */
    struct loose_entry before, after;
    struct change_record record;
    uint8_t buffer[BUFFER + CHANGE_RECORD_MAX];
};

static int flush(struct maker *maker) {
    int code = file_write_at(maker->file.fd, maker->buffer, maker->used, maker->written);
    sha256_update(&maker->hash, maker->buffer, maker->used);
    maker->written += maker->used;
    maker->used = 0;
    return code;
}

static int put(struct maker *maker, enum change_kind kind) {
    struct change_record *record = &maker->record;
    record->kind = kind;
    memcpy(record->entry, maker->after.entry, DB_ENTRY_LEN);
    record->further = (struct further){maker->after.further, maker->after.further_len};
    maker->used += change_record_encode(maker->buffer + maker->used, record);
    record->kept = 0;
    return maker->used < BUFFER ? 0 : flush(maker);
}

/* Whether an entry that both releases have says the same in both. maker->after is set where it does not.
 * ERR_FORMAT where one of them is damaged. */
static int is_same(struct maker *maker, const uint8_t *before, const uint8_t *after) {
    struct loose_entry *old = &maker->before, *new = &maker->after;
    bool is_plain = terms_kind(before + ENTRY_TERMS) != ENTRY_LICENCE ||
                    (!maker->is_renumbered && !terms_have_further(before + ENTRY_TERMS));
    if (is_plain && memcmp(before, after, DB_ENTRY_LEN) == 0)
        return 1;
    if (!take_entry(old, maker->from, before) || !take_entry(new, maker->to, after))
        return ERR_FORMAT;
    maker->map.is_missing = false;
    if (maker->is_renumbered)
        renumber(old, &maker->map);
    return !maker->map.is_missing && memcmp(old->entry, new->entry, DB_ENTRY_LEN) == 0 &&
           old->further_len ==
               new->further_len &&memcmp(old->further, new->further, new->further_len) == 0;
}

/* Writes what is to be said of the two next entries, of which the one with the lower key comes first. */
static int put_next(struct maker *maker, uint64_t *before, uint64_t *after) {
    const uint8_t *old =
        *before < maker->from->header.count ? db_entry(maker->from, *before) : NULL;
    const uint8_t *new = *after < maker->to->header.count ? db_entry(maker->to, *after) : NULL;
    int order = old == NULL ? 1 : new == NULL ? -1 : memcmp(old, new, DB_KEY_LEN);
    if (order < 0) {
        ++*before;
        return put(maker, CHANGE_REMOVES);
    }
    ++*after;
    if (order > 0)
        return take_entry(&maker->after, maker->to, new) ? put(maker, CHANGE_ADDS) : ERR_FORMAT;
    ++*before;
    int same = is_same(maker, old, new);
    if (same == 1)
        maker->record.kept++;
    return same == 0 ? put(maker, CHANGE_ALTERS) : same < 0 ? same : 0;
}

static int put_records(struct maker *maker, struct error *error) {
    uint64_t before = 0, after = 0, limit = db_file_len(&maker->to->header) / 2;
    while (before < maker->from->header.count || after < maker->to->header.count) {
        int code = put_next(maker, &before, &after);
        if (code == ERR_FORMAT)
            return damaged(error);
        if (code != 0)
            return error_set_errno(error, "%s", maker->file.path);
        if (maker->written > limit)
            return error_set(error, ERR_LIMIT,
                             "most of it differs, so a list of changes is of no use");
    }
    return flush(maker) == 0 ? 0 : error_set_errno(error, "%s", maker->file.path);
}

static int make(struct maker *maker, struct changes_head *head, struct error *error) {
    const struct db *from = maker->from, *to = maker->to;
    const struct db_section *dictionary = &to->header.sections[DB_DICTIONARY];
    const uint8_t *bytes = to->map;
    uint8_t page[CHANGES_HEAD_LEN];
    *head = (struct changes_head){.from_sequence = from->header.facts.sequence};
    memcpy(head->from_id, from->header.id, SHA256_LEN);
    if (maker->is_renumbered)
        head->dictionary_len = dictionary->len;
    sha256_init(&maker->hash);
    sha256_update(&maker->hash, bytes, DB_HEAD_LEN);
    sha256_update(&maker->hash, bytes + dictionary->offset, (size_t)head->dictionary_len);
    if (file_write_at(maker->file.fd, bytes, DB_HEAD_LEN, CHANGES_HEAD_LEN) != 0 ||
        file_write_at(maker->file.fd, bytes + dictionary->offset, (size_t)head->dictionary_len,
                      CHANGES_DICTIONARY) != 0)
        return error_set_errno(error, "%s", maker->file.path);
    maker->written = CHANGES_DICTIONARY + head->dictionary_len;
    int code = put_records(maker, error);
    if (code != 0)
        return code;
    head->records_len = maker->written - CHANGES_DICTIONARY - head->dictionary_len;
    sha256_out(&maker->hash, head->sha256);
    changes_head_encode(page, head);
    return file_write_at(maker->file.fd, page, sizeof page, 0) == 0
               ? 0
               : error_set_errno(error, "%s", maker->file.path);
}

/* Whether a list can lead from one to the other. */
static int check_pair(const struct db_header *from, const struct db_header *to,
                      struct error *error) {
    if (strcmp(from->facts.name, to->facts.name) != 0 || from->facts.sequence >= to->facts.sequence)
        return error_set(error, ERR_CONFLICT, "%s %llu does not come after %s %llu", to->facts.name,
                         (unsigned long long)to->facts.sequence, from->facts.name,
                         (unsigned long long)from->facts.sequence);
    if (from->set_count == CLASS_SETS_MAX || to->set_count == CLASS_SETS_MAX)
        return error_set(error, ERR_LIMIT,
                         "it has more sets of classes than a list of changes can number");
    return 0;
}

int changes_make(const struct db *from, const struct db *to, const char *path,
                 struct changes_head *head, struct error *error) {
    int code = check_pair(&from->header, &to->header, error);
    if (code != 0)
        return code;
    struct maker *maker = calloc(1, sizeof *maker);
    if (maker == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    maker->from = from;
    maker->to = to;
    maker->is_renumbered =
        memcmp(from->header.dictionary_root, to->header.dictionary_root, SHA256_LEN) != 0;
    for (uint32_t i = 1; i <= from->header.set_count; i++)
        maker->map.numbers[i] =
            (uint16_t)class_sets_find(&to->sets, class_sets_text(&from->sets, i));
    code = atomic_file_open(&maker->file, path, &changes_file_kind, REPLACE_KIND, error);
    if (code == 0) {
        code = make(maker, head, error);
        if (code == 0)
            code = atomic_file_commit(&maker->file, error);
        else
            atomic_file_abort(&maker->file);
    }
    free(maker);
    return code;
}

/* --- applying it ------------------------------------------------------------------------------ */

/* One dictionary, and the numbers that the writer has given to its sets. */
struct source_sets {
    const struct class_sets *sets;
    struct writer *writer;
    uint16_t numbers[CLASS_SETS_MAX + 1]; /* 0: none yet */
    bool is_missing;
};

struct applier {
    const struct db *from;
    struct change_list *list;
    struct writer writer;
    struct source_sets old, new;
    uint64_t next; /* entry of the old release */
    struct loose_entry loose;
    uint8_t key[DB_KEY_LEN]; /* of the last entry that was put */
    bool has_key;
};

/* A class_set_renumber. */
static uint32_t number_of(void *context, uint32_t number) {
    struct source_sets *source = context;
    if (number > 0 && source->numbers[number] == 0) {
        struct span text = class_sets_text(source->sets, number);
        source->numbers[number] =
            text.len > 0 ? (uint16_t)writer_set_number(source->writer, text) : 0;
        source->is_missing = source->is_missing || source->numbers[number] == 0;
    }
    return source->numbers[number];
}

/* Puts the entry at applier->loose, whose sets are numbered by `source`. False where its key does not come after
 * the one before, or a set is not in the dictionary. */
static bool put_loose(struct applier *applier, struct source_sets *source) {
    struct loose_entry *loose = &applier->loose;
    if (applier->has_key && memcmp(applier->key, loose->entry, DB_KEY_LEN) >= 0)
        return false;
    memcpy(applier->key, loose->entry, DB_KEY_LEN);
    applier->has_key = true;
    uint8_t *terms = loose->entry + ENTRY_TERMS;
    if (terms_kind(terms) == ENTRY_LICENCE)
        terms_renumber(terms, loose->further, loose->further_len, number_of, source);
    writer_put(&applier->writer, loose->entry, loose->entry + ENTRY_CODES, terms, loose->further,
               loose->further_len);
    return !source->is_missing;
}

/* Takes over `count` entries of the old release. */
static bool keep_old(struct applier *applier, uint64_t count) {
    const struct db *from = applier->from;
    if (count > from->header.count - applier->next)
        return false;
    for (; count > 0; count--) {
        if (!take_entry(&applier->loose, from, db_entry(from, applier->next++)) ||
            !put_loose(applier, &applier->old))
            return false;
    }
    return true;
}

/* Whether the terms of a record are ones. Nobody has signed them yet. */
static bool is_possible(const struct applier *applier, const struct loose_entry *loose) {
    const struct check_fields *fields = &applier->list->to.facts.fields;
    const struct further further = {loose->further, loose->further_len};
    const uint8_t *terms = loose->entry + ENTRY_TERMS;
    struct terms read;
    return terms_kind(terms) != ENTRY_LICENCE ||
           terms_read(&read, terms, further, applier->new.sets, check_code_len(fields), true);
}

static bool put_record(struct applier *applier, const struct change_record *record) {
    struct loose_entry *loose = &applier->loose;
    if (!keep_old(applier, record->kept))
        return false;
    if (record->kind != CHANGE_ADDS && applier->next == applier->from->header.count)
        return false;
    const uint8_t *old =
        record->kind != CHANGE_ADDS ? db_entry(applier->from, applier->next++) : NULL;
    if (record->kind == CHANGE_REMOVES)
        return true;
    memcpy(loose->entry, record->entry, DB_ENTRY_LEN);
    if (old != NULL)
        memcpy(loose->entry, old, DB_KEY_LEN);
    loose->further_len = record->further.len;
    if (record->further.len > 0)
        memcpy(loose->further, record->further.bytes, record->further.len);
    return is_possible(applier, loose) && put_loose(applier, &applier->new);
}

/* False where the list does not fit the release that it is applied to. */
static bool put_all(struct applier *applier) {
    struct change_record record;
    int more;
    while ((more = change_list_next(applier->list, &record)) == 1) {
        if (!put_record(applier, &record))
            return false;
    }
    return more == 0 && keep_old(applier, applier->from->header.count - applier->next) &&
           applier->writer.count > 0;
}

int changes_apply(const struct db *from, struct change_list *list, int fd,
                  const struct build_settings *settings, struct error *error) {
    struct build_settings own = *settings;
    struct db_header written;
    if (memcmp(from->header.id, list->head.from_id, SHA256_LEN) != 0)
        return error_set(error, ERR_CONFLICT, "the list of changes is about another release");
    struct applier *applier = calloc(1, sizeof *applier);
    if (applier == NULL)
        return error_set(error, ERR_MEMORY, "no memory");
    own.known = &list->to;
    own.known_head = list->to_head;
    applier->from = from;
    applier->list = list;
    applier->old.sets = &from->sets;
    applier->new.sets = list->head.dictionary_len > 0 ? &list->sets : &from->sets;
    applier->old.writer = applier->new.writer = &applier->writer;
    int code = writer_open(&applier->writer, &own, fd, error);
    if (code == 0 && !put_all(applier)) {
        code = error_set(error, ERR_FORMAT,
                         "the list of changes does not fit the release that it names");
        writer_abort(&applier->writer);
    } else if (code == 0) {
        code = writer_finish(&applier->writer, &written, error);
    }
    free(applier);
    return code;
}
