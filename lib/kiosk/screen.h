/* Drawing what a kiosk shows, as bytes for a terminal: plain ECMA-48 sequences, which the Linux console knows, and
 * no characters but those of ASCII and of the texts themselves. A verdict is told by colour, by words, by letters
 * five rows high, and by its frame, so that it can be read from two metres and without colours. */
#ifndef DLV_KIOSK_SCREEN_H
#define DLV_KIOSK_SCREEN_H

#include "kiosk/report.h"

#include <stdbool.h>
#include <stddef.h>

#define SCREEN_SIZE_MAX 65536 /* bytes of a drawing */
#define SCREEN_ROWS_MAX 200
#define SCREEN_COLUMNS_MAX 400

struct screen {
    unsigned rows, columns;
    const char *head;            /* the first row */
    const struct report *report; /* NULL: none is shown */
    const char *const *lines;    /* shown where there is no report */
    unsigned line_count;
    unsigned skip;     /* rows that were scrolled away */
    const char *input; /* what is being typed */
    const char *note;  /* the last row */
};

#define SCREEN_ROWS_MIN 15
#define SCREEN_COLUMNS_MIN 40

/* Draws all of it into `bytes` of SCREEN_SIZE_MAX. Returns the length. Control characters in texts become '?'. Where
 * rows are below the last one, its end says so. *is_past_end becomes true where all of them were scrolled away. */
size_t screen_draw(char *bytes, const struct screen *screen, bool *is_past_end);

/* What erases a screen and what was scrolled away, and makes the cursor (in)visible. */
extern const char screen_begin[], screen_end[];

#endif
