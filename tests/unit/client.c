/* What a client believes: every demand of client/trust.h, each broken alone. */
#include "unit.h"

#include "client/trust.h"

#include <stdio.h>

enum { NOW = 1000000 };

static struct question question;
static struct answer answer;
static struct trust trust;

/* A question about one licence, and the answer that everything is right with. */
static void prepare(const struct trust_policy *policy) {
    const struct licence licence = {
        .status = STATUS_VALID, .kind = KIND_NUMBER, .valid_from = 1, .valid_to = 800000};
    memset(&question, 0, sizeof question);
    memset(&answer, 0, sizeof answer);
    question.count = 1;
    question.kind = KIND_NUMBER;
    question.at.unix_s = NOW;
    answer.facts.sequence = 5;
    answer.facts.created_s = NOW - 100;
    answer.server_time_s = NOW;
    answer.count = 1;
    answer.entries[0] = db_answer_found(&licence, moment_day(&question.at, 0));
    trust_init(&trust, policy);
}

static int decide(struct error *error) {
    return trust_answer(&trust, "the server", &question, &answer, NOW, error);
}

/* Refused, with a reason that begins with who gave the answer and says `why`. */
static void check_refused(const char *why) {
    struct error error;
    CHECK(decide(&error) < 0);
    CHECK(strncmp(error.text, "the server", 10) == 0);
    CHECK(strstr(error.text, why) != NULL);
    if (strstr(error.text, why) == NULL)
        printf("%s\n", error.text);
}

static void test_consistency(void) {
    const struct trust_policy policy = {.max_skew_s = 60};
    struct error error;
    prepare(&policy);
    CHECK(decide(&error) == 0);
    answer.status = ANSWER_MALFORMED;
    check_refused("does not take this question");
    answer.status = ANSWER_TOO_LONG;
    check_refused("does not take this question");
    answer.status = ANSWER_GOOD;
    answer.entries[0].verdict = VERDICT_REVOKED;
    check_refused("contradicts itself");
    prepare(&policy);
    answer.entries[0].is_found = false;
    check_refused("contradicts itself");
    prepare(&policy);
    question.kind = KIND_RECORD; /* the entry is a number's */
    check_refused("contradicts itself");
    question.kind = KIND_ANY;
    CHECK(decide(&error) == 0);
    answer.count = 0;
    check_refused("contradicts itself");
    answer.count = 2;
    answer.entries[1] = db_answer_none();
    check_refused("contradicts itself");
    question.count = 2;
    CHECK(decide(&error) == 0);
    answer.entries[1].verdict = VERDICT_VALID;
    check_refused("contradicts itself");
    prepare(&policy);
    question.wishes = WISH_INFO; /* not brought */
    check_refused("contradicts itself");
}

static void test_clock(void) {
    const struct trust_policy policy = {.max_skew_s = 60};
    struct error error;
    for (int skew = -61; skew <= 61; skew++) {
        prepare(&policy);
        answer.server_time_s = NOW + skew;
        CHECK((decide(&error) == 0) == (skew >= -60 && skew <= 60));
    }
    /* Another server's clock tells whose is wrong. */
    prepare(&policy);
    answer.server_time_s = NOW + 500;
    check_refused("500 seconds ahead of");
    CHECK(trust_answer(&trust, "another", &question, &answer, NOW, &error) < 0);
    CHECK(strstr(error.text, "another server's clock agrees") != NULL);
    prepare(&policy);
    answer.server_time_s = NOW - 500;
    check_refused("the server's is behind the database's date");
    prepare(&policy);
    answer.server_time_s = NOW + 500;
    answer.facts.created_s = NOW + 400;
    check_refused("this machine's is behind the database's date");
}

static void test_age_and_sequence(void) {
    const struct trust_policy policy = {.max_skew_s = 60, .stale_ok_s = 10};
    struct error error;
    for (int left = -12; left <= 0; left++) {
        prepare(&policy);
        answer.facts.valid_until_s = NOW + left;
        CHECK((decide(&error) == 0) == (left >= -10));
        CHECK((trust_release(&trust, "file", &answer.facts, NOW, &error) == 0) == (left >= -10));
    }
    prepare(&policy);
    CHECK(decide(&error) == 0);
    answer.facts.sequence = 4;
    check_refused("sequence number 4, but 5 has been seen");
    answer.facts.sequence = 5;
    CHECK(decide(&error) == 0);
    answer.facts.sequence = 6;
    CHECK(decide(&error) == 0);
    answer.facts.sequence = 5;
    check_refused("has been seen");
}

static void test_proof_demanded(void) {
    static struct rsa_public authority;
    const struct trust_policy policy = {.max_skew_s = 60, .authority = &authority};
    static uint8_t page[DB_PAGE];
    prepare(&policy);
    check_refused("without proof");
    answer.brings = WISH_PROOF;
    check_refused("without proof");
    answer.brings = WISH_INFO | WISH_PROOF;
    answer.header_page = page;
    check_refused("the server");
    CHECK(!trust.has_header);
}

int main(void) {
    test_consistency();
    test_clock();
    test_age_and_sequence();
    test_proof_demanded();
    return unit_end("client");
}
