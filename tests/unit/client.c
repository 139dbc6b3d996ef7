/* What a client believes: every demand of client/trust.h, each broken alone. */
#include "unit.h"

#include "base/bytes.h"
#include "client/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NOW = 1000000 };

static struct question question;
static struct answer answer;
static struct trust trust;
static struct known_release release;

/* A dictionary without sets. */
static const uint8_t dictionary[CLASS_SETS_EMPTY_LEN];

static uint32_t no_set(void *context, struct span text) {
    (void)context, (void)text;
    return 0;
}

/* A question about one licence, and the answer that everything is right with. */
static void prepare(const struct trust_policy *policy) {
    static struct terms terms;
    uint8_t further[FURTHER_MAX];
    memset(&question, 0, sizeof question);
    memset(&answer, 0, sizeof answer);
    memset(&release, 0, sizeof release);
    release.header.id[7] = 5;
    release.header.count = 1;
    release.header.facts = (struct release_facts){
        .sequence = 5, .created_s = NOW - 100, .name = "unit", .fields = {1, {FIELD_NAME}}};
    CHECK(class_sets_open(&release.sets, dictionary, sizeof dictionary, NULL) == 0);
    question.what = WHAT_ANSWERS;
    question.count = 1;
    question.items[0].kind = ASK_NUMBER;
    answer.server_time_s = NOW;
    answer.count = 1;
    memcpy(answer.release_id, release.header.id, SHA256_LEN);
    terms = (struct terms){
        .status = STATUS_VALID, .since = DAY_UNKNOWN, .until = DAY_NO_END, .group_count = 1};
    terms.groups[0] = (struct class_group){DAY_NO_START, DAY_NO_END, {"", 0}};
    answer.entries[0] = db_answer_none();
    answer.entries[0].is_found = true;
    CHECK(terms_write(answer.entries[0].terms, further, &terms, CODES_LEN, no_set, NULL) == 0);
    trust_init(&trust, policy);
}

static int decide(struct error *error) {
    return trust_answer(&trust, "the server", &release, &question, &answer, NOW, error);
}

/* Refused, with a reason that begins with who gave the answer and says `why`. */
static void check_refused(const char *why) {
    struct error error = {.text = "(believed)"};
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
    for (int status = ANSWER_MALFORMED; status <= ANSWER_OTHER_RELEASE; status++) {
        answer.status = (enum answer_status)status;
        check_refused("does not take this question");
    }
    answer.status = ANSWER_GOOD;
    answer.release_id[0] ^= 1;
    check_refused("contradicts itself");
    prepare(&policy);
    for (unsigned count = 0; count < 4; count++) {
        answer.count = count;
        CHECK((decide(&error) == 0) == (count == 1));
    }
    prepare(&policy);
    question.items[0].kind = ASK_DOCUMENT; /* the entry is a licence */
    check_refused("contradicts itself");
    answer.entries[0].kind = ENTRY_DOCUMENT;
    CHECK(decide(&error) == 0);
    prepare(&policy);
    answer.entries[0].terms[0] = 0; /* no status */
    check_refused("contradicts itself");
    prepare(&policy);
    answer.entries[0] = db_answer_none();
    CHECK(decide(&error) == 0);
}

/* What was not asked is not answered, and what is not kept is not compared. */
static void test_matches(void) {
    const struct trust_policy policy = {.max_skew_s = 60};
    struct error error;
    prepare(&policy);
    answer.entries[0].matches[FIELD_NAME] = FIELD_SAME;
    check_refused("contradicts itself");
    question.items[0].form_count = 1;
    question.items[0].forms[0].field = FIELD_NAME;
    for (unsigned match = FIELD_NOT_ASKED; match <= FIELD_NOT_KEPT; match++) {
        answer.entries[0].matches[FIELD_NAME] = (uint8_t)match;
        CHECK((decide(&error) == 0) == (match >= FIELD_SAME && match <= FIELD_NOT_ON_FILE));
    }
    answer.entries[0].matches[FIELD_NAME] = FIELD_DIFFERS;
    answer.entries[0].card_state = CARD_LOST; /* no card was given */
    check_refused("contradicts itself");
    prepare(&policy);
    question.items[0].form_count = 1;
    question.items[0].forms[0].field = FIELD_PHONE; /* not one that is kept */
    for (unsigned match = FIELD_NOT_ASKED; match <= FIELD_NOT_KEPT; match++) {
        answer.entries[0].matches[FIELD_PHONE] = (uint8_t)match;
        CHECK((decide(&error) == 0) == (match == FIELD_NOT_KEPT));
    }
}

