#include "db/evidence.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* --- writing ---------------------------------------------------------------------------------- */

static char *put_text(char *out, const char *text) {
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return out + len;
}

/* "NAME = HEX" and the end of the line. */
static char *put_hex(char *out, const char *name, const void *bytes, size_t len) {
    out = put_text(put_text(out, name), " = ");
    hex_encode(out, bytes, len);
    return put_text(out + 2 * len, "\n");
}

static char *put_entry(char *out, const struct proof_entry *entry) {
    char line[24 + 2 * DB_ENTRY_LEN], key[2 * DB_KEY_LEN + 1],
        attributes[2 * DB_ATTRIBUTES_LEN + 1];
    hex_encode(key, entry->key, DB_KEY_LEN);
    hex_encode(attributes, entry->attributes, DB_ATTRIBUTES_LEN);
    format_text(line, sizeof line, "%llu %s %s\n", (unsigned long long)entry->index, key,
                attributes);
    out = put_text(put_text(out, "entry = "), line);
    for (unsigned i = 0; i < entry->path_len; i++)
        out = put_hex(out, "path", entry->path[i], MERKLE_NODE_LEN);
    return out;
}

size_t evidence_write(const struct evidence *evidence, char *text) {
    char at[TIME_TEXT_SIZE];
    char *out = put_text(text, "dlv evidence 1\n");
    moment_format(at, &evidence->at, 0);
    out = put_hex(out, "digest", evidence->digest, SHA256_LEN);
    out = put_text(put_text(out, "kind = "), kind_name((uint8_t)evidence->kind));
    out = put_text(put_text(put_text(out, "\nat = "), at), "\n");
    out = put_hex(out, "header", evidence->header_page, DB_PAGE);
    for (unsigned i = 0; i < evidence->proof.entry_count; i++)
        out = put_entry(out, &evidence->proof.entries[i]);
    return (size_t)(out - text);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    const char *at;
    const char *end;
    unsigned line;
    struct error *error;
};

static int malformed(const struct reader *reader, const char *wanted) {
    return error_set(reader->error, ERR_FORMAT, "line %u: want %s", reader->line, wanted);
}

/* The value of the next line if it begins with `prefix`, its length; NULL otherwise. */
static const char *take(struct reader *reader, const char *prefix, size_t *len) {
    size_t prefix_len = strlen(prefix);
    const char *line_end = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    if (line_end == NULL || (size_t)(line_end - reader->at) < prefix_len ||
        memcmp(reader->at, prefix, prefix_len) != 0)
        return NULL;
    const char *value = reader->at + prefix_len;
    *len = (size_t)(line_end - value);
    reader->at = line_end + 1;
    reader->line++;
    return value;
}

/* Lower-case hexadecimal of exactly `len` bytes. */
static bool decode(uint8_t *bytes, size_t len, const char *text, size_t text_len) {
    for (size_t i = 0; i < text_len; i++) {
        if (text[i] >= 'A' && text[i] <= 'F')
            return false;
    }
    return text_len == 2 * len && hex_decode(bytes, len, text, text_len) == (long)len;
}

