#include "kiosk_asking.h"

#include "card.h"
#include "journal.h"
#include "kiosk_words.h"
#include "trouble.h"

#include "base/bytes.h"
#include "base/format.h"
#include "record/classes.h"
#include "scan/scan.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* How each verdict looks. */
static const struct {
    enum report_mood mood;
    const char *word;
    const char *sentence;
} faces[VERDICT_COUNT] = {
    [VERDICT_UNKNOWN] = {REPORT_NO, "UNKNOWN", "No such licence is on file."},
    [VERDICT_VALID] = {REPORT_YES, "VALID", "The licence is valid."},
    [VERDICT_EXPIRED] = {REPORT_NO, "EXPIRED", "The licence has run out."},
    [VERDICT_NOT_YET_VALID] = {REPORT_NO, "NOT YET", "The licence is not valid yet."},
    [VERDICT_SUSPENDED] = {REPORT_NO, "SUSPENDED", "The licence is suspended."},
    [VERDICT_REVOKED] = {REPORT_NO, "REVOKED", "The licence is revoked."},
    [VERDICT_MISMATCH] = {REPORT_NO, "MISMATCH", "What was read is not what is on file."},
    [VERDICT_NOT_ENTITLED] = {REPORT_NO, "NO CLASS", "The licence is not for this class."},
    [VERDICT_REPLACED] = {REPORT_NO, "REPLACED", "The card is not the current one."},
    [VERDICT_NOT_COVERED] = {REPORT_NEITHER, "NO DATA", "This is no answer: the register"},
};

/* --- lines ------------------------------------------------------------------------------------ */

