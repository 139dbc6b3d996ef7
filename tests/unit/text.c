/* The fold, against Unicode's own tests; the matching form is compared with tools/matching.py by
 * tests/integration/test_matching.py, for which this program turns texts into forms:
 *
 *     text --forms    reads lines of "KIND HEX" and writes the form in hex, or "-" and the reason */
#include "unit.h"

#include "base/bytes.h"
#include "base/utf8.h"
#include "text/fold.h"
#include "text/matching.h"

#include <stdio.h>
#include <stdlib.h>

#define UCD "/usr/share/unicode/"

/* Code points in hexadecimal, with blanks between, as UTF-8. Returns the length. */
static size_t read_points(char *text, const char *points) {
    size_t len = 0;
    char *end;
    for (;; points = end) {
        unsigned long point = strtoul(points, &end, 16);
        if (end == points)
            return len;
        len += utf8_encode(text + len, (uint32_t)point);
    }
}

static int folds_alike(const char *a, const char *b) {
    static struct folded folds[2];
    char text[256];
    struct error error;
    const char *points[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        if (text_fold(&folds[i], text, read_points(text, points[i]), &error) != 0)
            return 0;
    }
    return folds[0].count == folds[1].count &&
           memcmp(folds[0].characters, folds[1].characters, folds[0].count * sizeof(uint32_t)) == 0;
}

/* Splits a line at ';'. Returns how many fields there are. */
static int split(char *line, char *fields[], int max) {
    int count = 0;
    line[strcspn(line, "#\n")] = '\0';
    for (char *field = strtok(line, ";"); field != NULL && count < max; field = strtok(NULL, ";"))
        fields[count++] = field;
    return count;
}

/* Canonically equivalent texts have the same fold: columns 1 to 3, and 4 and 5. */
static void test_normalization(void) {
    char line[1024], *fields[8];
    int count = 0, wrong = 0;
    FILE *file = popen("bzcat " UCD "NormalizationTest.txt.bz2", "r");
    CHECK(file != NULL);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '@' || split(line, fields, 8) < 5)
            continue;
        count++;
        wrong += !folds_alike(fields[0], fields[1]) || !folds_alike(fields[0], fields[2]) ||
                 !folds_alike(fields[3], fields[4]);
    }
    CHECK(file != NULL && pclose(file) == 0);
    CHECK(count == 19074);
    CHECK(wrong == 0);
}

/* A character and what it is folded to have the same fold; except for the iota subscript (U+0345 and
 * what is composed with it), which is a mark that is dropped before folding makes a letter of it. */
static void test_case_folding(void) {
    char line[1024], *fields[8];
    int count = 0, wrong = 0;
    FILE *file = fopen(UCD "CaseFolding.txt", "r");
    CHECK(file != NULL);
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (split(line, fields, 8) < 3 || (fields[1][1] != 'C' && fields[1][1] != 'F'))
            continue;
        count++;
        unsigned long point = strtoul(fields[0], NULL, 16);
        const char *iota = strstr(fields[2], "03B9");
        bool has_subscript = point == 0x345 || (point >= 0x1F80 && iota > fields[2] + 1);
        wrong += folds_alike(fields[0], fields[2]) == has_subscript;
    }
    if (file != NULL)
        fclose(file);
    CHECK(count == 1530);
    CHECK(wrong == 0);
}

/* Folding twice changes nothing. */
static void test_idempotent(void) {
    static struct folded once, twice;
    struct error error;
    int wrong = 0;
    for (uint32_t c = 0x20; c < 0x110000; c++) {
        char text[UTF8_MAX], again[8 * UTF8_MAX];
        size_t len = 0;
        if (character_class(c) == CHARACTER_UNASSIGNED ||
            text_fold(&once, text, utf8_encode(text, c), &error) != 0)
            continue;
        for (size_t i = 0; i < once.count; i++)
            len += utf8_encode(again + len, once.characters[i]);
        wrong += text_fold(&twice, again, len, &error) != 0 || once.count != twice.count ||
                 memcmp(once.characters, twice.characters, once.count * sizeof(uint32_t)) != 0;
    }
    CHECK(wrong == 0);
}

