#include "registry/registry.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/text.h"
#include "registry/dates.h"
#include "registry/words.h"

#include <string.h>

/* --- the header row --------------------------------------------------------------------------- */

/* A name of the header row. */
struct heading {
    struct span name;
    bool is_used;
};

struct headings {
    size_t count;
    struct heading list[CSV_FIELDS_MAX];
};

static int find_heading(struct headings *headings, struct span name) {
    for (size_t i = 0; i < headings->count; i++) {
        if (span_is_same_word(headings->list[i].name, name)) {
            headings->list[i].is_used = true;
            return (int)i;
        }
    }
    return -1;
}

static int add_source(struct import_sources *sources, const struct import_source *source,
                      struct error *error) {
    if (sources->count == IMPORT_SOURCES_MAX)
        return error_set(error, ERR_LIMIT, "a column comes from more than %d others",
                         IMPORT_SOURCES_MAX);
    sources->list[sources->count++] = *source;
    return 0;
}

/* Keeps the name of a heading, because the header row will be gone when rows are read. */
static int keep_name(struct registry *registry, struct span *name, struct error *error) {
    char *kept = registry->names + registry->names_len;
    if (name->len > sizeof registry->names - registry->names_len)
        return error_set(error, ERR_LIMIT, "the names of the columns of classes are too long");
    memcpy(kept, name->text, name->len);
    registry->names_len += name->len;
    name->text = kept;
    return 0;
}

/* Takes one part of the right side of a mapping: a heading, a heading with '?' behind it, or a
 * constant in quotation marks. */
static int map_part(struct registry *registry, int column, struct headings *headings,
                    struct span part, struct error *error) {
    struct import_sources *sources = &registry->columns[column];
    struct import_source source = {.field = -1};
    int code = 0;
    if (part.len >= 2 && part.text[0] == '"' && part.text[part.len - 1] == '"') {
        source.constant = (struct span){part.text + 1, part.len - 2};
        return add_source(sources, &source, error);
    }
    source.field = find_heading(headings, part);
    if (source.field < 0 && part.len > 1 && part.text[part.len - 1] == '?') {
        struct span name = span_trim((struct span){part.text, part.len - 1});
        source.field = find_heading(headings, name);
        source.is_flag = true;
        source.constant = source.field >= 0 ? headings->list[source.field].name : name;
        code = keep_name(registry, &source.constant, error);
    }
    if (code != 0)
        return code;
    if (source.field < 0)
        return error_set(error, ERR_FORMAT, "there is no column \"%.*s\" to map",
                         (int)(part.len < 60 ? part.len : 60), part.text);
    return add_source(sources, &source, error);
}

static int map_column(struct registry *registry, struct headings *headings, struct span item,
                      struct error *error) {
    struct span target, parts;
    int column =
        span_split(item, &target, &parts) ? registry_column_find(target.text, target.len) : -1;
    if (column < 0)
        return error_set(error, ERR_FORMAT,
                         "\"%.*s\" does not map a column (want for instance licence=DL No)",
                         (int)(item.len < 60 ? item.len : 60), item.text);
    int code = 0;
    while (code == 0 && parts.len > 0) {
        const char *plus = memchr(parts.text, '+', parts.len);
        size_t len = plus != NULL ? (size_t)(plus - parts.text) : parts.len;
        code =
            map_part(registry, column, headings, span_trim((struct span){parts.text, len}), error);
        size_t used = len + (plus != NULL);
        parts = (struct span){parts.text + used, parts.len - used};
    }
    return code;
}

/* Headings that are names of columns stand for these, where no mapping says otherwise. */
static int use_own_names(struct registry *registry, struct headings *headings,
                         struct error *error) {
    bool was_mapped[COLUMN_COUNT];
    for (int column = 0; column < COLUMN_COUNT; column++)
        was_mapped[column] = registry->columns[column].count > 0;
    for (size_t i = 0; i < headings->count; i++) {
        struct heading *heading = &headings->list[i];
        int column = registry_column_find(heading->name.text, heading->name.len);
        if (column < 0 || heading->is_used || was_mapped[column] ||
            (column == COLUMN_OP && !registry->is_change_list))
            continue;
        const struct import_source source = {.field = (int)i};
        if (registry->columns[column].count > 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is there twice",
                             registry_column_name((enum registry_column)column));
        heading->is_used = true;
        add_source(&registry->columns[column], &source, NULL);
    }
    return 0;
}

