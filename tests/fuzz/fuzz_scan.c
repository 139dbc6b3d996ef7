/* What scanners deliver: any bytes. What is read is text without control characters, and a possible day. */
#include "scan/scan.h"

#include "base/date.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max) {
    uint32_t character;
    size_t len = strlen(text), used;
    if (len >= max)
        abort();
    for (; len > 0; text += used, len -= used) {
        used = utf8_decode((const uint8_t *)text, len, &character);
        if (used == 0 || utf8_is_control(character))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct scan scan;
    struct error error;
    if (scan_read(&scan, (const char *)data, size, 2026, &error) != 0)
        return 0;
    if (scan.number[0] == '\0' || scan.doubt_count > SCAN_DOUBTS_MAX)
        abort();
    check_text(scan.number, sizeof scan.number);
    check_text(scan.surname, sizeof scan.surname);
    check_text(scan.given, sizeof scan.given);
    check_text(scan.card, sizeof scan.card);
    check_text(scan.issuer, sizeof scan.issuer);
    return 0;
}
