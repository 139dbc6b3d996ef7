#include "applet.h"
#include "database.h"
#include "online.h"
#include "question.h"
#include "reply.h"

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
    *timeout_text, *evidence_path, *stale_ok_text, *server_key_path, *kiosk_key_path, *state_folder,
    *max_skew_text;
static bool is_legacy, is_json, prove, is_quick, is_udp;

static const struct option options[] = {
    {"server", 's', "HOST:PORT[,...]", &servers, NULL,
     "ask this server; further ones where it fails"},
    {"server-key", 0, "PUB", &server_key_path, NULL, "the server's public key"},
    {"key", 'k', "KEY", &kiosk_key_path, NULL,
     "this kiosk's private key; without it the server must answer anonymous clients"},
    {"udp", 'u', NULL, NULL, &is_udp, "ask over UDP instead of TCP"},
    {"state", 0, "DIR", &state_folder, NULL,
     "remember there which databases have been seen, and believe no older ones"},
    {"max-skew", 0, "SECONDS", &max_skew_text, NULL,
     "between the server's clock and this machine's; default 300"},
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
    struct online online;
    struct question question;
    struct random random; /* legacy */
    int64_t timeout_ms;
    bool has_warned_of_key;
};

/* --- one question ----------------------------------------------------------------------------- */

static int ask_legacy(struct asking *asking, const uint8_t digest[SHA256_LEN],
                      struct reply *reply) {
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
    reply->verdict = legacy.is_valid ? VERDICT_VALID : VERDICT_UNKNOWN;
    snprintf(asking->source, sizeof asking->source, "%.200s, legacy", legacy.server);
    return EXIT_OK;
}

static int write_evidence(const struct asking *asking, const uint8_t digest[SHA256_LEN],
                          const uint8_t *header_page, const struct proof *proof) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    struct error error;
    memcpy(evidence.digest, digest, SHA256_LEN);
    evidence.kind = asking->kind;
    evidence.at = asking->at;
    memcpy(evidence.header_page, header_page, DB_PAGE);
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
    const struct lookup_key *lookup_key = lookup_key_path ? &asking->lookup_key : NULL;
    uint8_t key[DB_KEY_LEN];
    struct licence licence;
    struct error error;
    lookup_key_apply(lookup_key, digest, key);
    db_prove(&asking->db, key, &proof);
    int is_found = proof_answer(&asking->db.header, lookup_key, digest, asking->kind, &proof,
                                &licence, &error);
    if (is_found < 0)
        return trouble("%s: %s (the database is damaged)", db_path, error.text);
    if (is_found != answer->is_found ||
        (is_found && memcmp(&licence, &answer->licence, sizeof licence) != 0))
        return trouble("%s: answer and proof differ (the database is damaged)", db_path);
    return evidence_path != NULL ? write_evidence(asking, digest, asking->db.map, &proof) : EXIT_OK;
}

static int ask_offline(const struct asking *asking, const uint8_t digest[SHA256_LEN],
                       struct reply *reply) {
    const struct db_header *header = &asking->db.header;
    struct db_answer answer;
    db_ask(&asking->db, lookup_key_path ? &asking->lookup_key : NULL, digest, asking->kind,
           moment_day(&asking->at, header->utc_offset_s), &answer);
    reply->verdict = answer.verdict;
    reply->is_detailed = 1;
    reply->is_found = answer.is_found;
    reply->licence = answer.licence;
    reply->class_names = &header->class_names;
    reply->utc_offset_s = header->utc_offset_s;
    reply->sequence = header->sequence;
    return prove ? check_proof(asking, digest, &answer) : EXIT_OK;
}

/* Prints a reply. The exit status it calls for. */
static int show(const struct asking *asking, struct reply *reply, const uint8_t digest[SHA256_LEN],
                uint64_t line) {
    reply->kind = asking->kind;
    memcpy(reply->digest, digest, SHA256_LEN);
    reply->at = asking->at;
    reply->line = line;
    reply->source = asking->source;
    reply_print(reply, is_json);
    return reply->verdict == VERDICT_VALID ? EXIT_OK : EXIT_NOT_VALID;
}

/* --- many questions --------------------------------------------------------------------------- */

struct batch {
    unsigned count;
    uint8_t digests[QUESTION_MAX][SHA256_LEN];
    uint64_t lines[QUESTION_MAX]; /* 0: not of a line */
};