/* Refuses columns that nothing was said about: one may be a misspelled one. */
static int refuse_unused(const struct registry *registry, const struct headings *headings,
                         struct error *error) {
    const char *ignore = registry->import->ignore;
    char list[512] = "";
    size_t len = 0;
    if (ignore != NULL && strcmp(ignore, "*") == 0)
        return 0;
    for (size_t i = 0; i < headings->count; i++) {
        struct span name = headings->list[i].name;
        if (headings->list[i].is_used || name.len == 0 || words_have(ignore, name) ||
            len > sizeof list - TEXT_QUOTE_SIZE - 8)
            continue;
        char quoted[TEXT_QUOTE_SIZE];
        text_quote(quoted, name.text, name.len);
        len += format_text(list + len, sizeof list - len, "%s\"%s\"", len > 0 ? ", " : "", quoted);
    }
    return len == 0 ? 0
                    : error_set(error, ERR_FORMAT,
                                "unknown columns: %s (map them, or have them ignored)", list);
}

static int check_needed(const struct registry *registry, struct error *error) {
    static const enum registry_column needed[] = {COLUMN_LICENCE, COLUMN_STATUS, COLUMN_VALID_TO,
                                                  COLUMN_NAME,    COLUMN_PHONE,  COLUMN_OP};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        enum registry_column column = needed[i];
        bool is_needed =
            column == COLUMN_LICENCE || (column == COLUMN_OP && registry->is_change_list) ||
            ((column == COLUMN_NAME || column == COLUMN_PHONE) && registry->has_legacy &&
             !registry->is_change_list) ||
            ((column == COLUMN_STATUS || column == COLUMN_VALID_TO) && !registry->is_change_list);
        if (is_needed && registry->columns[column].count == 0)
            return error_set(error, ERR_FORMAT, "column \"%s\" is missing from the header row",
                             registry_column_name(column));
    }
    return 0;
}

static int read_headings(const struct registry *registry, const struct csv_row *names,
                         struct headings *headings, struct error *error) {
    const char *columns = registry->import->columns;
    struct span name;
    headings->count = 0;
    if (columns == NULL) {
        for (size_t i = 0; i < names->field_count; i++)
            headings->list[headings->count++] = (struct heading){
                span_trim((struct span){names->fields[i].text, names->fields[i].len}), false};
        return 0;
    }
    while (words_next(&columns, ',', &name)) {
        if (headings->count == CSV_FIELDS_MAX)
            return error_set(error, ERR_LIMIT, "more than %d columns", CSV_FIELDS_MAX);
        headings->list[headings->count++] = (struct heading){name, false};
    }
    return 0;
}

int registry_header(struct registry *registry, const struct csv_row *names, struct error *error) {
    struct headings headings;
    struct span item;
    const char *map = registry->import->map;
    memset(registry->columns, 0, sizeof registry->columns);
    registry->names_len = 0;
    int code = read_headings(registry, names, &headings, error);
    registry->source_count = headings.count;
    while (code == 0 && words_next(&map, ',', &item))
        code = map_column(registry, &headings, item, error);
    if (code == 0)
        code = use_own_names(registry, &headings, error);
    if (code == 0)
        code = refuse_unused(registry, &headings, error);
    return code == 0 ? check_needed(registry, error) : code;
}

/* --- reading a row ---------------------------------------------------------------------------- */

/* A row that is being read. All that is wrong with it is noted. */
struct reading {
    const struct registry *registry;
    const struct csv_row *csv;
    struct row *row;
    bool is_bad;
    size_t len; /* of the reasons so far */
    struct error *error;
    char joined[CSV_ROW_MAX]; /* the text of a column that comes from several */
};

__attribute__((format(printf, 3, 4))) static void fault(struct reading *reading, const char *column,
                                                        const char *format, ...) {
    reading->is_bad = true;
    if (reading->error == NULL || reading->len + TEXT_QUOTE_SIZE > sizeof reading->error->text)
        return;
    char *text = reading->error->text;
    va_list arguments;
    reading->len += format_text(text + reading->len, sizeof reading->error->text - reading->len,
                                "%s%s ", reading->len > 0 ? "; " : "", column);
    va_start(arguments, format);
    reading->len += format_text_list(text + reading->len,
                                     sizeof reading->error->text - reading->len, format, arguments);
    va_end(arguments);
    if (reading->len >= sizeof reading->error->text)
        reading->len = sizeof reading->error->text - 1;
}