static void add_line(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_line(struct report *report, const char *format, ...) {
    va_list arguments;
    if (report->line_count == REPORT_LINES_MAX)
        return;
    va_start(arguments, format);
    format_text_list(report->lines[report->line_count++], REPORT_LINE_SIZE, format, arguments);
    va_end(arguments);
}

void report_trouble(struct report *report, const char *heading, const char *why,
                    const char *advice) {
    report->mood = REPORT_NEITHER;
    format_text(report->word, sizeof report->word, "%s", word(heading));
    add_line(report, "%s", word("This is no answer: nothing was found out about the licence."));
    add_line(report, "%s", word(why));
    if (advice != NULL)
        add_line(report, "%s", word(advice));
}

static const char *day_word(char text[DATE_TEXT_SIZE], uint32_t day) {
    if (day == DAY_NO_END)
        return word("no end");
    if (day == DAY_UNKNOWN || day == DAY_NO_START)
        return word("not recorded");
    day_format(text, day);
    return text;
}

static void add_sentence(struct report *report, const struct reply *reply, const char *number) {
    const struct outcome *outcome = &reply->outcome;
    const char *sentence = word(faces[outcome->verdict].sentence);
    if (outcome->verdict == VERDICT_NOT_COVERED)
        add_line(report, "%s: %s %s.", number, sentence, word(silence_text(outcome->silence)));
    else
        add_line(report, "%s: %s", number, sentence);
    if (outcome->verdict == VERDICT_NOT_ENTITLED)
        add_line(report, "%s %.*s: %s", word("Class"), (int)reply->classes[outcome->class_at].len,
                 reply->classes[outcome->class_at].text,
                 word(entitlement_name(outcome->entitlement)));
    if (outcome->verdict != outcome->standing && outcome->standing != VERDICT_NOT_COVERED &&
        outcome->standing != VERDICT_VALID)
        add_line(report, "%s", word(faces[outcome->standing].sentence));
}

static void add_status(struct report *report, const struct outcome *outcome) {
    char since[DATE_TEXT_SIZE], until[DATE_TEXT_SIZE];
    if (outcome->status != 0 && outcome->status != STATUS_VALID &&
        outcome->silence != SILENCE_WITHHELD)
        add_line(report, "%s: %s, %s %s, %s %s", word("Status"), word(status_name(outcome->status)),
                 word("since"), day_word(since, outcome->status_from), word("until"),
                 day_word(until, outcome->status_to));
}

static void add_fields(struct report *report, const struct reply *reply) {
    static const struct {
        unsigned field;
        const char *same, *differs, *missing;
    } sentences[] = {
        {FIELD_NAME, "The name is the same.", "The name differs.", "The name is not on file."},
        {FIELD_BIRTH_DATE, "The birth date is the same.", "The birth date differs.",
         "The birth date is not on file."}};
    static const char *const cards[] = {NULL, "The card is a former one.",
                                        "The card is reported lost.",
                                        "The card is reported stolen."};
    for (unsigned i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        enum field_match match = (enum field_match)reply->answer.matches[sentences[i].field];
        if (match != FIELD_NOT_ASKED)
            add_line(report, "%s",
                     word(match == FIELD_SAME      ? sentences[i].same
                          : match == FIELD_DIFFERS ? sentences[i].differs
                                                   : sentences[i].missing));
    }
    if (reply->answer.card_state > 0 && reply->answer.card_state <= CARD_STOLEN)
        add_line(report, "%s", word(cards[reply->answer.card_state]));
    if (reply->answer.is_found && reply->answer.kind != ENTRY_LICENCE)
        add_line(report, "%s", word("The number was found as a former one."));
}

/* What the card says otherwise, and what is doubtful about the reading. */
static void add_card(struct report *report, const struct reply *reply, const struct scan *scan) {
    char card[DATE_TEXT_SIZE], held[DATE_TEXT_SIZE];
    uint32_t last = reply->answer.is_found ? card_other_last_day(scan, reply->terms) : 0;
    if (last != 0)
        add_line(report, "%s %s. %s %s.", word("The card says that it expires on"),
                 day_word(card, scan->expiry), word("The last day in the register is"),
                 day_word(held, last));
    for (unsigned i = 0; i < scan->doubt_count; i++)
        add_line(report, "%s: %s", word("Doubtful"), word(scan->doubts[i]));
    if (reply->hint != NULL)
        add_line(report, "%s: %s (%s)", word("A similar number is on file"), reply->hint,
                 reply->hint_check);
}

static void add_source(struct report *report, const struct reply *reply, bool is_proved) {
    const struct release_facts *release = reply->release;
    char created[TIME_TEXT_SIZE];
    time_format(created, release->created_s, release->utc_offset_s);
    add_line(report, "%s%s%s %.10s, %lld %s; %s %s; %s",
             reply->is_instead ? word("OFFLINE: no server was there") : "",
             reply->is_instead ? ". " : "", word("Data of"), created,
             (long long)(reply->now_s - release->created_s) / 86400, word("days old"),
             reply->is_offline ? word("from this kiosk's own file") : word("from"), reply->source,
             word(is_proved || reply->is_offline ? "proved" : "the server's word, not proved"));
}

/* Adds to a text, as far as there is room. */
static size_t append(char *text, size_t size, size_t len, const char *before, struct span added) {
    return len < size ? len + format_text(text + len, size - len, "%s%.*s", before, (int)added.len,
                                          added.text)
                      : len;
}

static void add_classes(struct report *report, const struct reply *reply) {
    char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];
    for (unsigned i = 0; i < reply->terms->group_count; i++) {
        const struct class_group *group = &reply->terms->groups[i];
        struct span set = group->classes, code;
        struct class_item item;
        char text[REPORT_LINE_SIZE] = "";
        size_t len = 0;
        while (class_set_next(&set, &item)) {
            len = append(text, sizeof text, len, len > 0 ? ", " : "", item.name);
            if (item.is_provisional)
                len = append(text, sizeof text, len, " ", (struct span){"(provisional)", 13});
            while (class_code_next(&item.codes, &code))
                len = append(text, sizeof text, len, " ", code);
        }
        add_line(report, "%s %s, %s %s%s%s", word("from"), day_word(from, group->from), word("to"),
                 day_word(to, group->to), len > 0 ? ": " : "", text);
    }
}

/* --- questions -------------------------------------------------------------------------------- */

