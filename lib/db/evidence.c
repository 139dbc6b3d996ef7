#include "db/evidence.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "db/lines.h"
#include "record/classes.h"
#include "record/digest.h"

#include <stdio.h>
#include <string.h>

#define VERSION_LINE "dlv evidence 2"

/* Of any version. */
const struct file_kind evidence_file_kind = {
    .what = "an evidence file of dlv", .mark = "dlv evidence ", .mode = 0644};

static const char *const field_words[FIELD_COUNT] = {"", "name", "phone", "birth-date", "card"};

/* --- writing ---------------------------------------------------------------------------------- */

static char *put_question(char *out, const struct evidence *evidence) {
    const struct inquired *inquired = &evidence->inquired;
    char at[TIME_TEXT_SIZE];
    const char *kind = ask_kind_name(inquired->kind);
    out = put_span_line(out, "kind", kind, strlen(kind));
    out = put_hex_line(out, "digest", inquired->digest, SHA256_LEN);
    if (inquired->kind == ASK_NUMBER)
        out = put_span_line(out, "number", evidence->number.text, evidence->number.len);
    for (unsigned i = 0; i < inquired->form_count; i++) {
        out = put_text(put_text(out, "field = "), field_words[inquired->forms[i].field]);
        out = put_hex(put_text(out, " "), inquired->forms[i].digest, FIELD_DIGEST_LEN);
        out = put_text(out, "\n");
    }
    for (unsigned i = 0; i < evidence->class_count; i++)
        out = put_span_line(out, "class", evidence->classes[i].text, evidence->classes[i].len);
    moment_format(at, &evidence->at, 0);
    return put_span_line(out, "at", at, strlen(at));
}

static char *put_entry(char *out, const struct proof_entry *entry) {
    uint8_t bytes[DB_ENTRY_LEN];
    memcpy(bytes, entry->entry, DB_ENTRY_LEN);
    if (entry->further.len > 0)
        entry_clear_place(bytes);
    out = put_number(put_text(out, "entry = "), entry->index);
    out = put_text(put_hex(put_text(out, " "), bytes, DB_ENTRY_LEN), " ");
    if (entry->further.len == 0)
        return put_text(out, "-\n");
    return put_text(put_hex(out, entry->further.bytes, entry->further.len), "\n");
}

static char *put_set(char *out, const struct proved_set *proved) {
    out = put_number(put_text(out, "set = "), proved->set.number);
    out = put_hex(put_text(out, " "), proved->set.text.text, proved->set.text.len);
    out = put_text(out, "\n");
    for (unsigned i = 0; i < proved->path.len; i++)
        out = put_hex_line(out, "set-node", proved->path.nodes[i], SHA256_LEN);
    return out;
}

size_t evidence_write(const struct evidence *evidence, char *text) {
    const struct proof *proof = &evidence->proof;
    char *out = put_question(put_text(text, VERSION_LINE "\n"), evidence);
    out = put_hex_line(out, "header", evidence->head, DB_PAGE);
    out = put_hex_line(out, "signatures", evidence->head + DB_SIGNATURES, DB_PAGE);
    for (unsigned i = 0; i < proof->entry_count; i++)
        out = put_entry(out, &proof->entries[i]);
    for (unsigned i = 0; i < proof->node_count; i++)
        out = put_hex_line(out, "node", proof->nodes[i], MERKLE_NODE_LEN);
    for (unsigned i = 0; i < evidence->set_count; i++)
        out = put_set(out, &evidence->sets[i]);
    return (size_t)(out - text);
}

