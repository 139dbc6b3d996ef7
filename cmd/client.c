#include "applet.h"
#include "database.h"
#include "json.h"
#include "question.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/parallel.h"
#include "client/legacy.h"
#include "db/evidence.h"
#include "db/find.h"
#include "record/csv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *servers, *db_path, *authority, *lookup_key_path, *number, *document, *at_text,
    *timeout_text, *evidence_path, *stale_ok_text;
static bool is_legacy, is_json, prove, is_quick;

static const struct option options[] = {
    {"server", 's', "HOST:PORT[,...]", &servers, NULL,
     "ask this server; further ones where it fails"},
    {"legacy", 0, NULL, NULL, &is_legacy, "in the protocol of the scripts that dlv replaces"},
    {"db", 'd', "FILE", &db_path, NULL, "ask this database instead, offline"},
    {"authority", 'a', "PUB", &authority, NULL, "the public key that signed the database"},
    {"lookup-key", 0, "FILE", &lookup_key_path, NULL, "of a keyed database"},
    {"number", 'n', "N", &number, NULL, "ask by licence number (- for one a line on stdin)"},
    {"document", 0, "FILE", &document, NULL, "ask by the issued document (- for stdin)"},
    {"at", 0, "TIME", &at_text, NULL, "a time (RFC 3339) or day; default now"},
    {"prove", 0, NULL, NULL, &prove, "check the Merkle proof of every answer, too"},
    {"evidence", 0, "FILE", &evidence_path, NULL,
     "write the answer with its proof, for dlv verify --evidence"},
    {"quick", 0, NULL, NULL, &is_quick,
     "prove each answer instead of checking the whole database first"},
    {"stale-ok", 0, "DAYS", &stale_ok_text, NULL,
     "use a database up to DAYS past its valid-until, with a warning"},
    {"json", 'j', NULL, NULL, &is_json, "one JSON object a line"},
    {"timeout", 0, "SECONDS", &timeout_text, NULL, "for each server; default 10"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

struct asking {
    enum licence_kind kind;
    struct moment at;
    struct db db; /* offline */
    struct lookup_key lookup_key;
    char source[SOURCE_SIZE];
    struct random random; /* legacy */
    int64_t timeout_ms;
    bool has_warned_of_key;
};

struct answer {
    struct db_answer db;
    bool is_detailed; /* legacy answers are not */
};

/* --- answers ---------------------------------------------------------------------------------- */

static void print_json(const struct asking *asking, const struct answer *answer,
                       const uint8_t digest[SHA256_LEN], uint64_t line) {
    const struct licence *licence = &answer->db.licence;
    char hex[2 * SHA256_LEN + 1], from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], at[TIME_TEXT_SIZE],
        classes[CLASSES_TEXT_SIZE];
    bool has_licence = answer->is_detailed && answer->db.is_found;
    hex_encode(hex, digest, SHA256_LEN);
    date_format(from, licence->valid_from);
    date_format(to, licence->valid_to);
    if (asking->at.is_day)
        date_format(at, moment_day(&asking->at, 0));
    else
        time_format(at, asking->at.unix_s, asking->db.header.utc_offset_s);
    classes_format(classes, &asking->db.header.class_names, licence->classes, ',');

    json_begin();
    if (line > 0)
        json_number("line", (long long)line);
    json_text("verdict", verdict_name(answer->db.verdict));
    json_text("kind", kind_name((uint8_t)asking->kind));
    json_text("digest", hex);
    json_text("status", has_licence ? status_name(licence->status) : NULL);
    json_text("valid_from", has_licence ? from : NULL);
    json_text("valid_to", has_licence ? to : NULL);
    if (has_licence)
        json_list("classes", classes, ',');
    else
        json_null("classes");
    json_text("at", at);
    json_null("server_time");
    if (answer->is_detailed)
        json_number("db_sequence", (long long)asking->db.header.sequence);
    else
        json_null("db_sequence");
    json_text("source", asking->source);
    json_end();
}

static void print_text(const struct asking *asking, const struct answer *answer, uint64_t line) {
    const struct licence *licence = &answer->db.licence;
    fputs(verdict_name(answer->db.verdict), stdout);
    if (line > 0)
        printf(" line %llu:", (unsigned long long)line);
    if (answer->is_detailed && answer->db.is_found) {
        char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], classes[CLASSES_TEXT_SIZE];
        date_format(from, licence->valid_from);
        date_format(to, licence->valid_to);
        classes_format(classes, &asking->db.header.class_names, licence->classes, ' ');
        printf(" from %s to %s", from, to);
        if (*classes != '\0')
            printf(", classes %s", classes);
    } else if (answer->is_detailed) {
        fputs(" not in the database", stdout);
    } else if (answer->db.verdict != VERDICT_VALID) {
        fputs(" the server says no more than \"not valid\"", stdout);
    }
    printf(" (%s)\n", asking->source);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int ask_legacy(struct asking *asking, const uint8_t digest[SHA256_LEN],
                      struct answer *answer) {
    struct client_legacy_answer legacy;
    struct error error;
    if (client_legacy_ask(servers, digest, &asking->random, asking->timeout_ms, &legacy, &error))
        return trouble("%s", error.text);
    if (legacy.key_bits < 2048 && !asking->has_warned_of_key) {
        trouble("warning: the key of %s has only %u bits; whoever records this exchange may read "
                "it one day",
                legacy.server, legacy.key_bits);
        asking->has_warned_of_key = true;
    }
    answer->is_detailed = false;
    answer->db.verdict = legacy.is_valid ? VERDICT_VALID : VERDICT_UNKNOWN;
    snprintf(asking->source, sizeof asking->source, "%.200s, legacy", legacy.server);
    return EXIT_OK;
}

static int write_evidence(const struct asking *asking, const uint8_t digest[SHA256_LEN],
                          const struct proof *proof) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    struct error error;
    memcpy(evidence.digest, digest, SHA256_LEN);
    evidence.kind = asking->kind;
    evidence.at = asking->at;
    memcpy(evidence.header_page, asking->db.map, DB_PAGE);
    evidence.proof = *proof;
    size_t len = evidence_write(&evidence, text);
    if (file_replace(evidence_path, text, len, 0644, 1, &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Proves what db_ask said by the header that the authority has signed. */
static int check_proof(const struct asking *asking, const uint8_t digest[SHA256_LEN],
                       const struct db_answer *answer) {
    static struct proof proof;
    uint8_t key[DB_KEY_LEN];
    struct licence licence = {0};
    struct error error;
    lookup_key_apply(lookup_key_path ? &asking->lookup_key : NULL, digest, key);
    db_prove(&asking->db, key, &proof);
    int result = proof_check(&asking->db.header, key, &proof, &licence, &error);
    if (result < 0)
        return trouble("%s: %s (the database is damaged)", db_path, error.text);
    bool is_found = result == 1 && licence.kind == asking->kind;
    if (is_found != answer->is_found ||
        (is_found && memcmp(&licence, &answer->licence, sizeof licence) != 0))
        return trouble("%s: answer and proof differ (the database is damaged)", db_path);
    return evidence_path != NULL ? write_evidence(asking, digest, &proof) : EXIT_OK;
}

static int ask_offline(const struct asking *asking, const uint8_t digest[SHA256_LEN],
                       struct answer *answer) {
    answer->is_detailed = true;
    db_ask(&asking->db, lookup_key_path ? &asking->lookup_key : NULL, digest, asking->kind,
           moment_day(&asking->at, asking->db.header.utc_offset_s), &answer->db);
    return prove ? check_proof(asking, digest, &answer->db) : EXIT_OK;
}

/* Asks one question and prints the answer. The exit status it calls for. */
static int ask(struct asking *asking, const uint8_t digest[SHA256_LEN], uint64_t line) {
    struct answer answer = {0};
    if (at_text == NULL)
        asking->at = (struct moment){.unix_s = time(NULL), .is_day = 0};
    int status =
        is_legacy ? ask_legacy(asking, digest, &answer) : ask_offline(asking, digest, &answer);
    if (status != EXIT_OK)
        return status;
    if (is_json)
        print_json(asking, &answer, digest, line);
    else
        print_text(asking, &answer, line);
    return answer.db.verdict == VERDICT_VALID ? EXIT_OK : EXIT_NOT_VALID;
}

/* One question a line. A bad line is named and the others are asked; a server that fails ends it.
 */
static int ask_lines(struct asking *asking) {
    static struct csv_reader reader;
    static struct csv_row row;
    int worst = EXIT_OK;
    csv_reader_init(&reader, STDIN_FILENO, 1);
    for (;;) {
        uint8_t digest[SHA256_LEN];
        struct error error;
        if (reader.start == reader.end)
            fflush(stdout); /* nothing more to read just now: somebody may be waiting */
        int result = csv_reader_next(&reader, &row);
        if (result == CSV_END)
            return worst;
        if (result == ERR_SYSTEM)
            return trouble("standard input: %m");
        int status;
        if (result == CSV_BAD) {
            status = trouble("standard input:%llu: %s", (unsigned long long)row.line, row.reason);
        } else if (question_text_digest(asking->kind, row.fields[0].text, row.fields[0].len, digest,
                                        &error)) {
            status = trouble("standard input:%llu: %s", (unsigned long long)row.line, error.text);
        } else {
            status = ask(asking, digest, row.line);
            if (status == EXIT_TROUBLE)
                return status;
        }
        if (status > worst)
            worst = status;
    }
}

static int ask_one(struct asking *asking, int operand_count, char **operands) {
    uint8_t digest[SHA256_LEN];
    if (question_digest(number, document, operand_count, operands, &asking->kind, digest) !=
        EXIT_OK)
        return EXIT_TROUBLE;
    return ask(asking, digest, 0);
}

/* --- the command line ------------------------------------------------------------------------- */

/* Whether questions come one a line from stdin. */
static bool is_lines(int operand_count, char **operands) {
    const char *word = number ? number : operand_count == 1 ? operands[0] : "";
    return document == NULL && strcmp(word, "-") == 0;
}

static int check_usage(int operand_count, char **operands) {
    int ways = (number != NULL) + (document != NULL) + (operand_count > 0);
    if (ways != 1)
        return usage_error("one question is needed: RECORD, --number, --document or -");
    if ((servers != NULL) == (db_path != NULL))
        return usage_error("either --server or --db is needed");
    if (db_path != NULL && (is_legacy || timeout_text != NULL))
        return usage_error("--db is asked offline: no --legacy, no --timeout");
    if (db_path != NULL && authority == NULL)
        return usage_error("--db needs --authority");
    if (servers != NULL && !is_legacy)
        return usage_error("--server needs --legacy: this dlv speaks no other protocol yet");
    if (is_legacy && (authority != NULL || lookup_key_path != NULL))
        return usage_error("--legacy cannot use --authority or --lookup-key");
    if (is_legacy && stale_ok_text != NULL)
        return usage_error("--stale-ok belongs to --db");
    if (is_legacy && (prove || is_quick || evidence_path != NULL))
        return usage_error("--legacy cannot prove anything: no --prove, --quick or --evidence");
    if (evidence_path != NULL && is_lines(operand_count, operands))
        return usage_error("--evidence holds one answer, so ask one question");
    if (is_legacy && at_text != NULL)
        return usage_error("--legacy cannot ask about another time: no --at");
    return EXIT_OK;
}

/* A database past its valid-until is trouble, unless --stale-ok says how long it is not. */
static int check_age(const struct db_header *header) {
    struct error error;
    unsigned long long days;
    int64_t now = time(NULL);
    if (!option_count("stale-ok", stale_ok_text, 0, 36525, 0, &days))
        return EXIT_TROUBLE;
    if (db_check_valid_until(header, db_path, now, &error) == 0)
        return EXIT_OK;
    if (db_check_valid_until(header, db_path, now - (int64_t)days * 86400, &error) != 0)
        return trouble("%s", error.text);
    trouble("warning: %s; used all the same (--stale-ok)", error.text);
    return EXIT_OK;
}

static int open_offline(struct asking *asking) {
    struct error error;
    if (database_open(&asking->db, &asking->lookup_key, db_path, authority, lookup_key_path,
                      &error) != 0 ||
        (!is_quick && db_verify(&asking->db, parallel_processors(), db_path, &error) != 0))
        return trouble("%s", error.text);
    if (check_age(&asking->db.header) != EXIT_OK)
        return EXIT_TROUBLE;
    database_source(&asking->db.header, db_path, asking->source);
    return EXIT_OK;
}

static int open_legacy(struct asking *asking) {
    struct error error;
    if (random_open(&asking->random, &error) != 0)
        return trouble("%s", error.text);
    trouble("warning: --legacy does not prove who the server is, nor that the answer is its own");
    return EXIT_OK;
}

static int run(int operand_count, char **operands) {
    static struct asking asking;
    unsigned long long timeout_s;
    if (check_usage(operand_count, operands) != EXIT_OK ||
        !option_count("timeout", timeout_text, 1, 3600, 10, &timeout_s))
        return EXIT_TROUBLE;
    asking.timeout_ms = (int64_t)timeout_s * 1000;
    prove = prove || is_quick || evidence_path != NULL;
    asking.kind = number ? KIND_NUMBER : document ? KIND_DOCUMENT : KIND_RECORD;
    if (at_text != NULL && moment_parse(at_text, &asking.at) != 0)
        return usage_error("--at \"%s\" is not a time (want 2026-11-24T10:00:00+05:30 or "
                           "2026-11-24)",
                           at_text);
    int status = is_legacy ? open_legacy(&asking) : open_offline(&asking);
    if (status == EXIT_OK) {
        status = is_lines(operand_count, operands) ? ask_lines(&asking)
                                                   : ask_one(&asking, operand_count, operands);
        if (finish_output() != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    db_close(&asking.db);
    wipe(&asking.lookup_key, sizeof asking.lookup_key);
    wipe(&asking.random, sizeof asking.random);
    return status;
}

const struct applet applet_client = {
    .name = "client",
    .summary = "ask whether a licence is valid",
    .synopsis = "--db licences.db --authority authority.pub [OPTION ...] RECORD\n"
                "--legacy --server HOST:PORT[,HOST:PORT ...] [OPTION ...] RECORD\n"
                "... --number N | --document FILE | -",
    .options = options,
    .description =
        "RECORD is NAME PHONE LICENCE; - reads one a line from standard input. Prints a line for\n"
        "each answer, the verdict first: VALID, EXPIRED, NOT_YET_VALID, SUSPENDED, REVOKED or\n"
        "UNKNOWN. Status and dates are as of the database: --at asks what they mean on another day,\n"
        "not what the database said then.\n\n"
        "Offline, the database is checked in full before it is asked; with --quick only its signature\n"
        "and structure are, and each answer is proved instead, by its Merkle path to the root that\n"
        "the authority has signed. --evidence writes such a proof for somebody who has no database.\n\n"
        "--legacy asks a server in the old protocol, which sends its key unauthenticated: whoever\n"
        "sits between can read the question and give any answer. Its \"not valid\" is shown as\n"
        "UNKNOWN.\n\n"
        "Exit status: 0 all VALID, 1 some other verdict, 2 trouble: then nothing has been said of the\n"
        "question that failed.",
    .needs_cryptography = true,
    .run = run,
};
