#include "client/trust.h"

#include "client/state.h"

#include <stdlib.h>
#include <string.h>

void trust_init(struct trust *trust, const struct trust_policy *policy) {
    memset(trust, 0, sizeof *trust);
    trust->policy = *policy;
}

/* Reasons below do not name who gave the answer; trust_answer puts that before them. */

/* Whether the answer is one to this question, and its verdicts follow from its own entries. */
static int check_consistency(const struct question *question, const struct answer *answer,
                             struct error *error) {
    if (answer->status == ANSWER_MALFORMED || answer->status == ANSWER_TOO_LONG)
        return error_set(error, ERR_FORMAT, "it does not take this question");
    bool is_consistent =
        answer->count == question->count && (answer->brings & question->wishes) == question->wishes;
    uint32_t day = moment_day(&question->at, answer->facts.utc_offset_s);
    for (unsigned i = 0; i < answer->count && is_consistent; i++) {
        const struct db_answer *entry = &answer->entries[i];
        const struct db_answer derived =
            entry->is_found ? db_answer_found(&entry->licence, day) : db_answer_none();
        bool is_kind =
            !entry->is_found || question->kind == KIND_ANY || entry->licence.kind == question->kind;
        is_consistent = is_kind && db_answer_is_same(entry, &derived);
    }
    return is_consistent ? 0 : error_set(error, ERR_FORMAT, "an answer that contradicts itself");
}

/* Where two clocks are too far apart, one of them is wrong. What another server's clock says, or
 * the date of the database, tells which. */
static int check_clock(struct trust *trust, const char *who, const struct answer *answer,
                       int64_t now_s, struct error *error) {
    int64_t max_s = trust->policy.max_skew_s, skew_s = answer->server_time_s - now_s;
    if (skew_s <= max_s && -skew_s <= max_s)
        return 0;
    const char *verdict = "one of the two is wrong";
    if (trust->skewed[0] != '\0' && strcmp(trust->skewed, who) != 0 &&
        llabs(trust->skew_s - skew_s) <= max_s)
        verdict = "another server's clock agrees with its: this machine's looks wrong";
    else if (now_s < answer->facts.created_s - max_s)
        verdict = "this machine's is behind the database's date: it looks wrong";
    else if (answer->server_time_s < answer->facts.created_s - max_s)
        verdict = "the server's is behind the database's date: it looks wrong";
    if (trust->skewed[0] == '\0') {
        trust->skew_s = skew_s;
        strncpy(trust->skewed, who, sizeof trust->skewed - 1);
    }
    return error_set(error, ERR_CONFLICT, "its clock is %lld seconds %s this machine's; %s",
                     llabs((long long)skew_s), skew_s > 0 ? "ahead of" : "behind", verdict);
}

/* Verifies the header page under the authority's key, unless it is the one that was verified
 * last. */
static int check_header(struct trust *trust, const uint8_t *page, struct error *error) {
    struct db_header *header = &trust->header;
    if (trust->has_header && memcmp(trust->page, page, DB_PAGE) == 0)
        return 0;
    trust->has_header = false;
    memcpy(trust->page, page, DB_PAGE);
    int code = db_header_decode(header, trust->page, error);
    if (code == 0)
        code = db_header_verify(header, trust->page, trust->policy.authority, error);
    if (code == 0)
        code = db_check_lookup_key(header, trust->policy.lookup_key, "its database", error);
    trust->has_header = code == 0;
    return code;
}

static bool is_same_release(const struct release_facts *a, const struct release_facts *b) {
    return a->sequence == b->sequence && a->valid_until_s == b->valid_until_s &&
           a->created_s == b->created_s && a->utc_offset_s == b->utc_offset_s &&
           memcmp(&a->class_names, &b->class_names, sizeof a->class_names) == 0 &&
           memcmp(a->authority_id, b->authority_id, SHA256_LEN) == 0;
}

/* Whether the header that the authority has signed proves every entry. */
static int check_proofs(struct trust *trust, const struct question *question,
                        const struct answer *answer, struct error *error) {
    const unsigned wanted = WISH_INFO | WISH_PROOF;
    if ((answer->brings & wanted) != wanted)
        return error_set(error, ERR_SIGNATURE, "an answer without proof");
    int code = check_header(trust, answer->header_page, error);
    if (code != 0)
        return code;
    const struct db_header *header = &trust->header;
    if (!is_same_release(&header->facts, &answer->facts))
        return error_set(error, ERR_CONFLICT, "its answer and the header it proves it by differ");
    uint32_t day = moment_day(&question->at, header->facts.utc_offset_s);
    for (unsigned i = 0; i < answer->count; i++) {
        struct db_answer proved;
        code = proof_answer(header, trust->policy.lookup_key, question->digests + i * SHA256_LEN,
                            question->kind, day, &answer->proofs[i], &proved, error);
        if (code != 0)
            return code;
        if (!db_answer_is_same(&proved, &answer->entries[i]))
            return error_set(error, ERR_SIGNATURE, "its answer is not what its proof proves");
    }
    return 0;
}

/* A release that is older than one seen before is not believed. */
static int check_sequence(struct trust *trust, const struct answer *answer, struct error *error) {
    const struct release_facts *facts = &answer->facts;
    if (facts->sequence < trust->sequence_seen)
        return error_set(error, ERR_CONFLICT,
                         "its database has sequence number %llu, but %llu has been seen before",
                         (unsigned long long)facts->sequence,
                         (unsigned long long)trust->sequence_seen);
    if (trust->policy.state_folder != NULL && answer->brings & WISH_INFO) {
        int code = client_state_check(trust->policy.state_folder, facts->authority_id,
                                      facts->sequence, error);
        if (code != 0)
            return code;
    }
    trust->sequence_seen = facts->sequence;
    return 0;
}

static int check_age(const struct trust *trust, const char *name, const struct release_facts *facts,
                     int64_t now_s, struct error *error) {
    return release_check_age(facts, name, now_s - trust->policy.stale_ok_s, error);
}

int trust_release(const struct trust *trust, const char *who, const struct release_facts *facts,
                  int64_t now_s, struct error *error) {
    return check_age(trust, who, facts, now_s, error);
}

int trust_answer(struct trust *trust, const char *who, const struct question *question,
                 const struct answer *answer, int64_t now_s, struct error *error) {
    struct error reason;
    int code = check_consistency(question, answer, &reason);
    if (code == 0)
        code = check_clock(trust, who, answer, now_s, &reason);
    if (code == 0)
        code = check_age(trust, "its database", &answer->facts, now_s, &reason);
    if (code == 0 && trust->policy.authority != NULL)
        code = check_proofs(trust, question, answer, &reason);
    if (code == 0)
        code = check_sequence(trust, answer, &reason);
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", who, reason.text);
}
