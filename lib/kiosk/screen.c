#include "kiosk/screen.h"

#include "base/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const char screen_begin[] = "\033[0m\033[?25l\033[2J\033[3J\033[H";
const char screen_end[] = "\033[0m\033[2J\033[3J\033[H\033[?25h";

#define LETTER_ROWS 5
#define LETTER_COLUMNS 3
#define TALL_ROWS 20 /* of a screen that has room to spare */

/* A to Z: five rows of three bits, the highest first. */
static const uint16_t letters[26] = {075755, 065656, 034443, 065556, 074647, 074644, 034553,
                                     055755, 072227, 011152, 055655, 044447, 057755, 065555,
                                     075557, 065644, 025573, 065655, 034216, 072222, 055557,
                                     055552, 055775, 055255, 055222, 071247};

/* How the moods look: light letters on green or red, dark ones on yellow. The dots of letters are characters whose
 * colour is that of their background, so that they are whole where there are colours, and there where there are
 * none. */
static const struct {
    const char *colours;
    const char *dot;
    char frame;
} moods[] = {{"\033[0;1;37;42m", "\033[0;37;47m", '='},
             {"\033[0;1;37;41m", "\033[0;37;47m", 'X'},
             {"\033[0;30;43m", "\033[0;30;40m", '?'}};

struct drawing {
    char *bytes;
    size_t len;
    const struct screen *screen;
    unsigned row; /* that is drawn next, from 0 */
};

static void put(struct drawing *drawing, const char *text, size_t len) {
    if (len <= SCREEN_SIZE_MAX - drawing->len) {
        memcpy(drawing->bytes + drawing->len, text, len);
        drawing->len += len;
    }
}

static void put_text(struct drawing *drawing, const char *text) {
    put(drawing, text, strlen(text));
}

static void put_repeated(struct drawing *drawing, char c, unsigned count) {
    while (count-- > 0)
        put(drawing, &c, 1);
}

/* The bytes of the character at the start of a text; *is_control where a terminal would act on it. */
static size_t character_len(const char *text, bool *is_control) {
    const uint8_t *bytes = (const uint8_t *)text;
    size_t len = bytes[0] < 0xC2 ? 1 : bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
    for (size_t i = 1; i < len; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            *is_control = true;
            return i;
        }
    }
    *is_control = bytes[0] < ' ' || bytes[0] == 127 || (bytes[0] >= 0x80 && len == 1) ||
                  (bytes[0] == 0xC2 && bytes[1] < 0xA0) || bytes[0] > 0xF4;
    return len;
}

/* Puts at most `columns` characters of a text, and blanks up to as many. Returns how many bytes of it that
 * were. */
static size_t put_row(struct drawing *drawing, const char *text, unsigned columns) {
    size_t at = 0;
    while (text[at] != '\0' && columns > 0) {
        bool is_control;
        size_t len = character_len(text + at, &is_control);
        if (is_control)
            put(drawing, "?", 1);
        else
            put(drawing, text + at, len);
        at += len;
        columns--;
    }
    put_repeated(drawing, ' ', columns);
    return at;
}

static unsigned character_count(const char *text) {
    unsigned count = 0;
    bool is_control;
    for (; *text != '\0'; count++)
        text += character_len(text, &is_control);
    return count;
}

/* Begins a row at its place. */
static void begin_row(struct drawing *drawing, const char *colours) {
    char place[32];
    format_text(place, sizeof place, "\033[%u;1H", ++drawing->row);
    put_text(drawing, place);
    put_text(drawing, colours);
}

static void draw_line(struct drawing *drawing, const char *text, const char *colours) {
    begin_row(drawing, colours);
    put_row(drawing, text, drawing->screen->columns);
}

/* Draws a text over as many rows as it needs, which are broken between words. The first *skip of these are left
 * out, and none is drawn from row `end` on: true where that would have been needed. */
static bool draw_wrapped(struct drawing *drawing, const char *text, unsigned end, unsigned *skip) {
    unsigned columns = drawing->screen->columns;
    for (;;) {
        if (drawing->row == end)
            return true;
        size_t len = 0, blank = 0;
        unsigned count = 0;
        for (; text[len] != '\0' && count < columns; count++) {
            bool is_control;
            blank = text[len] == ' ' && count > 0 ? len : blank;
            len += character_len(text + len, &is_control);
        }
        if (text[len] != '\0' && text[len] != ' ' && blank > 0)
            len = blank;
        char row[4 * SCREEN_COLUMNS_MAX + 1];
        memcpy(row, text, len);
        row[len] = '\0';
        if (*skip > 0)
            --*skip;
        else
            draw_line(drawing, row, "\033[0m");
        text += len + strspn(text + len, " ");
        if (*text == '\0')
            return false;
    }
}