static void check_refused(const char *text, const char *reason) {
    static struct folded folded;
    struct error error;
    CHECK(text_fold(&folded, text, strlen(text), &error) == ERR_FORMAT);
    CHECK_TEXT(error.text, reason);
}

static void test_refused(void) {
    static char longest[FOLD_MAX + 2];
    static struct folded folded;
    struct error error;
    check_refused("ab\xFF", "invalid UTF-8 at byte 3");
    check_refused("a\x01", "control character U+0001 at byte 2");
    check_refused("a\x7F", "control character U+007F at byte 2");
    check_refused("a\xC2\x85", "control character U+0085 at byte 2");
    check_refused("\xEF\xBF\xBD",
                  "U+FFFD at byte 1: a character was lost when the text was converted");
    check_refused("\xCD\xB8", "U+0378 at byte 1 is not a character of Unicode 15");
    check_refused("\xEE\x80\x80", "U+E000 at byte 1 is not a character of Unicode 15");
    memset(longest, 'a', sizeof longest);
    CHECK(text_fold(&folded, longest, FOLD_MAX, &error) == 0 && folded.count == FOLD_MAX);
    CHECK(text_fold(&folded, longest, FOLD_MAX + 1, &error) == ERR_LIMIT);
    /* one character that becomes three, at the very end */
    memcpy(longest + FOLD_MAX - 2, "\xEF\xAC\x83", 3);
    CHECK(text_fold(&folded, longest, FOLD_MAX + 1, &error) == ERR_LIMIT);
    memcpy(longest + FOLD_MAX - 3, "\xEF\xAC\x83", 3);
    CHECK(text_fold(&folded, longest, FOLD_MAX, &error) == 0 && folded.count == FOLD_MAX);
}

/* --- forms for tests/integration/test_matching.py ---------------------------------------------- */

static int make_form(struct form *form, const char *kind, const char *text, size_t len,
                     struct error *error) {
    static const struct matching_rules none,
        india = {.calling_code = "91", .national_min = 10, .national_max = 10},
        senior = {.drops_senior = true};
    if (strcmp(kind, "number") == 0)
        return number_form(form, text, len, error);
    if (strcmp(kind, "name") == 0)
        return name_form(form, text, len, &none, NAME_STORED, error);
    if (strcmp(kind, "joined") == 0)
        return name_form(form, text, len, &none, NAME_JOINED, error);
    if (strcmp(kind, "plain") == 0)
        return name_form(form, text, len, &none, NAME_PLAIN, error);
    if (strcmp(kind, "senior") == 0)
        return name_form(form, text, len, &senior, NAME_STORED, error);
    if (strcmp(kind, "phone") == 0)
        return phone_form(form, text, len, &none, error);
    if (strcmp(kind, "phone91") == 0)
        return phone_form(form, text, len, &india, error);
    return birth_date_form(form, text, len, error);
}

static int write_forms(void) {
    static char line[16384], text[8192];
    char kind[16];
    int at;
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct form form;
        struct error error;
        if (sscanf(line, "%15s %n", kind, &at) < 1)
            return 2;
        long len = hex_decode(text, sizeof text, line + at, strcspn(line + at, "\n"));
        if (len < 0)
            return 2;
        if (make_form(&form, kind, text, (size_t)len, &error) != 0) {
            printf("- %s\n", error.text);
            continue;
        }
        for (size_t i = 0; i < form.len; i++)
            printf("%02x", (uint8_t)form.text[i]);
        putchar('\n');
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--forms") == 0)
        return write_forms();
    test_normalization();
    test_case_folding();
    test_idempotent();
    test_refused();
    return unit_end("text");
}
