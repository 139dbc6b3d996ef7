/* What an authority says about a licence: its status, and what it holds for, from when to when. The
 * structures here hold fields; db/entry.h has the bytes. */
#ifndef DLV_RECORD_TERMS_H
#define DLV_RECORD_TERMS_H

#include "base/date.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero is not a status, so that zeroed memory never says "valid". The numbers are those in the
 * file. A withheld licence is one that the registry contradicts itself about: it is on file, but
 * nothing is said about it. */
enum licence_status {
    STATUS_VALID = 1,
    STATUS_SUSPENDED = 2,
    STATUS_DISQUALIFIED = 3,
    STATUS_REVOKED = 4,
    STATUS_SURRENDERED = 5,
    STATUS_DECEASED = 6,
    STATUS_WITHHELD = 7,
    STATUS_COUNT
};

/* "valid", "suspended", and so on; "" where there is no such status. */
const char *status_name(unsigned status);

/* 0, or ERR_FORMAT. */
int status_parse(const char *text, size_t len, uint8_t *status);

/* Days are counted as in base/date.h. A term may begin on DAY_NO_START, which is before all days
 * that can be asked about, and end on DAY_NO_END, which is after them. */
#define DAY_NO_START 0
#define DAY_NO_END (DATE_DAY_MAX + 1)
#define DAY_UNKNOWN (DATE_DAY_MAX + 2)

/* The days that an entry can hold: 1900-01-01 to 2617-09-22. */
#define DAY_FIRST 693595
#define DAY_LAST (DAY_FIRST + 262140)

/* Whether a day can be stored: one of the above, or between the first and the last. */
bool day_is_storable(uint32_t day);

/* Writes "2026-11-24", "no start", "no end" or "unknown": DATE_TEXT_SIZE bytes at most. */
void day_format(char text[DATE_TEXT_SIZE], uint32_t day);

/* A text that belongs to somebody else; not NUL-terminated. */
struct span {
    const char *text;
    size_t len;
};

/* Classes (record/classes.h), and the days on which they are held; both ends are inclusive. */
struct class_group {
    uint32_t from;
    uint32_t to;
    struct span classes; /* empty: the registry has no classes */
};

/* Another status than the current one, of all the licence or of some classes only. */
struct other_status {
    uint8_t status;
    uint32_t from;
    uint32_t to;
    struct span classes; /* empty: of the licence */
};

#define CODES_LEN 6 /* bytes of check codes in an entry, for all fields together */

enum card_state { CARD_FORMER = 1, CARD_LOST = 2, CARD_STOLEN = 3 };

struct card_mark {
    uint8_t state;           /* enum card_state */
    uint8_t code[CODES_LEN]; /* its check code, as long as those of the database are; then zeros */
};

#define TERMS_GROUPS_MAX 48
#define TERMS_LIST_MAX 16

struct terms {
    uint8_t status;
    uint32_t since; /* the first day of the status; may be DAY_UNKNOWN */
    uint32_t until; /* its last day; DAY_NO_END: open */
    unsigned group_count;
    unsigned status_count;
    unsigned card_count;
    unsigned code_count;
    struct class_group groups[TERMS_GROUPS_MAX];
    struct other_status statuses[TERMS_LIST_MAX];
    struct card_mark cards[TERMS_LIST_MAX];
    /* codes with an argument, which is personal: "C1E", 0x1F, "95(2029-03-13)" */
    struct span codes[TERMS_LIST_MAX];
};

#endif
