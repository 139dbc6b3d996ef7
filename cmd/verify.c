#include "applet.h"
#include "json.h"
#include "question.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"
#include "db/evidence.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *authority, *evidence_path, *number, *document, *lookup_key_path;
static bool is_json;

static const struct option options[] = {
    {"authority", 'a', "PUB", &authority, NULL, "the authority's public key"},
    {"evidence", 'e', "FILE", &evidence_path, NULL, "check an evidence file instead"},
    {"number", 'n', "N", &number, NULL, "that it is about this licence number"},
    {"document", 0, "FILE", &document, NULL, "that it is about this document"},
    {"lookup-key", 0, "FILE", &lookup_key_path, NULL, "where it is from a keyed database"},
    {"json", 'j', NULL, NULL, &is_json, "one object instead of lines"},
    {NULL, 0, NULL, NULL, NULL, NULL},
};

static void print_facts(const char *path, const struct db_header *header, const char *fingerprint) {
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE], root[2 * DB_NODE_LEN + 1],
        lookup_key[2 * SHA256_LEN + 1], classes[CLASSES_TEXT_SIZE];
    bool is_keyed = (header->flags & DB_FLAG_KEYED) != 0;
    bool has_limit = header->valid_until_s != 0;
    time_format(created, header->created_s, header->utc_offset_s);
    time_format(until, header->valid_until_s, header->utc_offset_s);
    hex_encode(root, header->merkle_root, DB_NODE_LEN);
    hex_encode(lookup_key, header->lookup_key_id, SHA256_LEN);
    classes_format(classes, &header->class_names, 0xFFFF, ',');
    bool is_past = has_limit && time(NULL) > header->valid_until_s;

    if (is_json) {
        json_begin();
        json_text("file", path);
        json_bool("verified", 1);
        json_number("format", DB_VERSION);
        json_number("entries", (long long)header->count);
        json_number("sequence", (long long)header->sequence);
        json_text("created", created);
        json_text("valid_until", has_limit ? until : NULL);
        json_bool("past_valid_until", is_past);
        json_number("utc_offset_minutes", header->utc_offset_s / 60);
        json_bool("keyed", is_keyed);
        json_text("lookup_key_id", is_keyed ? lookup_key : NULL);
        json_text("authority", fingerprint);
        json_text("merkle_root", root);
        json_list("classes", classes, ',');
        json_end();
        return;
    }
    printf("%s: verified\n", path);
    printf("format       %d\n", DB_VERSION);
    printf("entries      %llu\n", (unsigned long long)header->count);
    printf("sequence     %llu\n", (unsigned long long)header->sequence);
    printf("created      %s\n", created);
    printf("valid until  %s%s\n", has_limit ? until : "no limit",
           is_past ? " (past: servers and clients refuse it)" : "");
    printf("keyed        %s\n", is_keyed ? lookup_key : "no");
    printf("authority    %s\n", fingerprint);
    printf("merkle root  %s\n", root);
    printf("classes      %s\n", classes);
}

static int verify_database(const char *path, const struct rsa_public *key) {
    struct db db;
    struct error error;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    if (db_open(&db, path, key, &error) != 0)
        return trouble("%s", error.text);
    int code = db_verify(&db, parallel_processors(), path, &error);
    if (code == 0) {
        rsa_fingerprint(key, fingerprint);
        print_facts(path, &db.header, fingerprint);
    }
    db_close(&db);
    return code == 0 ? finish_output() : trouble("%s", error.text);
}

/* --- evidence --------------------------------------------------------------------------------- */

struct finding {
    struct db_header header;
    enum verdict verdict;
    int is_found;
    struct licence licence;
};

