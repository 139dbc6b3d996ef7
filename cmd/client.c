#include "applet.h"
#include "question.h"
#include "reply.h"

#include "base/bytes.h"
#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "client/client.h"
#include "client/legacy.h"
#include "client/offline.h"
#include "crypto/rsa_key.h"
#include "db/evidence.h"
#include "registry/csv.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *servers, *db_path, *authority_path, *lookup_key_path, *number, *document,
    *at_text, *evidence_path, *server_key_path, *kiosk_key_path, *state_folder;
static bool is_legacy, is_json, prove, is_quick, is_udp;
static uint64_t max_skew_s, stale_ok_days, timeout_s;

static const struct option options[] = {
    OPTION_TEXT("-s, --server HOST:PORT[,...]", &servers,
                "ask this server, or the next of the list where it fails"),
    OPTION_TEXT("--server-key PUB", &server_key_path, "the server's public key"),
    OPTION_TEXT("-k, --key KEY", &kiosk_key_path,
                "this kiosk's private key; without it the server must answer anonymous clients"),
    OPTION_FLAG("-u, --udp", &is_udp, "ask over UDP instead of TCP"),
    OPTION_TEXT("--state DIR", &state_folder,
                "remember in this folder which releases have been seen, and believe no older ones"),
    OPTION_COUNT("--max-skew SECONDS", &max_skew_s, 0, 31536000, 300, "seconds",
                 "how far the server's clock may be from this machine's"),
    OPTION_FLAG("--legacy", &is_legacy, "use the protocol of the scripts that dlv replaces"),
    OPTION_TEXT("-d, --db FILE", &db_path, "ask this database instead, offline"),
    OPTION_TEXT("-a, --authority PUB", &authority_path, "the public key that signed the database"),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path, "the lookup key of a keyed database"),
    OPTION_TEXT("-n, --number N", &number, "ask by licence number (- for one a line on stdin)"),
    OPTION_TEXT("--document FILE", &document, "ask by the issued document (- for stdin)"),
    OPTION_TEXT("--at TIME", &at_text, "ask about a time (RFC 3339) or a day; default now"),
    OPTION_FLAG("--prove", &prove, "check the Merkle proof of every answer, too"),
    OPTION_TEXT("--evidence FILE", &evidence_path,
                "write the answer with its proof, for dlv verify --evidence"),
    OPTION_FLAG("--quick", &is_quick,
                "prove each answer instead of checking the whole database first"),
    OPTION_COUNT("--stale-ok DAYS", &stale_ok_days, 0, 36525, 0, "days",
                 "how long past its valid-until a database is still used, with a warning"),
    OPTION_FLAG("-j, --json", &is_json, "print one JSON object a line"),
    OPTION_COUNT("--timeout SECONDS", &timeout_s, 1, 3600, 10, "seconds",
                 "how long to wait for each server"),
    OPTIONS_END,
};

#define SOURCE_SIZE 256

/* What is asked, and whom. Secret: wiped at the end. */
struct asking {
    enum licence_kind kind;
    struct moment at;
    struct rsa_public authority;
    struct lookup_key lookup_key;
    struct trust trust;
    struct offline offline;
    struct client client;
    struct rsa_public server_key;
    struct rsa_private kiosk;
    struct random random; /* of the original protocol */
    char source[SOURCE_SIZE];
    uint64_t warned_of;     /* the stale release that a warning was printed about; 0: none */
    bool has_warned_of_key; /* of the original protocol */
    struct question question;
    struct answer answer;
};

/* Questions that are asked together. */
struct batch {
    unsigned count;
    uint8_t digests[QUESTION_MAX][SHA256_LEN];
    uint64_t lines[QUESTION_MAX]; /* 0: the question was not on a line */
};

/* --- asking ----------------------------------------------------------------------------------- */

/* Prints a reply. Returns the exit status that it calls for. */
static int show(const struct asking *asking, const struct batch *batch, unsigned i,
                struct reply *reply) {
    reply->kind = asking->kind;
    reply->digest = batch->digests[i];
    reply->at = asking->at;
    reply->line = batch->lines[i];
    reply->source = asking->source;
    reply_print(reply, is_json);
    return reply->answer.verdict == VERDICT_VALID ? EXIT_OK : EXIT_NOT_VALID;
}