static const char *name_of(enum registry_column column) {
    return registry_column_name(column);
}

/* Says what a column holds, and what is wanted. */
static void refuse(struct reading *reading, enum registry_column column, struct span text,
                   const char *wanted) {
    char quoted[TEXT_QUOTE_SIZE];
    text_quote(quoted, text.text, text.len);
    fault(reading, name_of(column), "\"%s\" is not %s", quoted, wanted);
}

/* Counts a word that has no meaning. */
static void count_unknown(struct reading *reading, enum registry_column column, struct span text) {
    struct unknown_words *unknown = reading->registry->unknown;
    char quoted[TEXT_QUOTE_SIZE];
    if (unknown == NULL || reading->error == NULL)
        return;
    text_quote(quoted, text.text, text.len);
    for (unsigned i = 0; i < unknown->count; i++) {
        struct unknown_word *word = &unknown->list[i];
        if (word->column == column && strcmp(word->text, quoted) == 0) {
            word->count++;
            return;
        }
    }
    if (unknown->count == UNKNOWN_WORDS_MAX) {
        unknown->other_count++;
        return;
    }
    struct unknown_word *word = &unknown->list[unknown->count++];
    word->column = column;
    word->count = 1;
    memcpy(word->text, quoted, sizeof quoted);
}

/* The text of one source, trimmed; empty where it says nothing. */
static struct span source_text(const struct reading *reading, const struct import_source *source) {
    if (source->field < 0)
        return source->constant;
    const struct csv_field *field = &reading->csv->fields[source->field];
    struct span text = span_trim((struct span){field->text, field->len});
    return words_have(reading->registry->import->null, text) ? (struct span){"", 0} : text;
}

/* The text of a column. It is valid until the next column is read. */
static struct span column_text(struct reading *reading, enum registry_column column) {
    const struct import_sources *sources = &reading->registry->columns[column];
    size_t len = 0;
    if (sources->count == 0)
        return (struct span){"", 0};
    if (sources->count == 1)
        return source_text(reading, &sources->list[0]);
    for (unsigned i = 0; i < sources->count; i++) {
        struct span part = source_text(reading, &sources->list[i]);
        if (part.len == 0 || len + part.len + 1 > sizeof reading->joined)
            continue;
        if (len > 0)
            reading->joined[len++] = ' ';
        memcpy(reading->joined + len, part.text, part.len);
        len += part.len;
    }
    return (struct span){reading->joined, len};
}

static bool has_column(const struct reading *reading, enum registry_column column) {
    return reading->registry->columns[column].count > 0;
}

/* --- number, fields, former numbers ------------------------------------------------------------ */

/* FNV-1a, 32 bits. */
static uint32_t spelling_of(struct span text) {
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < text.len; i++)
        value = (value ^ (uint8_t)text.text[i]) * 16777619u;
    return value;
}

static void read_number(struct reading *reading) {
    struct span text = column_text(reading, COLUMN_LICENCE);
    struct error reason;
    struct form *form = &reading->row->number;
    reading->row->spelling = spelling_of(text);
    if (number_form(form, text.text, text.len, &reason) == 0)
        return;
    form->len = 0;
    if (text.len == 0)
        fault(reading, name_of(COLUMN_LICENCE), "is empty");
    else
        fault(reading, name_of(COLUMN_LICENCE), "%.200s", reason.text);
}

static int make_form(const struct registry *registry, unsigned field, struct form *form,
                     struct span text, struct error *error) {
    switch (field) {
    case FIELD_NAME:
        return name_form(form, text.text, text.len, registry->rules, NAME_STORED, error);
    case FIELD_PHONE:
        return phone_form(form, text.text, text.len, registry->rules, error);
    default:
        return card_form(form, text.text, text.len, error);
    }
}

static void read_birth_date(struct reading *reading, struct row_field *field, struct span text) {
    uint32_t day;
    if (dates_read(reading->registry->import->date_format, text, &day) != 0) {
        refuse(reading, COLUMN_BIRTH_DATE, text, "a date");
        return;
    }
    date_format(field->form.text, day);
    field->form.len = DATE_TEXT_SIZE - 1;
    field->is_given = true;
}