static void test_clock(void) {
    const struct trust_policy policy = {.max_skew_s = 60};
    struct error error;
    /* However wrong our own clock is, the server's says what time it is. */
    prepare(&policy);
    answer.server_time_s = NOW + 100000000;
    CHECK(decide(&error) == 0);
    CHECK(trust_answer(&trust, "another", &release, &question, &answer, NOW, &error) == 0);
    /* But servers must agree. */
    for (int apart = -61; apart <= 61; apart++) {
        prepare(&policy);
        CHECK(decide(&error) == 0);
        answer.server_time_s = NOW + apart;
        int code = trust_answer(&trust, "another", &release, &question, &answer, NOW, &error);
        CHECK((code == 0) == (apart >= -60 && apart <= 60));
        CHECK(code == 0 || strstr(error.text, "that of the server") != NULL);
    }
    prepare(&policy);
    answer.server_time_s = NOW - 500;
    check_refused("behind the date of its own database");
}

/* Offline there is only this machine's clock. */
static void test_own_clock(void) {
    struct trust_policy policy = {.max_skew_s = 60};
    struct error error;
    for (int given = 0; given < 2; given++) {
        policy.is_moment_given = given == 1;
        for (int64_t now_s = NOW - 200; now_s <= NOW; now_s += 20) {
            prepare(&policy);
            int code = trust_release(&trust, "the file", &release, 0, now_s, &error);
            CHECK((code == 0) == (given == 1 || now_s + 60 >= NOW - 100));
        }
    }
}

static void test_age_and_sequence(void) {
    const struct trust_policy policy = {.max_skew_s = 60, .stale_ok_s = 10};
    struct error error;
    for (int left = -12; left <= 0; left++) {
        prepare(&policy);
        release.header.facts.valid_until_s = NOW + left;
        CHECK((decide(&error) == 0) == (left >= -10));
        CHECK((trust_release(&trust, "file", &release, 0, NOW, &error) == 0) == (left >= -10));
        CHECK((trust_release(&trust, "server", &release, NOW, NOW, &error) == 0) == (left >= -10));
    }
    prepare(&policy);
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == 0);
    release.header.facts.sequence = 4;
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == ERR_CONFLICT);
    CHECK(strstr(error.text, "sequence number 4, but 5 has been seen") != NULL);
    release.header.facts.sequence = 6;
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == 0);
    release.header.facts.sequence = 5;
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == ERR_CONFLICT);
}

static void test_name(void) {
    const struct trust_policy policy = {.max_skew_s = 60, .name = "gujarat"};
    struct error error;
    prepare(&policy);
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == ERR_CONFLICT);
    CHECK(strstr(error.text, "\"unit\", not \"gujarat\"") != NULL);
}

static void test_proof_demanded(void) {
    static const struct key_set authorities;
    const struct trust_policy policy = {
        .max_skew_s = 60, .authorities = &authorities, .is_proved = true};
    struct error error;
    prepare(&policy);
    check_refused("without proof");
    question.what = WHAT_PROOFS;
    check_refused("no entry");
    CHECK(trust_release(&trust, "server", &release, NOW, NOW, &error) == ERR_SIGNATURE);
    /* A server that hides that its release is old by a clock that is behind. */
    const struct trust_policy believing = {.max_skew_s = 60};
    release.header.facts.valid_until_s = NOW - 50;
    answer.count = question.count = 0;
    answer.server_time_s = NOW - 60;
    check_refused("was valid until");
    trust_init(&trust, &believing);
    question.what = WHAT_ANSWERS;
    CHECK(decide(&error) == 0);
}

int main(void) {
    test_consistency();
    test_matches();
    test_clock();
    test_own_clock();
    test_age_and_sequence();
    test_name();
    test_proof_demanded();
    return unit_end("client");
}
