#include "reply.h"

#include "json.h"
#include "print.h"

#include "base/format.h"
#include "record/classes.h"

#include <stdio.h>
#include <string.h>

/* --- words ------------------------------------------------------------------------------------ */

static const char *const field_words[FIELD_COUNT] = {"", "name", "phone", "birth_date", "card"};

static const char *card_word(unsigned state) {
    static const char *const words[] = {"", "former", "lost", "stolen"};
    return words[state];
}

static enum field_match match_of(const struct reply *reply, unsigned field) {
    return (enum field_match)reply->answer.matches[field];
}

static bool is_covered(const struct reply *reply) {
    return reply->release != NULL && reply->answer.is_found &&
           reply->outcome.silence != SILENCE_WITHHELD;
}

static long long age_days(const struct reply *reply) {
    return (long long)(reply->now_s - reply->release->created_s) / 86400;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void json_day(const char *name, uint32_t day) {
    char text[DATE_TEXT_SIZE];
    if (day == DAY_UNKNOWN || day == DAY_NO_START || day == DAY_NO_END) {
        json_null(name);
        return;
    }
    date_format(text, day);
    json_text(name, text);
}

static void json_classes(struct span set) {
    struct class_item item;
    struct span code;
    json_open_list("classes");
    while (class_set_next(&set, &item)) {
        json_open_object(NULL);
        json_span("class", item.name);
        json_bool("provisional", item.is_provisional);
        json_open_list("codes");
        while (class_code_next(&item.codes, &code))
            json_span(NULL, code);
        json_close_list();
        json_close_object();
    }
    json_close_list();
}

static void json_terms(const struct reply *reply) {
    const struct terms *terms = reply->terms;
    if (!is_covered(reply)) {
        json_null("held");
        return;
    }
    json_open_list("held");
    for (unsigned i = 0; i < terms->group_count; i++) {
        json_open_object(NULL);
        json_day("valid_from", terms->groups[i].from);
        json_day("valid_to", terms->groups[i].to);
        json_classes(terms->groups[i].classes);
        json_close_object();
    }
    json_close_list();
}

static void json_matches(const struct reply *reply) {
    json_open_object("fields");
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        if (match_of(reply, field) != FIELD_NOT_ASKED)
            json_text(field_words[field], field == FIELD_CARD && reply->answer.card_state != 0
                                              ? card_word(reply->answer.card_state)
                                              : field_match_name(match_of(reply, field)));
    }
    json_close_object();
}

static void json_outcome(const struct reply *reply) {
    const struct outcome *outcome = &reply->outcome;
    bool has_status = is_covered(reply) && outcome->status != 0;
    bool has_class = reply->class_count > 0 &&
                     (outcome->verdict == VERDICT_NOT_ENTITLED || outcome->is_class_status);
    json_text("standing", is_covered(reply) ? verdict_name(outcome->standing) : NULL);
    json_text("status", has_status ? status_name(outcome->status) : NULL);
    json_day("status_since", has_status ? outcome->status_from : DAY_UNKNOWN);
    json_day("status_until", has_status ? outcome->status_to : DAY_UNKNOWN);
    if (has_class)
        json_span("class", reply->classes[outcome->class_at]);
    else
        json_null("class");
    json_text("entitlement", outcome->verdict == VERDICT_NOT_ENTITLED
                                 ? entitlement_name(outcome->entitlement)
                                 : NULL);
}

static void json_release(const struct reply *reply) {
    const struct release_facts *facts = reply->release;
    char text[TIME_TEXT_SIZE];
    if (facts == NULL)
        return;
    json_day("day", reply->day);
    if (reply->server_time_s != 0)
        time_format(text, reply->server_time_s, facts->utc_offset_s);
    json_text("server_time", reply->server_time_s != 0 ? text : NULL);
    json_text("db", facts->name);
    json_number("db_sequence", (long long)facts->sequence);
    time_format(text, facts->created_s, facts->utc_offset_s);
    json_text("db_created", text);
    time_format(text, facts->valid_until_s, facts->utc_offset_s);
    json_text("db_valid_until", facts->valid_until_s != 0 ? text : NULL);
    json_number("db_age_days", age_days(reply));
    json_bool("stale", release_is_stale(facts, reply->now_s));
    json_bool("test", facts->is_test);
}

