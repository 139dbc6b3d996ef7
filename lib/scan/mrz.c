#include "scan/mrz.h"

#include "base/format.h"

#include <string.h>

#define LINE_LEN 30

static unsigned check_digit(const char *text, size_t len) {
    static const unsigned weights[] = {7, 3, 1};
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned value = is_digit(text[i])   ? (unsigned)(text[i] - '0')
                         : is_upper(text[i]) ? (unsigned)(text[i] - 'A' + 10)
                                             : 0;
        sum += value * weights[i % 3];
    }
    return sum % 10;
}

static bool is_checked(const char *line, size_t len) {
    return line[len] == (char)('0' + check_digit(line, len));
}

/* Letters that a reader takes digits for, where only digits can stand. Whether there were some. */
static bool correct_digits(char *text, size_t len) {
    static const char pairs[][3] = {"O0", "Q0", "D0", "I1", "L1", "Z2", "S5", "G6", "B8"};
    bool has_changed = false;
    for (size_t i = 0; i < len; i++) {
        for (size_t pair = 0; pair < sizeof pairs / sizeof *pairs; pair++) {
            if (text[i] == pairs[pair][0]) {
                text[i] = pairs[pair][1];
                has_changed = true;
            }
        }
    }
    return has_changed;
}

static void add_name(char field[SCAN_FIELD_SIZE], char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '<')
            text[i] = ' ';
    }
    scan_add(field, text, len);
}

static const char misread[] = "a check digit does not fit: scan again, or type the number";

/* D1FRA, number (9), its check digit, YYMMDD of the expiry, name (8), check digit. */
static int read_french(struct scan *scan, char *line, struct error *error) {
    char date[9];
    bool has_changed = correct_digits(line + 5, 2);
    has_changed |= correct_digits(line + 9, 12);
    bool has_form = scan_digits(line + 5) == 2 && is_upper(line[7]) && is_upper(line[8]) &&
                    scan_digits(line + 9) >= 12;
    if (!has_form || !is_checked(line, 14) || !is_checked(line, LINE_LEN - 1))
        return error_set(error, ERR_FORMAT, "%s", misread);
    if (has_changed)
        scan_doubt(scan, "letters were read as digits, as the check digits demand");
    strcpy(scan->issuer, "FR");
    scan_add(scan->number, line + 5, 9);
    format_text(date, sizeof date, "20%.6s", line + 15);
    scan->expiry = scan_day(date);
    scan->is_name_cut = line[28] != '<';
    add_name(scan->surname, line + 21, 8);
    if (scan->is_name_cut)
        scan_doubt(scan, "the surname is cut after eight letters");
    return 0;
}

/* D1NLD, version, number (10 digits), and what says nothing without the chip, check digit. */
static int read_dutch(struct scan *scan, char *line, struct error *error) {
    bool has_changed = correct_digits(line + 5, 11);
    if (!is_checked(line, LINE_LEN - 1) || scan_digits(line + 6) < 10)
        return error_set(error, ERR_FORMAT, "%s", misread);
    if (has_changed)
        scan_doubt(scan, "letters were read as digits, as the check digit demands");
    strcpy(scan->issuer, "NL");
    scan_add(scan->number, line + 6, 10);
    return 0;
}

/* FACHE, number (9 digits), version of the card (3), <<, YYMMDD of the birth, <<<<<, and the names. */
static int read_swiss(struct scan *scan, char *line, unsigned year, struct error *error) {
    char date[9];
    correct_digits(line + 5, 12);
    if (scan_digits(line + 5) < 12)
        return error_set(error, ERR_FORMAT, "the number could not be read: scan again, or type it");
    strcpy(scan->issuer, "CH");
    scan_add(scan->number, line + 5, 12);
    if (strlen(line) < LINE_LEN)
        return 0;
    unsigned born = (unsigned)(line[19] - '0') * 10 + (unsigned)(line[20] - '0');
    format_text(date, sizeof date, "%u%.6s", 2000 + born > year ? 19 : 20, line + 19);
    scan->birth_date = scan_digits(line + 19) >= 6 ? scan_day(date) : 0;
    char *surname = line + LINE_LEN, *given = strstr(surname, "<<");
    size_t len = given != NULL ? (size_t)(given - surname) : strlen(surname);
    if (given != NULL)
        add_name(scan->given, given, strlen(given));
    add_name(scan->surname, surname, len);
    scan_doubt(scan, "these lines have no check digits: compare the number with the card");
    return 0;
}

int scan_read_mrz(struct scan *scan, unsigned year, struct error *error) {
    char *out = scan->lines;
    scan->kind = SCAN_MRZ;
    for (const char *in = scan->text; *in != '\0'; in++) {
        if ((uint8_t)*in > ' ')
            *out++ = capital(*in);
    }
    *out = '\0';
    char *swiss = strstr(scan->lines, "FACHE");
    if (swiss != NULL)
        return read_swiss(scan, swiss, year, error);
    if (strlen(scan->lines) != LINE_LEN)
        return error_set(error, ERR_FORMAT,
                         "a machine-readable line of %zu characters, and 30 are wanted: scan again",
                         strlen(scan->lines));
    if (memcmp(scan->lines + 2, "FRA", 3) == 0)
        return read_french(scan, scan->lines, error);
    if (memcmp(scan->lines + 2, "NLD", 3) == 0)
        return read_dutch(scan, scan->lines, error);
    return error_set(error, ERR_FORMAT,
                     "a machine-readable line of %.3s, whose form is not known: type the number",
                     scan->lines + 2);
}
