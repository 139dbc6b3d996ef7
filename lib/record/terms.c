#include "record/terms.h"

#include "base/error.h"

#include <string.h>

static const char *const names[STATUS_COUNT] = {
    "", "valid", "suspended", "disqualified", "revoked", "surrendered", "deceased", "withheld"};

const char *status_name(unsigned status) {
    return status < STATUS_COUNT ? names[status] : "";
}

int status_parse(const char *text, size_t len, uint8_t *status) {
    for (uint8_t i = STATUS_VALID; i < STATUS_COUNT; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *status = i;
            return 0;
        }
    }
    return ERR_FORMAT;
}

bool day_is_storable(uint32_t day) {
    return day == DAY_NO_START || day == DAY_NO_END || day == DAY_UNKNOWN ||
           (day >= DAY_FIRST && day <= DAY_LAST);
}

void day_format(char text[DATE_TEXT_SIZE], uint32_t day) {
    const char *word = day == DAY_NO_START  ? "no start"
                       : day == DAY_NO_END  ? "no end"
                       : day == DAY_UNKNOWN ? "unknown"
                                            : NULL;
    if (word != NULL)
        strcpy(text, word);
    else
        date_format(text, day);
}
