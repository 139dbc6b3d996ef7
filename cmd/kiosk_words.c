#include "kiosk_words.h"

#include "print.h"
#include "trouble.h"

#include "base/file.h"
#include "kiosk/report.h"
#include "record/verdict.h"

#include <string.h>

/* All of them but those that come from elsewhere: of statuses, of entitlements, of silences. */
static const char *const words[] = {
    "VALID",
    "EXPIRED",
    "NOT YET",
    "SUSPENDED",
    "REVOKED",
    "UNKNOWN",
    "MISMATCH",
    "NO CLASS",
    "REPLACED",
    "NO DATA",
    "NO ANSWER",
    "NOT READ",
    "The licence is valid.",
    "The licence has run out.",
    "The licence is not valid yet.",
    "The licence is suspended.",
    "The licence is revoked.",
    "No such licence is on file.",
    "What was read is not what is on file.",
    "The licence is not for this class.",
    "The card is not the current one.",
    "This is no answer: the register",
    "This is no answer: nothing was found out about the licence.",
    "Class",
    "Status",
    "since",
    "until",
    "from",
    "to",
    "no end",
    "not recorded",
    "The name is the same.",
    "The name differs.",
    "The name is not on file.",
    "The birth date is the same.",
    "The birth date differs.",
    "The birth date is not on file.",
    "The card is a former one.",
    "The card is reported lost.",
    "The card is reported stolen.",
    "The number was found as a former one.",
    "The card says that it expires on",
    "The last day in the register is",
    "Doubtful",
    "A similar number is on file",
    "Data of",
    "days old",
    "OUT OF DATE",
    "TEST DATA",
    "OFFLINE: no server was there",
    "from this kiosk's own file",
    "proved",
    "the server's word, not proved",
    "The clock of this kiosk is wrong. Without a server it cannot tell what day it is: tell the office.",
    "Scan again, or tell the office.",
    "Scan the code of a card, or type a number.",
    "Up: the last verdicts. Down: more of this one.",
    "asking",
    "ready",
    "waiting",
    "The last verdicts",
    "late",
    "Late, to the question of",
    "It is kept, and asked when a server is there.",
    "NOT TAKEN: SCAN AGAIN",
    "It is being asked about. Wait for the answer.",
    "That is longer than the code of any licence.",
    "No server could be reached.",
    "The servers are busy.",
    "The quota of this kiosk is spent.",
    "The data are out of date, and are not used.",
    "The server has another key than this kiosk was given.",
    "The server refuses this kiosk.",
    "Times or releases contradict each other.",
    "What came was not believed.",
    "A fault of this kiosk.",
    /* what lib/scan says of a reading */
    "a document that is no driving licence",
    "the document itself does not say that it is active",
    "nothing in the document is signed",
    "a check digit does not fit: scan again, or type the number",
    "letters were read as digits, as the check digits demand",
    "the surname is cut after eight letters",
    "letters were read as digits, as the check digit demands",
    "the number could not be read: scan again, or type it",
    "these lines have no check digits: compare the number with the card",
    "blanks stand where lines ended: a field may have been cut at a blank",
    "the ends of lines were lost: compare every field with the card",
    "a date can be read in two ways, and was left out",
    "all names are in one field: the last word was taken for the surname",
    "the surname was cut short for the code",
    "a code of a North American card, but not of a driving licence (no part DL)",
    "typed on another keyboard than the scanner is set to: compare Y and Z, and signs, with the card",
    "the card's issue number behind the driver number was left out",
    "typed on a French keyboard, and translated: set the scanner to this keyboard",
    "two codes came as one: scan one card after the other",
    "longer than the code of any licence",
    "nothing was scanned",
    "there is no licence number in this code",
    "the stripe's second track was not read: draw the card again, or type the number",
};

#define WORDS_COUNT ((unsigned)(sizeof words / sizeof *words))
#define FILE_MAX 32768
#define LOCAL_MAX 160
#define BIG_MAX (REPORT_WORD_SIZE - 1) /* bytes of a word in large letters */
#define TEXT_MAX 120                   /* of another one: five of them fit into a line */

static char file[FILE_MAX + 1];

/* What the file says. */
static struct {
    const char *english;
    const char *local;
} locals[LOCAL_MAX];
static unsigned local_count;

/* The next of all words, from *at on; NULL at the end. */
static const char *next_word(unsigned *at) {
    unsigned i = (*at)++;
    if (i < WORDS_COUNT)
        return words[i];
    i -= WORDS_COUNT;
    if (i < STATUS_COUNT - 1)
        return status_name(i + 1);
    i -= STATUS_COUNT - 1;
    if (i <= PROVISIONAL)
        return entitlement_name((enum entitlement)i);
    i -= PROVISIONAL + 1;
    return i < SILENCE_NUMBER ? silence_text((enum silence)(i + 1)) : NULL;
}

static bool is_word(const char *english) {
    unsigned at = 0;
    const char *known;
    while ((known = next_word(&at)) != NULL) {
        if (strcmp(known, english) == 0)
            return true;
    }
    return false;
}

void words_print(void) {
    unsigned at = 0;
    for (const char *english; (english = next_word(&at)) != NULL;)
        print("%s = %s\n", english, english);
}

/* Whether it is one of those that are shown in large letters. */
static bool is_big(const char *english) {
    return english[strspn(english, "ABCDEFGHIJKLMNOPQRSTUVWXYZ: ")] == '\0';
}

static int take_line(const char *path, unsigned number, char *line) {
    char *equals = strstr(line, " = ");
    if (*line == '\0' || *line == '#')
        return EXIT_OK;
    if (equals == NULL)
        return trouble("%s:%u: not \"ENGLISH = LOCAL\"", path, number);
    char *local = equals + 3;
    *equals = '\0';
    local[strcspn(local, "\r")] = '\0';
    if (!is_word(line))
        return trouble("%s:%u: \"%s\" is none of the words (--show-words lists them)", path, number,
                       line);
    if (local_count == LOCAL_MAX)
        return trouble("%s:%u: more words than there are", path, number);
    if (strlen(local) > (is_big(line) ? BIG_MAX : TEXT_MAX))
        return trouble("%s:%u: longer than %d bytes", path, number,
                       is_big(line) ? BIG_MAX : TEXT_MAX);
    locals[local_count].english = line;
    locals[local_count++].local = local;
    return EXIT_OK;
}

int words_load(const char *path) {
    struct error error;
    ssize_t len = file_read(path, file, FILE_MAX, &error);
    if (len < 0)
        return trouble("%s", error.text);
    file[len] = '\0';
    unsigned number = 0;
    for (char *line = file; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (take_line(path, ++number, line) != EXIT_OK)
            return EXIT_TROUBLE;
        line = end;
    }
    return EXIT_OK;
}

const char *word(const char *english) {
    for (unsigned i = 0; i < local_count; i++) {
        if (strcmp(locals[i].english, english) == 0)
            return locals[i].local;
    }
    return english;
}
