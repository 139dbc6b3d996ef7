#include "builder/rows.h"

#include "base/bytes.h"
#include "record/coverage.h"

#include <string.h>

#define PIECE 64 /* rows of one unit of work */

int rows_read(struct rows *rows, struct csv_reader *reader, size_t limit) {
    int result = CSV_ROW;
    rows->count = 0;
    csv_reader_turn(reader, &rows->block);
    while (rows->count < limit) {
        struct rows_item *item = &rows->items[rows->count];
        result = csv_reader_next_kept(reader, &item->row);
        if (result != CSV_ROW && result != CSV_BAD)
            return result;
        rows->count++;
    }
    return CSV_FULL;
}

/* --- texts that wait to be hashed -------------------------------------------------------------- */

/* Texts are hashed one directly after the other. This is much faster than hashing between other
 * work, because the processor keeps the decoded instructions of the unrolled SHA-256. */
#define JOBS_MAX 128
#define JOB_ROW_MAX (CHECK_FIELDS_MAX * (1 + ROW_FORMERS_MAX) + 1 + ROW_FORMERS_MAX + 2)
#define FACTS_MAX 96

struct job {
    char *text;
    size_t len;
    uint8_t digest[SHA256_LEN];
};

/* A check code that is to be put into a fact, once its field has been hashed. */
struct code_job {
    struct job job;
    const struct job *number; /* half of its digest goes into the text */
    char *half;               /* where */
    uint8_t *code;
};

/* A key that is to be put into a fact. */
struct key_job {
    struct job job;
    uint8_t *key;
};

/* A dependent entry, which needs the key of its licence. */
struct dependent {
    struct fact *fact;
    const struct fact *licence;
};

struct pending {
    size_t key_count;
    size_t code_count;
    size_t fact_count;
    size_t dependent_count;
    size_t text_len;
    struct key_job keys[JOBS_MAX];
    struct code_job codes[JOBS_MAX];
    struct fact facts[FACTS_MAX];
    struct dependent dependents[FACTS_MAX];
    char texts[3u << 13];
};

/* The texts that a row needs at most. */
#define ROW_TEXT_MAX                                                                               \
    ((1 + ROW_FORMERS_MAX) * (NUMBER_TEXT_MAX + CHECK_FIELDS_MAX * FIELD_TEXT_MAX) + RECORD_MAX)

static bool is_full(const struct pending *pending) {
    return pending->key_count + JOB_ROW_MAX > JOBS_MAX ||
           pending->code_count + JOB_ROW_MAX > JOBS_MAX ||
           pending->fact_count + ROW_FACTS_MAX > FACTS_MAX ||
           pending->text_len + ROW_TEXT_MAX > sizeof pending->texts;
}

static void clear(struct pending *pending) {
    pending->key_count = pending->code_count = pending->fact_count = 0;
    pending->dependent_count = pending->text_len = 0;
}

/* Hashes what waits, finishes the facts and puts them into the collector. 0 or ERR_MEMORY. */
static int flush(const struct rows_target *target, struct pending *pending) {
    size_t code_len = check_code_len(target->registry->check_fields);
    int code = 0;
    for (size_t i = 0; i < pending->key_count; i++) {
        struct key_job *key = &pending->keys[i];
        if (key->job.text != NULL)
            sha256(key->job.digest, key->job.text, key->job.len);
    }
    for (size_t i = 0; i < pending->code_count; i++) {
        struct code_job *field = &pending->codes[i];
        memcpy(field->half, field->number->digest, SHA256_LEN / 2);
        sha256(field->job.digest, field->job.text, field->job.len);
    }
    for (size_t i = 0; i < pending->key_count; i++)
        lookup_key_apply(target->lookup_key, pending->keys[i].job.digest, pending->keys[i].key);
    for (size_t i = 0; i < pending->code_count; i++) {
        uint8_t stored[SHA256_LEN];
        lookup_key_apply_field(target->lookup_key, pending->codes[i].job.digest, stored);
        check_code_set(pending->codes[i].code, code_len, stored);
    }
    for (size_t i = 0; i < pending->dependent_count; i++)
        memcpy(pending->dependents[i].fact->of.licence_prefix, pending->dependents[i].licence->key,
               LICENCE_PREFIX_LEN);
    /* Facts of one licence share its key. */
    for (size_t i = 0; i < pending->fact_count; i++) {
        struct fact *fact = &pending->facts[i];
        if (fact->kind != FACT_LICENCE && fact->kind != FACT_DEPENDENT &&
            fact->kind != FACT_WITHHELD && fact->kind != FACT_REMOVE && fact->kind != FACT_STATUS)
            memcpy(fact->key, fact[-1].key, DB_KEY_LEN);
        if (target->touched != NULL && code == 0 &&
            (fact->kind == FACT_SET || fact->kind == FACT_REMOVE))
            code = touched_add(target->touched, fact->key);
    }
    collector_put(target->collector, pending->facts, pending->fact_count);
    clear(pending);
    return code;
}

/* --- from a row to facts ----------------------------------------------------------------------- */