static void print_finding(const struct evidence *evidence, const struct finding *finding,
                          const char *fingerprint) {
    const struct licence *licence = &finding->licence;
    int32_t offset = finding->header.utc_offset_s;
    char digest[2 * SHA256_LEN + 1], at[TIME_TEXT_SIZE], created[TIME_TEXT_SIZE],
        from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE], classes[CLASSES_TEXT_SIZE];
    hex_encode(digest, evidence->digest, SHA256_LEN);
    if (evidence->at.is_day)
        date_format(at, moment_day(&evidence->at, 0));
    else
        time_format(at, evidence->at.unix_s, offset);
    time_format(created, finding->header.created_s, offset);
    date_format(from, licence->valid_from);
    date_format(to, licence->valid_to);
    classes_format(classes, &finding->header.class_names, licence->classes, ' ');

    if (is_json) {
        json_begin();
        json_text("verdict", verdict_name(finding->verdict));
        json_text("proves", finding->is_found ? "presence" : "absence");
        json_text("kind", kind_name((uint8_t)evidence->kind));
        json_text("digest", digest);
        json_text("status", finding->is_found ? status_name(licence->status) : NULL);
        json_text("valid_from", finding->is_found ? from : NULL);
        json_text("valid_to", finding->is_found ? to : NULL);
        if (finding->is_found)
            json_list("classes", classes, ' ');
        else
            json_null("classes");
        json_text("at", at);
        json_number("db_sequence", (long long)finding->header.sequence);
        json_text("db_created", created);
        json_text("authority", fingerprint);
        json_end();
        return;
    }
    printf("%s\n", verdict_name(finding->verdict));
    printf("The authority %s has signed release %llu of %s,\n", fingerprint,
           (unsigned long long)finding->header.sequence, created);
    if (finding->is_found)
        printf("which holds the %s with the digest %s\n"
               "as %s, from %s to %s%s%s.\n",
               kind_name((uint8_t)evidence->kind), digest, status_name(licence->status), from, to,
               *classes ? ", classes " : "", classes);
    else
        printf("which holds no %s with the digest %s.\n", kind_name((uint8_t)evidence->kind),
               digest);
    printf("So the answer at %s is %s.\n", at, verdict_name(finding->verdict));
}

/* Whether the evidence is about the question on the command line, where there is one. */
static int check_question(const struct evidence *evidence, int operand_count, char **operands) {
    enum licence_kind kind;
    uint8_t digest[SHA256_LEN];
    if (number == NULL && document == NULL && operand_count == 0)
        return EXIT_OK;
    if (question_digest(number, document, operand_count, operands, &kind, digest) != EXIT_OK)
        return EXIT_TROUBLE;
    if (kind != evidence->kind || memcmp(digest, evidence->digest, SHA256_LEN) != 0)
        return trouble("%s: is about another question", evidence_path);
    return EXIT_OK;
}

static int verify_evidence(const struct rsa_public *key, int operand_count, char **operands) {
    static struct evidence evidence;
    static struct finding finding;
    static struct lookup_key lookup_key;
    static char text[EVIDENCE_MAX];
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct error error;
    ssize_t len = file_read(evidence_path, text, sizeof text, &error);
    if (len < 0)
        return trouble("%s", error.text);
    if (lookup_key_path != NULL && lookup_key_load(&lookup_key, lookup_key_path, &error) != 0)
        return trouble("%s", error.text);
    if (evidence_read(&evidence, text, (size_t)len, &error) != 0 ||
        evidence_check(&evidence, key, lookup_key_path ? &lookup_key : NULL, &finding.header,
                       &finding.verdict, &finding.is_found, &finding.licence, &error) != 0)
        return trouble("%s: %s", evidence_path, error.text);
    if (check_question(&evidence, operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    rsa_fingerprint(key, fingerprint);
    print_finding(&evidence, &finding, fingerprint);
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return finding.verdict == VERDICT_VALID ? EXIT_OK : EXIT_NOT_VALID;
}

static int run(int operand_count, char **operands) {
    struct rsa_public key;
    struct error error;
    if (authority == NULL)
        return usage_error("--authority is needed");
    if (evidence_path == NULL && (number != NULL || document != NULL || lookup_key_path != NULL))
        return usage_error("--number, --document and --lookup-key belong to --evidence");
    if (evidence_path == NULL && operand_count != 1)
        return usage_error("one database is needed");
    if ((number != NULL) + (document != NULL) + (operand_count > 0) > 1)
        return usage_error("one question at most: RECORD, --number or --document");
    if (rsa_public_load(&key, authority, 2048, &error) != 0)
        return trouble("%s", error.text);
    return evidence_path != NULL ? verify_evidence(&key, operand_count, operands)
                                 : verify_database(operands[0], &key);
}

const struct applet applet_verify = {
    .name = "verify",
    .summary = "check a database, or evidence from one, against the authority's key",
    .synopsis =
        "--authority authority.pub [--json] licences.db\n"
        "--authority authority.pub --evidence FILE [--json] [RECORD | --number N | --document F]",
    .options = options,
    .description =
        "Checks everything: the header's signature, its structure, the SHA-256 of each section, the\n"
        "zeros between sections, the order of the keys, every entry's attributes, the fan-out, the\n"
        "Merkle nodes and their root. Prints what the header says, or the first thing that is wrong.\n\n"
        "--evidence checks an answer that dlv client --evidence has written, without any database: what\n"
        "it proves is said in words, and the exit status is that of the answer: 0 for VALID, 1 for\n"
        "another verdict, 2 where the evidence proves nothing.",
    .needs_cryptography = true,
    .run = run,
};
