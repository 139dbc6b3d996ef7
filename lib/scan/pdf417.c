#include "scan/pdf417.h"

#include <string.h>

/* Whether an element id of the standard, or of a jurisdiction (Z), is at `text`. */
static bool is_id(const char *text) {
    static const char last[] = {'Z', 'S', 'U', 'L'}; /* of DA, DB, DC, DD */
    if (text[0] == 'Z')
        return is_upper(text[1]) && is_upper(text[2]);
    return text[0] == 'D' && text[1] >= 'A' && text[1] <= 'D' && is_upper(text[2]) &&
           text[2] <= last[text[1] - 'A'];
}

/* Where the elements begin: behind the type of the subfile, which is DL. */
static const char *find_elements(const char *header) {
    for (const char *at = header; *at != '\0'; at++) {
        if (strncmp(at, "DL", 2) == 0 && at[2] == 'D' && is_id(at + 2))
            return at + 2;
    }
    return NULL;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Copies the elements to `lines`, with a line feed for each control character, C1 ones too, and each '|', as
 * which some software writes them. Returns how many there are. */
static unsigned copy_lines(struct scan *scan, const char *elements) {
    char *out = scan->lines;
    unsigned count = 0;
    for (const char *in = elements; *in != '\0'; in++) {
        bool is_c1 = (uint8_t)in[0] == 0xc2 && (uint8_t)in[1] >= 0x80 && (uint8_t)in[1] < 0xa0;
        bool is_end = is_c1 || (uint8_t)*in < ' ' || *in == '|';
        in += is_c1;
        count += is_end;
        *out++ = is_end ? '\n' : *in;
    }
    *out = '\0';
    return count;
}

/* The same with a line feed for each separator before an id that has not been seen. */
static unsigned split(struct scan *scan, const char *elements, const char *separator, size_t len) {
    bool seen[4][26] = {{false}};
    char *out = scan->lines;
    unsigned count = 0;
    for (const char *in = elements; *in != '\0';) {
        const char *id = in + len;
        if (len > 0 && *id == '\0' && strcmp(in, separator) == 0)
            break; /* behind the last element */
        bool *is_seen = strncmp(in, separator, len) == 0 && is_id(id) && *id == 'D'
                            ? &seen[id[1] - 'A'][id[2] - 'A']
                            : NULL;
        if (is_seen == NULL || *is_seen) {
            *out++ = *in++;
            continue;
        }
        *is_seen = true;
        *out++ = '\n';
        memcpy(out, id, 3);
        out += 3;
        in = id + 3;
        count++;
    }
    *out = '\0';
    return count;
}

#define LINES_MIN 4

/* Makes lines, whatever became of the line feeds on their way. */
static void make_lines(struct scan *scan, const char *elements) {
    char letter[2] = {scan->text[1], '\0'}; /* what the first line feed, behind the '@', became */
    if (copy_lines(scan, elements) >= LINES_MIN || split(scan, elements, "Enter", 5) >= LINES_MIN)
        return;
    if (scan->text[0] == '@' && letter[0] != ' ' && letter[0] != 'A' &&
        split(scan, elements, letter, 1) >= LINES_MIN)
        return;
    if (split(scan, elements, " ", 1) >= LINES_MIN) {
        scan_doubt(scan, "blanks stand where lines ended: a field may have been cut at a blank");
        return;
    }
    split(scan, elements, "", 0);
    scan_doubt(scan, "the ends of lines were lost: compare every field with the card");
}

/* --- elements --------------------------------------------------------------------------------- */

struct element {
    const char *text;
    size_t len; /* 0: it is not there, or empty */
};

/* The value of an element, without blanks and commas around it. Words for "none" are none. */
static struct element find(const struct scan *scan, const char *id) {
    struct element value = {.len = 0};
    for (const char *line = scan->lines; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        line += strspn(line, " ");
        if (strncmp(line, id, 3) != 0)
            continue;
        value = (struct element){line + 3, strcspn(line + 3, "\n")};
        break;
    }
    while (value.len > 0 && strchr(" ,", value.text[value.len - 1]) != NULL)
        value.len--;
    bool is_none = value.len == 4 && memcmp(value.text, "NONE", 4) == 0;
    return is_none ? (struct element){.len = 0} : value;
}

static void add(char field[SCAN_FIELD_SIZE], struct element value) {
    scan_add(field, value.text, value.len);
}

/* Dates are MMDDYYYY, or YYYYMMDD in Canada and in version 1. No date is both: no year begins with a month
 * that leaves a possible one. */
static uint32_t find_day(struct scan *scan, const char *id) {
    struct element value = find(scan, id);
    char turned[8];
    if (value.len < 8 || scan_digits(value.text) < 8)
        return 0;
    memcpy(turned, value.text + 4, 4);
    memcpy(turned + 4, value.text, 4);
    bool has_year_first = memcmp(value.text, "19", 2) == 0 || memcmp(value.text, "20", 2) == 0;
    bool has_year_last = memcmp(turned, "19", 2) == 0 || memcmp(turned, "20", 2) == 0;
    uint32_t first = has_year_first ? scan_day(value.text) : 0;
    uint32_t last = has_year_last ? scan_day(turned) : 0;
    if (first != 0 && last != 0) {
        scan_doubt(scan, "a date can be read in two ways, and was left out");
        return 0;
    }
    return first != 0 ? first : last;
}

/* All names in one element: "LAST,FIRST,MIDDLE", "LAST, FIRST MIDDLE" or "FIRST MIDDLE LAST". */
static void take_whole_name(struct scan *scan, struct element name) {
    const char *comma = memchr(name.text, ',', name.len);
    size_t split_at = comma != NULL ? (size_t)(comma - name.text) : name.len;
    if (comma != NULL) {
        scan_add(scan->surname, name.text, split_at);
        scan_add(scan->given, comma, name.len - split_at);
        return;
    }
    while (split_at > 0 && name.text[split_at - 1] != ' ')
        split_at--;
    scan_add(scan->surname, name.text + split_at, name.len - split_at);
    scan_add(scan->given, name.text, split_at);
    scan_doubt(scan, "all names are in one field: the last word was taken for the surname");
}

static void take_names(struct scan *scan) {
    struct element surname = find(scan, "DCS"), first = find(scan, "DAC"),
                   whole = find(scan, "DAA");
    if (surname.len == 0)
        surname = find(scan, "DAB");
    if (surname.len == 0 && whole.len > 0) {
        take_whole_name(scan, whole);
        return;
    }
    add(scan->surname, surname);
    add(scan->given, first.len > 0 ? first : find(scan, "DCT"));
    if (first.len > 0)
        add(scan->given, find(scan, "DAD"));
    struct element cut = find(scan, "DDE");
    if (cut.len == 1 && *cut.text == 'T') {
        scan->is_name_cut = true;
        scan_doubt(scan, "the surname was cut short for the code");
    }
}

static void take_issuer(struct scan *scan) {
    static const char canadian[] = "AB BC MB NB NL NS NT NU ON PE QC SK YT";
    struct element place = find(scan, "DAJ"), country = find(scan, "DCG");
    char name[4] = "";
    if (place.len != 2 || !is_upper(place.text[0]) || !is_upper(place.text[1]))
        return;
    memcpy(name, place.text, 2);
    bool is_canadian =
        country.len == 3 ? memcmp(country.text, "CAN", 3) == 0 : strstr(canadian, name) != NULL;
    memcpy(scan->issuer, is_canadian ? "CA-" : "US-", 3);
    memcpy(scan->issuer + 3, name, 3);
}

int scan_read_pdf417(struct scan *scan, const char *header, struct error *error) {
    const char *elements = find_elements(header);
    scan->kind = SCAN_PDF417;
    if (elements == NULL)
        return error_set(
            error, ERR_FORMAT,
            "a code of a North American card, but not of a driving licence (no part DL)");
    /* A carriage return that was typed as the letter: the header shows it, and the end has it, too. */
    char *end = scan->text + strlen(scan->text) - 1;
    if (header > scan->text && header[-1] == 'M' && *end == 'M')
        *end = '\0';
    make_lines(scan, elements);
    if (scan->text[0] == '"')
        scan_doubt(scan,
                   "typed on another keyboard than the scanner is set to: compare Y and Z, and "
                   "signs, with the card");
    add(scan->number, find(scan, "DAQ"));
    take_names(scan);
    take_issuer(scan);
    add(scan->card, find(scan, "DCF"));
    scan->birth_date = find_day(scan, "DBB");
    scan->expiry = find_day(scan, "DBA");
    return 0;
}
