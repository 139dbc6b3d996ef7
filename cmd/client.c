#include "applet.h"
#include "asking.h"
#include "card.h"
#include "client_check.h"
#include "journal.h"
#include "places.h"
#include "progress.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
#include "base/utf8.h"
#include "client/legacy.h"
#include "record/digest.h"
#include "registry/csv.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *number, *document, *evidence_path, *receipt_path, *officer, *scan_text,
    *name_text, *phone_text, *birth_date_text, *card_text, *reference;
static bool force, is_literal, is_legacy, is_json, shows_question, is_check, is_health, is_late,
    is_time;
static struct asking_options asked;

static const struct option options[] = {
    ASKING_OPTIONS(asked),
    OPTION_FLAG("-v, --verbose", &asked.is_verbose),
    OPTION_TEXT("--at TIME", &asked.at_text),
    OPTION_FLAG("--legacy", &is_legacy),
    OPTION_TEXT("--reference TEXT", &reference),
    OPTION_FLAG("--late", &is_late),
    OPTION_FLAG("--check", &is_check),
    OPTION_FLAG("--time-from", &is_time),
    OPTION_FLAG("--health", &is_health),
    OPTION_TEXT("-n, --number N", &number),
    OPTION_TEXT("--scan TEXT", &scan_text),
    OPTION_TEXT("--name NAME", &name_text),
    OPTION_TEXT("--phone PHONE", &phone_text),
    OPTION_TEXT("--birth-date DATE", &birth_date_text),
    OPTION_TEXT("--card CARD", &card_text),
    OPTION_TEXT("--document FILE", &document),
    OPTION_FLAG("--literal", &is_literal),
    OPTION_FLAG("--show-question", &shows_question),
    OPTION_TEXT("--evidence FILE", &evidence_path),
    OPTION_TEXT("--receipt FILE", &receipt_path),
    OPTION_TEXT("--officer TEXT", &officer),
    OPTION_FLAG("-f, --force", &force),
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

/* Of the original protocol. Secret: wiped at the end. */
struct legacy_asking {
    struct random random;
    bool has_warned_of_key;
};

/* --- trouble ---------------------------------------------------------------------------------- */

/* Says that a question could not be asked. */
static int show_bad(const struct query *query) {
    if (is_json)
        reply_print_trouble(query->line, "bad_input", query->reason, NULL, NULL, 0);
    else if (query->line > 0)
        return trouble("standard input:%llu: %s", (unsigned long long)query->line, query->reason);
    else
        return trouble("%s", query->reason);
    return EXIT_TROUBLE;
}

/* Says that nobody has answered a question. */
static void show_failure(const struct asking *asking, const struct query *query, int code,
                         const struct error *error, const char *kept_id) {
    struct trouble_part parts[LINK_SERVERS_MAX];
    if (is_json)
        reply_print_trouble(query->line, asking_error_word(asking, code), error->text, kept_id,
                            parts, asking_parts(asking, parts));
    else if (query->line > 0)
        trouble("standard input:%llu: not answered%s", (unsigned long long)query->line,
                kept_id != NULL ? "; kept" : "");
}

/* Keeps a question that nobody has answered, where there is a journal. */
static bool keep(struct asking *asking, const struct query *query, char id[JOURNAL_ID_SIZE]) {
    struct error error;
    if (asked.journal_path == NULL)
        return false;
    if (journal_keep_query(asking, query, reference, id, &error) == 0)
        return true;
    trouble("--journal: %s", error.text);
    return false;
}

/* --- showing answers --------------------------------------------------------------------------- */

static enum file_replacing evidence_replacing(void) {
    return force ? REPLACE_ANY : REPLACE_KIND;
}

/* What is written of the answer: a receipt holds its evidence. NULL: nothing. */
static const char *written_path(void) {
    return receipt_path != NULL ? receipt_path : evidence_path;
}

static const struct file_kind *written_kind(void) {
    return receipt_path != NULL ? &receipt_file_kind : &evidence_file_kind;
}

struct receiving {
    struct asking *asking;
    uint8_t claim[RECEIPT_CLAIM_LEN];
    struct receipt receipt;
};

/* Has a receipt given, and checks it. */
static enum link_result take_receipt(void *context, struct session_talk *talk,
                                     const struct known_release *release) {
    static struct certificate certificate;
    struct receiving *receiving = context;
    const struct asking *asking = receiving->asking;
    struct receipt *receipt = &receiving->receipt;
    struct error reason;
    bool is_given;
    enum link_result result = client_session_receipt(talk, asking->client.settings.identity.kiosk,
                                                     receiving->claim, receipt, &is_given);
    if (result != LINK_DONE)
        return result;
    if (!is_given)
        return link_fail(
            talk->link, LINK_REFUSED, talk->error,
            "it gives no receipts: it has no key for them, or the key's certificate has run out");
    int64_t skew_s = receipt->time_ms / 1000 - asking->bundle.server_time_s;
    int64_t most_s = (int64_t)asked.max_skew_s;
    if (memcmp(receipt->release_id, release->header.id, SHA256_LEN) != 0 ||
        memcmp(release->header.id, asking->bundle.release_id, SHA256_LEN) != 0)
        return link_fail(talk->link, LINK_REFUSED, talk->error,
                         "its database has changed since it answered: ask again");
    if (receipt_check(receipt, &asking->authorities, &certificate, &reason) != 0)
        return link_fail(talk->link, LINK_DISTRUSTED, talk->error, reason.text);
    return skew_s >= -most_s && skew_s <= most_s
               ? LINK_DONE
               : link_fail(talk->link, LINK_DISTRUSTED, talk->error,
                           "the time of its receipt is not that of its answer");
}

/* Writes what makes a receipt of the evidence from `text` up to `end`. The length, or -1 after saying why not. */
static ssize_t add_receipt(struct asking *asking, const char *text, char *end) {
    static struct receiving receiving;
    uint8_t nonce[RECEIPT_NONCE_LEN];
    struct error error;
    if (asking->is_from_file) {
        trouble("no server has answered, so there is no receipt");
        return -1;
    }
    receiving.asking = asking;
    end = receipt_write_officer(end, officer);
    random_bytes(&asking->client.random, nonce, sizeof nonce);
    receipt_claim(receiving.claim, nonce, text, (size_t)(end - text));
    if (client_do(&asking->client, take_receipt, &receiving, false, &error) != 0) {
        trouble("no receipt: %s", error.text);
        return -1;
    }
    return receipt_write(end, nonce, &receiving.receipt) - text;
}

static int write_evidence(struct asking *asking, const struct query *query) {
    static struct evidence evidence;
    static char text[sizeof RECEIPT_MARK + EVIDENCE_MAX + RECEIPT_LINES_MAX];
    char *start = text;
    const struct known_release *release = asking_release(asking);
    struct error error;
    evidence.inquired = asking->bundle.items[0];
    evidence.number = query->form;
    evidence.at = asking->moment;
    evidence.class_count = asking->class_count;
    memcpy(evidence.classes, asking->classes, sizeof asking->classes);
    memcpy(evidence.head, release->head, DB_HEAD_LEN);
    evidence.proof = asking->bundle.proof;
    if (!known_release_extend(release, &evidence.proof))
        return trouble("%s: the proof is too long", written_path());
    evidence_add_sets(&evidence, &release->sets, check_code_len(&release->header.facts.fields));
    if (receipt_path != NULL)
        start = stpcpy(text, RECEIPT_MARK "\n");
    ssize_t len = start - text + (ssize_t)evidence_write(&evidence, start);
    if (receipt_path != NULL)
        len = add_receipt(asking, text, text + len);
    if (len < 0)
        return EXIT_TROUBLE;
    if (file_write(written_path(), text, (size_t)len, written_kind(), evidence_replacing(),
                   &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

static int status_of(enum verdict verdict) {
    return verdict == VERDICT_VALID         ? EXIT_OK
           : verdict == VERDICT_NOT_COVERED ? EXIT_TROUBLE
                                            : EXIT_NOT_VALID;
}

static bool is_receipt_written;

/* Shows the answer to one query. Returns the exit status that it calls for. */
static int show(struct asking *asking, struct batch_item *item) {
    struct reply reply;
    if (!asking_reply(asking, item, &reply))
        return show_bad(&item->query);
    reply.shows_question = shows_question;
    reply.is_receipt_written = receipt_path != NULL ? &is_receipt_written : NULL;
    reply_print(&reply, is_json);
    return status_of(reply.outcome.verdict);
}

static int show_all(struct asking *asking) {
    struct batch *batch = &asking->batch;
    int worst = EXIT_OK;
    if (written_path() != NULL && batch->items[0].place == 0)
        worst = write_evidence(asking, &batch->items[0].query);
    is_receipt_written = worst == EXIT_OK;
    for (unsigned i = 0; i < batch->count; i++) {
        int status = show(asking, &batch->items[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

/* --- the original protocol --------------------------------------------------------------------- */

static int ask_legacy(struct asking *asking, struct legacy_asking *original, struct query *query) {
    struct client_legacy_answer legacy;
    struct error error;
    if (query->is_bad)
        return show_bad(query);
    int code = client_legacy_ask(asked.servers, query->digest, &original->random,
                                 (int64_t)asked.timeout_s * 1000, &legacy, &error);
    if (code != 0) {
        show_failure(asking, query, code, &error, NULL);
        return trouble("%s", error.text);
    }
    if (legacy.key_bits < 2048 && !original->has_warned_of_key) {
        trouble("warning: the key of %s has only %u bits; whoever records this exchange may read "
                "it one day",
                legacy.server, legacy.key_bits);
        original->has_warned_of_key = true;
    }
    format_text(asking->source, sizeof asking->source, "%.200s, legacy", legacy.server);
    struct reply reply = {.line = query->line, .kind = ASK_LEGACY, .source = asking->source};
    reply.outcome.verdict = legacy.is_valid ? VERDICT_VALID : VERDICT_UNKNOWN;
    reply_print(&reply, is_json);
    return status_of(reply.outcome.verdict);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int worst_late = EXIT_OK;

/* Shows an answer that comes late. */
static bool show_late(void *context, const struct journal_stop *stop, struct reply *reply) {
    char since[TIME_TEXT_SIZE], id[JOURNAL_ID_SIZE];
    int status = status_of(reply->outcome.verdict);
    hex_encode(id, stop->id, JOURNAL_ID_LEN);
    reply->late_since = journal_time(since, stop, context);
    reply->late_id = id;
    reply->late_reference = stop->reference;
    reply->shows_question = true;
    reply_print(reply, is_json);
    worst_late = status > worst_late ? status : worst_late;
    return fflush(stdout) == 0 && !ferror(stdout);
}

#define LATE_MAX 16 /* questions that are asked behind another one */

/* Asks what was kept, now that a server is there. Where it is not there any more, the rest waits on. */
static int ask_late(struct asking *asking, unsigned max) {
    const struct journal_show show = {show_late, asking};
    struct journal_outcome outcome = {.tried_max = max};
    struct error error;
    asking->batch.count = 0;
    if (journal_ask_late(asking, &show, &outcome, &error) != 0)
        return trouble("note: what is in %s waits on: %s", asked.journal_path, error.text);
    return outcome.refused + outcome.dropped > 0 ? EXIT_TROUBLE : worst_late;
}

static bool was_answered; /* by a server, the last time */

static int ask_session(struct asking *asking) {
    struct batch *batch = &asking->batch;
    struct error error;
    unsigned kept = 0;
    int status = EXIT_OK, code = asking_ask(asking, &error);
    was_answered = false;
    if (code == 0) {
        was_answered = !asking->is_from_file;
        return show_all(asking);
    }
    for (unsigned i = 0; i < batch->count; i++) {
        struct query *query = &batch->items[i].query;
        status = EXIT_TROUBLE;
        if (!query_check_number(query)) {
            show_bad(query);
            continue;
        }
        char id[JOURNAL_ID_SIZE];
        bool is_kept = keep(asking, query, id);
        show_failure(asking, query, code, &error, is_kept ? id : NULL);
        kept += is_kept;
    }
    trouble("%s%s%s", error.text, kept > 0 ? "; kept, and asked when a server is there: " : "",
            kept > 0 ? asked.journal_path : "");
    return status;
}

/* Asks what is in the batch, shows the answers, and empties it. Returns the exit status that they
 * call for. */
static int ask_batch(struct asking *asking, struct legacy_asking *original) {
    struct batch *batch = &asking->batch;
    int status = batch->count == 0 ? EXIT_OK
                 : is_legacy       ? ask_legacy(asking, original, &batch->items[0].query)
                                   : ask_session(asking);
    batch->count = 0;
    return status;
}

/* Fills in what the options say about the licence. */
static void take_options(struct query *query) {
    const char *texts[FIELD_COUNT] = {NULL, name_text, phone_text, birth_date_text, card_text};
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        if (texts[field] != NULL)
            query->fields[field] = (struct span){texts[field], strlen(texts[field])};
    }
}

static void take_legacy(struct query *query, struct span record) {
    struct error error;
    query->kind = ASK_LEGACY;
    if (record_digest(query->digest, record.text, record.len, &error) != 0)
        query_refuse(query, "the record: %s", error.text);
}

/* Takes the text of a question, a record or a number, into the batch. */
static void take_text(struct asking *asking, uint64_t line, struct span text, const char *reason) {
    struct batch_item *item = asking_add(asking);
    struct query *query = &item->query;
    *query = (struct query){.line = line, .kind = ASK_NUMBER};
    if (reason != NULL || text.len > QUERY_TEXT_MAX) {
        query_refuse(query, "%s", reason != NULL ? reason : "longer than 2048 bytes");
        return;
    }
    memcpy(item->text, text.text, text.len);
    text.text = item->text;
    if (is_legacy)
        take_legacy(query, text);
    else if (number != NULL)
        query->number = text;
    else
        query_take_record(query, text);
    take_options(query);
}

/* Shows how much of standard input was read, where that is a file and the answers do not show it. */
static void show_progress(uint64_t unread) {
    struct stat input;
    if (!isatty(STDOUT_FILENO) && fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode))
        progress_show((uint64_t)lseek(STDIN_FILENO, 0, SEEK_CUR) - unread, (uint64_t)input.st_size);
}

/* Asks one question a line. As many lines as are there are asked together. A bad line is named, and
 * the others are asked all the same; so are those after a server that failed. */
static int ask_lines(struct asking *asking, struct legacy_asking *original) {
    static struct csv_block block;
    struct csv_reader reader;
    struct csv_row row;
    int worst = EXIT_OK;
    unsigned max = is_legacy ? 1 : BUNDLE_MAX;
    uint64_t count = 0;
    csv_reader_init(&reader, &block, STDIN_FILENO, true);
    for (;;) {
        /* Nothing more to read just now: somebody may be waiting for these answers. */
        bool is_pause = reader.start == reader.end;
        int status = EXIT_OK;
        if (is_pause || asking->batch.count == max) {
            status = ask_batch(asking, original);
            show_progress(reader.end - reader.start);
        }
        if (is_pause)
            fflush(stdout);
        worst = status > worst ? status : worst;
        int result = csv_reader_next(&reader, &row);
        if (result == ERR_SYSTEM)
            return trouble("standard input: %m");
        if (result == CSV_END) {
            status = ask_batch(asking, original);
            if (count == 0)
                return trouble("standard input: no question came");
            return status > worst ? status : worst;
        }
        count++;
        struct span text = result == CSV_ROW ? (struct span){row.fields[0].text, row.fields[0].len}
                                             : (struct span){"", 0};
        take_text(asking, row.line, text, result == CSV_BAD ? row.reason : NULL);
    }
}

static int ask_one(struct asking *asking, struct legacy_asking *original, int operand_count,
                   char **operands) {
    static char words[QUERY_TEXT_MAX + 1];
    size_t len = 0;
    if (document != NULL) {
        struct query *query = &asking_add(asking)->query;
        *query = (struct query){.kind = ASK_DOCUMENT};
        return query_take_document(query, document) == EXIT_OK ? ask_batch(asking, original)
                                                               : EXIT_TROUBLE;
    }
    for (int i = 0; i < operand_count && len < sizeof words; i++)
        len += format_text(words + len, sizeof words - len, "%s%s", i > 0 ? " " : "", operands[i]);
    struct span text =
        number != NULL ? (struct span){number, strlen(number)} : (struct span){words, len};
    take_text(asking, 0, text, NULL);
    return ask_batch(asking, original);
}

/* --- the card --------------------------------------------------------------------------------- */

/* Asks by what was scanned: the number, the name where all of it is there, and the birth date. */
static int take_card(struct scan *scan) {
    static char name[CARD_NAME_SIZE], birth_date[16];
    struct error error;
    if (card_read(scan, scan_text, &error) != 0)
        return trouble("--scan: %s", error.text);
    number = scan->number;
    is_literal = true;
    name_text = card_name(scan, name);
    birth_date_text = card_day(scan->birth_date, birth_date);
    return EXIT_OK;
}

/* What the card says, beside what the register says. */
static void show_card(const struct asking *asking, const struct scan *scan) {
    char card[16], held[16];
    uint32_t last = card_other_last_day(scan, &asking->terms);
    card_print(scan);
    if (last != 0)
        print("note: the card expires %s, and the register has %s as the last day\n",
              card_day(scan->expiry, card), last == DAY_NO_END ? "none" : card_day(last, held));
}

/* --- the command line ------------------------------------------------------------------------- */

/* Whether the questions come one a line from stdin. */
static bool is_lines(int operand_count, char **operands) {
    const char *word = number ? number : operand_count == 1 ? operands[0] : "";
    return document == NULL && !is_literal && strcmp(word, "-") == 0;
}

/* A field that is empty would be compared with nothing, and nobody would notice. */
static int check_fields(void) {
    static const struct {
        const char *name;
        const char **text;
    } fields[] = {{"number", &number},    {"name", &name_text},
                  {"phone", &phone_text}, {"birth-date", &birth_date_text},
                  {"card", &card_text},   {"class", &asked.classes_text}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *text = *fields[i].text;
        if (text != NULL && text[strspn(text, " \t")] == '\0')
            return usage_error("--%s is empty (an unset variable?)", fields[i].name);
    }
    return EXIT_OK;
}

/* Whether it can be a reference or who asks, which are shown again later. */
static bool is_tag(const char *text, size_t max) {
    size_t len = strlen(text);
    return len <= max && utf8_is_quotable(text, len);
}

static int check_usage(int operand_count, char **operands) {
    if (check_fields() != EXIT_OK)
        return EXIT_TROUBLE;
    int ways = (number != NULL) + (document != NULL) + (operand_count > 0) + is_check + is_time;
    if (reference != NULL &&
        (asked.journal_path == NULL || !is_tag(reference, JOURNAL_REFERENCE_SIZE - 1)))
        return usage_error("--reference belongs to --journal, and is no longer than %d bytes, "
                           "without control characters or quotation marks",
                           JOURNAL_REFERENCE_SIZE - 1);
    if (is_late && (ways != 0 || asked.journal_path == NULL))
        return usage_error("--late asks nothing but what is in the --journal");
    if (is_late &&
        options_refuse("name phone birth-date card class scan reference evidence receipt",
                       "--late, which asks what was kept") != EXIT_OK)
        return EXIT_TROUBLE;
    if (ways != 1 && !is_late)
        return usage_error("one question is needed: RECORD, --number, --document or -; or --check");
    if ((is_check || is_time) &&
        (asked.servers == NULL || is_legacy || is_json || written_path() != NULL))
        return usage_error("--%s looks at the servers that --server names, and prints text",
                           is_check ? "check" : "time-from");
    if (is_time && asked.authority_paths.count == 0)
        return usage_error("--time-from needs --authority, which certifies who signs receipts");
    if (written_path() != NULL && is_lines(operand_count, operands))
        return usage_error("--%s holds one answer, so ask one question",
                           receipt_path != NULL ? "receipt" : "evidence");
    if (receipt_path != NULL && (evidence_path != NULL || asked.servers == NULL || asked.is_udp))
        return usage_error(
            "--receipt is given by a server, over TCP, and holds the evidence itself");
    if (receipt_path != NULL &&
        options_refuse("at", "--receipt, which is for the moment when the server signs") != EXIT_OK)
        return EXIT_TROUBLE;
    if (officer != NULL &&
        (receipt_path == NULL || *officer == '\0' || !is_tag(officer, RECEIPT_OFFICER_MAX)))
        return usage_error("--officer belongs to --receipt, and is no longer than %d bytes, "
                           "without control characters or quotation marks",
                           RECEIPT_OFFICER_MAX);
    if (document != NULL &&
        options_refuse("name phone birth-date card", "--document, which is one of a licence") != 0)
        return EXIT_TROUBLE;
    if (!is_legacy)
        return asking_check_usage(&asked);
    if (asked.servers == NULL)
        return usage_error("--legacy needs --server");
    if (number != NULL || document != NULL)
        return usage_error("--legacy asks by RECORD, as the original does");
    return options_refuse(
        "authority lookup-key stale-ok max-skew state prove evidence receipt at journal "
        "server-key key udp name phone birth-date card class db-name db",
        "--legacy, whose answers say nothing but valid or not valid");
}

/* What is to be written is nothing that is read, and finds its place. */
static int check_evidence_place(void) {
    const struct place read[] = {{"--db", asked.db_path},
                                 {"--key", asked.kiosk_key_path},
                                 {"--document", document},
                                 {"--lookup-key", asked.lookup_key_path}};
    struct error error;
    if (written_path() == NULL)
        return EXIT_OK;
    const struct place written = {receipt_path != NULL ? "--receipt" : "--evidence",
                                  written_path()};
    if (places_keep_apart(&written, read, sizeof read / sizeof read[0]) != EXIT_OK ||
        places_keep_list_apart(&written, "--authority", &asked.authority_paths) != EXIT_OK ||
        places_keep_list_apart(&written, "--server-key", &asked.server_key_paths) != EXIT_OK)
        return EXIT_TROUBLE;
    int code = file_check_place(written_path(), written_kind(), evidence_replacing(), &error);
    return code == 0
               ? EXIT_OK
               : trouble("%s%s", error.text, code == ERR_EXISTS ? " (--force replaces it)" : "");
}

static int open_asking(struct asking *asking, struct legacy_asking *original, bool paces) {
    const struct query nothing = {.line = 0};
    struct error error;
    int code =
        is_legacy ? random_open(&original->random, &error) : asking_open(asking, paces, &error);
    if (code != 0) {
        show_failure(asking, &nothing, code, &error, NULL);
        return trouble("%s", error.text);
    }
    if (is_legacy)
        trouble("warning: --legacy does not prove who the server is, nor that the answer is its "
                "own");
    return EXIT_OK;
}

static int ask(struct asking *asking, struct legacy_asking *original, int operand_count,
               char **operands) {
    if (is_check)
        return client_check(asking);
    if (is_time)
        return client_time(asking);
    if (is_late)
        return ask_late(asking, UINT_MAX);
    return is_lines(operand_count, operands) ? ask_lines(asking, original)
                                             : ask_one(asking, original, operand_count, operands);
}

static int finish_checked(int status) {
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}

static int run_client(int operand_count, char **operands) {
    static struct asking asking;
    static struct legacy_asking original;
    static struct scan scan;
    if (scan_text != NULL && (number != NULL || document != NULL || operand_count > 0 ||
                              name_text != NULL || birth_date_text != NULL || is_legacy))
        return usage_error("--scan brings number, name and birth date itself");
    if (asking_read_config(&asked, asked.servers == NULL && asked.db_path == NULL) != EXIT_OK)
        return EXIT_TROUBLE;
    if (is_health)
        return asked.servers == NULL || operand_count > 0
                   ? usage_error("--health looks at the servers that --server names")
                   : finish_checked(client_health(asked.servers, (int64_t)asked.timeout_s * 1000));
    asked.prove = asked.prove || written_path() != NULL || is_time;
    if ((scan_text != NULL && take_card(&scan) != EXIT_OK) ||
        check_usage(operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    asked.prove = asked.prove || asked.servers == NULL;
    int status = check_evidence_place();
    if (status == EXIT_OK)
        status = journal_check(&asked);
    if (status == EXIT_OK)
        status = asking_load(&asking, &asked);
    if (status == EXIT_OK)
        status = open_asking(&asking, &original, is_lines(operand_count, operands));
    if (status == EXIT_OK) {
        status = ask(&asking, &original, operand_count, operands);
        if (scan_text != NULL && !is_json)
            show_card(&asking, &scan);
        /* A program that reads answers is given nothing that it has not asked for. */
        if (was_answered && !is_json && !is_lines(operand_count, operands))
            ask_late(&asking, LATE_MAX);
        if (finish_output() != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    asking_close(&asking);
    wipe(&original, sizeof original);
    return status;
}

const struct applet applet_client = {
    .name = "client",
    .summary = "ask whether a licence is valid",
    .user = FOR_OFFICERS,
    .options = options,
    .needs_cryptography = true,
    .run = run_client,
};