void evidence_add_sets(struct evidence *evidence, const struct class_sets *sets, size_t code_len) {
    static struct terms terms;
    const struct proof *proof = &evidence->proof;
    const struct proof_entry *licence = &proof->entries[proof->entry_count - 1];
    evidence->set_count = 0;
    if (!terms_read(&terms, licence->entry + ENTRY_TERMS, licence->further, sets, code_len, true))
        return;
    for (unsigned i = 0; i < terms.group_count; i++) {
        uint32_t number = class_sets_find(sets, terms.groups[i].classes);
        bool is_there = number == 0;
        for (unsigned s = 0; s < evidence->set_count; s++)
            is_there |= evidence->sets[s].set.number == number;
        if (is_there)
            continue;
        struct proved_set *proved = &evidence->sets[evidence->set_count++];
        proved->set = (struct numbered_set){number, class_sets_text(sets, number)};
        class_sets_prove(sets, number, &proved->path);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The same for any number of bytes, which the evidence keeps. */
static bool decode_kept(struct evidence *evidence, struct span text, const uint8_t **bytes,
                        size_t *len, size_t max) {
    uint8_t *kept = (uint8_t *)evidence->texts + evidence->text_len;
    *len = text.len / 2;
    if (*len == 0 || *len > max || *len > sizeof evidence->texts - evidence->text_len ||
        !span_decode(kept, *len, text))
        return false;
    *bytes = kept;
    evidence->text_len += *len;
    return true;
}

static bool read_field(struct evidence *evidence, struct span value) {
    struct inquired *inquired = &evidence->inquired;
    struct span word = span_take_word(&value);
    unsigned field = FIELD_NAME;
    while (field < FIELD_COUNT && !span_is(word, field_words[field]))
        field++;
    if (field == FIELD_COUNT || inquired->form_count == FORMS_MAX)
        return false;
    struct form_digest *form = &inquired->forms[inquired->form_count++];
    form->field = (uint8_t)field;
    return inquired_is_sound(inquired) && span_decode(form->digest, FIELD_DIGEST_LEN, value);
}

static bool read_number(struct evidence *evidence, struct span value) {
    struct form again;
    if (value.len > FORM_MAX || number_form(&again, value.text, value.len, NULL) != 0 ||
        again.len != value.len || memcmp(again.text, value.text, value.len) != 0)
        return false;
    evidence->number = again;
    return true;
}

static bool read_moment(struct evidence *evidence, struct span value) {
    char at[TIME_TEXT_SIZE], again[TIME_TEXT_SIZE];
    if (value.len >= sizeof at)
        return false;
    memcpy(at, value.text, value.len);
    at[value.len] = '\0';
    if (moment_parse(at, &evidence->at) != 0)
        return false;
    moment_format(again, &evidence->at, 0);
    return strcmp(at, again) == 0;
}

static int read_question(struct lines *lines, struct evidence *evidence) {
    struct inquired *inquired = &evidence->inquired;
    struct span value;
    if (!lines_take(lines, VERSION_LINE, &value) || value.len != 0)
        return lines_refuse(lines, "\"" VERSION_LINE "\"");
    if (lines_take(lines, "kind = ", &value)) {
        for (uint8_t kind = ASK_NUMBER; kind <= ASK_LEGACY; kind++)
            inquired->kind = span_is(value, ask_kind_name(kind)) ? kind : inquired->kind;
    }
    if (inquired->kind == 0)
        return lines_refuse(lines, "\"kind = \" and number, document or legacy");
    if (!lines_take(lines, "digest = ", &value) ||
        !span_decode(inquired->digest, SHA256_LEN, value))
        return lines_refuse(lines, "\"digest = \" and 64 hex digits");
    if (inquired->kind == ASK_NUMBER &&
        (!lines_take(lines, "number = ", &value) || !read_number(evidence, value)))
        return lines_refuse(lines, "\"number = \" and a number in matching form");
    while (lines_take(lines, "field = ", &value)) {
        if (!read_field(evidence, value))
            return lines_refuse(lines, "\"field = \", a field and 32 hex digits, at most three "
                                       "of a name and one of each other");
    }
    while (lines_take(lines, "class = ", &value)) {
        if (evidence->class_count == EVIDENCE_CLASSES_MAX || !class_name_is_valid(value))
            return lines_refuse(lines, "\"class = \" and a class, at most 16 of them");
        evidence->classes[evidence->class_count++] = value;
    }
    if (!lines_take(lines, "at = ", &value) || !read_moment(evidence, value))
        return lines_refuse(lines, "\"at = \" and a time in UTC or a day");
    if (!lines_take(lines, "header = ", &value) || !span_decode(evidence->head, DB_PAGE, value))
        return lines_refuse(lines, "\"header = \" and 8192 hex digits");
    if (!lines_take(lines, "signatures = ", &value) ||
        !span_decode(evidence->head + DB_SIGNATURES, DB_PAGE, value))
        return lines_refuse(lines, "\"signatures = \" and 8192 hex digits");
    return 0;
}

/* "INDEX ENTRY FURTHER" */
static bool read_entry(struct evidence *evidence, struct span value) {
    struct proof_entry *entry = &evidence->proof.entries[evidence->proof.entry_count++];
    unsigned long long index;
    struct span index_text = span_take_word(&value), entry_text = span_take_word(&value);
    if (!span_parse_number(index_text, DB_COUNT_MAX, &index) ||
        !span_decode(entry->entry, DB_ENTRY_LEN, entry_text))
        return false;
    entry->index = index;
    if (span_is(value, "-"))
        return true;
    /* The place says nothing, so it must not be a second way to write the same evidence. */
    uint8_t cleared[DB_ENTRY_LEN];
    memcpy(cleared, entry->entry, DB_ENTRY_LEN);
    entry_clear_place(cleared);
    return memcmp(cleared, entry->entry, DB_ENTRY_LEN) == 0 &&
           decode_kept(evidence, value, &entry->further.bytes, &entry->further.len, FURTHER_MAX);
}

static int read_proof(struct lines *lines, struct evidence *evidence) {
    struct proof *proof = &evidence->proof;
    struct span value;
    while (proof->entry_count < 2 && lines_take(lines, "entry = ", &value)) {
        if (!read_entry(evidence, value))
            return lines_refuse(lines, "\"entry = \", index, 108 hex digits, and hex digits or -");
    }
    if (proof->entry_count == 0)
        return lines_refuse(lines, "\"entry = \", index, 108 hex digits, and hex digits or -");
    while (lines_take(lines, "node = ", &value)) {
        if (proof->node_count == PROOF_NODES_MAX ||
            !span_decode(proof->nodes[proof->node_count++], MERKLE_NODE_LEN, value))
            return lines_refuse(lines, "\"node = \" and 64 hex digits, 64 of them at most");
    }
    return 0;
}

/* "NUMBER HEX" */
static bool read_set(struct evidence *evidence, struct span value) {
    struct proved_set *proved = &evidence->sets[evidence->set_count++];
    unsigned long long number;
    const uint8_t *text;
    struct span word = span_take_word(&value);
    if (!span_parse_number(word, CLASS_SETS_MAX, &number) ||
        !decode_kept(evidence, value, &text, &proved->set.text.len, CLASS_SET_MAX))
        return false;
    proved->set.number = (uint32_t)number;
    proved->set.text.text = (const char *)text;
    return class_set_is_valid(proved->set.text);
}

static int read_sets(struct lines *lines, struct evidence *evidence) {
    struct span value;
    while (evidence->set_count < TERMS_GROUPS_MAX && lines_take(lines, "set = ", &value)) {
        if (!read_set(evidence, value))
            return lines_refuse(lines, "\"set = \", a number and hex digits");
        struct class_set_path *path = &evidence->sets[evidence->set_count - 1].path;
        while (lines_take(lines, "set-node = ", &value)) {
            if (path->len == CLASS_SET_PATH_MAX ||
                !span_decode(path->nodes[path->len++], SHA256_LEN, value))
                return lines_refuse(lines, "\"set-node = \" and 64 hex digits, 16 of them at most");
        }
    }
    return 0;
}

int evidence_take(struct evidence *evidence, struct lines *lines) {
    memset(evidence, 0, sizeof *evidence);
    int code = read_question(lines, evidence);
    if (code == 0)
        code = read_proof(lines, evidence);
    if (code == 0)
        code = read_sets(lines, evidence);
    return code;
}

int evidence_read(struct evidence *evidence, const char *text, size_t len, struct error *error) {
    struct lines lines = {.at = text, .end = text + len, .line = 1, .error = error};
    int code = evidence_take(evidence, &lines);
    if (code == 0 && lines.at != lines.end)
        return lines_refuse(&lines, "the end of the file");
    return code;
}

/* --- checking --------------------------------------------------------------------------------- */

/* Whether the number given is the one that was asked for. */
static bool is_own_number(const struct evidence *evidence) {
    uint8_t digest[SHA256_LEN];
    if (evidence->inquired.kind != ASK_NUMBER)
        return true;
    number_digest(digest, &evidence->number);
    return memcmp(digest, evidence->inquired.digest, SHA256_LEN) == 0;
}

static int check_sets(struct evidence *evidence, const struct db_header *header,
                      struct class_sets *sets, struct error *error) {
    *sets = (struct class_sets){
        .count = header->set_count, .few = evidence->set_list, .few_count = evidence->set_count};
    for (unsigned i = 0; i < evidence->set_count; i++) {
        const struct proved_set *proved = &evidence->sets[i];
        evidence->set_list[i] = proved->set;
        if (!class_set_is_proved(header->dictionary_root, header->set_count, &proved->set,
                                 &proved->path))
            return error_set(error, ERR_SIGNATURE,
                             "a set of classes is not in the dictionary that was signed");
    }
    return 0;
}

/* A release that has run out says nothing about later moments, whoever asks and whenever. */
static int check_moment(const struct release_facts *facts, const struct moment *at,
                        struct error *error) {
    char text[TIME_TEXT_SIZE], bound[TIME_TEXT_SIZE];
    const struct moment until = {.unix_s = facts->valid_until_s};
    uint32_t day = moment_day(at, facts->utc_offset_s);
    bool is_after = at->is_day
                        ? facts->valid_until_s != 0 && day > moment_day(&until, facts->utc_offset_s)
                        : release_is_stale(facts, at->unix_s);
    moment_format(text, at, facts->utc_offset_s);
    if (is_after) {
        time_format(bound, facts->valid_until_s, facts->utc_offset_s);
        return error_set(error, ERR_LIMIT,
                         "the release was valid until %s, so it does not speak for %s", bound,
                         text);
    }
    if (day >= facts->history_since)
        return 0;
    date_format(bound, facts->history_since);
    return error_set(error, ERR_LIMIT, "the release speaks from %s on, so not for %s", bound, text);
}

int evidence_check(struct evidence *evidence, const struct key_set *authorities,
                   const struct lookup_key *lookup_key, const struct moment *at,
                   struct evidence_result *result, struct error *error) {
    struct db_header *header = &result->header;
    struct class_sets sets;
    int code = db_header_decode(header, evidence->head, error);
    if (code == 0)
        code = db_header_verify(header, evidence->head + DB_SIGNATURES, authorities, error);
    if (code == 0)
        code = db_check_lookup_key(header, lookup_key, "the database", error);
    if (code == 0)
        code = check_moment(&header->facts, at, error);
    if (code == 0)
        code = check_sets(evidence, header, &sets, error);
    if (code != 0)
        return code;
    if (!is_own_number(evidence))
        return error_set(error, ERR_SIGNATURE, "the digest is not that of the number");
    const struct held_nodes root = {merkle_height(header->count), 1, header->merkle_root};
    code = proof_answer(header, &root, lookup_key, &evidence->inquired, &evidence->proof,
                        &result->answer, error);
    if (code != 0)
        return code;
    uint32_t day = moment_day(at, header->facts.utc_offset_s);
    code = db_decide(&result->answer, &header->facts, &sets, day, at->unix_s, evidence->classes,
                     evidence->class_count, &result->terms, &result->outcome);
    return code == 0 ? 0 : error_set(error, ERR_SIGNATURE, "impossible terms");
}