static void read_fields(struct reading *reading) {
    static const enum registry_column columns[FIELD_COUNT] = {[FIELD_NAME] = COLUMN_NAME,
                                                              [FIELD_PHONE] = COLUMN_PHONE,
                                                              [FIELD_BIRTH_DATE] =
                                                                  COLUMN_BIRTH_DATE,
                                                              [FIELD_CARD] = COLUMN_CARD};
    struct error reason;
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        struct row_field *given = &reading->row->fields[field];
        given->is_given = false;
        struct span text = column_text(reading, columns[field]);
        if (text.len == 0)
            continue;
        if (field == FIELD_BIRTH_DATE) {
            read_birth_date(reading, given, text);
            continue;
        }
        given->is_given = make_form(reading->registry, field, &given->form, text, &reason) == 0;
        if (!given->is_given) {
            char quoted[TEXT_QUOTE_SIZE];
            text_quote(quoted, text.text, text.len);
            fault(reading, name_of(columns[field]), "\"%s\" %.200s", quoted, reason.text);
        }
    }
}

static void read_formers(struct reading *reading) {
    struct row *row = reading->row;
    const struct import_sources *sources = &reading->registry->columns[COLUMN_FORMER];
    struct error reason;
    row->former_count = 0;
    for (unsigned i = 0; i < sources->count; i++) {
        struct span text = source_text(reading, &sources->list[i]);
        if (text.len == 0)
            continue;
        if (row->former_count == ROW_FORMERS_MAX) {
            fault(reading, name_of(COLUMN_FORMER), "holds more than %d numbers", ROW_FORMERS_MAX);
            return;
        }
        struct form *form = &row->formers[row->former_count++];
        if (number_form(form, text.text, text.len, &reason) != 0)
            fault(reading, name_of(COLUMN_FORMER), "%.200s", reason.text);
        /* a number that is its own former one says nothing */
        if (form->len == row->number.len && memcmp(form->text, row->number.text, form->len) == 0)
            row->former_count--;
    }
}

static void read_document(struct reading *reading) {
    struct span text = column_text(reading, COLUMN_DOCUMENT);
    struct row *row = reading->row;
    row->has_document = text.len > 0;
    if (row->has_document &&
        hex_decode(row->document, SHA256_LEN, text.text, text.len) != SHA256_LEN)
        refuse(reading, COLUMN_DOCUMENT, text, "a SHA-256 (want 64 hex digits)");
}

/* The original's record: name, phone and licence as they are written. */
static void read_record(struct reading *reading) {
    static const enum registry_column columns[] = {COLUMN_NAME, COLUMN_PHONE, COLUMN_LICENCE};
    struct row *row = reading->row;
    struct record record;
    struct error reason;
    row->record_len = 0;
    if (!reading->registry->has_legacy || reading->is_bad)
        return;
    record_begin(&record, row->record);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        struct span text = column_text(reading, columns[i]);
        bool is_blank;
        if (record_add(&record, text.text, text.len, &is_blank, &reason) != 0)
            fault(reading, name_of(columns[i]), "%.200s", reason.text);
        else if (is_blank)
            return; /* nobody can ask for it in the old way */
    }
    if (record_check(&record, &reason) != 0)
        fault(reading, "record", "%.200s", reason.text);
    row->record_len = record.len;
}

/* --- status and days --------------------------------------------------------------------------- */

/* Reads a day. `empty` is what an empty text means. */
static uint32_t read_day(struct reading *reading, enum registry_column column, uint32_t empty) {
    const struct import *import = reading->registry->import;
    struct span text = column_text(reading, column);
    uint32_t day;
    bool is_end =
        column == COLUMN_VALID_TO || column == COLUMN_VALID_TO_2 || column == COLUMN_STATUS_UNTIL;
    if (is_end && import->no_end != NULL && words_have(import->no_end, text) &&
        has_column(reading, column))
        return DAY_NO_END;
    if (text.len == 0)
        return empty;
    if (is_end && span_is_same_word(text, (struct span){"no end", 6}))
        return DAY_NO_END;
    if (dates_read(import->date_format, text, &day) != 0) {
        refuse(reading, column, text,
               import->date_format == NULL
                   ? "a date YYYY-MM-DD (say how dates are written, such as DD/MM/YYYY)"
                   : "a date in the formats given");
        return empty;
    }
    if (day < DAY_FIRST || day > DAY_LAST) {
        refuse(reading, column, text, "a day from 1900-01-01 to 2617-09-19");
        return empty;
    }
    return day;
}

