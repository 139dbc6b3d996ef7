#include "applet.h"
#include "built.h"
#include "card.h"
#include "places.h"
#include "question.h"
#include "reply.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/text.h"
#include "client/client.h"
#include "client/legacy.h"
#include "client/offline.h"
#include "crypto/known_key.h"
#include "crypto/rsa_key.h"
#include "db/evidence.h"
#include "record/classes.h"
#include "record/digest.h"
#include "record/hints.h"
#include "registry/csv.h"
#include "registry/words.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLASSES_MAX EVIDENCE_CLASSES_MAX

static const char *servers, *db_path, *lookup_key_path, *number, *document, *at_text,
    *evidence_path, *kiosk_key_path, *state_folder, *db_name;
static struct option_list authority_paths, server_key_paths;
static const char *scan_text, *name_text, *phone_text, *birth_date_text, *card_text, *classes_text;
static bool is_demo, force, is_literal, is_legacy, is_json, prove, is_udp, is_exact, shows_question;
static uint64_t max_skew_s, stale_ok_days, timeout_s;

static const struct option options[] = {
    OPTION_TEXT("-s, --server HOST:PORT[,...]", &servers),
    OPTION_LIST("--server-key PUB", &server_key_paths),
    OPTION_TEXT("-k, --key KEY", &kiosk_key_path),
    OPTION_FLAG("-u, --udp", &is_udp),
    OPTION_TEXT("--state DIR", &state_folder),
    OPTION_COUNT("--max-skew SECONDS", &max_skew_s, 0, 31536000, 300, "seconds"),
    OPTION_FLAG("--demo", &is_demo),
    OPTION_FLAG("--legacy", &is_legacy),
    OPTION_TEXT("-d, --db FILE", &db_path),
    OPTION_TEXT("--db-name NAME", &db_name),
    OPTION_LIST("-a, --authority PUB", &authority_paths),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path),
    OPTION_TEXT("-n, --number N", &number),
    OPTION_TEXT("--scan TEXT", &scan_text),
    OPTION_TEXT("--name NAME", &name_text),
    OPTION_TEXT("--phone PHONE", &phone_text),
    OPTION_TEXT("--birth-date DATE", &birth_date_text),
    OPTION_TEXT("--card CARD", &card_text),
    OPTION_TEXT("--class CLASSES", &classes_text),
    OPTION_TEXT("--document FILE", &document),
    OPTION_TEXT("--at TIME", &at_text),
    OPTION_FLAG("--literal", &is_literal),
    OPTION_FLAG("--exact", &is_exact),
    OPTION_FLAG("--show-question", &shows_question),
    OPTION_FLAG("--prove", &prove),
    OPTION_TEXT("--evidence FILE", &evidence_path),
    OPTION_FLAG("-f, --force", &force),
    OPTION_COUNT("--stale-ok DAYS", &stale_ok_days, 0, 36525, 0, "days"),
    OPTION_FLAG("-j, --json", &is_json),
    OPTION_COUNT("--timeout SECONDS", &timeout_s, 1, 3600, 10, "seconds"),
    OPTIONS_END,
};

#define SOURCE_SIZE 256
#define SERVERS_PAUSE_MS 30000

/* Questions that are asked together. */
struct batch {
    unsigned count;
    struct query queries[BUNDLE_MAX];
    unsigned places[BUNDLE_MAX];   /* of each query in the bundle; BUNDLE_MAX: it is not in it */
    struct hint hints[BUNDLE_MAX]; /* for those that are unknown; an empty text: none */
    char texts[BUNDLE_MAX][QUERY_TEXT_MAX];
};

/* What is asked, and whom. Secret: wiped at the end. */
struct asking {
    struct moment at; /* where --at is given */
    unsigned class_count;
    struct span classes[CLASSES_MAX];
    struct key_set authorities;
    struct lookup_key lookup_key;
    struct trust trust;
    struct trust file_trust; /* of the file, which may be older than what servers have */
    struct offline offline;
    bool is_offline;      /* the answers come from the file */
    int64_t not_again_ms; /* until when no server is tried again after all have failed */
    struct client client;
    struct key_set server_keys;
    struct rsa_private kiosk;
    struct random random; /* of the original protocol */
    char source[SOURCE_SIZE];
    uint64_t warned_of;     /* the stale release that a warning was printed about; 0: none */
    bool has_warned_of_key; /* of the original protocol */
    struct batch batch;
    struct bundle bundle;    /* about the batch */
    struct batch hint_batch; /* numbers that may have been meant */
    struct bundle hint_bundle;
    struct hint hints[HINTS_MAX];
    struct terms terms;
};