static void compose(struct report *report, const struct asking *asking, const struct reply *reply,
                    const struct scan *scan) {
    report->mood = faces[reply->outcome.verdict].mood;
    report->utc_offset_s = reply->release->utc_offset_s;
    format_text(report->word, sizeof report->word, "%s", word(faces[reply->outcome.verdict].word));
    if (reply->release->is_test)
        add_line(report, "%s", word("TEST DATA"));
    if (release_is_stale(reply->release, reply->now_s))
        add_line(report, "%s", word("OUT OF DATE"));
    add_sentence(report, reply, scan->number);
    add_status(report, &reply->outcome);
    add_fields(report, reply);
    add_card(report, reply, scan);
    add_source(report, reply, asking->options->prove);
    if (asking->options->classes_text != NULL)
        add_line(report, "%s: %s", word("Class"), asking->options->classes_text);
    if (reply->answer.is_found && reply->outcome.silence != SILENCE_WITHHELD)
        add_classes(report, reply);
}

static bool is_about_clock(const char *reason) {
    return strstr(reason, "clock of this machine") != NULL;
}

/* What came of asking, in the officer's language; the reason itself is for the office. */
static const char *sentence_on(const struct asking *asking, int code) {
    static const struct {
        const char *error, *sentence;
    } sentences[] = {
        {"unreachable", "No server could be reached."},
        {"busy", "The servers are busy."},
        {"quota", "The quota of this kiosk is spent."},
        {"stale", "The data are out of date, and are not used."},
        {"wrong_key", "The server has another key than this kiosk was given."},
        {"refused", "The server refuses this kiosk."},
        {"conflict", "Times or releases contradict each other."},
        {"distrusted", "What came was not believed."},
    };
    const char *error = asking_error_word(asking, code);
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        if (strcmp(sentences[i].error, error) == 0)
            return sentences[i].sentence;
    }
    return "A fault of this kiosk.";
}

/* What there is to be done where nobody has answered. */
static const char *advice_on(const char *reason) {
    return is_about_clock(reason)
               ? "The clock of this kiosk is wrong. Without a server it cannot tell what day it is: tell the office."
               : "Scan again, or tell the office.";
}

/* Says that nobody has answered, and keeps the question, where there is a journal. */
static void report_no_answer(struct asking *asking, struct query *query, int code,
                             struct report *report, const char *why) {
    struct error error;
    report_trouble(report, "NO ANSWER", sentence_on(asking, code), NULL);
    add_line(report, "%s", why);
    add_line(report, "%s", word(advice_on(why)));
    if (asking->options->journal_path == NULL || !query_check_number(query))
        return;
    char id[JOURNAL_ID_SIZE];
    if (journal_keep_query(asking, query, NULL, id, &error) == 0)
        add_line(report, "%s", word("It is kept, and asked when a server is there."));
    else
        add_line(report, "%s", error.text);
}

/* Asks about what was read. The query points into `scan` and `name`. Whether a server has answered. */
static bool ask_scan(struct asking *asking, const struct scan *scan, char name[CARD_NAME_SIZE],
                     struct report *report) {
    struct batch_item *item = asking_add(asking);
    char birth_date[16];
    struct reply reply;
    struct error error;
    item->query =
        (struct query){.kind = ASK_NUMBER, .number = {scan->number, strlen(scan->number)}};
    if (card_name(scan, name) != NULL)
        item->query.fields[FIELD_NAME] = (struct span){name, strlen(name)};
    if (card_day(scan->birth_date, birth_date) != NULL)
        item->query.fields[FIELD_BIRTH_DATE] = (struct span){birth_date, strlen(birth_date)};
    int code = asking_ask(asking, &error);
    if (code != 0)
        report_no_answer(asking, &item->query, code, report, error.text);
    else if (!asking_reply(asking, item, &reply))
        report_trouble(report, "NOT READ", item->query.reason, "Scan again, or tell the office.");
    else
        compose(report, asking, &reply, scan);
    wipe(birth_date, sizeof birth_date);
    return code == 0 && !asking->is_from_file;
}

