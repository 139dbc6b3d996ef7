#include "facts.h"

#include "json.h"
#include "print.h"

#include "base/bytes.h"
#include "base/format.h"
#include "record/terms.h"

#include <time.h>

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
                             const struct facts_text *text, const char *authority,
                             enum facts_checked checked) {
    const struct release_facts *facts = &header->facts;
    bool has_history = facts->history_since != DAY_NO_START;
    json_begin();
    json_text("file", path);
    json_bool("verified", checked == FACTS_VERIFIED);
    json_bool("signed", checked != FACTS_UNCHECKED);
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
    json_text("authority", authority);
    json_text("merkle_root", text->root);
    json_end();
}

void print_facts(const char *path, const struct db_header *header, const char *authority,
                 enum facts_checked checked, bool is_json) {
    const struct release_facts *facts = &header->facts;
    static const char *const words[] = {
        "nothing of it was checked", "its header is signed, the rest was not checked", "verified"};
    struct facts_text text;
    format_facts(&text, header);
    if (is_json) {
        print_facts_json(path, header, &text, authority, checked);
        return;
    }
    print("%s: %s\n", path, words[checked]);
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
    print("authority    %s\n", authority);
    print("merkle root  %s\n", text.root);
    print("release      %s\n", text.id);
}
