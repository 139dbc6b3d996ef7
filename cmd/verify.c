#include "applet.h"
#include "json.h"
#include "question.h"
#include "reply.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"
#include "db/evidence.h"
#include "record/classes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *authority, *evidence_path, *number, *document, *lookup_key_path, *classes_text;
static const char *field_texts[FIELD_COUNT];
static bool is_json;

static const struct option options[] = {
    OPTION_TEXT("-a, --authority PUB", &authority, "the authority's public key"),
    OPTION_TEXT("-e, --evidence FILE", &evidence_path, "check an evidence file instead"),
    OPTION_TEXT("-n, --number N", &number, "check that it is about this licence number"),
    OPTION_TEXT("--name NAME", &field_texts[FIELD_NAME], "and that this name was compared, ..."),
    OPTION_TEXT("--phone PHONE", &field_texts[FIELD_PHONE], "... this phone number, ..."),
    OPTION_TEXT("--birth-date DATE", &field_texts[FIELD_BIRTH_DATE], "... this birth date, ..."),
    OPTION_TEXT("--card CARD", &field_texts[FIELD_CARD], "... or this card"),
    OPTION_TEXT("--class CLASSES", &classes_text, "and that it is about driving these classes"),
    OPTION_TEXT("--document FILE", &document, "check that it is about this document"),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path,
                "the lookup key, where the evidence is from a keyed database"),
    OPTION_FLAG("-j, --json", &is_json, "print one object instead of lines"),
    OPTIONS_END,
};

/* The header as text, for both ways of printing it. */
struct facts_text {
    char created[TIME_TEXT_SIZE];
    char until[TIME_TEXT_SIZE];
    char history[DATE_TEXT_SIZE];
    char root[2 * DB_NODE_LEN + 1];
    char id[2 * SHA256_LEN + 1];
    char predecessor[2 * SHA256_LEN + 1];
    char lookup_key[2 * SHA256_LEN + 1];
    char fields[64];
};

static void format_facts(struct facts_text *text, const struct db_header *header) {
    const struct release_facts *facts = &header->facts;
    size_t len = 0;
    time_format(text->created, facts->created_s, facts->utc_offset_s);
    time_format(text->until, facts->valid_until_s, facts->utc_offset_s);
    day_format(text->history, facts->history_since);
    hex_encode(text->root, header->merkle_root, DB_NODE_LEN);
    hex_encode(text->id, header->id, SHA256_LEN);
    hex_encode(text->predecessor, facts->predecessor_id, SHA256_LEN);
    hex_encode(text->lookup_key, header->lookup_key_id, SHA256_LEN);
    text->fields[0] = '\0';
    for (unsigned i = 0; i < facts->fields.count; i++)
        len += format_text(text->fields + len, sizeof text->fields - len, "%s%s", i > 0 ? "," : "",
                           field_name(facts->fields.fields[i]));
}

static void print_facts_json(const char *path, const struct db_header *header,
                             const struct facts_text *text, const char *fingerprint) {
    const struct release_facts *facts = &header->facts;
    bool has_history = facts->history_since != DAY_NO_START;
    json_begin();
    json_text("file", path);
    json_bool("verified", 1);
    json_number("format", DB_VERSION);
    json_text("name", facts->name);
    json_bool("test", facts->is_test);
    json_text("id", text->id);
    json_text("predecessor",
              bytes_are_zero(facts->predecessor_id, SHA256_LEN) ? NULL : text->predecessor);
    json_number("entries", (long long)header->count);
    json_number("class_sets", (long long)header->set_count);
    json_number("sequence", (long long)facts->sequence);
    json_text("created", text->created);
    json_text("valid_until", facts->valid_until_s != 0 ? text->until : NULL);
    json_bool("past_valid_until", release_is_stale(facts, time(NULL)));
    json_number("utc_offset_minutes", facts->utc_offset_s / 60);
    json_text("history_since", has_history ? text->history : NULL);
    json_list("covers", facts->coverage, ',');
    json_list("number_patterns", facts->patterns, ',');
    json_list("fields", text->fields, ',');
    json_text("calling_code", facts->rules.calling_code);
    json_bool("legacy", facts->has_legacy);
    json_bool("keyed", header->is_keyed);
    json_text("lookup_key_id", header->is_keyed ? text->lookup_key : NULL);
    json_text("authority", fingerprint);
    json_text("merkle_root", text->root);
    json_end();
}