/* Answers one text. Whether a server was there for it. */
static bool answer(struct asking *asking, bool *is_open, const struct kiosk_text *text,
                   struct report *report) {
    static struct scan scan;
    static char name[CARD_NAME_SIZE];
    struct error error;
    bool is_answered = false;
    memset(report, 0, sizeof *report);
    report->number = text->number;
    if (!*is_open)
        *is_open = asking_open(asking, false, &error) == 0;
    if (!*is_open)
        report_trouble(report, "NO ANSWER", error.text, advice_on(error.text));
    else if (card_read_bytes(&scan, text->text, text->len, &error) != 0)
        report_trouble(report, "NOT READ", error.text, "Scan again, or tell the office.");
    else
        is_answered = ask_scan(asking, &scan, name, report);
    wipe(&scan, sizeof scan);
    wipe(name, sizeof name);
    asking_forget(asking);
    return is_answered;
}

#define LATE_PAUSE_MS 30000 /* before it is seen whether a server is there for what was kept */
#define LATE_NEXT_MS 200    /* where one is */

#define LATE_MAX 4 /* questions that are asked at a time: a scan waits behind them */

struct late_reports {
    int channel;
    struct report *report;
};

/* Passes on a late verdict, its word alone. */
static bool send_late(void *context, const struct journal_stop *stop, struct reply *reply) {
    const struct late_reports *late = context;
    struct report *report = late->report;
    memset(report, 0, sizeof *report);
    report->stopped_s = stop->stopped_s != 0 ? stop->stopped_s : reply->now_s;
    report->utc_offset_s = reply->release->utc_offset_s;
    format_text(report->word, sizeof report->word, "%s", word(faces[reply->outcome.verdict].word));
    return send(late->channel, report, sizeof *report, MSG_NOSIGNAL) == sizeof *report;
}

/* Asks some of the questions that were kept. Whether any was answered. */
static bool ask_late(struct asking *asking, int channel, struct report *report) {
    struct late_reports late = {channel, report};
    const struct journal_show show = {send_late, &late};
    struct journal_outcome outcome = {.tried_max = LATE_MAX};
    struct error error;
    journal_ask_late(asking, &show, &outcome, &error);
    asking_forget(asking);
    return outcome.answered > 0;
}

/* Waits for the next text. Asks meanwhile what was kept, at once where a server was there. False at the end. */
static bool await_text(struct asking *asking, bool is_open, bool was_answered, int channel,
                       struct kiosk_text *text, struct report *report) {
    bool has_journal = asking->options->journal_path != NULL && is_open;
    int pause_ms = was_answered ? LATE_NEXT_MS : LATE_PAUSE_MS;
    for (;;) {
        struct pollfd event = {.fd = channel, .events = POLLIN};
        int n = poll(&event, 1, has_journal ? pause_ms : -1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != 0)
            return recv(channel, text, sizeof *text, 0) == sizeof *text &&
                   text->len <= sizeof text->text;
        pause_ms = ask_late(asking, channel, report) ? LATE_NEXT_MS : LATE_PAUSE_MS;
    }
}

int kiosk_ask_always(int channel, const struct asking_options *options) {
    static struct asking asking;
    static struct kiosk_text text;
    static struct report report;
    struct error error;
    if (journal_check(options) != EXIT_OK || asking_load(&asking, options) != EXIT_OK)
        return EXIT_TROUBLE;
    /* A file that cannot be used today may be replaced by tomorrow. */
    bool is_open = asking_open(&asking, false, &error) == 0;
    if (!is_open && options->servers != NULL)
        return trouble("%s", error.text);
    if (send(channel, &report, sizeof report, MSG_NOSIGNAL) < 0)
        return EXIT_TROUBLE;
    bool was_answered = true; /* what an earlier run has kept is tried at once */
    while (await_text(&asking, is_open, was_answered, channel, &text, &report)) {
        was_answered = answer(&asking, &is_open, &text, &report);
        wipe(&text, sizeof text);
        if (send(channel, &report, sizeof report, MSG_NOSIGNAL) < 0)
            break;
        wipe(&report, sizeof report);
    }
    asking_close(&asking);
    return EXIT_OK;
}
