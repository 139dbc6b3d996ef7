#include "registry/csv.h"

#include "base/bytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Length of the line end at bytes[at]: 1 (LF), 2 (CRLF) or 0. */
static size_t line_end(const char *bytes, size_t at, size_t len) {
    if (bytes[at] == '\n')
        return 1;
    return bytes[at] == '\r' && at + 1 < len && bytes[at + 1] == '\n' ? 2 : 0;
}

static enum csv_result bad(struct csv_row *row, const char *reason) {
    row->reason = reason;
    return CSV_BAD;
}

/* Copies a field with each doubled quotation mark as one; returns the new length. */
static size_t undouble(char *copy, const char *text, size_t len) {
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        copy[out++] = text[i];
        if (text[i] == '"')
            i++;
    }
    return out;
}

void csv_separators_init(struct csv_separators *separators, char delimiter) {
    memset(separators, 0, sizeof *separators);
    separators->delimiter = delimiter;
    separators->are_special[(uint8_t)delimiter] = separators->are_special['"'] = 1;
    separators->are_special['\n'] = separators->are_special['\r'] = 1;
}

/* Where a field that is not quoted ends: at a delimiter, a line end, a quotation mark, or `len`. */
static size_t field_end(const uint8_t are_special[256], const char *bytes, size_t at, size_t len) {
    for (;; at++) {
        while (at < len && !are_special[(uint8_t)bytes[at]])
            at++;
        if (at >= len || bytes[at] != '\r' || line_end(bytes, at, len))
            return at;
    }
}

/* A row that is being parsed. */
struct parsing {
    const struct csv_separators *separators;
    const char *bytes;
    size_t len;
    bool is_last;
    size_t at;
    uint64_t lines;
    bool has_doubled;                /* some field has doubled quotation marks ... */
    uint8_t doubled[CSV_FIELDS_MAX]; /* ... namely those that are true here */
};

static void note_doubled(struct parsing *parsing, size_t field) {
    if (!parsing->has_doubled)
        memset(parsing->doubled, 0, sizeof parsing->doubled);
    parsing->has_doubled = true;
    parsing->doubled[field] = true;
}

/* Takes a field from behind its opening quotation mark to behind the closing one. */
static inline enum csv_result take_quoted(struct parsing *parsing, struct csv_row *row,
                                          struct csv_field *field) {
    const char *bytes = parsing->bytes;
    size_t at = ++parsing->at, len = parsing->len;
    for (;; at++) {
        if (at >= len)
            return parsing->is_last ? bad(row, "a quoted field is never closed") : CSV_MORE;
        if (bytes[at] == '\n')
            parsing->lines++;
        if (bytes[at] != '"')
            continue;
        if (at + 1 >= len && !parsing->is_last)
            return CSV_MORE;
        if (at + 1 >= len || bytes[at + 1] != '"')
            break;
        at++;
        note_doubled(parsing, row->field_count - 1);
    }
    *field = (struct csv_field){bytes + parsing->at, at - parsing->at};
    parsing->at = at + 1;
    return CSV_ROW;
}

static inline enum csv_result take_plain(struct parsing *parsing, struct csv_row *row,
                                         struct csv_field *field) {
    size_t end =
        field_end(parsing->separators->are_special, parsing->bytes, parsing->at, parsing->len);
    if (end < parsing->len && parsing->bytes[end] == '"')
        return bad(row, "a quotation mark inside a field that does not begin with one");
    *field = (struct csv_field){parsing->bytes + parsing->at, end - parsing->at};
    parsing->at = end;
    return CSV_ROW;
}

/* Takes what follows a field: a delimiter, or the end of the row. */
static inline enum csv_result take_end(struct parsing *parsing, struct csv_row *row, bool *is_end) {
    const char *bytes = parsing->bytes;
    size_t at = parsing->at, len = parsing->len;
    *is_end = true;
    if (at >= len || (bytes[at] == '\r' && at + 1 >= len)) {
        if (!parsing->is_last)
            return CSV_MORE;
        return at < len ? bad(row, "text behind a closing quotation mark") : CSV_ROW;
    }
    if (bytes[at] == parsing->separators->delimiter) {
        parsing->at++;
        *is_end = false;
        return CSV_ROW;
    }
    size_t end = line_end(bytes, at, len);
    if (end == 0)
        return bad(row, "text behind a closing quotation mark");
    parsing->at += end;
    parsing->lines++;
    return CSV_ROW;
}