static int read_question(struct reader *reader, struct evidence *evidence) {
    size_t len;
    char at[TIME_TEXT_SIZE], again[TIME_TEXT_SIZE];
    const char *value = take(reader, "dlv evidence 1", &len);
    if (value == NULL || len != 0)
        return malformed(reader, "\"dlv evidence 1\"");
    value = take(reader, "digest = ", &len);
    if (value == NULL || !decode(evidence->digest, SHA256_LEN, value, len))
        return malformed(reader, "\"digest = \" and 64 hex digits");
    value = take(reader, "kind = ", &len);
    evidence->kind = KIND_ANY;
    for (uint8_t kind = KIND_RECORD; value != NULL && kind <= KIND_DOCUMENT; kind++) {
        if (strlen(kind_name(kind)) == len && memcmp(kind_name(kind), value, len) == 0)
            evidence->kind = (enum licence_kind)kind;
    }
    if (evidence->kind == KIND_ANY)
        return malformed(reader, "\"kind = \" and record, number or document");
    value = take(reader, "at = ", &len);
    if (value == NULL || len >= sizeof at)
        return malformed(reader, "\"at = \" and a time in UTC or a day");
    memcpy(at, value, len);
    at[len] = '\0';
    if (moment_parse(at, &evidence->at) != 0)
        return malformed(reader, "\"at = \" and a time in UTC or a day");
    moment_format(again, &evidence->at, 0);
    if (strcmp(at, again) != 0)
        return malformed(reader, "\"at = \" and a time in UTC or a day");
    value = take(reader, "header = ", &len);
    if (value == NULL || !decode(evidence->header_page, DB_PAGE, value, len))
        return malformed(reader, "\"header = \" and 8192 hex digits");
    return 0;
}

/* "INDEX KEY ATTRIBUTES" */
static bool parse_entry(struct proof_entry *entry, const char *value, size_t len) {
    char index[11];
    const size_t tail = 1 + 2 * DB_KEY_LEN + 1 + 2 * DB_ATTRIBUTES_LEN;
    unsigned long long number;
    if (len <= tail || len - tail >= sizeof index)
        return false;
    size_t index_len = len - tail;
    memcpy(index, value, index_len);
    index[index_len] = '\0';
    value += index_len;
    if (text_parse_count(index, DB_COUNT_MAX, &number) != 0 || (index[0] == '0' && index_len > 1) ||
        value[0] != ' ' || value[1 + 2 * DB_KEY_LEN] != ' ')
        return false;
    entry->index = number;
    return decode(entry->key, DB_KEY_LEN, value + 1, 2 * DB_KEY_LEN) &&
           decode(entry->attributes, DB_ATTRIBUTES_LEN, value + 2 + 2 * DB_KEY_LEN,
                  2 * DB_ATTRIBUTES_LEN);
}

static int read_entry(struct reader *reader, struct proof_entry *entry) {
    size_t len;
    const char *value = take(reader, "entry = ", &len);
    if (value == NULL || !parse_entry(entry, value, len))
        return malformed(reader, "\"entry = \" with index, key and attributes");
    entry->path_len = 0;
    while ((value = take(reader, "path = ", &len)) != NULL) {
        if (entry->path_len == PROOF_PATH_MAX ||
            !decode(entry->path[entry->path_len++], MERKLE_NODE_LEN, value, len))
            return malformed(reader, "\"path = \" and 64 hex digits, 32 of them at most");
    }
    return 0;
}

int evidence_read(struct evidence *evidence, const char *text, size_t len, struct error *error) {
    struct reader reader = {.at = text, .end = text + len, .line = 1, .error = error};
    int code = read_question(&reader, evidence);
    evidence->proof.entry_count = 0;
    do {
        if (code == 0)
            code = read_entry(&reader, &evidence->proof.entries[evidence->proof.entry_count++]);
    } while (code == 0 && reader.at != reader.end && evidence->proof.entry_count < 2);
    if (code == 0 && reader.at != reader.end)
        return malformed(&reader, "the end of the file");
    return code;
}

/* --- checking --------------------------------------------------------------------------------- */

int evidence_check(const struct evidence *evidence, const struct rsa_public *authority,
                   const struct lookup_key *lookup_key, struct db_header *header,
                   struct db_answer *answer, struct error *error) {
    int code = db_header_decode(header, evidence->header_page, error);
    if (code == 0)
        code = db_header_verify(header, evidence->header_page, authority, error);
    if (code == 0)
        code = db_check_lookup_key(header, lookup_key, "the database", error);
    if (code != 0)
        return code;
    return proof_answer(header, lookup_key, evidence->digest, evidence->kind,
                        moment_day(&evidence->at, header->facts.utc_offset_s), &evidence->proof,
                        answer, error);
}