/* --- trouble ---------------------------------------------------------------------------------- */

/* The word for what went wrong; all are in the description below. */
static const char *error_word(enum link_result result, int code) {
    switch (result) {
    case LINK_LOST:
    case LINK_NO_WAY:
    case LINK_TIMED_OUT:
    case LINK_STALLED:
        return "unreachable";
    case LINK_BUSY:
        return "busy";
    case LINK_OVER_QUOTA:
        return "quota";
    case LINK_WRONG_KEY:
        return "wrong_key";
    case LINK_REFUSED:
    case LINK_SESSION_ENDED:
        return "refused";
    case LINK_DISTRUSTED:
        return "distrusted";
    default:
        break;
    }
    switch (code) {
    case ERR_LIMIT:
        return "stale";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_SYSTEM:
    case ERR_LOCAL:
        return "system";
    default:
        return "distrusted";
    }
}

/* Says that a question could not be asked. */
static int show_bad(const struct query *query) {
    if (is_json)
        reply_print_trouble(query->line, "bad_input", query->reason, NULL, 0);
    else if (query->line > 0)
        return trouble("standard input:%llu: %s", (unsigned long long)query->line, query->reason);
    else
        return trouble("%s", query->reason);
    return EXIT_TROUBLE;
}

/* Says that nobody has answered a question. */
static int show_failure(const struct asking *asking, const struct query *query, int code,
                        const struct error *error) {
    struct trouble_part parts[LINK_SERVERS_MAX];
    const struct link *link = &asking->client.link;
    unsigned count = 0;
    for (unsigned i = 0; i < link->server_count; i++) {
        const struct link_server *server = &link->servers[i];
        if (server->is_out)
            parts[count++] = (struct trouble_part){
                server->name, error_word(server->result, server->disbelief), server->reason.text};
    }
    const char *word = count > 0         ? parts[count - 1].error
                       : servers != NULL ? "unreachable"
                                         : error_word(LINK_DONE, code);
    if (is_json)
        reply_print_trouble(query->line, word, error->text, parts, count);
    return EXIT_TROUBLE;
}

/* --- forming questions ------------------------------------------------------------------------ */

/* A client_form: forms the queries of a batch, and leaves out those that are bad. */
static int form_batch(void *context, const struct release_facts *facts, struct bundle *bundle,
                      struct error *error) {
    struct batch *batch = context;
    (void)error;
    bundle->count = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        bool is_good = query_form(&batch->queries[i], facts, &bundle->items[bundle->count]);
        batch->places[i] = is_good ? bundle->count++ : BUNDLE_MAX;
    }
    return 0;
}

static const struct known_release *release_of(const struct asking *asking) {
    return asking->is_offline ? &asking->offline.release : &asking->client.release;
}

static int open_file(struct asking *asking, struct error *error) {
    const struct offline_settings settings = {
        .path = db_path,
        .authorities = &asking->authorities,
        .lookup_key = lookup_key_path != NULL ? &asking->lookup_key : NULL,
        .trust = &asking->file_trust};
    return asking->offline.release.is_known
               ? 0
               : offline_open(&asking->offline, &settings, time(NULL), error);
}

static int ask_file(struct asking *asking, struct batch *batch, struct bundle *bundle,
                    struct error *error) {
    int code = open_file(asking, error);
    if (code != 0)
        return code;
    form_batch(batch, &asking->offline.release.header.facts, bundle, error);
    return offline_ask(&asking->offline, bundle, time(NULL), error);
}

