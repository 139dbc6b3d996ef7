#include "applet.h"
#include "card.h"
#include "json.h"

#include <string.h>

static bool is_json;

static const struct option options[] = {
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

static void json_field(const char *name, const char *text) {
    json_text(name, text[0] != '\0' ? text : NULL);
}

static void print_json(const struct scan *scan, const char *reason) {
    char day[16];
    json_begin();
    json_text("kind", reason == NULL ? scan_kind_name(scan->kind) : NULL);
    json_text("error", reason);
    json_field("issuer", scan->issuer);
    json_field("number", scan->number);
    json_field("surname", scan->surname);
    json_field("given", scan->given);
    json_text("birth_date", card_day(scan->birth_date, day));
    json_text("expiry", card_day(scan->expiry, day));
    json_field("card", scan->card);
    json_open_list("doubts");
    for (unsigned i = 0; i < scan->doubt_count; i++)
        json_text(NULL, scan->doubts[i]);
    json_close_list();
    json_end();
}

static int run_scan(int operand_count, char **operands) {
    static struct scan scan;
    struct error error;
    if (operand_count > 1)
        return usage_error("one text at most: quote it, or give it on standard input");
    int code = card_read(&scan, operand_count == 1 ? operands[0] : "-", &error);
    if (code != 0 && is_json) {
        memset(&scan, 0, sizeof scan);
        print_json(&scan, error.text);
    }
    if (code != 0)
        return is_json && finish_output() == EXIT_OK ? EXIT_TROUBLE : trouble("%s", error.text);
    if (is_json)
        print_json(&scan, NULL);
    else
        card_print(&scan);
    return finish_output();
}

const struct applet applet_scan = {
    .name = "scan",
    .summary = "show what is read from the code of a card",
    .user = FOR_OFFICERS,
    .options = options,
    .run = run_scan,
};
