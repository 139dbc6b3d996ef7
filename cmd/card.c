#include "card.h"

#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "print.h"

#include <string.h>
#include <time.h>

int card_read_bytes(struct scan *scan, const char *bytes, size_t len, struct error *error) {
    const struct moment now = {.unix_s = time(NULL)};
    char today[DATE_TEXT_SIZE];
    date_format(today, moment_day(&now, 0));
    unsigned year = 0;
    for (unsigned i = 0; i < 4; i++)
        year = year * 10 + (unsigned)(today[i] - '0');
    return scan_read(scan, bytes, len, year, error);
}

int card_read(struct scan *scan, const char *word, struct error *error) {
    static char input[SCAN_TEXT_MAX];
    if (strcmp(word, "-") != 0)
        return card_read_bytes(scan, word, strlen(word), error);
    ssize_t n = file_read("/dev/stdin", input, sizeof input, error);
    if (n == ERR_LIMIT)
        return error_set(error, ERR_FORMAT, "longer than the code of any licence");
    return n < 0 ? error_prefix(error, (int)n, "standard input")
                 : card_read_bytes(scan, input, (size_t)n, error);
}

const char *card_day(uint32_t day, char text[16]) {
    if (day == 0)
        return NULL;
    date_format(text, day);
    return text;
}

const char *card_name(const struct scan *scan, char text[CARD_NAME_SIZE]) {
    size_t len = format_text(text, CARD_NAME_SIZE, "%s %s", scan->given, scan->surname);
    return !scan->is_name_cut && len > 1 ? text : NULL;
}

uint32_t card_other_last_day(const struct scan *scan, const struct terms *terms) {
    uint32_t last = 0;
    for (unsigned i = 0; i < terms->group_count; i++)
        last = terms->groups[i].to > last ? terms->groups[i].to : last;
    return scan->expiry != 0 && last != scan->expiry ? last : 0;
}

void card_print(const struct scan *scan) {
    char birth[16], expiry[16];
    bool has_name = scan->given[0] != '\0' || scan->surname[0] != '\0';
    print("card: number %s", scan->number);
    if (scan->issuer[0] != '\0')
        print(" of %s", scan->issuer);
    if (has_name)
        print(", %s%s%s", scan->given,
              scan->given[0] != '\0' && scan->surname[0] != '\0' ? " " : "", scan->surname);
    if (card_day(scan->birth_date, birth) != NULL)
        print(", born %s", birth);
    if (card_day(scan->expiry, expiry) != NULL)
        print(", expires %s", expiry);
    print(" (%s)\n", scan_kind_name(scan->kind));
    for (unsigned i = 0; i < scan->doubt_count; i++)
        print("doubt: %s\n", scan->doubts[i]);
}