/* Asks the file because no server has answered, and says so once for each time that they are lost. */
static int ask_file_instead(struct asking *asking, struct batch *batch, struct bundle *bundle,
                            int code, struct error *error) {
    struct error reason;
    if (ask_file(asking, batch, bundle, &reason) != 0) {
        struct error both;
        error_set(&both, code, "%.450s; and the file: %.450s", error->text, reason.text);
        *error = both;
        return code;
    }
    if (!asking->is_offline)
        trouble("note: answered from %s, because no server was there (%s)", db_path, error->text);
    asking->is_offline = true;
    asking->not_again_ms = net_now_ms() + SERVERS_PAUSE_MS;
    return 0;
}

/* Asks the queries of a batch: the servers, where there are any, and else the file. 0 or a negative code
 * with the reason. */
static int ask_all(struct asking *asking, struct batch *batch, struct bundle *bundle,
                   struct error *error) {
    if (servers == NULL || (asking->is_offline && net_now_ms() < asking->not_again_ms))
        return ask_file(asking, batch, bundle, error);
    int code = client_ask(&asking->client, form_batch, batch, bundle, error);
    if (code != 0 && code != ERR_LOCAL && db_path != NULL)
        return ask_file_instead(asking, batch, bundle, code, error);
    asking->is_offline = asking->is_offline && code != 0;
    return code;
}

/* --- hints ------------------------------------------------------------------------------------ */

/* Looks for a number that is like one that is unknown, and known. False where there is none. */
static bool find_hint(struct asking *asking, const struct query *query, struct hint *found) {
    struct batch *batch = &asking->hint_batch;
    const struct bundle *bundle = &asking->hint_bundle;
    const char *patterns = release_of(asking)->header.facts.patterns;
    struct error error;
    batch->count = hints_of(asking->hints, query->number, patterns);
    for (unsigned i = 0; i < batch->count; i++) {
        const char *text = asking->hints[i].text;
        batch->queries[i] = (struct query){.kind = ASK_NUMBER, .number = {text, strlen(text)}};
    }
    if (ask_all(asking, batch, &asking->hint_bundle, &error) != 0)
        return false;
    for (unsigned i = 0; i < batch->count; i++) {
        if (batch->places[i] < BUNDLE_MAX && bundle->answers[batch->places[i]].is_found) {
            *found = asking->hints[i];
            return true;
        }
    }
    return false;
}

_Static_assert(HINTS_MAX <= BUNDLE_MAX, "all hints are asked about together");

/* Looks for hints for all queries that are unknown. */
static void gather_hints(struct asking *asking) {
    struct batch *batch = &asking->batch;
    for (unsigned i = 0; i < batch->count; i++) {
        struct query *query = &batch->queries[i];
        unsigned place = batch->places[i];
        if (is_exact || query->kind != ASK_NUMBER || place == BUNDLE_MAX ||
            asking->bundle.answers[place].is_found)
            continue;
        enum verdict verdict = query_missed(query, &release_of(asking)->header.facts);
        if ((query->is_bad || verdict == VERDICT_UNKNOWN) &&
            !find_hint(asking, query, &batch->hints[i]))
            batch->hints[i].text[0] = '\0';
    }
}

/* Adds to the reason why a number cannot be one which number may have been meant. */
static void add_hint(struct query *query, const struct hint *hint) {
    size_t len = strlen(query->reason);
    if (hint->text[0] != '\0')
        format_text(query->reason + len, sizeof query->reason - len, "; but %s is known: check %s",
                    hint->text, hint->check);
}

/* Asks the queries of the batch, and for hints. These questions may find another release than the
 * answers are of, or lose the server: then everything is asked again, without hints. 0 or a negative
 * code with the reason. */
static int ask_with_hints(struct asking *asking, struct error *error) {
    struct batch *batch = &asking->batch;
    for (unsigned i = 0; i < batch->count; i++)
        batch->hints[i].text[0] = '\0';
    int code = ask_all(asking, batch, &asking->bundle, error);
    if (code != 0)
        return code;
    gather_hints(asking);
    return memcmp(release_of(asking)->header.id, asking->bundle.release_id, SHA256_LEN) == 0
               ? 0
               : ask_all(asking, batch, &asking->bundle, error);
}

/* --- showing answers --------------------------------------------------------------------------- */

static enum file_replacing evidence_replacing(void) {
    return force ? REPLACE_ANY : REPLACE_KIND;
}

