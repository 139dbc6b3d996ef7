/* Rows of a CSV file (RFC 4180; LF or CRLF; UTF-8, a byte order mark is skipped) or plain lines.
 *
 * A malformed or overlong row costs only itself: reading goes on at the line after the one on which
 * it began, so a stray quotation mark does not swallow the rest of the file. */
#ifndef DLV_REGISTRY_CSV_H
#define DLV_REGISTRY_CSV_H

#include "base/error.h"

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

/* Parses the row at the start of `bytes` into row->fields, which has room for CSV_FIELDS_MAX.
 * CSV_ROW: *used bytes and *lines line ends belong to it, fields point into `bytes` or, where
 * quotation marks were doubled, to *unquoted (at least `len` bytes), which moves behind them.
 * CSV_BAD: row->reason. CSV_MORE: the row is not complete and `is_last` is 0. Total: any bytes may
 * come. */
enum csv_result csv_parse(const char *bytes, size_t len, bool is_last, char **unquoted,
                          struct csv_row *row, size_t *used, uint64_t *lines);

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
    bool is_lines; /* plain lines: one field a row */
    bool is_last;  /* the end of the file is in the block */
    bool was_bad;  /* the row given out last is still at `start` */
    uint64_t line;
    uint64_t bytes_read;
    struct csv_block *block;
    size_t start; /* the part of the text that was read and not yet returned as rows */
    size_t end;
};

void csv_reader_init(struct csv_reader *reader, struct csv_block *block, int fd, bool is_lines);

/* Reads the next row that is not empty. Its pointers are valid until the next call. CSV_ROW,
 * CSV_BAD, CSV_END, or ERR_SYSTEM with errno set. */
int csv_reader_next(struct csv_reader *reader, struct csv_row *row);

/* The same for rows that are kept: their pointers are valid until the block is used again. CSV_FULL
 * where the next row does not fit: then call csv_reader_turn. */
int csv_reader_next_kept(struct csv_reader *reader, struct csv_row *row);

/* Continues with another block, or with the same one again. */
void csv_reader_turn(struct csv_reader *reader, struct csv_block *block);

#endif
