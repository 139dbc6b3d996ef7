/* What comes from a keyboard, and from a scanner that works as one: a scan is told from typing by its speed.
 * Bytes that come within milliseconds of each other are a burst. A long burst is a scan, whatever is in it; the
 * bytes of a short one are keys. */
#ifndef DLV_KIOSK_KEYS_H
#define DLV_KIOSK_KEYS_H

#include "scan/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_GAP_MS 30       /* after which a short burst is over */
#define KEYS_SCAN_GAP_MS 200 /* and a long one, since scanners pause between lines */
#define KEYS_NO_END_MS 1000 /* and a long one without a line's end, of which the rest may be late */
#define KEYS_SCAN_MIN 8     /* bytes of a long one */

enum keys_event {
    KEYS_NOTHING,
    KEYS_CHANGED, /* the line that is being typed */
    KEYS_TYPED,   /* a line */
    KEYS_SCANNED,
    KEYS_TOO_LONG, /* a scan that is longer than any licence's */
    KEYS_UP,
    KEYS_DOWN,
    KEYS_REDRAW, /* Ctrl-L */
    KEYS_END     /* Ctrl-C or Ctrl-D */
};

/* Holds what was typed and scanned: wipe after use. */
struct keys {
    size_t line_len;
    char line[SCAN_FIELD_SIZE]; /* that is being typed; NUL-terminated */
    int64_t last_ms;            /* when the last byte came */
    size_t burst_len;
    bool is_too_long;
    char burst[SCAN_TEXT_MAX];
};

/* Takes bytes that have come. */
void keys_take(struct keys *keys, const char *bytes, size_t len, int64_t now_ms);

/* Forgets what has been typed. */
void keys_forget(struct keys *keys);

/* When keys_next is to be called, if nothing comes until then; INT64_MAX: never. */
int64_t keys_due_ms(const struct keys *keys);

/* The next event. Of a line or a scan, `text` becomes what came, of *len bytes. To be called until there is
 * nothing. */
enum keys_event keys_next(struct keys *keys, int64_t now_ms, char text[SCAN_TEXT_MAX], size_t *len);

#endif
