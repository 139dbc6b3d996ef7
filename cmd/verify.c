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
    OPTION_TEXT("-a, --authority PUB", &authority, "the authority's public key"),
    OPTION_TEXT("-e, --evidence FILE", &evidence_path, "check an evidence file instead"),
    OPTION_TEXT("-n, --number N", &number, "check that it is about this licence number"),
    OPTION_TEXT("--document FILE", &document, "check that it is about this document"),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path,
                "the lookup key, where the evidence is from a keyed database"),
    OPTION_FLAG("-j, --json", &is_json, "print one object instead of lines"),
    OPTIONS_END,
};

static void print_facts(const char *path, const struct db_header *header, const char *fingerprint) {
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE], root[2 * DB_NODE_LEN + 1],
        lookup_key[2 * SHA256_LEN + 1], classes[CLASSES_TEXT_SIZE];
    bool is_keyed = (header->flags & DB_FLAG_KEYED) != 0;
    const struct release_facts *facts = &header->facts;
    bool has_limit = facts->valid_until_s != 0;
    time_format(created, facts->created_s, facts->utc_offset_s);
    time_format(until, facts->valid_until_s, facts->utc_offset_s);
    hex_encode(root, header->merkle_root, DB_NODE_LEN);
    hex_encode(lookup_key, header->lookup_key_id, SHA256_LEN);
    classes_format(classes, &facts->class_names, 0xFFFF, ',');
    bool is_past = release_is_stale(facts, time(NULL));

    if (is_json) {
        json_begin();
        json_text("file", path);
        json_bool("verified", 1);
        json_number("format", DB_VERSION);
        json_number("entries", (long long)header->count);
        json_number("sequence", (long long)facts->sequence);
        json_text("created", created);
        json_text("valid_until", has_limit ? until : NULL);
        json_bool("past_valid_until", is_past);
        json_number("utc_offset_minutes", facts->utc_offset_s / 60);
        json_bool("keyed", is_keyed);
        json_text("lookup_key_id", is_keyed ? lookup_key : NULL);
        json_text("authority", fingerprint);
        json_text("merkle_root", root);
        json_list("classes", classes, ',');
        json_end();
        return;
    }
    print("%s: verified\n", path);
    print("format       %d\n", DB_VERSION);
    print("entries      %llu\n", (unsigned long long)header->count);
    print("sequence     %llu\n", (unsigned long long)facts->sequence);
    print("created      %s\n", created);
    print("valid until  %s%s\n", has_limit ? until : "no limit",
          is_past ? " (past: servers and clients refuse it)" : "");
    print("keyed        %s\n", is_keyed ? lookup_key : "no");
    print("authority    %s\n", fingerprint);
    print("merkle root  %s\n", root);
    print("classes      %s\n", classes);
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
    struct db_answer answer;
};

/* A finding as text, for both ways of printing it. */
struct finding_text {
    char digest[2 * SHA256_LEN + 1];
    char at[TIME_TEXT_SIZE];
    char created[TIME_TEXT_SIZE];
    char from[DATE_TEXT_SIZE];
    char to[DATE_TEXT_SIZE];
    char classes[CLASSES_TEXT_SIZE];
};

static void format_finding(struct finding_text *text, const struct evidence *evidence,
                           const struct finding *finding) {
    const struct release_facts *facts = &finding->header.facts;
    const struct licence *licence = &finding->answer.licence;
    hex_encode(text->digest, evidence->digest, SHA256_LEN);
    moment_format(text->at, &evidence->at, facts->utc_offset_s);
    time_format(text->created, facts->created_s, facts->utc_offset_s);
    date_format(text->from, licence->valid_from);
    date_format(text->to, licence->valid_to);
    classes_format(text->classes, &facts->class_names, licence->classes, ' ');
}

static void print_finding_json(const struct evidence *evidence, const struct finding *finding,
                               const char *fingerprint) {
    const struct db_answer *answer = &finding->answer;
    struct finding_text text;
    format_finding(&text, evidence, finding);
    json_begin();
    json_text("verdict", verdict_name(answer->verdict));
    json_text("proves", answer->is_found ? "presence" : "absence");
    json_text("kind", kind_name((uint8_t)evidence->kind));
    json_text("digest", text.digest);
    json_text("status", answer->is_found ? status_name(answer->licence.status) : NULL);
    json_text("valid_from", answer->is_found ? text.from : NULL);
    json_text("valid_to", answer->is_found ? text.to : NULL);
    json_list("classes", answer->is_found ? text.classes : NULL, ' ');
    json_text("at", text.at);
    json_number("db_sequence", (long long)finding->header.facts.sequence);
    json_text("db_created", text.created);
    json_text("authority", fingerprint);
    json_end();
}

static void print_finding(const struct evidence *evidence, const struct finding *finding,
                          const char *fingerprint) {
    const struct db_answer *answer = &finding->answer;
    const char *kind = kind_name((uint8_t)evidence->kind);
    struct finding_text text;
    format_finding(&text, evidence, finding);
    print("%s\n", verdict_name(answer->verdict));
    print("The authority %s has signed release %llu of %s,\n", fingerprint,
          (unsigned long long)finding->header.facts.sequence, text.created);
    if (answer->is_found)
        print("which holds the %s with the digest %s\n"
              "as %s, from %s to %s%s%s.\n",
              kind, text.digest, status_name(answer->licence.status), text.from, text.to,
              text.classes[0] != '\0' ? ", classes " : "", text.classes);
    else
        print("which holds no %s with the digest %s.\n", kind, text.digest);
    print("So the answer at %s is %s.\n", text.at, verdict_name(answer->verdict));
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
                       &finding.answer, &error) != 0)
        return trouble("%s: %s", evidence_path, error.text);
    if (check_question(&evidence, operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    rsa_fingerprint(key, fingerprint);
    (is_json ? print_finding_json : print_finding)(&evidence, &finding, fingerprint);
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return finding.answer.verdict == VERDICT_VALID ? EXIT_OK : EXIT_NOT_VALID;
}

static int run_verify(int operand_count, char **operands) {
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
        "--evidence checks an answer that dlv client --evidence has written. No database is needed. It\n"
        "says in words what the evidence proves. The exit status is that of the answer: 0 for VALID and\n"
        "1 for another verdict. It is 2 where the evidence proves nothing.",
    .needs_cryptography = true,
    .run = run_verify,
};
