/* The keyboard and the screen of a kiosk, without a terminal. */
#include "unit.h"

#include "kiosk/keys.h"
#include "kiosk/screen.h"

#include <stdio.h>
#include <stdlib.h>

/* --- keys ------------------------------------------------------------------------------------- */

static struct keys keys;
static char text[SCAN_TEXT_MAX + 1];
static int64_t now_ms;

static void press(const char *bytes, int64_t gap_ms) {
    for (; *bytes != '\0'; bytes++) {
        keys_take(&keys, bytes, 1, now_ms);
        now_ms += gap_ms;
    }
}

static enum keys_event next(void) {
    size_t len = 0;
    enum keys_event event = keys_next(&keys, now_ms, text, &len);
    if (event != KEYS_NOTHING)
        text[len] = '\0';
    return event;
}

/* Handles what was pressed, as a kiosk does: when it is due. Returns the last event of note. */
static enum keys_event settle(void) {
    enum keys_event event, last = KEYS_NOTHING;
    now_ms += KEYS_NO_END_MS;
    char kept[sizeof text] = "";
    while ((event = next()) != KEYS_NOTHING) {
        if (event != KEYS_CHANGED) {
            last = event;
            strcpy(kept, text);
        }
    }
    strcpy(text, kept);
    return last;
}

/* Types as a person does, with the kiosk looking each time that it is due. */
static enum keys_event type(const char *bytes) {
    enum keys_event last = KEYS_NOTHING;
    for (; *bytes != '\0'; bytes++) {
        char one[2] = {*bytes, '\0'};
        press(one, KEYS_GAP_MS + 50);
        enum keys_event event;
        while ((event = next()) != KEYS_NOTHING)
            last = event;
    }
    return last;
}

static void test_typing(void) {
    CHECK(type("GJ05-1234\r") == KEYS_TYPED);
    CHECK_TEXT(text, "GJ05-1234");
    CHECK(keys.line_len == 0);
    CHECK(type("ab\bcd\x7f\r") == KEYS_TYPED);
    CHECK_TEXT(text, "ac");
    CHECK(type("wrong\x15right\n") == KEYS_TYPED);
    CHECK_TEXT(text, "right");
    CHECK(type("\r") == KEYS_CHANGED); /* an empty line asks nothing */
    CHECK(type("x\xC3\xBC\x7f\r") == KEYS_TYPED);
    CHECK_TEXT(text, "x");
    CHECK(type("\x03") == KEYS_END && type("\x04") == KEYS_END && type("\x0c") == KEYS_REDRAW);
    for (int i = 0; i < 2 * SCAN_FIELD_SIZE; i++)
        type("1");
    CHECK(keys.line_len == SCAN_FIELD_SIZE - 1);
    CHECK(type("\x15") == KEYS_CHANGED && keys.line_len == 0);
}

static void test_arrows(void) {
    type("AB");
    press("\033[A", 1);
    CHECK(settle() == KEYS_UP);
    press("\033[B", 1);
    CHECK(settle() == KEYS_DOWN);
    press("\033OA", 1);
    CHECK(settle() == KEYS_UP);
    CHECK_TEXT(keys.line, "AB");
    type("\033"); /* alone it clears the line */
    CHECK_TEXT(keys.line, "");
}

static void test_scans(void) {
    /* Whatever is in it: what would end the program, arrows, several lines. */
    const char *scans[] = {"GJ05-1234\r", "@\n\x1e\rANSI 6360\x03\x04", "\033[A\033[B\033[A",
                           "LINE ONE\r\nLINE TWO\r\n", "\r\r\r\r\r\r\r\r"};
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        press(scans[i], 2);
        CHECK(next() == KEYS_NOTHING); /* more may come */
        CHECK(settle() == KEYS_SCANNED);
        CHECK_TEXT(text, scans[i]);
    }
    /* What was typed before is given up; a pause between lines is none between scans. */
    type("98");
    press("FIRST LINE\r", 2);
    now_ms += KEYS_SCAN_GAP_MS / 2;
    press("SECOND\r", 2);
    CHECK(settle() == KEYS_SCANNED);
    CHECK_TEXT(text, "FIRST LINE\rSECOND\r");
    CHECK_TEXT(keys.line, "");
    /* What comes late, where no line's end has come, belongs to it. */
    press("GJ05-1234", 2);
    now_ms += KEYS_NO_END_MS - 100;
    CHECK(next() == KEYS_NOTHING);
    press("5\r", 2);
    CHECK(settle() == KEYS_SCANNED);
    CHECK_TEXT(text, "GJ05-12345\r");
    /* Two, one after the other. */
    press("SCAN NUMBER 1", 2);
    CHECK(settle() == KEYS_SCANNED);
    CHECK_TEXT(text, "SCAN NUMBER 1");
    press("SCAN NUMBER 2", 2);
    CHECK(settle() == KEYS_SCANNED);
    CHECK_TEXT(text, "SCAN NUMBER 2");
}

