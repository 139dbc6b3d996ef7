#include "scan/stripe.h"

#include "base/format.h"

#include <string.h>

#define FLORIDA "636010" /* whose numbers begin with the surname's first letter */

/* The first track: the state and the names. */
static void take_first_track(struct scan *scan, const char *track) {
    const char *names = strchr(track, '^');
    size_t len = strcspn(track, "?");
    if (len < 2 || !is_upper(track[0]) || !is_upper(track[1]))
        return;
    format_text(scan->issuer, sizeof scan->issuer, "US-%.2s", track);
    if (names == NULL || names >= track + len)
        return;
    const char *end = names + 1 + strcspn(names + 1, "^?");
    const char *part = names + 1 + strcspn(names + 1, "$^?");
    scan_add(scan->surname, names + 1, (size_t)(part - names - 1));
    while (part < end && *part == '$') {
        size_t part_len = strcspn(part + 1, "$^?");
        scan_add(scan->given, part + 1, part_len);
        part += 1 + part_len;
    }
}

/* The last day of a month, YYMM. */
static uint32_t last_day(const char digits[4]) {
    char text[9];
    uint32_t day = 0;
    for (unsigned last = 31; day == 0 && last > 27; last--) {
        format_text(text, sizeof text, "20%.4s%u", digits, last);
        day = scan_day(text);
    }
    return day;
}

int scan_read_stripe(struct scan *scan, struct error *error) {
    const char *track = strchr(scan->text, ';');
    scan->kind = SCAN_STRIPE;
    size_t len = track != NULL ? scan_digits(track + 1) : 0;
    if (len <= 6 || track[1 + len] != '=')
        return error_set(
            error, ERR_FORMAT,
            "the stripe's second track was not read: draw the card again, or type the number");
    if (scan->text[0] == '%')
        take_first_track(scan, scan->text + 1);
    const char *dates = track + 1 + len + 1;
    bool is_florida = strncmp(track + 1, FLORIDA, 6) == 0 && is_upper(scan->surname[0]);
    format_text(scan->number, sizeof scan->number, "%.*s%.*s", is_florida, scan->surname,
                (int)len - 6, track + 7);
    if (scan_digits(dates) >= 12) {
        scan->expiry = last_day(dates);
        scan->birth_date = scan_day(dates + 4);
    }
    scan_doubt(scan,
               is_florida
                   ? "the stripe holds digits alone: the number's letter is the surname's first"
                   : "the stripe holds digits alone: letters of the number may be missing");
    return 0;
}