/* The first `count` of them, in one frame. */
static int ask_online(struct asking *asking, const struct batch *batch, unsigned count) {
    struct question *question = &asking->question;
    const struct answer *answer = &asking->online.answer;
    int worst = EXIT_OK;
    question->at = asking->at;
    question->kind = asking->kind;
    question->count = count;
    memcpy(question->digests, batch->digests, count * SHA256_LEN);
    if (online_ask(&asking->online, question) != EXIT_OK)
        return EXIT_TROUBLE;
    snprintf(asking->source, sizeof asking->source, "%.200s#%llu", asking->online.client.server,
             (unsigned long long)answer->sequence);
    if (evidence_path != NULL && write_evidence(asking, batch->digests[0], answer->header_page,
                                                &answer->proofs[0]) != EXIT_OK)
        return EXIT_TROUBLE;
    for (unsigned i = 0; i < count; i++) {
        struct reply reply = {.verdict = answer->entries[i].verdict,
                              .is_detailed = 1,
                              .is_found = answer->entries[i].is_found,
                              .licence = answer->entries[i].licence,
                              .class_names = &asking->online.class_names,
                              .utc_offset_s = answer->utc_offset_s,
                              .sequence = answer->sequence,
                              .has_server_time = 1,
                              .server_time_s = answer->server_time_s};
        int status = show(asking, &reply, batch->digests[i], batch->lines[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static bool is_online(void) {
    return servers != NULL && !is_legacy;
}

/* Asks what is in the batch, prints the answers, and empties it. The exit status they call for. */
static int ask_batch(struct asking *asking, struct batch *batch) {
    unsigned count = batch->count;
    int worst = EXIT_OK;
    batch->count = 0;
    if (count == 0)
        return EXIT_OK;
    if (at_text == NULL)
        asking->at = (struct moment){.unix_s = time(NULL), .is_day = 0};
    if (is_online())
        return ask_online(asking, batch, count);
    for (unsigned i = 0; i < count && worst < EXIT_TROUBLE; i++) {
        struct reply reply = {0};
        int status = is_legacy ? ask_legacy(asking, batch->digests[i], &reply)
                               : ask_offline(asking, batch->digests[i], &reply);
        if (status == EXIT_OK)
            status = show(asking, &reply, batch->digests[i], batch->lines[i]);
        worst = status > worst ? status : worst;
    }
    return worst;
}

static unsigned batch_max(const struct asking *asking) {
    if (!is_online())
        return 1;
    return prove ? QUESTION_PROVED_MAX : client_count_max(&asking->online.client.settings);
}

/* One question a line; as many as are there are asked together. A bad line is named and the others
 * are asked; a server that fails ends it. */
static int ask_lines(struct asking *asking) {
    static struct csv_block block;
    static struct batch batch;
    struct csv_reader reader;
    struct csv_row row;
    int worst = EXIT_OK;
    csv_reader_init(&reader, &block, STDIN_FILENO, 1);
    for (;;) {
        struct error error;
        int status = EXIT_OK;
        if (reader.start == reader.end) { /* nothing more to read just now: somebody may wait */
            status = ask_batch(asking, &batch);
            fflush(stdout);
        } else if (batch.count == batch_max(asking)) {
            status = ask_batch(asking, &batch);
        }
        worst = status > worst ? status : worst;
        if (status == EXIT_TROUBLE)
            return status;
        int result = csv_reader_next(&reader, &row);
        if (result == CSV_END || result == ERR_SYSTEM || result == CSV_BAD) {
            status = ask_batch(asking, &batch);
            worst = status > worst ? status : worst;
            if (status == EXIT_TROUBLE || result == CSV_END)
                return worst;
        }
        if (result == ERR_SYSTEM)
            return trouble("standard input: %m");
        if (result == CSV_BAD) {
            worst = trouble("standard input:%llu: %s", (unsigned long long)row.line, row.reason);
        } else if (question_text_digest(asking->kind, row.fields[0].text, row.fields[0].len,
                                        batch.digests[batch.count], &error) != 0) {
            worst = trouble("standard input:%llu: %s", (unsigned long long)row.line, error.text);
        } else {
            batch.lines[batch.count++] = row.line;
        }
    }
}

static int ask_one(struct asking *asking, int operand_count, char **operands) {
    static struct batch batch;
    if (question_digest(number, document, operand_count, operands, &asking->kind,
                        batch.digests[0]) != EXIT_OK)
        return EXIT_TROUBLE;
    batch.count = 1;
    return ask_batch(asking, &batch);
}

/* --- the command line ------------------------------------------------------------------------- */

/* Whether questions come one a line from stdin. */
static bool is_lines(int operand_count, char **operands) {
    const char *word = number ? number : operand_count == 1 ? operands[0] : "";
    return document == NULL && strcmp(word, "-") == 0;
}

/* What belongs to one way of asking is an error in another. */
static int check_legacy_usage(void) {
    if (authority != NULL || lookup_key_path != NULL)
        return usage_error("--legacy cannot use --authority or --lookup-key");
    if (stale_ok_text != NULL || max_skew_text != NULL || state_folder != NULL)
        return usage_error("--legacy knows nothing of the database: no --stale-ok, --max-skew or "
                           "--state");
    if (prove || is_quick || evidence_path != NULL)
        return usage_error("--legacy cannot prove anything: no --prove, --quick or --evidence");
    if (at_text != NULL)
        return usage_error("--legacy cannot ask about another time: no --at");
    if (server_key_path != NULL || kiosk_key_path != NULL || is_udp)
        return usage_error("--legacy has no session: no --server-key, --key or --udp");
    return EXIT_OK;
}

static int check_online_usage(void) {
    if (server_key_path == NULL)
        return usage_error("--server needs --server-key, the server's public key (or --legacy)");
    if (is_quick)
        return usage_error("--quick belongs to --db; --prove proves a server's answers");
    if ((prove || evidence_path != NULL) != (authority != NULL))
        return usage_error("--prove and --evidence need --authority, and it needs them");
    if ((prove || evidence_path != NULL) && is_udp)
        return usage_error("--prove needs TCP: a proof does not fit in a datagram");
    if (lookup_key_path != NULL && authority == NULL)
        return usage_error("--lookup-key belongs to --prove or --db: the server has its own");
    return EXIT_OK;
}

static int check_usage(int operand_count, char **operands) {
    int ways = (number != NULL) + (document != NULL) + (operand_count > 0);
    if (ways != 1)
        return usage_error("one question is needed: RECORD, --number, --document or -");
    if ((servers != NULL) == (db_path != NULL))
        return usage_error("either --server or --db is needed");
    if (db_path != NULL &&
        (is_legacy || timeout_text != NULL || server_key_path != NULL || kiosk_key_path != NULL ||
         is_udp || state_folder != NULL || max_skew_text != NULL))
        return usage_error("--db is asked offline: no --legacy, no --timeout, nothing of a server");
    if (db_path != NULL && authority == NULL)
        return usage_error("--db needs --authority");
    if (evidence_path != NULL && is_lines(operand_count, operands))
        return usage_error("--evidence holds one answer, so ask one question");
    return is_legacy ? check_legacy_usage() : servers != NULL ? check_online_usage() : EXIT_OK;
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
                      &error) != 0)
        return trouble("%s", error.text);
    if (check_age(&asking->db.header) != EXIT_OK)
        return EXIT_TROUBLE;
    if (!is_quick && db_verify(&asking->db, parallel_processors(), db_path, &error) != 0)
        return trouble("%s", error.text);
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

static int open_online(struct asking *asking) {
    unsigned long long stale_days, max_skew_s;
    if (!option_count("stale-ok", stale_ok_text, 0, 36525, 0, &stale_days) ||
        !option_count("max-skew", max_skew_text, 0, 31536000, 300, &max_skew_s))
        return EXIT_TROUBLE;
    const struct online_settings settings = {.servers = servers,
                                             .server_key_path = server_key_path,
                                             .kiosk_key_path = kiosk_key_path,
                                             .authority_path = authority,
                                             .lookup_key_path = lookup_key_path,
                                             .state_folder = state_folder,
                                             .is_udp = is_udp,
                                             .proves = prove,
                                             .stale_ok_s = (int64_t)stale_days * 86400,
                                             .timeout_ms = asking->timeout_ms,
                                             .max_skew_s = (int64_t)max_skew_s};
    return online_open(&asking->online, &settings);
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
    int status = is_legacy         ? open_legacy(&asking)
                 : servers != NULL ? open_online(&asking)
                                   : open_offline(&asking);
    if (status == EXIT_OK) {
        status = is_lines(operand_count, operands) ? ask_lines(&asking)
                                                   : ask_one(&asking, operand_count, operands);
        if (finish_output() != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    if (is_online())
        online_close(&asking.online);
    db_close(&asking.db);
    wipe(&asking.lookup_key, sizeof asking.lookup_key);
    wipe(&asking.random, sizeof asking.random);
    return status;
}

const struct applet applet_client = {
    .name = "client",
    .summary = "ask whether a licence is valid",
    .synopsis = "--server HOST:PORT[,HOST:PORT ...] --server-key server.pub [--key kiosk.key]\n"
                "    [OPTION ...] RECORD\n"
                "--db licences.db --authority authority.pub [OPTION ...] RECORD\n"
                "--legacy --server HOST:PORT[,HOST:PORT ...] [OPTION ...] RECORD\n"
                "... --number N | --document FILE | -",
    .options = options,
    .description =
        "RECORD is NAME PHONE LICENCE; - reads one a line from standard input. Prints a line for\n"
        "each answer, the verdict first: VALID, EXPIRED, NOT_YET_VALID, SUSPENDED, REVOKED or\n"
        "UNKNOWN. Status and dates are as of the database: --at asks what they mean on another day,\n"
        "not what the database said then.\n\n"
        "A server is known by its public key, --server-key, so nobody else can answer in its place, and\n"
        "nobody in between can read or change anything. What its operator says is believed, unless\n"
        "--prove has every answer proved by the signature of the authority. An answer from a database\n"
        "past its valid-until, older than one seen before (--state), or from a clock that is off\n"
        "(--max-skew) is refused, and the next server of the list asked.\n\n"
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