/* Copies the fields with doubled quotation marks to *unquoted, with single ones. */
static void undouble_fields(struct csv_row *row, const uint8_t *doubled, char **unquoted) {
    for (size_t i = 0; i < row->field_count; i++) {
        if (!doubled[i])
            continue;
        size_t copy_len = undouble(*unquoted, row->fields[i].text, row->fields[i].len);
        row->fields[i] = (struct csv_field){*unquoted, copy_len};
        *unquoted += copy_len;
    }
}

enum csv_result csv_parse(const struct csv_separators *separators, const char *bytes, size_t len,
                          bool is_last, char **unquoted, struct csv_row *row, size_t *used,
                          uint64_t *lines) {
    struct parsing parsing NOT_CLEARED;
    parsing.separators = separators;
    parsing.bytes = bytes;
    parsing.len = len;
    parsing.is_last = is_last;
    parsing.at = 0;
    parsing.lines = 0;
    parsing.has_doubled = false;
    enum csv_result result = CSV_ROW;
    row->field_count = 0;
    for (bool is_end = false; result == CSV_ROW && !is_end;) {
        if (row->field_count == CSV_FIELDS_MAX) {
            result = bad(row, "more than 256 fields");
            break;
        }
        struct csv_field *field = &row->fields[row->field_count++];
        result = parsing.at < len && bytes[parsing.at] == '"' ? take_quoted(&parsing, row, field)
                                                              : take_plain(&parsing, row, field);
        if (result == CSV_ROW)
            result = take_end(&parsing, row, &is_end);
    }
    *lines = parsing.lines;
    if (result != CSV_ROW)
        return result;
    *used = parsing.at;
    if (parsing.has_doubled)
        undouble_fields(row, parsing.doubled, unquoted);
    return CSV_ROW;
}

/* Does the same for a plain line. */
static enum csv_result line_parse(const char *bytes, size_t len, bool is_last, struct csv_row *row,
                                  size_t *used, uint64_t *lines) {
    const char *end = memchr(bytes, '\n', len);
    if (end == NULL && !is_last)
        return CSV_MORE;
    size_t text_len = end == NULL ? len : (size_t)(end - bytes);
    *used = end == NULL ? len : text_len + 1;
    *lines = end != NULL;
    if (text_len > 0 && bytes[text_len - 1] == '\r')
        text_len--;
    row->field_count = 1;
    row->fields[0] = (struct csv_field){bytes, text_len};
    return CSV_ROW;
}

void csv_reader_init(struct csv_reader *reader, struct csv_block *block, int fd, bool is_lines) {
    *reader = (struct csv_reader){.fd = fd, .is_lines = is_lines, .line = 1, .block = block};
    csv_separators_init(&reader->separators, ',');
    decoder_init(&reader->decoder, ENCODING_UTF8);
    csv_reader_turn(reader, block);
}

