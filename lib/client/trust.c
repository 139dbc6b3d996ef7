#include "client/trust.h"

#include "base/bytes.h"
#include "client/state.h"

#include <stdlib.h>
#include <string.h>

void trust_init(struct trust *trust, const struct trust_policy *policy) {
    memset(trust, 0, sizeof *trust);
    trust->policy = *policy;
}

/* Reasons below do not name who gave the answer; trust_release and trust_answer put that before
 * them. */

/* Two servers whose clocks disagree: one of them is wrong, and nobody can say which. */
static int check_clock(const struct trust *trust, const char *who, int64_t server_time_s,
                       int64_t now_s, struct error *error) {
    int64_t ahead_s = server_time_s - now_s;
    /* Where the same server is apart from itself, a clock was set, perhaps our own. */
    if (trust->timed[0] == '\0' || strcmp(trust->timed, who) == 0)
        return 0;
    int64_t apart_s = llabs(ahead_s - trust->ahead_s);
    if (apart_s <= trust->policy.max_skew_s)
        return 0;
    return error_set(
        error, ERR_CONFLICT, "its clock is %lld seconds %s that of %s: one of the two is wrong",
        (long long)apart_s, ahead_s > trust->ahead_s ? "ahead of" : "behind", trust->timed);
}

/* The first server that is believed is what the clocks of others are compared with. */
static void note_clock(struct trust *trust, const char *who, int64_t server_time_s, int64_t now_s) {
    if (server_time_s == 0 || (trust->timed[0] != '\0' && strcmp(trust->timed, who) != 0))
        return;
    trust->ahead_s = server_time_s - now_s;
    strncpy(trust->timed, who, sizeof trust->timed - 1);
}

/* A release that is past its valid-until, or that was made in the future. Where proofs are demanded
 * the server is not believed about the time alone: it could hide that the release is old. */
static int check_age(const struct trust *trust, const struct release_facts *facts,
                     int64_t server_time_s, int64_t now_s, struct error *error) {
    int64_t time_s = server_time_s != 0 ? server_time_s : now_s;
    bool doubts_server = trust->policy.is_proved && now_s > time_s;
    int64_t stale_s = doubts_server ? now_s : time_s;
    if (server_time_s != 0 && facts->created_s > time_s + trust->policy.max_skew_s)
        return error_set(error, ERR_CONFLICT, "its clock is behind the date of its own database");
    return release_check_age(facts, "its database", stale_s - trust->policy.stale_ok_s, error);
}

static int check_signature(const struct trust *trust, const struct known_release *release,
                           struct error *error) {
    const struct db_header *header = &release->header;
    if (trust->policy.authorities == NULL)
        return 0;
    int code =
        db_header_verify(header, release->head + DB_SIGNATURES, trust->policy.authorities, error);
    return code == 0 && trust->policy.is_proved
               ? db_check_lookup_key(header, trust->policy.lookup_key, "its database", error)
               : code;
}

/* A release that is older than one seen before is not believed. */
static int check_sequence(struct trust *trust, const char *who, const struct known_release *release,
                          const struct state_time *time, struct error *error) {
    const struct release_facts *facts = &release->header.facts;
    if (trust->policy.is_beside_servers)
        return 0;
    /* What nobody has signed says nothing about what another server has. */
    bool is_same = trust->policy.authorities != NULL || strcmp(trust->seen_at, who) == 0;
    if (is_same && facts->sequence < trust->sequence_seen)
        return error_set(error, ERR_CONFLICT,
                         "its database has sequence number %llu, but %llu has been seen before",
                         (unsigned long long)facts->sequence,
                         (unsigned long long)trust->sequence_seen);
    if (trust->policy.state_folder != NULL) {
        int code = client_state_check(trust->policy.state_folder, release->head, facts,
                                      trust->policy.authorities, time, error);
        if (code != 0)
            return code == ERR_CONFLICT ? code : ERR_LOCAL;
    }
    trust->sequence_seen = facts->sequence;
    strncpy(trust->seen_at, who, sizeof trust->seen_at - 1);
    return 0;
}

/* Offline, this machine's clock alone says what day it is, unless the day is given; so it must not
 * be behind a time that was known to be right. */
static int check_own_clock(const struct trust *trust, const struct release_facts *facts,
                           int64_t now_s, struct error *error) {
    int64_t seen_s = 0, max_s = trust->policy.max_skew_s;
    if (trust->policy.is_moment_given)
        return 0;
    if (trust->policy.state_folder != NULL) {
        if (client_state_time(trust->policy.state_folder, facts, trust->policy.authorities, &seen_s,
                              error) != 0)
            return ERR_LOCAL;
    }
    if (now_s + max_s < facts->created_s)
        return error_set(error, ERR_CONFLICT,
                         "the clock of this machine is behind the date of the database: set it, or "
                         "give the day that is asked about");
    if (now_s + max_s < seen_s)
        return error_set(error, ERR_CONFLICT,
                         "the clock of this machine is behind the time that a server gave before: "
                         "set it, or give the day that is asked about");
    if (now_s + max_s < trust->policy.built_s)
        return error_set(error, ERR_CONFLICT,
                         "the clock of this machine is behind the date of this program: set it, or "
                         "give the day that is asked about");
    return 0;
}

