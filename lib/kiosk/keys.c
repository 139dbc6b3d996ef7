#include "kiosk/keys.h"

#include "base/bytes.h"

#include <string.h>

#define CTRL(letter) ((letter) - 'A' + 1)
#define ESCAPE 27
#define DELETE 127

void keys_take(struct keys *keys, const char *bytes, size_t len, int64_t now_ms) {
    size_t room = sizeof keys->burst - keys->burst_len;
    size_t n = len < room ? len : room;
    memcpy(keys->burst + keys->burst_len, bytes, n);
    keys->burst_len += n;
    keys->is_too_long = keys->is_too_long || n < len;
    keys->last_ms = now_ms;
}

int64_t keys_due_ms(const struct keys *keys) {
    if (keys->burst_len == 0)
        return INT64_MAX;
    char last = keys->burst[keys->burst_len - 1];
    bool has_end = last == '\r' || last == '\n' || last == '\t';
    return keys->last_ms + (keys->burst_len < KEYS_SCAN_MIN ? KEYS_GAP_MS
                            : has_end                       ? KEYS_SCAN_GAP_MS
                                                            : KEYS_NO_END_MS);
}

/* Takes bytes off the start of the burst. */
static void drop(struct keys *keys, size_t len) {
    memmove(keys->burst, keys->burst + len, keys->burst_len - len);
    keys->burst_len -= len;
}

void keys_forget(struct keys *keys) {
    wipe(keys->line, sizeof keys->line);
    keys->line_len = 0;
}

static enum keys_event take_scan(struct keys *keys, char text[SCAN_TEXT_MAX], size_t *len) {
    bool is_too_long = keys->is_too_long;
    *len = keys->burst_len;
    memcpy(text, keys->burst, *len);
    wipe(keys->burst, sizeof keys->burst);
    keys->burst_len = 0;
    keys->is_too_long = false;
    keys_forget(keys);
    return is_too_long ? KEYS_TOO_LONG : KEYS_SCANNED;
}

/* Takes the last character away, all bytes of it. */
static void erase(struct keys *keys) {
    while (keys->line_len > 0 && (keys->line[keys->line_len - 1] & 0xC0) == 0x80)
        keys->line_len--;
    keys->line_len -= keys->line_len > 0;
    keys->line[keys->line_len] = '\0';
}

static enum keys_event take_line(struct keys *keys, char text[SCAN_TEXT_MAX], size_t *len) {
    *len = keys->line_len;
    memcpy(text, keys->line, keys->line_len);
    keys_forget(keys);
    return *len > 0 ? KEYS_TYPED : KEYS_CHANGED;
}

/* An arrow, or another key that sends several bytes; alone it clears the line. */
static enum keys_event take_escape(struct keys *keys) {
    if (keys->burst_len < 2) {
        drop(keys, 1);
        keys_forget(keys);
        return KEYS_CHANGED;
    }
    char last = keys->burst[keys->burst_len - 1];
    keys->burst_len = 0;
    return last == 'A' ? KEYS_UP : last == 'B' ? KEYS_DOWN : KEYS_CHANGED;
}

static enum keys_event take_key(struct keys *keys, char text[SCAN_TEXT_MAX], size_t *len) {
    char key = keys->burst[0];
    if (key == ESCAPE)
        return take_escape(keys);
    drop(keys, 1);
    switch (key) {
    case '\r':
    case '\n':
        return take_line(keys, text, len);
    case '\b':
    case DELETE:
        erase(keys);
        return KEYS_CHANGED;
    case CTRL('U'):
        keys_forget(keys);
        return KEYS_CHANGED;
    case CTRL('L'):
        return KEYS_REDRAW;
    case CTRL('C'):
    case CTRL('D'):
        return KEYS_END;
    default:
        break;
    }
    if ((unsigned char)key >= ' ' && keys->line_len + 1 < sizeof keys->line) {
        keys->line[keys->line_len++] = key;
        keys->line[keys->line_len] = '\0';
    }
    return KEYS_CHANGED;
}

enum keys_event keys_next(struct keys *keys, int64_t now_ms, char text[SCAN_TEXT_MAX],
                          size_t *len) {
    if (now_ms < keys_due_ms(keys))
        return KEYS_NOTHING;
    return keys->burst_len >= KEYS_SCAN_MIN ? take_scan(keys, text, len)
                                            : take_key(keys, text, len);
}