/* What is before the register's history has always been so. */
static uint32_t start_day(const struct reading *reading, uint32_t day) {
    return day < reading->registry->history_since && day != DAY_NO_START ? DAY_NO_START : day;
}

static void read_status(struct reading *reading) {
    struct span text = column_text(reading, COLUMN_STATUS), meaning = text;
    struct row *row = reading->row;
    bool is_mapped = words_meaning(reading->registry->import->status, text, &meaning);
    if (status_parse(meaning.text, meaning.len, &row->status) != 0) {
        row->status = STATUS_WITHHELD;
        count_unknown(reading, COLUMN_STATUS, text);
        refuse(reading, COLUMN_STATUS, text,
               is_mapped ? "mapped to a status"
                         : "a status (want valid, suspended, disqualified, revoked, surrendered, "
                           "deceased or withheld, or a mapping)");
    }
    row->since = read_day(reading, COLUMN_STATUS_SINCE, DAY_UNKNOWN);
    if (row->since != DAY_UNKNOWN)
        row->since = start_day(reading, row->since);
    row->until = read_day(reading, COLUMN_STATUS_UNTIL, DAY_NO_END);
    if (row->until != DAY_NO_END && row->since != DAY_UNKNOWN && row->until < row->since)
        fault(reading, name_of(COLUMN_STATUS_UNTIL), "is before status_since");
    if (row->status == STATUS_VALID)
        row->until = DAY_NO_END;
    text = column_text(reading, COLUMN_STATUS_OF);
    row->is_class_status = span_is_same_word(text, (struct span){"classes", 7});
    if (row->is_class_status && row->status == STATUS_WITHHELD)
        fault(reading, name_of(COLUMN_STATUS_OF), "cannot be classes where the status is withheld");
    if (text.len > 0 && !row->is_class_status &&
        !span_is_same_word(text, (struct span){"licence", 7}))
        refuse(reading, COLUMN_STATUS_OF, text, "\"licence\" or \"classes\"");
}

static void read_card_status(struct reading *reading) {
    static const char *const names[] = {"current", "former", "lost", "stolen"};
    struct span text = column_text(reading, COLUMN_CARD_STATUS), meaning = text;
    struct row *row = reading->row;
    row->card_state = 0;
    if (text.len == 0)
        return;
    words_meaning(reading->registry->import->card_status, text, &meaning);
    for (uint8_t state = 0; state <= CARD_STOLEN; state++) {
        if (span_is_same_word(meaning, (struct span){names[state], strlen(names[state])})) {
            row->card_state = state;
            return;
        }
    }
    count_unknown(reading, COLUMN_CARD_STATUS, text);
    refuse(reading, COLUMN_CARD_STATUS, text, "current, former, lost or stolen");
}

/* --- classes and codes -------------------------------------------------------------------------- */

/* What the row's classes and codes are made of. */
struct classes {
    struct class_builder builders[ROW_GROUPS_MAX]; /* by group */
    unsigned code_count;
    struct span codes[CLASS_SET_CODES]; /* of all classes of the row */
};

static bool is_in(char c, const char *characters) {
    return c != '\0' && strchr(characters, c) != NULL;
}

static void add_class(struct reading *reading, struct classes *classes, struct span name,
                      bool is_provisional) {
    const char *second = reading->registry->import->classes_2;
    unsigned group = second != NULL && words_have(second, name);
    if (!class_name_is_valid(name))
        refuse(reading, COLUMN_CLASSES, name, "a name of a class");
    else if (class_builder_add(&classes->builders[group], name, is_provisional) < 0)
        fault(reading, name_of(COLUMN_CLASSES), "holds more than %d classes", CLASS_SET_CLASSES);
}

static bool says_yes(const struct reading *reading, struct span text) {
    const char *yes = reading->registry->import->yes;
    return words_have(yes != NULL ? yes : "Y,yes,1,true,X", text);
}