static int judge_release(struct trust *trust, const char *who, const struct known_release *release,
                         int64_t server_time_s, int64_t now_s, struct error *error) {
    const struct release_facts *facts = &release->header.facts;
    const struct state_time time = {server_time_s, now_s, trust->policy.max_skew_s};
    int code = check_signature(trust, release, error);
    if (code == 0 && trust->policy.name != NULL && strcmp(facts->name, trust->policy.name) != 0)
        code = error_set(error, ERR_CONFLICT, "its database is \"%s\", not \"%s\"", facts->name,
                         trust->policy.name);
    if (code == 0)
        code = server_time_s != 0 ? check_clock(trust, who, server_time_s, now_s, error)
                                  : check_own_clock(trust, facts, now_s, error);
    if (code == 0)
        code = check_age(trust, facts, server_time_s, now_s, error);
    return code == 0 ? check_sequence(trust, who, release, &time, error) : code;
}

int trust_release(struct trust *trust, const char *who, const struct known_release *release,
                  int64_t server_time_s, int64_t now_s, struct error *error) {
    struct error reason;
    int code = judge_release(trust, who, release, server_time_s, now_s, &reason);
    if (code == 0)
        note_clock(trust, who, server_time_s, now_s);
    const char *blamed = code == ERR_LOCAL ? "--state" : who;
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", blamed, reason.text);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Whether every entry is proved; fills them in. */
static int check_proofs(const struct trust *trust, const struct known_release *release,
                        const struct question *question, struct answer *answer,
                        struct error *error) {
    for (unsigned i = 0; i < answer->count; i++) {
        int code =
            proof_answer(&release->header, &release->held, trust->policy.lookup_key,
                         &question->items[i], &answer->proofs[i], &answer->entries[i], error);
        if (code != 0)
            return code;
    }
    return 0;
}

/* Whether an entry that was found can be the answer to what was asked. */
static bool is_consistent(const struct known_release *release, const struct inquired *item,
                          const struct db_answer *entry) {
    struct terms terms NOT_CLEARED;
    bool was_asked[FIELD_COUNT] = {false};
    size_t code_len = check_code_len(&release->header.facts.fields);
    if (!entry->is_found)
        return true;
    for (unsigned i = 0; i < item->form_count; i++)
        was_asked[item->forms[i].field] = true;
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        bool is_kept = check_fields_place(&release->header.facts.fields, field) >= 0;
        if (was_asked[field] != (entry->matches[field] != FIELD_NOT_ASKED) ||
            (was_asked[field] && is_kept == (entry->matches[field] == FIELD_NOT_KEPT)))
            return false;
    }
    return (was_asked[FIELD_CARD] || entry->card_state == 0) &&
           db_kind_answers((enum entry_kind)entry->kind, item->kind) &&
           terms_read(&terms, entry->terms, entry->further, &release->sets, code_len,
                      entry->is_whole);
}

static int judge_answer(struct trust *trust, const char *who, const struct known_release *release,
                        const struct question *question, struct answer *answer, int64_t now_s,
                        struct error *error) {
    int code = 0;
    if (answer->status != ANSWER_GOOD)
        return error_set(error, ERR_FORMAT, "it does not take this question");
    if (memcmp(answer->release_id, release->header.id, SHA256_LEN) != 0 ||
        answer->count != question->count)
        return error_set(error, ERR_FORMAT, "an answer that contradicts itself");
    if (question->what == WHAT_PROOFS)
        code = check_proofs(trust, release, question, answer, error);
    else if (trust->policy.is_proved)
        code = error_set(error, ERR_SIGNATURE, "an answer without proof");
    for (unsigned i = 0; code == 0 && i < answer->count; i++) {
        if (!is_consistent(release, &question->items[i], &answer->entries[i]))
            code = error_set(error, ERR_FORMAT, "an answer that contradicts itself");
    }
    const struct release_facts *facts = &release->header.facts;
    if (code == 0 && answer->server_time_s != 0)
        code = check_clock(trust, who, answer->server_time_s, now_s, error);
    return code == 0 ? check_age(trust, facts, answer->server_time_s, now_s, error) : code;
}

int trust_answer(struct trust *trust, const char *who, const struct known_release *release,
                 const struct question *question, struct answer *answer, int64_t now_s,
                 struct error *error) {
    struct error reason;
    int code = judge_answer(trust, who, release, question, answer, now_s, &reason);
    if (code == 0)
        note_clock(trust, who, answer->server_time_s, now_s);
    return code == 0 ? 0 : error_set(error, code, "%s: %.900s", who, reason.text);
}