static void print_facts(const char *path, const struct db_header *header, const char *fingerprint) {
    const struct release_facts *facts = &header->facts;
    struct facts_text text;
    format_facts(&text, header);
    if (is_json) {
        print_facts_json(path, header, &text, fingerprint);
        return;
    }
    print("%s: verified\n", path);
    print("format       %d\n", DB_VERSION);
    print("name         %s%s\n", facts->name, facts->is_test ? " (TEST DATA)" : "");
    print("entries      %llu\n", (unsigned long long)header->count);
    print("sequence     %llu\n", (unsigned long long)facts->sequence);
    print("created      %s\n", text.created);
    print("valid until  %s%s\n", facts->valid_until_s != 0 ? text.until : "no limit",
          release_is_stale(facts, time(NULL)) ? " (past: servers and clients refuse it)" : "");
    if (facts->history_since != DAY_NO_START)
        print("history      since %s\n", text.history);
    print("covers       %s\n", facts->coverage[0] != '\0' ? facts->coverage : "any number");
    if (facts->patterns[0] != '\0')
        print("numbers      %s\n", facts->patterns);
    print("compares     %s\n", text.fields[0] != '\0' ? text.fields : "nothing but the number");
    print("class sets   %u\n", header->set_count);
    print("legacy       %s\n", facts->has_legacy ? "yes" : "no");
    print("keyed        %s\n", header->is_keyed ? text.lookup_key : "no");
    print("authority    %s\n", fingerprint);
    print("merkle root  %s\n", text.root);
    print("release      %s\n", text.id);
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

/* Where nothing is found, the number itself tells whether the register would know it. */
static void judge_absence(const struct evidence *evidence, struct evidence_result *result) {
    struct span form = {evidence->number.text, evidence->number.len};
    if (result->answer.is_found || evidence->inquired.kind != ASK_NUMBER)
        return;
    if (release_number_standing(&result->header.facts, form) != NUMBER_COVERED) {
        result->outcome.verdict = result->outcome.standing = VERDICT_NOT_COVERED;
        result->outcome.silence = SILENCE_NUMBER;
    }
}

static void print_result(const struct evidence *evidence, struct evidence_result *result,
                         const char *fingerprint) {
    const struct release_facts *facts = &result->header.facts;
    char created[TIME_TEXT_SIZE], source[160], digest[2 * SHA256_LEN + 1];
    bool has_number = evidence->inquired.kind == ASK_NUMBER;
    struct reply reply = {.kind = evidence->inquired.kind,
                          .number = has_number ? &evidence->number : NULL,
                          .classes = evidence->classes,
                          .class_count = evidence->class_count,
                          .answer = result->answer,
                          .terms = &result->terms,
                          .outcome = result->outcome,
                          .day = moment_day(&evidence->at, facts->utc_offset_s),
                          .release = facts,
                          .now_s = time(NULL),
                          .source = source};
    format_text(source, sizeof source, "evidence, %s#%llu", facts->name,
                (unsigned long long)facts->sequence);
    if (!is_json) {
        time_format(created, facts->created_s, facts->utc_offset_s);
        hex_encode(digest, evidence->inquired.digest, SHA256_LEN);
        print("The authority %s\nhas signed, in release %llu of \"%s\", made %s, that\n",
              fingerprint, (unsigned long long)facts->sequence, facts->name, created);
        if (has_number)
            print("number %.*s is %s.\n", (int)evidence->number.len, evidence->number.text,
                  result->answer.is_found ? "on file" : "absent");
        else
            print("the %s with the digest %s is %s.\n", ask_kind_name(evidence->inquired.kind),
                  digest, result->answer.is_found ? "on file" : "absent");
    }
    reply_print(&reply, is_json);
}

/* Whether the evidence is about the classes on the command line, where there are some. */
static int check_classes(const struct evidence *evidence) {
    struct span classes[EVIDENCE_CLASSES_MAX];
    unsigned count, same = 0;
    if (query_take_classes(classes_text, classes, &count) != EXIT_OK)
        return EXIT_TROUBLE;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned e = 0; e < evidence->class_count; e++)
            same += span_compare(classes[i], evidence->classes[e]) == 0;
    }
    if (classes_text != NULL && (same != count || count != evidence->class_count))
        return trouble("%s: is about other classes", evidence_path);
    return EXIT_OK;
}

