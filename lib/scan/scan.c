#include "scan/scan.h"

#include "base/format.h"
#include "base/text.h"
#include "scan/digilocker.h"
#include "scan/mrz.h"
#include "scan/pdf417.h"
#include "scan/stripe.h"

#include <string.h>
#include <strings.h>

/* --- typed ------------------------------------------------------------------------------------ */

/* A British driver number: five letters (or nines), six digits, and five more; on the card the card's issue
 * number follows, two digits. */
static bool is_british(const char *number, size_t len) {
    size_t letters = 0;
    while (letters < 5 && is_upper(number[letters]))
        letters++;
    if ((len != 16 && len != 18) || letters == 0 || scan_digits(number + 5) < 6)
        return false;
    for (; letters < 5; letters++) {
        if (number[letters] != '9')
            return false;
    }
    return (is_upper(number[11]) || number[11] == '9') &&
           (len == 16 || scan_digits(number + 16) == 2);
}

static void take_british(struct scan *scan) {
    char number[SCAN_FIELD_SIZE];
    size_t len = 0;
    for (const char *at = scan->number; *at != '\0'; at++) {
        if (*at != ' ')
            number[len++] = capital(*at);
    }
    number[len] = '\0';
    if (!is_british(number, len))
        return;
    format_text(scan->number, sizeof scan->number, "%.16s", number);
    strcpy(scan->issuer, "GB");
    if (len == 18)
        scan_doubt(scan, "the card's issue number behind the driver number was left out");
}

#define TYPED_MAX 40

static int read_typed(struct scan *scan, struct error *error) {
    char quoted[TEXT_QUOTE_SIZE];
    size_t len = strlen(scan->text);
    scan->kind = SCAN_TYPED;
    if (len > TYPED_MAX || strpbrk(scan->text, "0123456789") == NULL ||
        strpbrk(scan->text, "<>{}=;%?@^$#\"|&\n\r\t") != NULL) {
        text_quote(quoted, scan->text, len);
        return error_set(error, ERR_FORMAT,
                         "\"%s\" is neither a licence number nor a code that is known to hold one",
                         quoted);
    }
    scan_add(scan->number, scan->text, len);
    take_british(scan);
    return 0;
}

/* --- which kind ------------------------------------------------------------------------------- */

/* Codes without a licence in them, by how they begin. */
static const struct {
    const char *prefix, *name;
} refused[] = {
    {"mdoc:", "a mobile licence's offer to connect (ISO/IEC 18013-5 device engagement)"},
    {"mdoc-openid4vp:", "a request for a mobile licence (OpenID4VP)"},
    {"openid4vp:", "a request for a mobile licence (OpenID4VP)"},
    {"eudi-openid4vp:", "a request for a mobile licence (OpenID4VP)"},
    {"haip:", "a request for a mobile licence (OpenID4VP)"},
    {"openid-credential-offer:", "an offer of a mobile licence (OpenID4VCI)"},
    {"http:", "a web address"},
    {"https:", "a web address"},
};

static int refuse_known(const struct scan *scan, struct error *error) {
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (strncasecmp(scan->text, refused[i].prefix, strlen(refused[i].prefix)) == 0)
            return error_set(error, ERR_FORMAT, "this is %s, which holds no licence: scan the card",
                             refused[i].name);
    }
    return 0;
}

/* The header of a PDF417 code: the word and the issuer's six digits. NULL where there is none. */
static const char *find_header(const char *text) {
    const char *at = strstr(text, "ANSI ");
    if (at != NULL && scan_digits(at + 5) >= 6)
        return at;
    at = strstr(text, "AAMVA");
    return at != NULL && scan_digits(at + 5) >= 6 ? at : NULL;
}

/* What a French keyboard makes of the keys that a scanner for an American one presses. */
static const char azerty[][3] = {"QA", "AQ",  "WZ", "ZW", "qa", "aq", "wz", "zw", "?M",
                                 "&1", "\"3", "'4", "(5", "-6", "_8", ":.", "!/", ")-"};

/* Undoes that, where the header proves it. */
static void undo_azerty(struct scan *scan) {
    static const char *const wide[] = {"\xc3\xa9"
                                       "2",
                                       "\xc3\xa8"
                                       "7",
                                       "\xc3\xa7"
                                       "9",
                                       "\xc3\xa0"
                                       "0"};
    char *out = scan->text;
    for (const char *in = scan->text; *in != '\0'; in++, out++) {
        char typed = *in;
        *out = typed;
        for (size_t i = 0; i < sizeof azerty / sizeof *azerty; i++) {
            if (typed == azerty[i][0])
                *out = azerty[i][1];
        }
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
            if (strncmp(in, wide[i], 2) == 0) {
                *out = wide[i][2];
                in++;
                break;
            }
        }
    }
    *out = '\0';
    scan_doubt(scan,
               "typed on a French keyboard, and translated: set the scanner to this keyboard");
}

/* Takes what was scanned without what scanners add: control characters, blanks, the word Enter. */
static void trim(struct scan *scan, const char *bytes, size_t len) {
    static const char word[] = "Enter";
    size_t start = 0, word_len = sizeof word - 1;
    while (start < len && (uint8_t)bytes[start] <= ' ')
        start++;
    while (len > start && (uint8_t)bytes[len - 1] <= ' ')
        len--;
    while (len - start > word_len && memcmp(bytes + len - word_len, word, word_len) == 0)
        len -= word_len;
    while (len > start && (uint8_t)bytes[len - 1] <= ' ')
        len--;
    size_t used = 0;
    for (size_t i = start; i < len; i++)
        scan->text[used++] = bytes[i] == '\0' ? '\n' : bytes[i];
    scan->text[used] = '\0';
}

static int read_kind(struct scan *scan, unsigned year, struct error *error) {
    const char *text = scan->text, *at;
    if (refuse_known(scan, error) != 0)
        return ERR_FORMAT;
    if (find_header(text) == NULL && strstr(text, "QNSI ") != NULL)
        undo_azerty(scan);
    if ((at = find_header(text)) != NULL && find_header(at + 5) != NULL)
        return error_set(error, ERR_FORMAT, "two codes came as one: scan one card after the other");
    if (at != NULL)
        return scan_read_pdf417(scan, at, error);
    if ((at = strstr(text, "in.gov.")) != NULL)
        return scan_read_digilocker(scan, at, error);
    if (*text == '<')
        return scan_read_document(scan, error);
    if (*text == '%' || *text == ';')
        return scan_read_stripe(scan, error);
    if (strncmp(text, "D1", 2) == 0 || strstr(text, "FACHE") != NULL)
        return scan_read_mrz(scan, year, error);
    return read_typed(scan, error);
}

int scan_read(struct scan *scan, const char *bytes, size_t len, unsigned year,
              struct error *error) {
    memset(scan, 0, sizeof *scan);
    if (len > SCAN_TEXT_MAX)
        return error_set(error, ERR_FORMAT, "longer than the code of any licence");
    trim(scan, bytes, len);
    if (scan->text[0] == '\0')
        return error_set(error, ERR_FORMAT, "nothing was scanned");
    int code = read_kind(scan, year, error);
    if (code == 0 && scan->number[0] == '\0')
        code = error_set(error, ERR_FORMAT, "there is no licence number in this code");
    return code;
}
