/* Rows of a CSV file (RFC 4180; LF or CRLF; UTF-8, a byte order mark is skipped) or plain lines.
 *
 * A malformed or overlong row costs only itself: reading goes on at the line after the one on which
 * it began, so a stray quotation mark does not swallow the rest of the file. */
#ifndef DLV_RECORD_CSV_H
#define DLV_RECORD_CSV_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define CSV_ROW_MAX 16384 /* bytes of a row, quotation marks and line end included */
#define CSV_FIELDS_MAX 32

struct csv_field {
    const char *text;
    size_t len;
};

struct csv_row {
    uint64_t line; /* where it begins, from 1 */
    size_t field_count;
    struct csv_field fields[CSV_FIELDS_MAX];
    const char *raw; /* the bytes read, without line end; of a bad row as far as they are kept */
    size_t raw_len;
    const char *reason; /* of a bad row */
};

enum csv_result { CSV_END = 0, CSV_ROW = 1, CSV_BAD = 2, CSV_MORE = 3 };

/* Parses the row at the start of `bytes`. CSV_ROW: *used bytes and *lines line ends belong to it,
 * fields point into `bytes` or, where quotation marks were doubled, into `scratch` (at least
 * `len` bytes). CSV_BAD: row->reason. CSV_MORE: the row is not complete and `is_last` is 0. Total:
 * any bytes may come. */
enum csv_result csv_parse(const char *bytes, size_t len, int is_last, char *scratch,
                          struct csv_row *row, size_t *used, uint64_t *lines);

/* Reads rows from a descriptor. The caller keeps and closes `fd`. */
struct csv_reader {
    int fd;
    int is_lines; /* plain lines: one field a row */
    int is_last;  /* the end of the file is in the buffer */
    int was_bad;  /* the row given out last is still at `start` */
    uint64_t line;
    uint64_t bytes_read;
    size_t start;
    size_t end;
    char buffer[16 * CSV_ROW_MAX];
    char scratch[CSV_ROW_MAX];
};

void csv_reader_init(struct csv_reader *reader, int fd, int is_lines);

/* The next row that is not empty; its pointers hold until the next call. CSV_ROW, CSV_BAD, CSV_END,
 * or ERR_SYSTEM with errno set. */
int csv_reader_next(struct csv_reader *reader, struct csv_row *row);

#endif