static struct fact *add_fact(struct pending *pending, enum fact_kind kind, uint32_t line) {
    struct fact *fact = &pending->facts[pending->fact_count++];
    memset(fact, 0, sizeof *fact);
    fact->kind = (uint8_t)kind;
    fact_set_line(fact, line);
    return fact;
}

/* Has a key hashed from what `text` holds, and put into a fact. */
static const struct job *add_key(struct pending *pending, struct fact *fact, char *text,
                                 size_t len) {
    struct key_job *key = &pending->keys[pending->key_count++];
    key->job.text = text;
    key->job.len = len;
    key->key = fact->key;
    if (text != NULL)
        pending->text_len += len;
    return &key->job;
}

static const struct job *add_number(struct pending *pending, struct fact *fact,
                                    const struct form *number) {
    char *text = pending->texts + pending->text_len;
    return add_key(pending, fact, text, number_text(text, number));
}

/* Has the check code of a field hashed. `number` is the key that it belongs to. */
static void add_code(struct pending *pending, const struct job *number, unsigned field,
                     const struct form *form, uint8_t *code) {
    static const uint8_t later[SHA256_LEN];
    struct code_job *job = &pending->codes[pending->code_count++];
    job->job.text = pending->texts + pending->text_len;
    job->job.len = field_text(job->job.text, (enum field)field, later, form);
    job->half = job->job.text + job->job.len - form->len - SHA256_LEN / 2;
    job->number = number;
    job->code = code;
    pending->text_len += job->job.len;
}

/* The check codes of the row's fields, under a number. The card's only where it is the current
 * one. */
static void add_codes(const struct rows_target *target, struct pending *pending,
                      const struct row *row, const struct job *number, struct fact *fact) {
    const struct check_fields *kept = target->registry->check_fields;
    size_t len = check_code_len(kept);
    for (unsigned i = 0; i < kept->count; i++) {
        unsigned field = kept->fields[i];
        if (row->fields[field].is_given && !(field == FIELD_CARD && row->card_state != 0))
            add_code(pending, number, field, &row->fields[field].form, fact->codes + i * len);
    }
}

static int set_text(const struct rows_target *target, struct fact *fact, struct span text) {
    uint32_t number = texts_number(target->texts, text);
    store_le32(fact->of.says.text, number);
    return number == UINT32_MAX ? ERR_MEMORY : 0;
}

static void set_days(struct fact *fact, uint32_t from, uint32_t to) {
    fact_set_day(fact->of.says.since, from);
    fact_set_day(fact->of.says.until, to);
}

/* The group that most rows have alone is part of the licence's own fact. */
static int set_first_group(const struct rows_target *target, struct fact *licence,
                           const struct row *row) {
    bool has_group = row->group_count > 0;
    fact_set_day(licence->of.says.group_from, has_group ? row->groups[0].from : DAY_UNKNOWN);
    fact_set_day(licence->of.says.group_to, has_group ? row->groups[0].to : DAY_UNKNOWN);
    return has_group ? set_text(target, licence, row->groups[0].classes) : 0;
}

/* The groups, codes and the like, which have the licence's key. */
static int add_terms(const struct rows_target *target, struct pending *pending,
                     const struct row *row, const struct job *number, uint32_t line) {
    int code = 0;
    for (unsigned i = 0; i < row->group_count; i++) {
        struct fact *fact;
        if (i > 0) {
            fact = add_fact(pending, FACT_GROUP, line);
            set_days(fact, row->groups[i].from, row->groups[i].to);
            code |= set_text(target, fact, row->groups[i].classes);
        }
        if (!row->is_class_status || row->groups[i].classes.len == 0)
            continue;
        fact = add_fact(pending, FACT_CLASS_STATUS, line);
        fact->status = row->status;
        set_days(fact, row->since == DAY_UNKNOWN ? DAY_NO_START : row->since, row->until);
        code |= set_text(target, fact, row->groups[i].classes);
    }
    for (unsigned i = 0; i < row->code_count; i++)
        code |= set_text(target, add_fact(pending, FACT_CODE, line), row->codes[i]);
    if (row->card_state != 0 && row->fields[FIELD_CARD].is_given &&
        check_fields_place(target->registry->check_fields, FIELD_CARD) >= 0) {
        struct fact *fact = add_fact(pending, FACT_CARD, line);
        fact->status = row->card_state;
        add_code(pending, number, FIELD_CARD, &row->fields[FIELD_CARD].form, fact->codes);
    }
    return code == 0 ? 0 : ERR_MEMORY;
}

static void add_dependent(struct pending *pending, struct fact *fact, enum entry_kind kind,
                          const struct fact *licence) {
    fact->status = (uint8_t)kind;
    pending->dependents[pending->dependent_count++] = (struct dependent){fact, licence};
}