/* Reads the names in one source: a list, or a yes or no to one class. */
static void read_class_source(struct reading *reading, struct classes *classes,
                              const struct import_source *source, bool is_provisional) {
    const char *separators = reading->registry->import->class_separators;
    struct span text = source_text(reading, source);
    if (separators == NULL)
        separators = " ,;|";
    if (source->is_flag) {
        struct csv_field *field = &reading->csv->fields[source->field];
        if (says_yes(reading, span_trim((struct span){field->text, field->len})))
            add_class(reading, classes, source->constant, is_provisional);
        return;
    }
    for (size_t at = 0; at < text.len;) {
        size_t start = at;
        while (at < text.len && !is_in(text.text[at], separators))
            at++;
        struct span name = span_trim((struct span){text.text + start, at - start});
        if (name.len > 0)
            add_class(reading, classes, name, is_provisional);
        at++;
    }
}

/* Whether a code has an argument, which is personal: 70, 71 and 95 of the EU's codes. */
static bool is_personal(struct span code) {
    return code.len > 3 && (code.text[2] == '(' || code.text[2] == '.') &&
           (memcmp(code.text, "70", 2) == 0 || memcmp(code.text, "71", 2) == 0 ||
            memcmp(code.text, "95", 2) == 0);
}

/* A code of the list: what comes behind a blank and a parenthesis explains it, and is left out. */
static void add_code(struct reading *reading, struct classes *classes, struct span code) {
    const char *comment = memchr(code.text, '(', code.len);
    if (comment != NULL && comment > code.text && comment[-1] == ' ')
        code = span_trim((struct span){code.text, (size_t)(comment - code.text)});
    if (code.len == 0)
        return;
    if (!class_name_is_valid(code))
        refuse(reading, COLUMN_CODES, code, "a code");
    else if (classes->code_count == CLASS_SET_CODES)
        fault(reading, name_of(COLUMN_CODES), "holds more than %d codes", CLASS_SET_CODES);
    else
        classes->codes[classes->code_count++] = code;
}

static void read_codes(struct reading *reading, struct classes *classes) {
    struct span text = column_text(reading, COLUMN_CODES);
    unsigned depth = 0;
    for (size_t at = 0, start = 0; at <= text.len && text.len > 0; at++) {
        char c = at < text.len ? text.text[at] : ',';
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (at < text.len && (depth > 0 || (c != ',' && c != ';')))
            continue;
        add_code(reading, classes, span_trim((struct span){text.text + start, at - start}));
        start = at + 1;
    }
}

/* Keeps a text in the row. */
static struct span keep(struct reading *reading, const char *text, size_t len) {
    struct row *row = reading->row;
    if (len > sizeof row->texts - row->texts_len) {
        fault(reading, name_of(COLUMN_CLASSES), "hold too much text");
        return (struct span){"", 0};
    }
    char *kept = row->texts + row->texts_len;
    memcpy(kept, text, len);
    row->texts_len += len;
    return (struct span){kept, len};
}

/* A code with an argument, and the class that it belongs to. */
static void add_personal(struct reading *reading, struct span name, struct span code) {
    struct row *row = reading->row;
    char text[2 * CLASS_NAME_MAX + 1];
    if (row->code_count == ROW_CODES_MAX) {
        fault(reading, name_of(COLUMN_CODES), "holds more than %d codes with an argument",
              ROW_CODES_MAX);
        return;
    }
    memcpy(text, name.text, name.len);
    text[name.len] = CLASS_CODE;
    memcpy(text + name.len + 1, code.text, code.len);
    row->codes[row->code_count++] = keep(reading, text, name.len + 1 + code.len);
}

/* Gives every class of a group the row's codes, and writes the set. */
static struct span write_set(struct reading *reading, struct classes *classes, unsigned group) {
    struct class_builder *builder = &classes->builders[group];
    char text[CLASS_SET_MAX];
    for (unsigned class = 0; class < builder->count; class ++) {
        for (unsigned i = 0; i < classes->code_count; i++) {
            struct span code = classes->codes[i];
            if (is_personal(code))
                add_personal(reading, builder->classes[class].name, code);
            else if (class_builder_add_code(builder, (int)class, code) != 0)
                fault(reading, name_of(COLUMN_CODES), "holds too many codes");
        }
    }
    int len = class_builder_write(builder, text);
    if (len < 0)
        fault(reading, name_of(COLUMN_CLASSES), "hold more than %d bytes", CLASS_SET_MAX);
    return len <= 0 ? (struct span){"", 0} : keep(reading, text, (size_t)len);
}

