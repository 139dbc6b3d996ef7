#include "applet.h"
#include "audit_log.h"
#include "facts.h"
#include "json.h"
#include "progress.h"
#include "question.h"
#include "reply.h"

#include "base/bytes.h"
#include "base/date.h"
#include "base/file.h"
#include "base/format.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"
#include "db/evidence.h"
#include "db/receipt.h"
#include "record/classes.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct option_list authorities;
static const char *evidence_path, *receipt_path, *at_text, *number, *document, *lookup_key_path,
    *classes_text;
static const char *field_texts[FIELD_COUNT];
#ifdef WITH_AUDIT
static struct option_list log_keys;
static const char *audit_path, *checkpoint;
#endif
static bool is_json;
static uint64_t days_left;

static const struct option options[] = {
    OPTION_LIST("-a, --authority PUB", &authorities),
    OPTION_TEXT("-e, --evidence FILE", &evidence_path),
    OPTION_TEXT("--receipt FILE", &receipt_path),
    OPTION_TEXT("--at TIME", &at_text),
    OPTION_TEXT("-n, --number N", &number),
    OPTION_TEXT("--name NAME", &field_texts[FIELD_NAME]),
    OPTION_TEXT("--phone PHONE", &field_texts[FIELD_PHONE]),
    OPTION_TEXT("--birth-date DATE", &field_texts[FIELD_BIRTH_DATE]),
    OPTION_TEXT("--card CARD", &field_texts[FIELD_CARD]),
    OPTION_TEXT("--class CLASSES", &classes_text),
    OPTION_TEXT("--document FILE", &document),
    OPTION_TEXT("--lookup-key FILE", &lookup_key_path),
    OPTION_COUNT("--days-left DAYS", &days_left, 0, 36525, 0, "days"),
#ifdef WITH_AUDIT
    OPTION_TEXT("--audit DIR", &audit_path),
    OPTION_LIST("-k, --key PUB", &log_keys),
    OPTION_TEXT("--checkpoint LINE", &checkpoint),
#endif
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

/* 1 where the database has run out, or does within the days that are asked for. */
static int judge_age(const struct release_facts *facts) {
    int64_t left_s = facts->valid_until_s - (int64_t)time(NULL);
    bool is_short = facts->valid_until_s != 0 && left_s < (int64_t)days_left * 86400;
    return is_short ? EXIT_NOT_VALID : EXIT_OK;
}

static int verify_database(const char *path, const struct key_set *keys) {
    struct db db;
    struct error error;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    trouble_end_with_file(path);
    if (db_open(&db, path, keys, &error) != 0)
        return trouble("%s", error.text);
    int code = db_verify(&db, parallel_processors(), path, progress_show, &error);
    int status = EXIT_OK;
    if (code == 0) {
        rsa_fingerprint_of_id(db.header.facts.authority_id, fingerprint);
        print_facts(path, &db.header, fingerprint, FACTS_VERIFIED, is_json);
        status = judge_age(&db.header.facts);
    }
    db_close(&db);
    if (code != 0)
        return trouble("%s", error.text);
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}

/* --- evidence --------------------------------------------------------------------------------- */

/* The file with the evidence; NULL: none is given. */
static const char *file_path(void) {
    return receipt_path != NULL ? receipt_path : evidence_path;
}

/* What a receipt says. */
static struct receipt_lines receipt;
static struct certificate certificate;

/* Reads the file: evidence, or a receipt with its evidence. 0 or ERR_FORMAT. */
static int read_file(struct evidence *evidence, const char *text, size_t len, struct error *error) {
    if (receipt_path != NULL)
        return receipt_file_read(evidence, &receipt, text, len, error);
    if (len > strlen(RECEIPT_MARK) && memcmp(text, RECEIPT_MARK, strlen(RECEIPT_MARK)) == 0)
        return error_set(error, ERR_FORMAT, "is a receipt: give it as --receipt");
    return evidence_read(evidence, text, len, error);
}

/* Checks who has signed the receipt, and that it is of the release that the evidence is from. */
static int check_receipt(const struct key_set *keys, const struct db_header *header,
                         struct error *error) {
    if (memcmp(receipt.receipt.release_id, header->id, SHA256_LEN) != 0)
        return error_set(error, ERR_CONFLICT,
                         "the server had another release than the evidence is from");
    if (receipt.receipt.time_ms / 1000 < header->facts.created_s - RECEIPT_SKEW_S)
        return error_set(error, ERR_CONFLICT,
                         "the receipt is of a time before the release was made");
    return receipt_check(&receipt.receipt, keys, &certificate, error);
}

static void print_receipt(const struct receipt_facts *facts, int32_t offset_s) {
    char from[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE];
    time_format(from, certificate.from_s, offset_s);
    time_format(until, certificate.until_s, offset_s);
    print(
        "The receipt key %s,\nwhich the authority %s\nhas certified from %s to %s, has signed that\n"
        "%s%s%s%s%s has asked so at %s, while the server had this release.\n",
        facts->key, facts->issuer, from, until,
        facts->kiosk != NULL ? "kiosk " : "somebody who is no kiosk",
        facts->kiosk != NULL ? facts->kiosk : "",
        facts->officer != NULL ? ", for the officer \"" : "",
        facts->officer != NULL ? facts->officer : "", facts->officer != NULL ? "\"," : "",
        facts->time);
}

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
                         const struct moment *at, const char *fingerprint,
                         const struct receipt_facts *receipt_facts) {
    const struct release_facts *facts = &result->header.facts;
    char created[TIME_TEXT_SIZE], until[TIME_TEXT_SIZE] = "", claimed[TIME_TEXT_SIZE], source[160],
                                  digest[2 * SHA256_LEN + 1];
    bool has_number = evidence->inquired.kind == ASK_NUMBER;
    struct reply reply = {.kind = evidence->inquired.kind,
                          .number = has_number ? &evidence->number : NULL,
                          .classes = evidence->classes,
                          .class_count = evidence->class_count,
                          .answer = result->answer,
                          .terms = &result->terms,
                          .outcome = result->outcome,
                          .day = moment_day(at, facts->utc_offset_s),
                          .release = facts,
                          .now_s = receipt_facts != NULL ? at->unix_s : time(NULL),
                          .receipt = receipt_facts,
                          .source = source};
    format_text(source, sizeof source, "evidence, %s#%llu", facts->name,
                (unsigned long long)facts->sequence);
    if (!is_json) {
        time_format(created, facts->created_s, facts->utc_offset_s);
        if (facts->valid_until_s != 0)
            time_format(until, facts->valid_until_s, facts->utc_offset_s);
        moment_format(claimed, &evidence->at, facts->utc_offset_s);
        hex_encode(digest, evidence->inquired.digest, SHA256_LEN);
        print("The authority %s\nhas signed, in release %llu of \"%s\", made %s%s%s, that\n",
              fingerprint, (unsigned long long)facts->sequence, facts->name, created,
              *until != '\0' ? ", valid until " : "", until);
        if (has_number)
            print("number %.*s is %s.\n", (int)evidence->number.len, evidence->number.text,
                  result->answer.is_found ? "on file" : "absent");
        else
            print("the %s with the digest %s is %s.\n", ask_kind_name(evidence->inquired.kind),
                  digest, result->answer.is_found ? "on file" : "absent");
        if (receipt_facts != NULL)
            print_receipt(receipt_facts, facts->utc_offset_s);
        else
            print("The file says, without proof, that it was asked about %s.\n", claimed);
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
        return trouble("%s: is about other classes", file_path());
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
        return trouble("%s: is about another question", file_path());
    for (unsigned i = 0; i < item.form_count; i++) {
        bool is_there = false;
        for (unsigned e = 0; e < evidence->inquired.form_count; e++)
            is_there |=
                memcmp(&item.forms[i], &evidence->inquired.forms[e], sizeof item.forms[i]) == 0;
        if (!is_there)
            return trouble("%s: is about another question (the %s)", file_path(),
                           field_name(item.forms[i].field));
    }
    return EXIT_OK;
}

/* What is to be said of the receipt. */
static void tell_receipt(struct receipt_facts *facts, int32_t offset_s) {
    static char time[TIME_TEXT_SIZE], kiosk[2 * RECEIPT_KIOSK_LEN + 1], key[RSA_FINGERPRINT_SIZE],
        issuer[RSA_FINGERPRINT_SIZE];
    time_format(time, receipt.receipt.time_ms / 1000, offset_s);
    hex_encode(kiosk, receipt.receipt.kiosk, RECEIPT_KIOSK_LEN);
    rsa_fingerprint(&certificate.key, key);
    facts->time = time;
    facts->kiosk = bytes_are_zero(receipt.receipt.kiosk, RECEIPT_KIOSK_LEN) ? NULL : kiosk;
    facts->officer = receipt.officer[0] != '\0' ? receipt.officer : NULL;
    facts->key = key;
    rsa_fingerprint_of_id(certificate.issuer_id, issuer);
    facts->issuer = issuer;
}

static int verify_evidence(const struct key_set *keys, int operand_count, char **operands) {
    static struct evidence evidence;
    static struct evidence_result result;
    static struct lookup_key lookup_key;
    static char text[EVIDENCE_MAX + RECEIPT_LINES_MAX];
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct moment at = {.unix_s = time(NULL)};
    struct receipt_facts facts;
    struct error error;
    if (query_take_moment(at_text, &at) != EXIT_OK)
        return EXIT_TROUBLE;
    ssize_t len = file_read(file_path(), text, sizeof text, &error);
    if (len < 0)
        return trouble("%s", error.text);
    if (lookup_key_path != NULL && lookup_key_load(&lookup_key, lookup_key_path, &error) != 0)
        return trouble("%s", error.text);
    int code = read_file(&evidence, text, (size_t)len, &error);
    if (receipt_path != NULL)
        at.unix_s = receipt.receipt.time_ms / 1000;
    if (code == 0)
        code = evidence_check(&evidence, keys, lookup_key_path ? &lookup_key : NULL, &at, &result,
                              &error);
    if (code == 0 && receipt_path != NULL)
        code = check_receipt(keys, &result.header, &error);
    if (code != 0)
        return trouble("%s: %s", file_path(), error.text);
    if (check_question(&evidence, &result.header.facts, operand_count, operands) != EXIT_OK)
        return EXIT_TROUBLE;
    rsa_fingerprint_of_id(result.header.facts.authority_id, fingerprint);
    judge_absence(&evidence, &result);
    if (receipt_path != NULL)
        tell_receipt(&facts, result.header.facts.utc_offset_s);
    print_result(&evidence, &result, &at, fingerprint, receipt_path != NULL ? &facts : NULL);
    if (finish_output() != EXIT_OK)
        return EXIT_TROUBLE;
    return result.outcome.verdict == VERDICT_VALID         ? EXIT_OK
           : result.outcome.verdict == VERDICT_NOT_COVERED ? EXIT_TROUBLE
                                                           : EXIT_NOT_VALID;
}

#ifdef WITH_AUDIT
static int verify_audit(int operand_count) {
    static struct key_set keys;
    struct error error;
    if (audit_path == NULL || log_keys.count == 0)
        return usage_error("--audit and --key, the log's public key, go together");
    if (operand_count > 0 || authorities.count > 0 || file_path() != NULL)
        return usage_error("--audit is about a log alone");
    return key_set_load(&keys, log_keys.items, log_keys.count, 2048, &error) == 0
               ? audit_verify(audit_path, &keys, checkpoint, is_json)
               : trouble("%s", error.text);
}
#endif

static int run_verify(int operand_count, char **operands) {
    static struct key_set keys;
    struct error error;
#ifdef WITH_AUDIT
    if (audit_path != NULL || log_keys.count > 0 || checkpoint != NULL)
        return verify_audit(operand_count);
#endif
    if (authorities.count == 0)
        return usage_error("--authority is needed");
    bool has_fields = false;
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++)
        has_fields |= field_texts[field] != NULL;
    if (receipt_path != NULL && (evidence_path != NULL || at_text != NULL))
        return usage_error("--receipt holds its evidence and its time: no --evidence, and no --at");
    if (file_path() == NULL && (number != NULL || document != NULL || lookup_key_path != NULL ||
                                classes_text != NULL || at_text != NULL || has_fields))
        return usage_error("a question, --at and --lookup-key belong to --evidence or --receipt");
    if (has_fields && number == NULL)
        return usage_error("--name, --phone, --birth-date and --card go with --number");
    if (file_path() == NULL && operand_count != 1)
        return usage_error("one database is needed");
    if ((number != NULL) + (document != NULL) + (operand_count > 0) > 1)
        return usage_error("one question at most: RECORD, --number or --document");
    if (key_set_load(&keys, authorities.items, authorities.count, 2048, &error) != 0)
        return trouble("%s", error.text);
    return file_path() != NULL ? verify_evidence(&keys, operand_count, operands)
                               : verify_database(operands[0], &keys);
}

const struct applet applet_verify = {
    .name = "verify",
    .summary =
        "check a database, evidence from one, or an audit log, against the key that signs it",
    .user = FOR_AUDITORS,
    .options = options,
    .needs_cryptography = true,
    .run = run_verify,
};