static void add_dependents(const struct rows_target *target, struct pending *pending,
                           const struct row *row, const struct fact *licence, uint32_t line) {
    for (unsigned i = 0; i < row->former_count; i++) {
        struct fact *fact = add_fact(pending, FACT_DEPENDENT, line);
        const struct job *number = add_number(pending, fact, &row->formers[i]);
        add_codes(target, pending, row, number, fact);
        add_dependent(pending, fact, ENTRY_FORMER, licence);
    }
    if (row->has_document) {
        struct fact *fact = add_fact(pending, FACT_DEPENDENT, line);
        add_key(pending, fact, NULL, 0);
        memcpy(pending->keys[pending->key_count - 1].job.digest, row->document, SHA256_LEN);
        add_dependent(pending, fact, ENTRY_DOCUMENT, licence);
    }
    if (row->record_len > 0) {
        struct fact *fact = add_fact(pending, FACT_DEPENDENT, line);
        char *text = pending->texts + pending->text_len;
        memcpy(text, row->record, row->record_len);
        add_key(pending, fact, text, row->record_len);
        add_dependent(pending, fact, ENTRY_LEGACY, licence);
    }
}

static void add_change(struct pending *pending, const struct row *row, uint32_t line) {
    bool is_removal = row->operation == ROW_REMOVE;
    struct fact *fact = add_fact(pending, is_removal ? FACT_REMOVE : FACT_STATUS, line);
    add_number(pending, fact, &row->number);
    fact->status = is_removal ? 0 : row->status;
    set_days(fact, row->since, row->until);
}

/* Nothing is said about the licence of this row: it was refused, but its number could be read, or it
 * says so itself. */
static void add_withheld(struct pending *pending, const struct row *row, uint32_t line) {
    add_number(pending, add_fact(pending, FACT_WITHHELD, line), &row->number);
}

/* The facts of a row that was well read. */
static int add_row(const struct rows_target *target, struct pending *pending, const struct row *row,
                   uint32_t line) {
    if (row->operation != ROW_SET) {
        add_change(pending, row, line);
        return 0;
    }
    if (row->status == STATUS_WITHHELD) {
        add_withheld(pending, row, line);
        if (target->registry->is_change_list)
            add_fact(pending, FACT_SET, line)->status = row->is_forced;
        return 0;
    }
    struct fact *licence = add_fact(pending, FACT_LICENCE, line);
    const struct job *number = add_number(pending, licence, &row->number);
    add_codes(target, pending, row, number, licence);
    licence->status = row->is_class_status ? 0 : row->status;
    set_days(licence, row->is_class_status ? DAY_UNKNOWN : row->since,
             row->is_class_status ? DAY_NO_END : row->until);
    store_le32(licence->of.says.spelling, row->spelling);
    if (target->registry->is_change_list)
        add_fact(pending, FACT_SET, line)->status = row->is_forced;
    int code = set_first_group(target, licence, row);
    if (code == 0)
        code = add_terms(target, pending, row, number, line);
    add_dependents(target, pending, row, licence, line);
    return code;
}

static void note_misfit(struct misfits *misfits, uint64_t line) {
    uint64_t first = __atomic_load_n(&misfits->line, __ATOMIC_RELAXED);
    __atomic_fetch_add(&misfits->count, 1, __ATOMIC_RELAXED);
    while ((first == 0 || line < first) &&
           !__atomic_compare_exchange_n(&misfits->line, &first, line, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
    }
}

/* Compares the row's number with what the release says of its numbers. */
static void check_number(const struct rows_target *target, const struct row *row, uint64_t line) {
    const struct span number = {row->number.text, row->number.len};
    if (!patterns_fit(target->facts->patterns, number))
        note_misfit(target->beside_patterns, line);
    if (!coverage_holds(target->facts->coverage, number))
        note_misfit(target->beside_coverage, line);
}

static int add_item(const struct rows_target *target, struct rows_item *item,
                    struct pending *pending) {
    struct row row NOT_CLEARED;
    item->is_bad = item->row.reason != NULL || item->row.line > FACT_LINE_MAX;
    if (item->is_bad)
        return 0;
    uint32_t line = (uint32_t)item->row.line;
    int code = target->is_lines ? registry_line(target->registry, &item->row, &row, NULL)
                                : registry_row(target->registry, &item->row, &row, NULL);
    item->is_bad = code != 0;
    if (!item->is_bad) {
        check_number(target, &row, line);
        return add_row(target, pending, &row, line);
    }
    if (row.number.len > 0 && !target->registry->is_change_list)
        add_withheld(pending, &row, line);
    return 0;
}

static int hash_piece(void *context, uint64_t first, uint64_t end) {
    struct rows *rows = context;
    struct pending pending NOT_CLEARED;
    size_t bad_count = 0;
    int code = 0;
    clear(&pending);
    for (uint64_t i = first; i < end && code == 0; i++) {
        if (is_full(&pending))
            code = flush(rows->target, &pending);
        if (code == 0)
            code = add_item(rows->target, &rows->items[i], &pending);
        bad_count += rows->items[i].is_bad;
    }
    if (code == 0)
        code = flush(rows->target, &pending);
    __atomic_fetch_add(&rows->bad_count, bad_count, __ATOMIC_RELAXED);
    return code;
}

void rows_hash(struct rows *rows, const struct rows_target *target, struct parallel *parallel) {
    rows->target = target;
    rows->bad_count = 0;
    parallel_start(parallel, rows->count, PIECE, hash_piece, rows);
}
