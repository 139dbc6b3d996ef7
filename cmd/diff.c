#include "applet.h"
#include "json.h"
#include "print.h"
#include "progress.h"

#include "base/bytes.h"
#include "base/format.h"
#include "base/parallel.h"
#include "crypto/rsa_key.h"
#include "db/compare.h"

#include <stdio.h>
#include <string.h>

#define KEY_SHOWN 16 /* bytes of a key */

static struct option_list authorities;
static bool is_json, lists;

static const struct option options[] = {
    OPTION_LIST("-a, --authority PUB", &authorities),
    OPTION_FLAG("-l, --list", &lists),
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

static void tell(void *context, enum change change, const uint8_t *entry) {
    char key[2 * KEY_SHOWN + 1];
    (void)context;
    hex_encode(key, entry, KEY_SHOWN);
    print("%s %s %s\n", change_name(change), entry_kind_name(terms_kind(entry + ENTRY_TERMS)), key);
}

/* Lines such as "licences: 100 before, 98 after". */
static void print_census(const struct db_comparison *comparison) {
    for (unsigned kind = 0; kind < ENTRY_KINDS; kind++) {
        uint64_t before = comparison->before.kinds[kind], after = comparison->after.kinds[kind];
        if (before + after > 0)
            print("%ss: %llu before, %llu after\n", entry_kind_name(kind),
                  (unsigned long long)before, (unsigned long long)after);
    }
    for (unsigned status = STATUS_VALID; status < STATUS_COUNT; status++) {
        uint64_t before = comparison->before.statuses[status];
        uint64_t after = comparison->after.statuses[status];
        if (before + after > 0)
            print("  %s: %llu before, %llu after\n", status_name(status),
                  (unsigned long long)before, (unsigned long long)after);
    }
}

static void print_text(const struct db *before, const struct db *after,
                       const struct db_comparison *comparison) {
    struct span gone = db_vanished_class(before, after), added = db_vanished_class(after, before);
    print_census(comparison);
    if (gone.len > 0)
        print("class %.*s: held by nobody after\n", (int)gone.len, gone.text);
    if (added.len > 0)
        print("class %.*s: held by nobody before\n", (int)added.len, added.text);
    if (!comparison->has_same_keys) {
        print("their keys cannot be compared: one is keyed otherwise than the other\n");
        return;
    }
    for (int change = 0; change < CHANGE_COUNT; change++) {
        for (unsigned kind = 0; kind < ENTRY_KINDS; kind++) {
            uint64_t count = comparison->changes[change][kind];
            if (count > 0)
                print("%s: %llu %ss\n", change_name((enum change)change), (unsigned long long)count,
                      entry_kind_name(kind));
        }
    }
    for (unsigned said = FIELD_NAME; said < SAID_COUNT; said++) {
        if (comparison->said[said] > 0)
            print("  in their %s: %llu\n", said_name(said),
                  (unsigned long long)comparison->said[said]);
    }
    if (comparison->milder > 0)
        print("  valid after, and were not: %llu\n", (unsigned long long)comparison->milder);
    if (!comparison->has_same_codes)
        print("their check codes cannot be compared: they keep other fields\n");
}

static void print_counts(const char *prefix, const char *const *names, const uint64_t *counts,
                         unsigned first, unsigned count) {
    for (unsigned i = first; i < count; i++) {
        char name[64];
        format_text(name, sizeof name, "%s_%s", prefix, names[i]);
        for (char *c = name; *c != '\0'; c++)
            *c = *c == ' ' ? '_' : *c;
        json_number(name, (long long)counts[i]);
    }
}

static void print_json(const struct db_comparison *comparison) {
    const char *kinds[ENTRY_KINDS], *statuses[STATUS_COUNT], *said[SAID_COUNT];
    for (unsigned i = 0; i < ENTRY_KINDS; i++)
        kinds[i] = entry_kind_name(i);
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        statuses[i] = status_name(i);
    for (unsigned i = 0; i < SAID_COUNT; i++)
        said[i] = said_name(i);
    json_begin();
    json_bool("same_keys", comparison->has_same_keys);
    json_bool("same_fields", comparison->has_same_codes);
    print_counts("before", kinds, comparison->before.kinds, 0, ENTRY_KINDS);
    print_counts("after", kinds, comparison->after.kinds, 0, ENTRY_KINDS);
    print_counts("before", statuses, comparison->before.statuses, STATUS_VALID, STATUS_COUNT);
    print_counts("after", statuses, comparison->after.statuses, STATUS_VALID, STATUS_COUNT);
    for (int change = 0; change < CHANGE_COUNT; change++)
        print_counts(change_name((enum change)change), kinds, comparison->changes[change], 0,
                     ENTRY_KINDS);
    print_counts("changed_in", said, comparison->said, FIELD_NAME, SAID_COUNT);
    json_number("milder", (long long)comparison->milder);
    json_end();
}

static int open_verified(struct db *db, const char *path, const struct key_set *keys) {
    struct error error;
    trouble_end_with_file("one of the two files");
    int code = db_open(db, path, keys, &error);
    if (code == 0)
        code = db_verify(db, parallel_processors(), path, progress_show, &error);
    return code == 0 ? EXIT_OK : trouble("%s", error.text);
}

static bool is_any_change(const struct db_comparison *comparison) {
    uint64_t count = 0;
    for (int change = 0; change < CHANGE_COUNT; change++) {
        for (unsigned kind = 0; kind < ENTRY_KINDS; kind++)
            count += comparison->changes[change][kind];
    }
    return count > 0 || !comparison->has_same_keys;
}

static int run_diff(int operand_count, char **operands) {
    static struct db before, after;
    static struct key_set keys;
    struct db_comparison comparison;
    struct error error;
    if (operand_count != 2)
        return usage_error("two databases are needed: OLD NEW");
    if (authorities.count == 0)
        return usage_error("--authority is needed");
    if (is_json && lists)
        return usage_error("--list goes with text");
    if (key_set_load(&keys, authorities.items, authorities.count, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (open_verified(&before, operands[0], &keys) != EXIT_OK ||
        open_verified(&after, operands[1], &keys) != EXIT_OK)
        return EXIT_TROUBLE;
    if (strcmp(before.header.facts.name, after.header.facts.name) != 0)
        trouble("warning: they are of two registers, \"%s\" and \"%s\"", before.header.facts.name,
                after.header.facts.name);
    if (db_compare(&before, &after, lists ? tell : NULL, NULL, &comparison, &error) != 0)
        return trouble("%s", error.text);
    if (is_json)
        print_json(&comparison);
    else
        print_text(&before, &after, &comparison);
    db_close(&before);
    db_close(&after);
    int status = finish_output();
    return status == EXIT_OK && is_any_change(&comparison) ? EXIT_NOT_VALID : status;
}

const struct applet applet_diff = {
    .name = "diff",
    .summary = "show what differs between two databases",
    .user = FOR_AUDITORS,
    .options = options,
    .needs_cryptography = true,
    .run = run_diff,
};