static void add_group(struct reading *reading, enum registry_column from_column,
                      enum registry_column to_column, struct span classes) {
    struct row *row = reading->row;
    uint32_t from = start_day(reading, read_day(reading, from_column, DAY_NO_START));
    uint32_t to = read_day(reading, to_column, DAY_UNKNOWN);
    /* A licence that is not valid may come without classes and dates: then it has none, and an empty
     * field does not mean that it has no end. */
    if (row->status != STATUS_VALID && classes.len == 0 &&
        column_text(reading, from_column).len == 0 && column_text(reading, to_column).len == 0)
        return;
    if (to == DAY_UNKNOWN) {
        /* A licence that is not valid may come without dates. */
        if (row->status == STATUS_VALID && column_text(reading, to_column).len == 0)
            fault(reading, name_of(to_column), "is empty (say so if that means: without end)");
        return;
    }
    if (to < from) {
        fault(reading, name_of(to_column), "is before %s", name_of(from_column));
        return;
    }
    row->groups[row->group_count++] = (struct row_group){from, to, classes};
}

static void read_groups(struct reading *reading) {
    struct classes classes NOT_CLEARED;
    const struct import_sources *sources = &reading->registry->columns[COLUMN_CLASSES];
    struct span type = column_text(reading, COLUMN_CLASS_TYPE);
    bool is_provisional = type.len > 0 && words_have(reading->registry->import->provisional, type);
    classes.code_count = 0;
    for (unsigned i = 0; i < ROW_GROUPS_MAX; i++)
        classes.builders[i].count = classes.builders[i].code_count = 0;
    for (unsigned i = 0; i < sources->count; i++)
        read_class_source(reading, &classes, &sources->list[i], is_provisional);
    read_codes(reading, &classes);
    bool has_second = classes.builders[1].count > 0;
    if (classes.builders[0].count > 0 || !has_second)
        add_group(reading, COLUMN_VALID_FROM, COLUMN_VALID_TO, write_set(reading, &classes, 0));
    if (has_second)
        add_group(reading, COLUMN_VALID_FROM_2, COLUMN_VALID_TO_2, write_set(reading, &classes, 1));
}

/* --- all of it --------------------------------------------------------------------------------- */

static void read_operation(struct reading *reading) {
    struct span text = column_text(reading, COLUMN_OP);
    struct row *row = reading->row;
    row->operation = ROW_SET;
    row->is_forced = false;
    if (!reading->registry->is_change_list || span_is_same_word(text, (struct span){"set", 3}))
        return;
    if (span_is_same_word(text, (struct span){"replace", 7})) {
        row->is_forced = true;
        return;
    }
    if (span_is_same_word(text, (struct span){"remove", 6})) {
        row->operation = ROW_REMOVE;
        return;
    }
    static const struct {
        const char *word;
        uint8_t status;
    } changes[] = {{"revoke", STATUS_REVOKED},
                   {"suspend", STATUS_SUSPENDED},
                   {"disqualify", STATUS_DISQUALIFIED},
                   {"lift", STATUS_VALID}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        if (span_is_same_word(text, (struct span){changes[i].word, strlen(changes[i].word)})) {
            row->operation = ROW_CHANGE_STATUS;
            row->status = changes[i].status;
            return;
        }
    }
    refuse(reading, COLUMN_OP, text,
           "an operation (want set, replace, remove, revoke, suspend, disqualify or lift)");
}

/* The days of a change of status. */
static void read_change(struct reading *reading) {
    struct row *row = reading->row;
    uint32_t since = read_day(reading, COLUMN_STATUS_SINCE, reading->registry->change_day);
    row->since = start_day(reading, since);
    row->until = read_day(reading, COLUMN_STATUS_UNTIL, DAY_NO_END);
    if (row->status == STATUS_VALID)
        row->until = DAY_NO_END;
    if (row->until != DAY_NO_END && row->until < row->since)
        fault(reading, name_of(COLUMN_STATUS_UNTIL), "is before status_since");
}

static void begin_row(struct row *row) {
    row->group_count = row->code_count = row->former_count = 0;
    row->has_document = row->is_class_status = false;
    row->record_len = row->texts_len = 0;
    row->card_state = 0;
    row->number.len = 0;
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        row->fields[field].is_given = false;
}