/* Whether the evidence is about the question on the command line, where there is one. */
static int check_question(const struct evidence *evidence, const struct release_facts *facts,
                          int operand_count, char **operands) {
    static char words[QUERY_TEXT_MAX + 1];
    struct query query = {.kind = ASK_NUMBER};
    struct inquired item;
    size_t len = 0;
    if (check_classes(evidence) != EXIT_OK)
        return EXIT_TROUBLE;
    if (number == NULL && document == NULL && operand_count == 0)
        return EXIT_OK;
    for (int i = 0; i < operand_count && len < sizeof words; i++)
        len += format_text(words + len, sizeof words - len, "%s%s", i > 0 ? " " : "", operands[i]);
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        if (field_texts[field] != NULL)
            query.fields[field] = (struct span){field_texts[field], strlen(field_texts[field])};
    }
    if (number != NULL)
        query.number = (struct span){number, strlen(number)};
    else if (document == NULL)
        query_take_record(&query, (struct span){words, strlen(words)});
    else if (query_take_document(&query, document) != EXIT_OK)
        return EXIT_TROUBLE;
    if (!query_form(&query, facts, &item))
        return trouble("%s", query.reason);
    if (item.kind != evidence->inquired.kind ||
        memcmp(item.digest, evidence->inquired.digest, SHA256_LEN) != 0)
        return trouble("%s: is about another question", evidence_path);
    for (unsigned i = 0; i < item.form_count; i++) {
        bool is_there = false;
        for (unsigned e = 0; e < evidence->inquired.form_count; e++)
            is_there |=
                memcmp(&item.forms[i], &evidence->inquired.forms[e], sizeof item.forms[i]) == 0;
        if (!is_there)
            return trouble("%s: is about another question (the %s)", evidence_path,
                           field_name(item.forms[i].field));
    }
    return EXIT_OK;
}

static int verify_evidence(const struct rsa_public *key, int operand_count, char **operands) {
    static struct evidence evidence;
    static struct evidence_result result;
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
        evidence_check(&evidence, key, lookup_key_path ? &lookup_key : NULL, time(NULL), &result,
                       &error) != 0)
        return trouble("%s: %s", evidence_path, error.text);
    if (check_question(&evidence, &result.header.facts, operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    rsa_fingerprint(key, fingerprint);
    judge_absence(&evidence, &result);
    print_result(&evidence, &result, fingerprint);
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return result.outcome.verdict == VERDICT_VALID         ? EXIT_OK
           : result.outcome.verdict == VERDICT_NOT_COVERED ? EXIT_TROUBLE
                                                           : EXIT_NOT_VALID;
}

static int run_verify(int operand_count, char **operands) {
    struct rsa_public key;
    struct error error;
    if (authority == NULL)
        return usage_error("--authority is needed");
    bool has_fields = false;
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++)
        has_fields |= field_texts[field] != NULL;
    if (evidence_path == NULL && (number != NULL || document != NULL || lookup_key_path != NULL ||
                                  classes_text != NULL || has_fields))
        return usage_error("a question and --lookup-key belong to --evidence");
    if (has_fields && number == NULL)
        return usage_error("--name, --phone, --birth-date and --card go with --number");
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
        "--authority authority.pub --evidence FILE [--json] [RECORD | --number N [--name NAME ...] | --document F]",
    .options = options,
    .description =
        "Checks everything: the header's signature, its structure, the SHA-256 of each chunk, the zeros\n"
        "between sections, the order of the keys, every entry's terms, the dictionary, the fan-out, the\n"
        "Merkle nodes and their root. Prints what the header says, or the first thing that is wrong.\n\n"
        "--evidence checks an answer that dlv client --evidence has written. No database is needed. It\n"
        "says in words what the evidence proves. The exit status is that of the answer: 0 for VALID and\n"
        "1 for another verdict. It is 2 where the evidence proves nothing.",
    .needs_cryptography = true,
    .run = run_verify,
};