static int ask_legacy(struct asking *asking, const struct batch *batch) {
    struct client_legacy_answer legacy;
    struct error error;
    if (client_legacy_ask(servers, batch->digests[0], &asking->random, (int64_t)timeout_s * 1000,
                          &legacy, &error) != 0)
        return trouble("%s", error.text);
    if (legacy.key_bits < 2048 && !asking->has_warned_of_key) {
        trouble("warning: the key of %s has only %u bits; whoever records this exchange may read "
                "it one day",
                legacy.server, legacy.key_bits);
        asking->has_warned_of_key = true;
    }
    format_text(asking->source, sizeof asking->source, "%.200s, legacy", legacy.server);
    struct reply reply = {.answer.verdict = legacy.is_valid ? VERDICT_VALID : VERDICT_UNKNOWN};
    return show(asking, batch, 0, &reply);
}

static int write_evidence(const struct asking *asking, const uint8_t digest[SHA256_LEN]) {
    static struct evidence evidence;
    static char text[EVIDENCE_MAX];
    struct error error;
    memcpy(evidence.digest, digest, SHA256_LEN);
    evidence.kind = asking->kind;
    evidence.at = asking->at;
    memcpy(evidence.header_page, asking->answer.header_page, DB_PAGE);
    evidence.proof = asking->answer.proofs[0];
    size_t len = evidence_write(&evidence, text);
    if (file_replace(evidence_path, text, len, 0644, true, &error) != 0)
        return trouble("%s", error.text);
    return EXIT_OK;
}

/* Says once for each release that it is past its valid-until. */
static void warn_of_stale(struct asking *asking, const char *who) {
    const struct release_facts *facts = &asking->answer.facts;
    struct error error;
    if (!release_is_stale(facts, time(NULL)) || asking->warned_of == facts->sequence)
        return;
    asking->warned_of = facts->sequence;
    release_check_age(facts, who, time(NULL), &error);
    trouble("warning: %s; used all the same (--stale-ok)", error.text);
}

/* Asks the questions of the batch in one frame, and shows the answers. Returns the exit status that
 * they call for. */
static int ask_together(struct asking *asking, const struct batch *batch) {
    struct question *question = &asking->question;
    const struct answer *answer = &asking->answer;
    const char *who = db_path != NULL ? db_path : asking->client.link.server;
    struct error error;
    question->at = asking->at;
    question->kind = asking->kind;
    question->count = batch->count;
    memcpy(question->digests, batch->digests, batch->count * SHA256_LEN);
    int code = db_path != NULL
                   ? offline_ask(&asking->offline, question, time(NULL), &asking->answer, &error)
                   : client_ask(&asking->client, question, &asking->answer, &error);
    if (code != 0)
        return trouble("%s", error.text);
    warn_of_stale(asking, who);
    const char *slash = db_path != NULL ? strrchr(who, '/') : NULL;
    format_text(asking->source, sizeof asking->source, "%.200s#%llu", slash ? slash + 1 : who,
                (unsigned long long)answer->facts.sequence);
    if (evidence_path != NULL && write_evidence(asking, batch->digests[0]) != EXIT_OK)
        return EXIT_TROUBLE;
    int worst = EXIT_OK;
    for (unsigned i = 0; i < batch->count; i++) {
        struct reply reply = {.answer = answer->entries[i],
                              .release = &answer->facts,
                              .has_server_time = db_path == NULL,
                              .server_time_s = answer->server_time_s};
        int status = show(asking, batch, i, &reply);
        worst = status > worst ? status : worst;
    }
    return worst;
}

/* Asks what is in the batch, shows the answers, and empties it. Returns the exit status that they
 * call for. */
static int ask_batch(struct asking *asking, struct batch *batch) {
    int status = EXIT_OK;
    if (batch->count == 0)
        return EXIT_OK;
    if (at_text == NULL)
        asking->at = (struct moment){.unix_s = time(NULL)};
    status = is_legacy ? ask_legacy(asking, batch) : ask_together(asking, batch);
    batch->count = 0;
    return status;
}

