/* What is read of a card, and what the readers of the different kinds of codes share. */
#ifndef DLV_SCAN_FIELDS_H
#define DLV_SCAN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_TEXT_MAX 4096 /* bytes that a scan has at most */
#define SCAN_FIELD_SIZE 128
#define SCAN_DOUBTS_MAX 8

enum scan_kind { SCAN_TYPED, SCAN_PDF417, SCAN_STRIPE, SCAN_MRZ, SCAN_DIGILOCKER };

/* Texts are UTF-8 and empty where the code does not have them; so are days, as 0 (base/date.h). */
struct scan {
    enum scan_kind kind;
    char issuer[8];               /* ISO 3166: "US-CA", "FR" */
    char number[SCAN_FIELD_SIZE]; /* as it is printed */
    char surname[SCAN_FIELD_SIZE];
    char given[SCAN_FIELD_SIZE];
    char card[SCAN_FIELD_SIZE]; /* number of the card itself */
    uint32_t birth_date, expiry;
    bool is_name_cut; /* the surname is only its beginning */
    unsigned doubt_count;
    const char *doubts[SCAN_DOUBTS_MAX]; /* what the person who scans should know */
    char text[SCAN_TEXT_MAX + 1];        /* what the parsers work on, and on a copy with lines */
    char lines[2 * SCAN_TEXT_MAX + 1];
};

/* "typed", "pdf417", "magstripe", "mrz", "digilocker". */
const char *scan_kind_name(enum scan_kind kind);

static inline bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

static inline char capital(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* How many digits there are at `text`. */
size_t scan_digits(const char *text);

void scan_doubt(struct scan *scan, const char *doubt);

/* Adds a text to a field, behind a blank where there is something. Blanks, commas and control characters
 * become one blank between words; what is not UTF-8 is taken for ISO 8859-1. What has no room is cut. */
void scan_add(char field[SCAN_FIELD_SIZE], const char *text, size_t len);

/* Reads YYYYMMDD. 0 where there is no such day. */
uint32_t scan_day(const char digits[8]);

#endif