int registry_row(const struct registry *registry, const struct csv_row *csv, struct row *row,
                 struct error *error) {
    struct reading reading NOT_CLEARED;
    reading.registry = registry;
    reading.csv = csv;
    reading.row = row;
    reading.is_bad = false;
    reading.len = 0;
    reading.error = error;
    begin_row(row);
    if (csv->field_count != registry->source_count)
        return error_set(error, ERR_FORMAT, "%zu fields, but there are %zu columns",
                         csv->field_count, registry->source_count);
    read_number(&reading);
    read_operation(&reading);
    if (row->operation == ROW_CHANGE_STATUS)
        read_change(&reading);
    if (row->operation == ROW_SET) {
        read_fields(&reading);
        read_card_status(&reading);
        read_status(&reading);
        read_groups(&reading);
        read_formers(&reading);
        read_document(&reading);
        read_record(&reading);
    }
    return reading.is_bad ? ERR_FORMAT : 0;
}

/* --- plain lines ------------------------------------------------------------------------------- */

/* Whether a word can be part of a phone number, and how many digits it has. */
static bool is_phone_part(struct span word, unsigned *digits) {
    for (size_t i = 0; i < word.len; i++) {
        char c = word.text[i];
        bool is_digit = c >= '0' && c <= '9';
        *digits += is_digit;
        if (!is_digit && !is_in(c, "+()-./"))
            return false;
    }
    return true;
}

/* The word that begins at or after `at`; its length is 0 where there is none. */
static struct span word_at(struct span text, size_t at) {
    while (at < text.len && is_in(text.text[at], " \t"))
        at++;
    size_t end = at;
    while (end < text.len && !is_in(text.text[end], " \t"))
        end++;
    return (struct span){text.text + at, end - at};
}

/* Fewer digits are no phone number; nor are fewer behind a +. */
enum { PHONE_DIGITS = 7, PHONE_DIGITS_ABROAD = 10 };

bool record_split(struct span record, struct span *name, struct span *phone, struct span *number) {
    struct span word;
    const char *phone_start = NULL;
    unsigned digits = 0;
    for (size_t at = 0; (word = word_at(record, at)).len > 0;) {
        at = (size_t)(word.text - record.text) + word.len;
        unsigned before = digits;
        if (!is_phone_part(word, &digits)) {
            digits = 0;
            phone_start = NULL;
            continue;
        }
        if (before == 0)
            phone_start = word.text;
        struct span rest = span_trim((struct span){record.text + at, record.len - at});
        if (rest.len == 0 || phone_start == NULL ||
            digits < (*phone_start == '+' ? PHONE_DIGITS_ABROAD : PHONE_DIGITS))
            continue;
        *name = span_trim((struct span){record.text, (size_t)(phone_start - record.text)});
        *phone = (struct span){phone_start, (size_t)(record.text + at - phone_start)};
        *number = rest;
        return name->len > 0;
    }
    return false;
}

int registry_line(const struct registry *registry, const struct csv_row *csv, struct row *row,
                  struct error *error) {
    struct span line = {csv->fields[0].text, csv->fields[0].len}, name, phone, number;
    begin_row(row);
    row->operation = ROW_SET;
    row->is_forced = false;
    if (!record_split(line, &name, &phone, &number))
        return error_set(error, ERR_FORMAT,
                         "no phone number stands between a name and a licence number");
    row->spelling = spelling_of(number);
    if (number_form(&row->number, number.text, number.len, error) != 0) {
        row->number.len = 0;
        return error_prefix(error, ERR_FORMAT, "licence");
    }
    if (make_form(registry, FIELD_NAME, &row->fields[FIELD_NAME].form, name, error) != 0)
        return error_prefix(error, ERR_FORMAT, "name");
    if (make_form(registry, FIELD_PHONE, &row->fields[FIELD_PHONE].form, phone, error) != 0)
        return error_prefix(error, ERR_FORMAT, "phone");
    row->fields[FIELD_NAME].is_given = row->fields[FIELD_PHONE].is_given = true;
    row->status = STATUS_VALID;
    row->since = DAY_UNKNOWN;
    row->until = DAY_NO_END;
    row->group_count = 1;
    row->groups[0] = (struct row_group){DAY_NO_START, DAY_NO_END, {"", 0}};
    if (registry->has_legacy)
        return record_canonical(row->record, &row->record_len, line.text, line.len, error);
    return 0;
}
