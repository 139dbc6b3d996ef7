/* Dates of the proleptic Gregorian calendar and RFC 3339 times, years 0001 to 9999.
 *
 * A day is a number: days since 0001-01-01 (day 0), so that every date that can be written fits in
 * 22 bits. A time is Unix seconds. */
#ifndef DLV_BASE_DATE_H
#define DLV_BASE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATE_UNIX_EPOCH 719162 /* the day 1970-01-01 */
#define DATE_DAY_MAX 3652058   /* the day 9999-12-31 */

#define UTC_OFFSET_MAX_S (18 * 3600) /* either way */

#define DATE_TEXT_SIZE 11 /* "2026-11-24" and NUL */
#define TIME_TEXT_SIZE 26 /* "2026-11-24T10:00:00+05:30" and NUL */

/* A moment asked about: a point in time, or a whole day wherever the authority is. */
struct moment {
    int64_t unix_s; /* of a day: its 00:00 UTC */
    bool is_day;
};

/* "YYYY-MM-DD", exactly `len` characters. 0, or ERR_FORMAT where there is no such day. */
int date_parse(const char *text, size_t len, uint32_t *day);

/* `day` must be at most DATE_DAY_MAX. Writes DATE_TEXT_SIZE bytes. */
void date_format(char *text, uint32_t day);

/* RFC 3339 ("2026-11-24T10:00:00+05:30", fractions are dropped) or a plain date, NUL-terminated.
 * 0 or ERR_FORMAT. A leap second (:60) counts as the second after it. */
int moment_parse(const char *text, struct moment *moment);

/* The day that `moment` falls on where clocks are `utc_offset_s` ahead of UTC. A moment outside the
 * calendar is moved to the calendar's nearest end. */
uint32_t moment_day(const struct moment *moment, int32_t utc_offset_s);

/* "2026-11-24T10:00:00Z", or with the offset where that is not 0 (at most 18 hours, whole minutes).
 * Writes at most TIME_TEXT_SIZE bytes. */
void time_format(char *text, int64_t unix_s, int32_t utc_offset_s);

/* A moment as it is written: a whole day as date_format, a point in time as time_format. Writes at
 * most TIME_TEXT_SIZE bytes. */
void moment_format(char *text, const struct moment *moment, int32_t utc_offset_s);

/* "+05:30", "-03:00" or "Z", at most 18 hours. 0 or ERR_FORMAT. */
int utc_offset_parse(const char *text, int32_t *utc_offset_s);

#endif