void csv_reader_turn(struct csv_reader *reader, struct csv_block *block) {
    memmove(block->text, reader->block->text + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
    reader->block = block;
    block->field_count = 0;
    block->unquoted_len = 0;
}

/* Reads bytes as they are in the file. Their number, 0 at the end, or ERR_SYSTEM. */
static ssize_t read_bytes(struct csv_reader *reader, void *bytes, size_t room) {
    ssize_t n;
    do {
        n = read(reader->fd, bytes, room);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return ERR_SYSTEM;
    size_t missing = sizeof reader->first - reader->first_len;
    size_t kept = (size_t)n < missing ? (size_t)n : missing;
    memcpy(reader->first + reader->first_len, bytes, kept);
    reader->first_len += kept;
    reader->is_last = n == 0;
    reader->bytes_read += (uint64_t)n;
    return n;
}

static ssize_t read_decoded(struct csv_reader *reader, char *out, size_t room) {
    uint8_t bytes[16384];
    size_t max = (room - DECODED_ROOM(0)) / 3;
    ssize_t n = read_bytes(reader, bytes, max < sizeof bytes ? max : sizeof bytes);
    if (n < 0)
        return n;
    return (ssize_t)(n == 0 ? decoder_finish(&reader->decoder, out)
                            : decoder_take(&reader->decoder, bytes, (size_t)n, out));
}

static void change_line_ends(char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        text[i] = text[i] == '\r' ? '\n' : text[i];
}

/* Reads more behind what is there. 0, CSV_FULL or ERR_SYSTEM. */
static int fill(struct csv_reader *reader) {
    size_t room = sizeof reader->block->text - reader->end;
    char *out = reader->block->text + reader->end;
    bool is_decoded = reader->decoder.encoding != ENCODING_UTF8;
    if (room < (is_decoded ? DECODED_ROOM(1) : 1))
        return CSV_FULL;
    ssize_t n = is_decoded ? read_decoded(reader, out, room) : read_bytes(reader, out, room);
    if (n < 0)
        return ERR_SYSTEM;
    if (reader->has_cr_ends)
        change_line_ends(out, (size_t)n);
    reader->end += (size_t)n;
    if (n > 0)
        reader->last = out[n - 1];
    return 0;
}

bool csv_reader_was_cut(const struct csv_reader *reader) {
    return reader->last != '\n' && reader->last != '\r';
}

/* Drops the rest of the line. 0, CSV_FULL or ERR_SYSTEM. */
static int skip_line(struct csv_reader *reader) {
    for (;;) {
        const char *text = reader->block->text;
        const char *end = memchr(text + reader->start, '\n', reader->end - reader->start);
        if (end != NULL) {
            reader->start = (size_t)(end - text) + 1;
            reader->line++;
            return 0;
        }
        reader->start = reader->end;
        int result = reader->is_last ? 0 : fill(reader);
        if (reader->is_last || result != 0)
            return result;
    }
}

static int skip_byte_order_mark(struct csv_reader *reader) {
    while (!reader->is_last && reader->end < 3) {
        int result = fill(reader);
        if (result != 0)
            return result;
    }
    if (reader->end >= 3 && memcmp(reader->block->text, "\xEF\xBB\xBF", 3) == 0)
        reader->start += 3;
    return 0;
}

/* --- what a file is ----------------------------------------------------------------------------- */

static bool file_begins(const struct csv_reader *reader, const char *bytes, size_t len) {
    return reader->first_len >= len && memcmp(reader->first, bytes, len) == 0;
}

/* The kind of a file that is no text; NULL: it may be text. */
static const char *foreign_kind(const struct csv_reader *reader) {
    static const struct {
        const char *bytes;
        size_t len;
        const char *kind;
    } kinds[] = {{"\x1f\x8b", 2, "is compressed by gzip: unpack it first"},
                 {"BZh", 3, "is compressed by bzip2: unpack it first"},
                 {"\xfd"
                  "7zXZ",
                  5, "is compressed by xz: unpack it first"},
                 {"\x28\xb5\x2f\xfd", 4, "is compressed by zstd: unpack it first"},
                 {"PK\3\4", 4, "is a spreadsheet or an archive (ZIP): save it as CSV"},
                 {"\xd0\xcf\x11\xe0", 4, "is a spreadsheet or a document (OLE): save it as CSV"},
                 {"%PDF-", 5, "is a PDF document"},
                 {"SQLite format 3", 15, "is an SQLite database: export it as CSV"},
                 {"dlv-db", 6, "is a database of dlv itself, not a registry"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (file_begins(reader, kinds[i].bytes, kinds[i].len))
            return kinds[i].kind;
    }
    return NULL;
}

/* What speaks against the encoding; NULL: nothing. */
static const char *wrong_encoding(const struct csv_reader *reader) {
    bool has_mark = file_begins(reader, "\xff\xfe", 2) || file_begins(reader, "\xfe\xff", 2);
    bool has_zero = reader->first_len >= 2 && (reader->first[0] == 0) != (reader->first[1] == 0);
    switch (reader->decoder.encoding) {
    case ENCODING_UTF16:
        return has_mark || has_zero || reader->first_len == 0 ? NULL : "is not UTF-16";
    case ENCODING_WINDOWS_1252:
    case ENCODING_LATIN_1:
        if (file_begins(reader, "\xEF\xBB\xBF", 3))
            return "begins with the byte order mark of UTF-8";
        break;
    case ENCODING_UTF8:
        break;
    }
    return has_mark || has_zero ? "is UTF-16" : NULL;
}

/* Whether lines end with CR alone, as far as the beginning shows. */
static bool ends_lines_with_cr(const struct csv_reader *reader) {
    const char *text = reader->block->text + reader->start;
    size_t len = reader->end - reader->start;
    return memchr(text, '\n', len) == NULL && memchr(text, '\r', len) != NULL;
}

int csv_reader_begin(struct csv_reader *reader, char delimiter, enum encoding encoding,
                     struct error *error) {
    csv_separators_init(&reader->separators, delimiter);
    decoder_init(&reader->decoder, encoding);
    while (!reader->is_last && reader->end < CSV_ROW_MAX) {
        if (fill(reader) != 0)
            return ERR_SYSTEM;
    }
    const char *reason = foreign_kind(reader);
    if (reason != NULL)
        return error_set(error, ERR_FORMAT, "%s", reason);
    reason = wrong_encoding(reader);
    if (reason != NULL)
        return error_set(error, ERR_CONFLICT, "%s", reason);
    if (reader->end >= 3 && memcmp(reader->block->text, "\xEF\xBB\xBF", 3) == 0)
        reader->start = 3;
    reader->has_cr_ends = ends_lines_with_cr(reader);
    if (reader->has_cr_ends)
        change_line_ends(reader->block->text, reader->end);
    return 0;
}

bool csv_reader_was_utf8(const struct csv_reader *reader) {
    return decoder_was_utf8(&reader->decoder);
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Decides what a row without a line end is. */
static size_t trimmed(const char *bytes, size_t len) {
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    return len;
}

/* Parses the row at `start`. CSV_MORE where it is not complete, but may become so. */
static enum csv_result parse(struct csv_reader *reader, struct csv_row *row, size_t *used,
                             uint64_t *lines) {
    struct csv_block *block = reader->block;
    const char *bytes = block->text + reader->start;
    size_t len = reader->end - reader->start;
    size_t visible = len > CSV_ROW_MAX ? CSV_ROW_MAX : len;
    bool is_last = reader->is_last && visible == len;
    char *unquoted = block->unquoted + block->unquoted_len;
    row->line = reader->line;
    row->raw = bytes;
    row->fields = block->fields + block->field_count;
    row->reason = NULL;
    if (len == 0)
        return reader->is_last ? CSV_END : CSV_MORE;
    if (block->field_count + CSV_FIELDS_MAX > CSV_BLOCK_FIELDS ||
        block->unquoted_len + CSV_ROW_MAX > sizeof block->unquoted)
        return CSV_FULL;
    enum csv_result result =
        reader->is_lines
            ? line_parse(bytes, visible, is_last, row, used, lines)
            : csv_parse(&reader->separators, bytes, visible, is_last, &unquoted, row, used, lines);
    if (result == CSV_MORE && len >= CSV_ROW_MAX)
        result = bad(row, "longer than 16384 bytes, or a quoted field that is never closed");
    if (result == CSV_BAD) {
        const char *end = memchr(bytes, '\n', visible);
        row->raw_len = trimmed(bytes, end == NULL ? visible : (size_t)(end - bytes));
    } else if (result == CSV_ROW) {
        row->raw_len = trimmed(bytes, *used);
        block->field_count += row->field_count;
        block->unquoted_len = (size_t)(unquoted - block->unquoted);
    }
    return result;
}

int csv_reader_next_kept(struct csv_reader *reader, struct csv_row *row) {
    int result = reader->bytes_read == 0 ? skip_byte_order_mark(reader) : 0;
    /* A bad row's first line is dropped only now, so that it could be shown. */
    if (result == 0 && reader->was_bad)
        result = skip_line(reader);
    if (result != 0)
        return result;
    reader->was_bad = false;
    for (;;) {
        size_t used = 0;
        uint64_t lines = 0;
        result = (int)parse(reader, row, &used, &lines);
        if (result == CSV_MORE) {
            result = fill(reader);
            if (result == 0)
                continue;
        }
        if (result == CSV_ROW) {
            reader->start += used;
            reader->line += lines;
            if (row->raw_len == 0)
                continue;
        }
        reader->was_bad = result == CSV_BAD;
        return result;
    }
}

int csv_reader_next(struct csv_reader *reader, struct csv_row *row) {
    int result;
    while ((result = csv_reader_next_kept(reader, row)) == CSV_FULL)
        csv_reader_turn(reader, reader->block);
    return result;
}