static unsigned batch_max(const struct asking *asking) {
    return is_legacy         ? 1
           : prove           ? QUESTION_PROVED_MAX
           : db_path != NULL ? QUESTION_MAX
                             : client_count_max(&asking->client.settings);
}

/* Reads the question on a row into the batch. EXIT_OK, or EXIT_TROUBLE after saying why. */
static int take_row(const struct asking *asking, struct batch *batch, const struct csv_row *row,
                    enum csv_result result) {
    struct error error;
    unsigned long long line = row->line;
    if (result == CSV_BAD)
        return trouble("standard input:%llu: %s", line, row->reason);
    if (question_text_digest(asking->kind, row->fields[0].text, row->fields[0].len,
                             batch->digests[batch->count], &error) != 0)
        return trouble("standard input:%llu: %s", line, error.text);
    batch->lines[batch->count++] = row->line;
    return EXIT_OK;
}

/* Asks one question a line. As many lines as are there are asked together. A bad line is named, and
 * the others are asked all the same; a server that fails ends it. */
static int ask_lines(struct asking *asking) {
    static struct csv_block block;
    static struct batch batch;
    struct csv_reader reader;
    struct csv_row row;
    int worst = EXIT_OK;
    csv_reader_init(&reader, &block, STDIN_FILENO, true);
    for (;;) {
        /* Nothing more to read just now: somebody may be waiting for these answers. */
        bool is_pause = reader.start == reader.end;
        int status =
            is_pause || batch.count == batch_max(asking) ? ask_batch(asking, &batch) : EXIT_OK;
        if (is_pause)
            fflush(stdout);
        worst = status > worst ? status : worst;
        if (status == EXIT_TROUBLE)
            return status;
        int result = csv_reader_next(&reader, &row);
        if (result != CSV_ROW) { /* answers come in the order of the lines */
            status = ask_batch(asking, &batch);
            worst = status > worst ? status : worst;
            if (status == EXIT_TROUBLE || result == CSV_END)
                return worst;
        }
        if (result == ERR_SYSTEM)
            return trouble("standard input: %m");
        status = take_row(asking, &batch, &row, (enum csv_result)result);
        worst = status > worst ? status : worst;
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

/* Whether the questions come one a line from stdin. */
static bool is_lines(int operand_count, char **operands) {
    const char *word = number ? number : operand_count == 1 ? operands[0] : "";
    return document == NULL && strcmp(word, "-") == 0;
}

static int check_online_usage(void) {
    bool wants_proof = prove || evidence_path != NULL;
    if (server_key_path == NULL)
        return usage_error("--server needs --server-key, the server's public key (or --legacy)");
    if (is_quick)
        return usage_error("--quick belongs to --db; --prove proves a server's answers");
    if (wants_proof != (authority_path != NULL))
        return usage_error("--prove and --evidence need --authority, and it needs them");
    if (wants_proof && is_udp)
        return usage_error("--prove needs TCP: a proof does not fit into a datagram");
    if (lookup_key_path != NULL && authority_path == NULL)
        return usage_error("--lookup-key belongs to --prove or --db: the server has its own");
    return EXIT_OK;
}

static int check_usage(int operand_count, char **operands) {
    int ways = (number != NULL) + (document != NULL) + (operand_count > 0);
    if (ways != 1)
        return usage_error("one question is needed: RECORD, --number, --document or -");
    if ((servers != NULL) == (db_path != NULL))
        return usage_error("either --server or --db is needed");
    if (evidence_path != NULL && is_lines(operand_count, operands))
        return usage_error("--evidence holds one answer, so ask one question");
    if (db_path != NULL && authority_path == NULL)
        return usage_error("--db needs --authority");
    if (db_path != NULL)
        return options_refuse("legacy timeout server-key key udp state max-skew",
                              "--db, which asks no server");
    if (is_legacy)
        return options_refuse(
            "authority lookup-key stale-ok max-skew state prove quick evidence at "
            "server-key key udp",
            "--legacy, whose answers say nothing but valid or not valid");
    return check_online_usage();
}

static int load_keys(struct asking *asking) {
    struct error error;
    if ((authority_path != NULL &&
         rsa_public_load(&asking->authority, authority_path, 2048, &error) != 0) ||
        (lookup_key_path != NULL &&
         lookup_key_load(&asking->lookup_key, lookup_key_path, &error) != 0) ||
        (server_key_path != NULL &&
         rsa_public_load(&asking->server_key, server_key_path, 2048, &error) != 0) ||
        (kiosk_key_path != NULL &&
         rsa_private_load(&asking->kiosk, kiosk_key_path, 2048, &error) != 0))
        return trouble("%s", error.text);
    if (state_folder != NULL && access(state_folder, W_OK | X_OK) != 0)
        return trouble("--state %s: %m", state_folder);
    return EXIT_OK;
}

static int open_asking(struct asking *asking) {
    const struct lookup_key *lookup_key = lookup_key_path != NULL ? &asking->lookup_key : NULL;
    const struct trust_policy policy = {.authority = prove ? &asking->authority : NULL,
                                        .lookup_key = lookup_key,
                                        .state_folder = state_folder,
                                        .stale_ok_s = (int64_t)stale_ok_days * 86400,
                                        .max_skew_s = (int64_t)max_skew_s};
    const struct offline_settings offline = {.path = db_path,
                                             .authority = &asking->authority,
                                             .lookup_key = lookup_key,
                                             .is_quick = is_quick,
                                             .thread_count = parallel_processors(),
                                             .trust = &asking->trust};
    const struct client_settings client = {
        .servers = servers,
        .identity = {.server = &asking->server_key,
                     .kiosk = kiosk_key_path != NULL ? &asking->kiosk : NULL},
        .is_udp = is_udp,
        .timeout_ms = (int64_t)timeout_s * 1000,
        .trust = &asking->trust};
    struct error error;
    trust_init(&asking->trust, &policy);
    int code = is_legacy         ? random_open(&asking->random, &error)
               : db_path != NULL ? offline_open(&asking->offline, &offline, time(NULL), &error)
                                 : client_init(&asking->client, &client, &error);
    if (code != 0)
        return trouble("%s", error.text);
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
    if (check_usage(operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    prove = prove || is_quick || evidence_path != NULL;
    asking.kind = number ? KIND_NUMBER : document ? KIND_DOCUMENT : KIND_RECORD;
    asking.client.link.fd = -1;
    if (at_text != NULL && moment_parse(at_text, &asking.at) != 0)
        return usage_error("--at \"%s\" is not a time (want 2026-11-24T10:00:00+05:30 or "
                           "2026-11-24)",
                           at_text);
    int status = load_keys(&asking);
    if (status == EXIT_OK)
        status = open_asking(&asking);
    if (status == EXIT_OK) {
        status = is_lines(operand_count, operands) ? ask_lines(&asking)
                                                   : ask_one(&asking, operand_count, operands);
        if (finish_output() != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    close_asking(&asking);
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
        "RECORD is NAME PHONE LICENCE; - reads one a line from standard input. A line is printed for\n"
        "each answer, with the verdict first: VALID, EXPIRED, NOT_YET_VALID, SUSPENDED, REVOKED or\n"
        "UNKNOWN. Status and dates are those in the database now: --at asks what they mean on another\n"
        "day, not what the database said then.\n\n"
        "A server is known by its public key, --server-key. So nobody else can answer in its place, and\n"
        "nobody in between can read or change anything. What its operator says is believed, unless\n"
        "--prove is given: then every answer must be proved by the authority's signature. An answer is\n"
        "refused where the database is past its valid-until or older than one seen before (--state), or\n"
        "where the server's clock is off (--max-skew). The next server of the list is then asked.\n\n"
        "Offline, the database is checked in full before it is asked. With --quick only its signature\n"
        "and its structure are checked, and each answer is proved instead, by its Merkle path to the\n"
        "root that the authority has signed. --evidence writes such a proof for somebody who has no\n"
        "database.\n\n"
        "--legacy asks a server in the old protocol, which sends its key unauthenticated: whoever sits\n"
        "in between can read the question and give any answer. Its \"not valid\" is shown as UNKNOWN.\n\n"
        "Exit status: 0 means that all are VALID, 1 that some verdict is another, and 2 that there was\n"
        "trouble: then nothing has been said about the question that failed.",
    .needs_cryptography = true,
    .run = run_client,
};