static void print_json(const struct reply *reply) {
    bool is_silent = reply->outcome.verdict == VERDICT_NOT_COVERED;
    json_begin();
    if (reply->line > 0)
        json_number("line", (long long)reply->line);
    if (reply->late_id != NULL) {
        json_text("stopped", reply->late_since);
        json_text("reference", reply->late_reference[0] != '\0' ? reply->late_reference : NULL);
        json_text("journal_id", reply->late_id);
    }
    json_text("verdict", is_silent ? NULL : verdict_name(reply->outcome.verdict));
    json_text("error", is_silent ? "not_covered" : NULL);
    if (is_silent) {
        char reason[128];
        format_text(reason, sizeof reason, "the register %s", silence_text(reply->outcome.silence));
        json_text("reason", reason);
    }
    json_text("kind", ask_kind_name(reply->kind));
    if (reply->number != NULL)
        json_span("number", (struct span){reply->number->text, reply->number->len});
    if (reply->release != NULL) {
        json_text("found", reply->answer.is_found ? entry_kind_name(reply->answer.kind) : NULL);
        json_outcome(reply);
        json_terms(reply);
        json_matches(reply);
        json_text("hint", reply->hint);
        json_text("hint_check", reply->hint_check);
    }
    json_release(reply);
    json_text("source", reply->source);
    if (reply->is_receipt_written != NULL)
        json_bool("receipt_written", *reply->is_receipt_written);
    if (reply->receipt != NULL) {
        json_open_object("receipt");
        json_text("time", reply->receipt->time);
        json_text("kiosk", reply->receipt->kiosk);
        json_text("officer", reply->receipt->officer);
        json_text("key", reply->receipt->key);
        json_text("issuer", reply->receipt->issuer);
        json_close_object();
    }
    if (reply->is_unrecorded)
        json_bool("recorded", false);
    json_bool("offline", reply->is_offline);
    json_end();
}

void reply_print_trouble(uint64_t line, const char *error, const char *reason, const char *kept_id,
                         const struct trouble_part *parts, unsigned part_count) {
    json_begin();
    if (line > 0)
        json_number("line", (long long)line);
    json_null("verdict");
    json_text("error", error);
    json_text("reason", reason);
    if (kept_id != NULL) {
        json_bool("kept", true);
        json_text("journal_id", kept_id);
    }
    if (part_count > 0) {
        json_open_list("servers");
        for (unsigned i = 0; i < part_count; i++) {
            json_open_object(NULL);
            json_text("server", parts[i].server);
            json_text("error", parts[i].error);
            json_text("reason", parts[i].reason);
            json_close_object();
        }
        json_close_list();
    }
    json_end();
}

/* --- text ------------------------------------------------------------------------------------- */

/* A span that a terminal shows as it is: class names hold no control characters. */
static void put_span(struct span text) {
    fwrite(text.text, 1, text.len, stdout);
}

static void put_classes(struct span set) {
    struct class_item item;
    struct span code;
    for (bool is_first = true; class_set_next(&set, &item); is_first = false) {
        if (!is_first)
            fputs(", ", stdout);
        put_span(item.name);
        if (item.is_provisional)
            fputs(" (provisional)", stdout);
        while (class_code_next(&item.codes, &code)) {
            putchar(' ');
            put_span(code);
        }
    }
}

static void put_group(const struct class_group *group) {
    char from[DATE_TEXT_SIZE], to[DATE_TEXT_SIZE];
    if (group->classes.len > 0) {
        put_classes(group->classes);
        putchar(' ');
    }
    day_format(from, group->from);
    day_format(to, group->to);
    if (group->from != DAY_NO_START && group->to != DAY_NO_END)
        print("from %s to %s", from, to);
    else if (group->to != DAY_NO_END)
        print("to %s", to);
    else if (group->from != DAY_NO_START)
        print("from %s without end", from);
    else
        fputs("without end", stdout);
}

/* The status, where it says more than the verdict. */
static void put_status(const struct reply *reply, const char *before) {
    const struct outcome *outcome = &reply->outcome;
    char day[DATE_TEXT_SIZE];
    if (outcome->status == STATUS_VALID || outcome->status == 0)
        return;
    print("%s%s", before, status_name(outcome->status));
    day_format(day, outcome->status_from);
    if (outcome->status_from != DAY_UNKNOWN && outcome->status_from != DAY_NO_START)
        print(" since %s", day);
    day_format(day, outcome->status_to);
    if (outcome->status_to != DAY_NO_END)
        print(" until %s", day);
    if (outcome->is_class_status && reply->class_count > 0) {
        fputs(" for class ", stdout);
        put_span(reply->classes[outcome->class_at]);
    }
}