static int write_evidence(struct asking *asking, const struct query *query,
                          const struct moment *at) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    const struct known_release *release = release_of(asking);
    struct error error;
    evidence.inquired = asking->bundle.items[0];
    evidence.number = query->form;
    evidence.at = *at;
    evidence.class_count = asking->class_count;
    memcpy(evidence.classes, asking->classes, sizeof asking->classes);
    memcpy(evidence.head, release->head, DB_HEAD_LEN);
    evidence.proof = asking->bundle.proof;
    if (!known_release_extend(release, &evidence.proof))
        return trouble("%s: the proof is too long", evidence_path);
    evidence_add_sets(&evidence, &release->sets, check_code_len(&release->header.facts.fields));
    size_t len = evidence_write(&evidence, text);
    if (file_write(evidence_path, text, len, &evidence_file_kind, evidence_replacing(), &error) !=
        0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Says once for each release that it is past its valid-until. */
static void warn_of_stale(struct asking *asking, const char *who, int64_t now_s) {
    const struct release_facts *facts = &release_of(asking)->header.facts;
    struct error error;
    if (!release_is_stale(facts, now_s) || asking->warned_of == facts->sequence)
        return;
    asking->warned_of = facts->sequence;
    release_check_age(facts, who, now_s, &error);
    trouble("warning: %s; used all the same (--stale-ok)", error.text);
}

static int status_of(enum verdict verdict) {
    return verdict == VERDICT_VALID         ? EXIT_OK
           : verdict == VERDICT_NOT_COVERED ? EXIT_TROUBLE
                                            : EXIT_NOT_VALID;
}

/* Whether every class that is asked for is one that this register knows. */
static bool check_classes(const struct asking *asking, struct query *query) {
    const struct class_sets *sets = &release_of(asking)->sets;
    for (unsigned i = 0; i < asking->class_count; i++) {
        struct span name = asking->classes[i];
        if (sets->count > 0 && !class_sets_name(sets, name)) {
            query_refuse(query, "class \"%.*s\" is none that this register has", (int)name.len,
                         name.text);
            return false;
        }
    }
    return true;
}

/* What a moment and the answers of a frame have in common. */
struct shown {
    int64_t now_s;
    struct moment at;
    uint32_t day;
};

/* Shows the answer to one query. Returns the exit status that it calls for. */
static int show(struct asking *asking, const struct shown *shown, struct query *query,
                const struct db_answer *entry, const struct hint *hint) {
    const struct known_release *release = release_of(asking);
    const struct release_facts *facts = &release->header.facts;
    struct reply reply = {.line = query->line,
                          .kind = query->kind,
                          .number = query->kind == ASK_NUMBER ? &query->form : NULL,
                          .fields = query->fields,
                          .classes = asking->classes,
                          .class_count = asking->class_count,
                          .answer = *entry,
                          .terms = &asking->terms,
                          .day = shown->day,
                          .release = facts,
                          .now_s = shown->now_s,
                          .server_time_s = asking->bundle.server_time_s,
                          .source = asking->source,
                          .is_offline = asking->is_offline,
                          .is_instead = asking->is_offline && servers != NULL,
                          .shows_question = shows_question};
    if (db_decide(entry, facts, &release->sets, shown->day, shown->now_s, asking->classes,
                  asking->class_count, &asking->terms, &reply.outcome) != 0) {
        query_refuse(query, "the answer has impossible terms");
        return show_bad(query);
    }
    if (!entry->is_found) {
        enum verdict verdict = query_missed(query, facts);
        if (query->is_bad) {
            add_hint(query, hint);
            return show_bad(query);
        }
        reply.outcome.verdict = reply.outcome.standing = verdict;
        reply.outcome.silence = verdict == VERDICT_NOT_COVERED ? SILENCE_NUMBER : SILENCE_NONE;
        if (hint->text[0] != '\0') {
            reply.hint = hint->text;
            reply.hint_check = hint->check;
        }
    }
    reply_print(&reply, is_json);
    return status_of(reply.outcome.verdict);
}

static int show_all(struct asking *asking, struct batch *batch) {
    const struct bundle *bundle = &asking->bundle;
    const struct known_release *release = release_of(asking);
    const char *who = asking->is_offline ? db_path : link_name(&asking->client.link);
    struct shown shown = {.now_s = bundle->server_time_s};
    int worst = EXIT_OK;
    if (shown.now_s == 0)
        shown.now_s = time(NULL);
    shown.at = at_text != NULL ? asking->at : (struct moment){.unix_s = shown.now_s};
    shown.day = moment_day(&shown.at, release->header.facts.utc_offset_s);
    warn_of_stale(asking, who, shown.now_s);
    const char *slash = asking->is_offline ? strrchr(who, '/') : NULL;
    format_text(asking->source, sizeof asking->source, "%.200s#%llu", slash ? slash + 1 : who,
                (unsigned long long)release->header.facts.sequence);
    if (evidence_path != NULL && batch->places[0] == 0 &&
        write_evidence(asking, &batch->queries[0], &shown.at) != EXIT_OK)
        return EXIT_TROUBLE;
    for (unsigned i = 0; i < batch->count; i++) {
        struct query *query = &batch->queries[i];
        unsigned place = batch->places[i];
        int status = place == BUNDLE_MAX || !check_classes(asking, query)
                         ? show_bad(query)
                         : show(asking, &shown, query, &bundle->answers[place], &batch->hints[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

/* --- the original protocol --------------------------------------------------------------------- */

static int ask_legacy(struct asking *asking, struct query *query) {
    struct client_legacy_answer legacy;
    struct error error;
    if (query->is_bad)
        return show_bad(query);
    int code = client_legacy_ask(servers, query->digest, &asking->random, (int64_t)timeout_s * 1000,
                                 &legacy, &error);
    if (code != 0) {
        show_failure(asking, query, code, &error);
        return trouble("%s", error.text);
    }
    if (legacy.key_bits < 2048 && !asking->has_warned_of_key) {
        trouble("warning: the key of %s has only %u bits; whoever records this exchange may read "
                "it one day",
                legacy.server, legacy.key_bits);
        asking->has_warned_of_key = true;
    }
    format_text(asking->source, sizeof asking->source, "%.200s, legacy", legacy.server);
    struct reply reply = {.line = query->line, .kind = ASK_LEGACY, .source = asking->source};
    reply.outcome.verdict = legacy.is_valid ? VERDICT_VALID : VERDICT_UNKNOWN;
    reply_print(&reply, is_json);
    return status_of(reply.outcome.verdict);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Asks what is in the batch, shows the answers, and empties it. Returns the exit status that they
 * call for. *has_failed is set where nobody answered. */
static int ask_batch(struct asking *asking, bool *has_failed) {
    struct batch *batch = &asking->batch;
    struct error error;
    int status = EXIT_OK;
    if (batch->count == 0)
        return EXIT_OK;
    if (is_legacy) {
        status = ask_legacy(asking, &batch->queries[0]);
        *has_failed = status == EXIT_TROUBLE && !batch->queries[0].is_bad;
    } else {
        int code = ask_with_hints(asking, &error);
        if (code == 0)
            status = show_all(asking, batch);
        for (unsigned i = 0; code != 0 && i < batch->count; i++)
            status = batch->queries[i].is_bad
                         ? show_bad(&batch->queries[i])
                         : show_failure(asking, &batch->queries[i], code, &error);
        if (code != 0)
            trouble("%s", error.text);
        *has_failed = code != 0;
    }
    batch->count = 0;
    return status;
}

/* How many questions are asked together. Over UDP each frame waits for its answer, so nobody should
 * wait for many frames. */
static unsigned batch_max(void) {
    return is_legacy ? 1 : is_udp ? BUNDLE_MAX / 32 : BUNDLE_MAX;
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
static void take_text(struct batch *batch, uint64_t line, struct span text, const char *reason) {
    struct query *query = &batch->queries[batch->count];
    char *kept = batch->texts[batch->count++];
    *query = (struct query){.line = line, .kind = ASK_NUMBER};
    if (reason != NULL || text.len > QUERY_TEXT_MAX) {
        query_refuse(query, "%s", reason != NULL ? reason : "longer than 2048 bytes");
        return;
    }
    memcpy(kept, text.text, text.len);
    text.text = kept;
    if (is_legacy)
        take_legacy(query, text);
    else if (number != NULL)
        query->number = text;
    else
        query_take_record(query, text);
    take_options(query);
}

/* Asks one question a line. As many lines as are there are asked together. A bad line is named, and
 * the others are asked all the same; so are those after a server that failed. */
static int ask_lines(struct asking *asking) {
    static struct csv_block block;
    struct batch *batch = &asking->batch;
    struct csv_reader reader;
    struct csv_row row;
    int worst = EXIT_OK;
    bool has_failed = false;
    unsigned max = batch_max();
    uint64_t asked = 0;
    csv_reader_init(&reader, &block, STDIN_FILENO, true);
    for (;;) {
        /* Nothing more to read just now: somebody may be waiting for these answers. */
        bool is_pause = reader.start == reader.end;
        int status = is_pause || batch->count == max ? ask_batch(asking, &has_failed) : EXIT_OK;
        if (is_pause)
            fflush(stdout);
        worst = status > worst ? status : worst;
        if (has_failed && !is_json)
            return worst;
        int result = csv_reader_next(&reader, &row);
        if (result == ERR_SYSTEM)
            return trouble("standard input: %m");
        if (result == CSV_END) {
            status = ask_batch(asking, &has_failed);
            if (asked == 0)
                return trouble("standard input: no question came");
            return status > worst ? status : worst;
        }
        asked++;
        struct span text = result == CSV_ROW ? (struct span){row.fields[0].text, row.fields[0].len}
                                             : (struct span){"", 0};
        take_text(batch, row.line, text, result == CSV_BAD ? row.reason : NULL);
    }
}

static int ask_one(struct asking *asking, int operand_count, char **operands) {
    static char words[QUERY_TEXT_MAX + 1];
    struct batch *batch = &asking->batch;
    bool has_failed = false;
    size_t len = 0;
    if (document != NULL) {
        batch->queries[0] = (struct query){.kind = ASK_DOCUMENT};
        batch->count = 1;
        if (query_take_document(&batch->queries[0], document) != EXIT_OK)
            return EXIT_TROUBLE;
        return ask_batch(asking, &has_failed);
    }
    for (int i = 0; i < operand_count && len < sizeof words; i++)
        len += format_text(words + len, sizeof words - len, "%s%s", i > 0 ? " " : "", operands[i]);
    struct span text =
        number != NULL ? (struct span){number, strlen(number)} : (struct span){words, len};
    take_text(batch, 0, text, NULL);
    return ask_batch(asking, &has_failed);
}

/* --- the card --------------------------------------------------------------------------------- */

/* Asks by what was scanned: the number, the name where all of it is there, and the birth date. */
static int take_card(struct scan *scan) {
    static char name[2 * SCAN_FIELD_SIZE], birth_date[16];
    struct error error;
    if (card_read(scan, scan_text, &error) != 0)
        return trouble("--scan: %s", error.text);
    number = scan->number;
    is_literal = true;
    format_text(name, sizeof name, "%s %s", scan->given, scan->surname);
    if (!scan->is_name_cut && strlen(name) > 1)
        name_text = name;
    birth_date_text = card_day(scan->birth_date, birth_date);
    return EXIT_OK;
}

/* What the card says, beside what the register says. */
static void show_card(const struct asking *asking, const struct scan *scan) {
    const struct terms *terms = &asking->terms;
    char card[16], held[16];
    uint32_t last = 0;
    card_print(scan);
    for (unsigned i = 0; i < terms->group_count; i++)
        last = terms->groups[i].to > last ? terms->groups[i].to : last;
    if (scan->expiry != 0 && last != 0 && last != scan->expiry)
        print("note: the card expires %s, and the register has %s as the last day\n",
              card_day(scan->expiry, card), last == DAY_NO_END ? "none" : card_day(last, held));
}

/* --- the command line ------------------------------------------------------------------------- */

/* Whether the questions come one a line from stdin. */
static bool is_lines(int operand_count, char **operands) {
    const char *word = number ? number : operand_count == 1 ? operands[0] : "";
    return document == NULL && !is_literal && strcmp(word, "-") == 0;
}

static int check_online_usage(void) {
    bool wants_authority =
        prove || evidence_path != NULL || state_folder != NULL || db_path != NULL;
    if (server_key_paths.count == 0)
        return usage_error("--server needs --server-key, the server's public key (or --legacy)");
    if (wants_authority != (authority_paths.count > 0))
        return usage_error(
            "--prove, --evidence and --state need --authority, and it needs one of them");
    if (lookup_key_path != NULL && authority_paths.count == 0)
        return usage_error("--lookup-key belongs to --prove or --db: the server has its own");
    return EXIT_OK;
}

/* A field that is empty would be compared with nothing, and nobody would notice. */
static int check_fields(void) {
    static const struct {
        const char *name;
        const char **text;
    } fields[] = {{"number", &number},    {"name", &name_text},
                  {"phone", &phone_text}, {"birth-date", &birth_date_text},
                  {"card", &card_text},   {"class", &classes_text}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *text = *fields[i].text;
        if (text != NULL && text[strspn(text, " \t")] == '\0')
            return usage_error("--%s is empty (an unset variable?)", fields[i].name);
    }
    return EXIT_OK;
}

static int check_usage(int operand_count, char **operands) {
    if (check_fields() != EXIT_OK)
        return EXIT_TROUBLE;
    int ways = (number != NULL) + (document != NULL) + (operand_count > 0);
    if (ways != 1)
        return usage_error("one question is needed: RECORD, --number, --document or -");
    if (servers == NULL && db_path == NULL)
        return usage_error("--server or --db is needed, or both");
    if (evidence_path != NULL && is_lines(operand_count, operands))
        return usage_error("--evidence holds one answer, so ask one question");
    if (document != NULL &&
        options_refuse("name phone birth-date card", "--document, which is one of a licence") != 0)
        return EXIT_TROUBLE;
    if (db_path != NULL && authority_paths.count == 0 && !is_legacy)
        return usage_error("--db needs --authority");
    if (servers == NULL)
        return options_refuse("legacy timeout server-key key udp max-skew",
                              "--db, which asks no server");
    if (is_legacy && (number != NULL || document != NULL))
        return usage_error("--legacy asks by RECORD, as the original does");
    if (is_legacy)
        return options_refuse("authority lookup-key stale-ok max-skew state prove evidence at "
                              "server-key key udp name phone birth-date card class db-name db",
                              "--legacy, whose answers say nothing but valid or not valid");
    return check_online_usage();
}

/* What is to be written is nothing that is read, and finds its place. */
static int check_evidence_place(void) {
    const struct place read[] = {{"--db", db_path},
                                 {"--key", kiosk_key_path},
                                 {"--document", document},
                                 {"--lookup-key", lookup_key_path}};
    struct error error;
    if (evidence_path == NULL)
        return EXIT_OK;
    const struct place written = {"--evidence", evidence_path};
    if (places_keep_apart(&written, read, sizeof read / sizeof read[0]) != EXIT_OK ||
        places_keep_list_apart(&written, "--authority", &authority_paths) != EXIT_OK ||
        places_keep_list_apart(&written, "--server-key", &server_key_paths) != EXIT_OK)
        return EXIT_TROUBLE;
    int code = file_check_place(evidence_path, &evidence_file_kind, evidence_replacing(), &error);
    return code == 0
               ? EXIT_OK
               : trouble("%s%s", error.text, code == ERR_EXISTS ? " (--force replaces it)" : "");
}

static int load_keys(struct asking *asking) {
    struct error error;
    if (key_set_load(&asking->authorities, authority_paths.items, authority_paths.count, 2048,
                     &error) != 0 ||
        key_set_load(&asking->server_keys, server_key_paths.items, server_key_paths.count, 2048,
                     &error) != 0 ||
        (lookup_key_path != NULL &&
         lookup_key_load(&asking->lookup_key, lookup_key_path, &error) != 0) ||
        (kiosk_key_path != NULL &&
         rsa_private_load(&asking->kiosk, kiosk_key_path, 2048, &error) != 0))
        return trouble("%s", error.text);
    if (kiosk_key_path != NULL && !is_demo &&
        known_key_check_public(&asking->kiosk.public, &error) != 0)
        return trouble("%s: %s", kiosk_key_path, error.text);
    if (state_folder != NULL && access(state_folder, W_OK | X_OK) != 0)
        return trouble("--state %s: %m", state_folder);
    return EXIT_OK;
}

#define PATIENCE_MS 3600000 /* of many questions, for a quota that is spent */

static void tell_pause(void *context, uint32_t wait_s) {
    (void)context;
    trouble("note: the quota is spent; going on in %u seconds", wait_s);
}

static int open_asking(struct asking *asking, bool paces) {
    const struct lookup_key *lookup_key = lookup_key_path != NULL ? &asking->lookup_key : NULL;
    bool has_authorities = asking->authorities.count > 0;
    const struct trust_policy policy = {.authorities =
                                            has_authorities ? &asking->authorities : NULL,
                                        .is_proved = prove,
                                        .lookup_key = lookup_key,
                                        .name = db_name,
                                        .state_folder = state_folder,
                                        .built_s = built_s(),
                                        .stale_ok_s = (int64_t)stale_ok_days * 86400,
                                        .max_skew_s = (int64_t)max_skew_s,
                                        .is_moment_given = at_text != NULL};
    const struct client_settings client = {
        .servers = servers,
        .identity = {.servers = &asking->server_keys,
                     .kiosk = kiosk_key_path != NULL ? &asking->kiosk : NULL},
        .is_udp = is_udp,
        .is_proved = prove,
        .timeout_ms = (int64_t)timeout_s * 1000,
        .patience_ms = paces ? PATIENCE_MS : (int64_t)timeout_s * 1000,
        .pause = paces ? tell_pause : NULL,
        .trust = &asking->trust};
    struct error error;
    if (db_path != NULL)
        trouble_end_with_file(db_path);
    struct trust_policy file_policy = policy;
    file_policy.is_beside_servers = servers != NULL;
    trust_init(&asking->trust, &policy);
    trust_init(&asking->file_trust, &file_policy);
    asking->is_offline = servers == NULL;
    int code = is_legacy         ? random_open(&asking->random, &error)
               : servers == NULL ? open_file(asking, &error)
                                 : client_init(&asking->client, &client, &error);
    if (code != 0) {
        const struct query nothing = {.line = 0};
        show_failure(asking, &nothing, code, &error);
        return trouble("%s", error.text);
    }
    if (is_legacy)
        trouble("warning: --legacy does not prove who the server is, nor that the answer is its "
                "own");
    return EXIT_OK;
}

static void close_asking(struct asking *asking) {
    offline_close(&asking->offline);
    if (servers != NULL && !is_legacy)
        client_close(&asking->client);
    wipe(asking, sizeof *asking);
}

static int run_client(int operand_count, char **operands) {
    static struct asking asking;
    static struct scan scan;
    if (scan_text != NULL && (number != NULL || document != NULL || operand_count > 0 ||
                              name_text != NULL || birth_date_text != NULL || is_legacy))
        return usage_error("--scan brings number, name and birth date itself");
    if ((scan_text != NULL && take_card(&scan) != EXIT_OK) ||
        check_usage(operand_count, operands) != EXIT_OK ||
        query_take_classes(classes_text, asking.classes, &asking.class_count) != EXIT_OK)
        return EXIT_TROUBLE;
    prove = prove || servers == NULL || evidence_path != NULL;
    if (query_take_moment(at_text, &asking.at) != EXIT_OK)
        return EXIT_TROUBLE;
    int status = check_evidence_place();
    if (status == EXIT_OK)
        status = load_keys(&asking);
    if (status == EXIT_OK)
        status = open_asking(&asking, is_lines(operand_count, operands));
    if (status == EXIT_OK) {
        status = is_lines(operand_count, operands) ? ask_lines(&asking)
                                                   : ask_one(&asking, operand_count, operands);
        if (scan_text != NULL && !is_json)
            show_card(&asking, &scan);
        if (finish_output() != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    close_asking(&asking);
    return status;
}

const struct applet applet_client = {
    .name = "client",
    .summary = "ask whether a licence is valid",
    .options = options,
    .needs_cryptography = true,
    .run = run_client,
};