/* Draws the lines that are there. True where none of them was left to be drawn. */
static bool draw_lines(struct drawing *drawing, unsigned end) {
    const struct screen *screen = drawing->screen;
    const struct report *report = screen->report;
    unsigned count = report != NULL ? report->line_count : screen->line_count, skip = screen->skip;
    unsigned first = drawing->row;
    bool is_more = false;
    for (unsigned i = 0; i < count && !is_more; i++)
        is_more =
            draw_wrapped(drawing, report != NULL ? report->lines[i] : screen->lines[i], end, &skip);
    bool is_past_end = drawing->row == first;
    while (drawing->row < end)
        draw_line(drawing, "", "\033[0m");
    if (is_more) {
        char place[48];
        format_text(place, sizeof place, "\033[%u;%uH\033[7m...v\033[0m", end, screen->columns - 3);
        put_text(drawing, place);
    }
    return is_past_end;
}

/* --- large letters ---------------------------------------------------------------------------- */

/* Whether all of a word can be drawn. */
static bool is_drawable(const char *word) {
    return word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ _")] == '\0';
}

/* One row of the letters of a word, in dots `width` columns wide. */
static void draw_letters_row(struct drawing *drawing, const char *word, unsigned y, unsigned width,
                             unsigned mood) {
    for (; *word != '\0'; word++) {
        uint16_t letter = *word >= 'A' && *word <= 'Z' ? letters[*word - 'A'] : 0;
        for (unsigned x = 0; x <= LETTER_COLUMNS; x++) {
            unsigned bit = (LETTER_ROWS - 1 - y) * LETTER_COLUMNS + (LETTER_COLUMNS - 1 - x);
            bool is_dot = x < LETTER_COLUMNS && (letter >> bit & 1) != 0;
            put_text(drawing, is_dot ? moods[mood].dot : moods[mood].colours);
            put_repeated(drawing, is_dot ? '#' : ' ', width);
        }
    }
    put_text(drawing, moods[mood].colours);
}

/* One side of the word: its frame, and a blank beside the word. */
static void draw_side(struct drawing *drawing, unsigned columns, char frame, bool is_left) {
    put_repeated(drawing, ' ', !is_left && columns > 0 ? 1 : 0);
    put_repeated(drawing, frame, columns > 0 ? columns - 1 : 0);
    put_repeated(drawing, ' ', is_left && columns > 0 ? 1 : 0);
}

/* The word between frames of its mood; above and below it, too, where there is room. */
static void draw_word(struct drawing *drawing, const struct report *report) {
    const struct screen *screen = drawing->screen;
    unsigned mood = report->mood <= REPORT_NEITHER ? report->mood : REPORT_NEITHER;
    unsigned dots = (unsigned)strlen(report->word) * (LETTER_COLUMNS + 1);
    unsigned width = dots > 0 ? (screen->columns - 2) / dots : 0;
    bool is_large = is_drawable(report->word) && width > 0, is_tall = screen->rows >= TALL_ROWS;
    width = width > 2 ? 2 : width;
    unsigned used = is_large ? dots * width : character_count(report->word);
    unsigned left = used < screen->columns ? (screen->columns - used) / 2 : 0;
    unsigned right = used < screen->columns ? screen->columns - used - left : 0;
    for (unsigned y = is_tall ? 0 : 1; y < LETTER_ROWS + (is_tall ? 2 : 1); y++) {
        begin_row(drawing, moods[mood].colours);
        if (y == 0 || y == LETTER_ROWS + 1) {
            put_repeated(drawing, moods[mood].frame, screen->columns);
            continue;
        }
        draw_side(drawing, left, moods[mood].frame, true);
        if (is_large)
            draw_letters_row(drawing, report->word, y - 1, width, mood);
        else
            put_row(drawing, y == 1 + LETTER_ROWS / 2 ? report->word : "",
                    used < screen->columns ? used : screen->columns);
        draw_side(drawing, right, moods[mood].frame, false);
    }
}

/* The end of what is typed, and a cursor. */
static void draw_input(struct drawing *drawing) {
    const struct screen *screen = drawing->screen;
    const char *input = screen->input;
    size_t len = strlen(input), max = screen->columns - 4;
    char row[4 * SCREEN_COLUMNS_MAX + 8];
    input += len > max ? len - max : 0;
    while ((*input & 0xC0) == 0x80) /* not from the middle of a character */
        input++;
    format_text(row, sizeof row, "> %s_", input);
    draw_line(drawing, row, "\033[0m");
}

size_t screen_draw(char *bytes, const struct screen *screen, bool *is_past_end) {
    struct drawing drawing = {bytes, 0, screen, 0};
    *is_past_end = false;
    if (screen->rows < SCREEN_ROWS_MIN || screen->rows > SCREEN_ROWS_MAX ||
        screen->columns < SCREEN_COLUMNS_MIN || screen->columns > SCREEN_COLUMNS_MAX) {
        put_text(&drawing, "\033[0m\033[2J\033[HThe screen is too small or too large.");
        return drawing.len;
    }
    draw_line(&drawing, screen->head, "\033[0;7m");
    if (screen->report != NULL)
        draw_word(&drawing, screen->report);
    *is_past_end = draw_lines(&drawing, screen->rows - 2);
    draw_input(&drawing);
    draw_line(&drawing, screen->note, "\033[0;7m");
    put_text(&drawing, "\033[0m");
    return drawing.len;
}