static void put_fields(const struct reply *reply) {
    for (unsigned field = FIELD_NAME; field < FIELD_COUNT; field++) {
        enum field_match match = match_of(reply, field);
        if (field == FIELD_CARD && reply->answer.card_state != 0)
            print("; the card is a %s one", card_word(reply->answer.card_state));
        else if (match == FIELD_NOT_ON_FILE || match == FIELD_NOT_KEPT)
            print("; the %s is %s", field_name(field),
                  match == FIELD_NOT_KEPT ? "not one that this register keeps" : "not on file");
        else if (match != FIELD_NOT_ASKED)
            print("; the %s %s", field_name(field),
                  match == FIELD_SAME ? "is the same" : "differs");
    }
}

static void put_licence(const struct reply *reply) {
    const struct outcome *outcome = &reply->outcome;
    const struct terms *terms = reply->terms;
    if (outcome->verdict == VERDICT_NOT_ENTITLED) {
        fputs(" class ", stdout);
        put_span(reply->classes[outcome->class_at]);
        print(" is %s;", entitlement_name(outcome->entitlement));
    }
    if (outcome->verdict != outcome->standing)
        print(" the licence itself is %s;", verdict_name(outcome->standing));
    if (reply->answer.kind != ENTRY_LICENCE)
        print(" asked by %s %s;", reply->answer.kind == ENTRY_FORMER ? "a" : "its",
              entry_kind_name(reply->answer.kind));
    put_status(reply, " ");
    if (outcome->status != STATUS_VALID && terms->group_count > 0)
        putchar(';');
    for (unsigned i = 0; i < terms->group_count; i++) {
        fputs(i > 0 ? "; " : " ", stdout);
        put_group(&terms->groups[i]);
    }
    put_fields(reply);
}

static void put_source(const struct reply *reply) {
    char day[DATE_TEXT_SIZE], created[TIME_TEXT_SIZE];
    if (reply->release == NULL) {
        print(" (%s)\n", reply->source);
        return;
    }
    date_format(day, reply->day);
    time_format(created, reply->release->created_s, reply->release->utc_offset_s);
    print(" (for %s; %s%s of %.10s%s%s%s)\n", day, reply->is_instead ? "offline, " : "",
          reply->source, created, release_is_stale(reply->release, reply->now_s) ? ", STALE" : "",
          reply->is_unrecorded ? ", not recorded" : "",
          reply->release->is_test ? ", TEST DATA" : "");
}

static void put_question(const struct reply *reply) {
    fputs(" asked about", stdout);
    if (reply->number != NULL)
        print(" number %.*s", (int)reply->number->len, reply->number->text);
    else
        print(" a %s", ask_kind_name(reply->kind));
    for (unsigned field = FIELD_NAME; reply->fields != NULL && field < FIELD_COUNT; field++) {
        if (reply->fields[field].len > 0)
            print(", %s", field_name(field));
    }
    for (unsigned i = 0; i < reply->class_count; i++) {
        fputs(", class ", stdout);
        put_span(reply->classes[i]);
    }
    putchar(';');
}

static void print_text(const struct reply *reply) {
    const struct outcome *outcome = &reply->outcome;
    fputs(verdict_name(outcome->verdict), stdout);
    if (reply->late_id != NULL)
        print(" late, to the stop of %s%s%s:",
              reply->late_since != NULL ? reply->late_since : "an unknown time",
              reply->late_reference[0] != '\0' ? ", reference " : "", reply->late_reference);
    if (reply->line > 0)
        print(" line %llu:", (unsigned long long)reply->line);
    if (reply->shows_question)
        put_question(reply);
    if (outcome->verdict == VERDICT_NOT_COVERED)
        print(" the register %s", silence_text(outcome->silence));
    else if (is_covered(reply))
        put_licence(reply);
    else if (reply->release != NULL)
        fputs(" not in the database", stdout);
    else if (outcome->verdict != VERDICT_VALID)
        fputs(" the server says no more than \"not valid\"", stdout);
    if (reply->hint != NULL)
        print("; but %s is known: check %s", reply->hint, reply->hint_check);
    put_source(reply);
}

void reply_print(struct reply *reply, bool is_json) {
    if (is_json)
        print_json(reply);
    else
        print_text(reply);
}
