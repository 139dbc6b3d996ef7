/* Rows of a CSV file (RFC 4180; with any delimiter; LF, CRLF or CR; a byte order mark is skipped) or
 * plain lines.
 *
 * A malformed or overlong row costs only itself: reading goes on at the line after the one on which
 * it began, so a stray quotation mark does not swallow the rest of the file. */
#ifndef DLV_REGISTRY_CSV_H
#define DLV_REGISTRY_CSV_H

#include "base/error.h"
#include "registry/decode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSV_ROW_MAX 16384 /* bytes of a row, quotation marks and line end included */
#define CSV_FIELDS_MAX 256

struct csv_field {
    const char *text;
    size_t len;
};

struct csv_row {
    uint64_t line; /* where it begins, from 1 */
    size_t field_count;
    struct csv_field *fields;
    const char *raw; /* the bytes read, without line end; of a bad row as far as they are kept */
    size_t raw_len;
    const char *reason; /* why the row is bad; NULL for a good one */
};

enum csv_result { CSV_END = 0, CSV_ROW = 1, CSV_BAD = 2, CSV_MORE = 3, CSV_FULL = 4 };

/* What ends a field that is not quoted. */
struct csv_separators {
    char delimiter;
    uint8_t are_special[256]; /* by byte */
};

/* `delimiter` is neither a quotation mark nor CR nor LF. */
void csv_separators_init(struct csv_separators *separators, char delimiter);

/* Parses the row at the start of `bytes` into row->fields, which has room for CSV_FIELDS_MAX.
 * CSV_ROW: *used bytes and *lines line ends belong to it, fields point into `bytes` or, where
 * quotation marks were doubled, to *unquoted (at least `len` bytes), which moves behind them.
 * CSV_BAD: row->reason. CSV_MORE: the row is not complete and `is_last` is 0. Total: any bytes may
 * come. */
enum csv_result csv_parse(const struct csv_separators *separators, const char *bytes, size_t len,
                          bool is_last, char **unquoted, struct csv_row *row, size_t *used,
                          uint64_t *lines);

#define CSV_BLOCK_LEN (32 * CSV_ROW_MAX)
#define CSV_BLOCK_FIELDS (CSV_BLOCK_LEN / 16)

/* A block of text, and the memory that the rows read from it point into. */
struct csv_block {
    size_t field_count;
    size_t unquoted_len;
    struct csv_field fields[CSV_BLOCK_FIELDS];
    char unquoted[2 * CSV_ROW_MAX];
    char text[CSV_BLOCK_LEN];
};

/* Reads rows from a descriptor. The caller keeps and closes `fd`, and keeps the blocks. */
struct csv_reader {
    int fd;
    bool is_lines;    /* plain lines: one field a row */
    bool has_cr_ends; /* lines end with CR alone */
    bool is_last;     /* the end of the file is in the block */
    char last;        /* the last byte that was read */
    bool was_bad;     /* the row given out last is still at `start` */
    uint64_t line;
    uint64_t bytes_read;
    struct csv_block *block;
    size_t start; /* the part of the text that was read and not yet returned as rows */
    size_t end;
    struct csv_separators separators;
    struct decoder decoder;
    size_t first_len;
    uint8_t first[16]; /* the first bytes of the file, before they are decoded */
};

/* Commas and UTF-8, until they are changed. */
void csv_reader_init(struct csv_reader *reader, struct csv_block *block, int fd, bool is_lines);

/* Reads the beginning of a file: looks what it is, and how its lines end. To be called once, before
 * the first row; it waits for CSV_ROW_MAX bytes or the end. A terminal or a pipe that gives a line at
 * a time is read without it. 0, ERR_SYSTEM with errno set, ERR_FORMAT with the reason where it is no
 * text, or ERR_CONFLICT with the reason where it is not in the encoding given. */
int csv_reader_begin(struct csv_reader *reader, char delimiter, enum encoding encoding,
                     struct error *error);

/* At the end of a file: whether it was in UTF-8, though another encoding was given. */
bool csv_reader_was_utf8(const struct csv_reader *reader);

/* At the end of a file: whether its last line has no end, as if it had been cut off. */
bool csv_reader_was_cut(const struct csv_reader *reader);

/* Reads the next row that is not empty. Its pointers are valid until the next call. CSV_ROW,
 * CSV_BAD, CSV_END, or ERR_SYSTEM with errno set. */
int csv_reader_next(struct csv_reader *reader, struct csv_row *row);

/* The same for rows that are kept: their pointers are valid until the block is used again. CSV_FULL
 * where the next row does not fit: then call csv_reader_turn. */
int csv_reader_next_kept(struct csv_reader *reader, struct csv_row *row);

/* Continues with another block, or with the same one again. */
void csv_reader_turn(struct csv_reader *reader, struct csv_block *block);

#endif
