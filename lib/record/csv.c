#include "record/csv.h"

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

enum csv_result csv_parse(const char *bytes, size_t len, int is_last, char *scratch,
                          struct csv_row *row, size_t *used, uint64_t *lines) {
    uint32_t has_doubled = 0;
    size_t at = 0;
    *lines = 0;
    row->field_count = 0;
    for (;;) {
        if (row->field_count == CSV_FIELDS_MAX)
            return bad(row, "more than 32 fields");
        struct csv_field *field = &row->fields[row->field_count++];
        if (at < len && bytes[at] == '"') {
            field->text = bytes + ++at;
            for (;; at++) {
                if (at >= len)
                    return is_last ? bad(row, "a quoted field is never closed") : CSV_MORE;
                if (bytes[at] == '\n')
                    ++*lines;
                if (bytes[at] != '"')
                    continue;
                if (at + 1 >= len && !is_last)
                    return CSV_MORE;
                if (at + 1 >= len || bytes[at + 1] != '"')
                    break;
                at++;
                has_doubled |= 1u << (row->field_count - 1);
            }
            field->len = (size_t)(bytes + at - field->text);
            at++;
        } else {
            field->text = bytes + at;
            while (at < len && bytes[at] != ',' && bytes[at] != '\n' && bytes[at] != '"' &&
                   !(bytes[at] == '\r' && line_end(bytes, at, len)))
                at++;
            if (at < len && bytes[at] == '"')
                return bad(row, "a quotation mark inside a field that does not begin with one");
            field->len = (size_t)(bytes + at - field->text);
        }
        if (at >= len || (bytes[at] == '\r' && at + 1 >= len)) {
            if (!is_last)
                return CSV_MORE;
            if (at < len)
                return bad(row, "text behind a closing quotation mark");
            *used = at;
            break;
        }
        if (bytes[at] == ',') {
            at++;
            continue;
        }
        size_t end = line_end(bytes, at, len);
        if (end == 0)
            return bad(row, "text behind a closing quotation mark");
        *used = at + end;
        ++*lines;
        break;
    }
    for (size_t i = 0; has_doubled != 0 && i < row->field_count; i++) {
        if (!(has_doubled >> i & 1))
            continue;
        size_t copy_len = undouble(scratch, row->fields[i].text, row->fields[i].len);
        row->fields[i] = (struct csv_field){scratch, copy_len};
        scratch += copy_len;
    }
    return CSV_ROW;
}

/* The same for a plain line. */
static enum csv_result line_parse(const char *bytes, size_t len, int is_last, struct csv_row *row,
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

void csv_reader_init(struct csv_reader *reader, int fd, int is_lines) {
    reader->fd = fd;
    reader->is_lines = is_lines;
    reader->is_last = 0;
    reader->was_bad = 0;
    reader->line = 1;
    reader->bytes_read = 0;
    reader->start = 0;
    reader->end = 0;
}

/* Reads more behind what is there. 0 or ERR_SYSTEM. */
static int fill(struct csv_reader *reader) {
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->start = 0;
    }
    ssize_t n;
    do {
        n = read(reader->fd, reader->buffer + reader->end, sizeof reader->buffer - reader->end);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return ERR_SYSTEM;
    reader->is_last = n == 0;
    reader->end += (size_t)n;
    reader->bytes_read += (uint64_t)n;
    return 0;
}

/* Drops the rest of a line longer than the buffer keeps. */
static int skip_line(struct csv_reader *reader) {
    for (;;) {
        char *end = memchr(reader->buffer + reader->start, '\n', reader->end - reader->start);
        if (end != NULL) {
            reader->start = (size_t)(end - reader->buffer) + 1;
            reader->line++;
            return 0;
        }
        reader->start = reader->end;
        if (reader->is_last)
            return 0;
        if (fill(reader) != 0)
            return ERR_SYSTEM;
    }
}

static int skip_byte_order_mark(struct csv_reader *reader) {
    while (!reader->is_last && reader->end - reader->start < 3) {
        if (fill(reader) != 0)
            return ERR_SYSTEM;
    }
    if (reader->end - reader->start >= 3 &&
        memcmp(reader->buffer + reader->start, "\xEF\xBB\xBF", 3) == 0)
        reader->start += 3;
    return 0;
}

int csv_reader_next(struct csv_reader *reader, struct csv_row *row) {
    if (reader->bytes_read == 0 && skip_byte_order_mark(reader) != 0)
        return ERR_SYSTEM;
    /* A bad row's first line is dropped only now, so that it could be shown. */
    if (reader->was_bad && skip_line(reader) != 0)
        return ERR_SYSTEM;
    reader->was_bad = 0;
    row->reason = NULL;
    for (;;) {
        size_t used = 0;
        uint64_t lines = 0;
        const char *bytes = reader->buffer + reader->start;
        size_t len = reader->end - reader->start;
        enum csv_result result = CSV_MORE;
        if (len == 0 && reader->is_last)
            return CSV_END;
        row->line = reader->line;
        row->raw = bytes;
        if (len > 0) {
            size_t visible = len > CSV_ROW_MAX ? CSV_ROW_MAX : len;
            int is_last = reader->is_last && visible == len;
            result = reader->is_lines
                         ? line_parse(bytes, visible, is_last, row, &used, &lines)
                         : csv_parse(bytes, visible, is_last, reader->scratch, row, &used, &lines);
        }
        if (result == CSV_MORE && len < CSV_ROW_MAX) {
            if (fill(reader) != 0)
                return ERR_SYSTEM;
            continue;
        }
        if (result == CSV_MORE) {
            row->reason = "longer than 16384 bytes, or a quoted field that is never closed";
            result = CSV_BAD;
        }
        if (result == CSV_BAD) {
            size_t visible = len > CSV_ROW_MAX ? CSV_ROW_MAX : len;
            const char *end = memchr(bytes, '\n', visible);
            row->raw_len = end == NULL ? visible : (size_t)(end - bytes);
            if (row->raw_len > 0 && bytes[row->raw_len - 1] == '\r')
                row->raw_len--;
            reader->was_bad = 1;
            return CSV_BAD;
        }
        reader->start += used;
        reader->line += lines;
        row->raw_len = used;
        while (row->raw_len > 0 &&
               (bytes[row->raw_len - 1] == '\n' || bytes[row->raw_len - 1] == '\r'))
            row->raw_len--;
        if (row->raw_len > 0)
            return CSV_ROW;
    }
}