static void test_too_long(void) {
    static char bytes[SCAN_TEXT_MAX + 1];
    memset(bytes, 'A', sizeof bytes);
    keys_take(&keys, bytes, SCAN_TEXT_MAX, now_ms);
    CHECK(settle() == KEYS_SCANNED);
    keys_take(&keys, bytes, sizeof bytes, now_ms);
    CHECK(settle() == KEYS_TOO_LONG);
    press("AFTER THAT", 2);
    CHECK(settle() == KEYS_SCANNED);
    CHECK_TEXT(text, "AFTER THAT");
}

/* --- the screen --------------------------------------------------------------------------------- */

static char drawing[SCREEN_SIZE_MAX];
static bool is_past_end;

/* Whether nothing but the sequences that screen.h speaks of acts on the terminal. */
static bool is_harmless(size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)drawing[i];
        if (byte == 27) {
            if (drawing[++i] != '[')
                return false;
            do
                i++;
            while (i < len && strchr("0123456789;?", drawing[i]) != NULL);
            if (i == len || strchr("HKJmhl", drawing[i]) == NULL)
                return false;
        } else if (byte < ' ' || byte == 127 || (byte == 0xC2 && (uint8_t)drawing[i + 1] < 0xA0)) {
            return false;
        }
    }
    return true;
}

static void test_all_sizes(void) {
    static struct report report = {.mood = REPORT_NO, .word = "SUSPENDED", .line_count = 4};
    strcpy(report.lines[0], "\033[2J\r\n\t\x07 evil \xC2\x9B\x32J \xFF\xC3");
    memset(report.lines[1], 'W', REPORT_LINE_SIZE - 1);
    strcpy(
        report.lines[2],
        "words that are to be broken between words \xE0\xA4\xB0\xE0\xA4\xAE\xE0\xA5\x87\xE0\xA4\xB6");
    char input[SCAN_FIELD_SIZE];
    memset(input, 'i', sizeof input);
    input[sizeof input - 1] = '\0';
    for (unsigned rows = 0; rows <= SCREEN_ROWS_MAX + 1; rows += rows < 60 ? 1 : 47) {
        for (unsigned columns = 0; columns <= SCREEN_COLUMNS_MAX + 1;
             columns += columns < 90 ? 1 : 31) {
            struct screen screen = {.rows = rows,
                                    .columns = columns,
                                    .head = "head",
                                    .report = &report,
                                    .skip = rows % 5,
                                    .input = input,
                                    .note = "note \033c"};
            report.mood = columns % 4;
            size_t len = screen_draw(drawing, &screen, &is_past_end);
            CHECK(len > 0 && len <= SCREEN_SIZE_MAX);
            CHECK(is_harmless(len));
        }
    }
}

static bool shows(const char *wanted, size_t len) {
    return memmem(drawing, len, wanted, strlen(wanted)) != NULL;
}

static void test_what_is_shown(void) {
    static struct report report = {.mood = REPORT_YES, .word = "VALID", .line_count = 2};
    strcpy(report.lines[0], "The licence is valid.");
    strcpy(report.lines[1], "Data of today.");
    struct screen screen = {.rows = 15,
                            .columns = 40,
                            .head = "HEAD",
                            .report = &report,
                            .input = "98",
                            .note = "NOTE"};
    size_t len = screen_draw(drawing, &screen, &is_past_end);
    CHECK(shows("HEAD", len) && shows("NOTE", len) && shows("> 98_", len));
    CHECK(shows("The licence is valid.", len) && shows("Data of today.", len) &&
          shows("====", len));
    screen.skip = 1;
    len = screen_draw(drawing, &screen, &is_past_end);
    CHECK(!shows("The licence is valid.", len) && shows("Data of today.", len));
    CHECK(!is_past_end);
    screen.skip = 2;
    screen_draw(drawing, &screen, &is_past_end);
    CHECK(is_past_end);
    /* What does not fit is said. */
    screen.skip = 0;
    memset(report.lines[1], 'W', REPORT_LINE_SIZE - 1);
    len = screen_draw(drawing, &screen, &is_past_end);
    CHECK(shows("...v", len));
    /* A word that the large letters do not have is written. */
    screen.skip = 0;
    strcpy(report.word, "G\xC3\x9CLTIG");
    len = screen_draw(drawing, &screen, &is_past_end);
    CHECK(shows("G\xC3\x9CLTIG", len));
}

int main(void) {
    test_typing();
    test_arrows();
    test_scans();
    test_too_long();
    test_all_sizes();
    test_what_is_shown();
    return unit_end("kiosk");
}
