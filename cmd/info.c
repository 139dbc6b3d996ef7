#include "applet.h"
#include "facts.h"

#include "crypto/rsa_key.h"
#include "db/open.h"

static struct option_list authorities;
static bool is_json;

static const struct option options[] = {
    OPTION_LIST("-a, --authority PUB", &authorities),
    OPTION_FLAG("-j, --json", &is_json),
    OPTIONS_END,
};

static int run_info(int operand_count, char **operands) {
    static struct key_set keys;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct db_header header;
    struct error error;
    if (operand_count != 1)
        return usage_error("one database is needed");
    const char *path = operands[0];
    bool is_checked = authorities.count > 0;
    if (key_set_load(&keys, authorities.items, authorities.count, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (db_read_header(&header, path, is_checked ? &keys : NULL, &error) != 0)
        return trouble("%s", error.text);
    rsa_fingerprint_of_id(header.facts.authority_id, fingerprint);
    print_facts(path, &header, fingerprint, is_checked ? FACTS_SIGNED : FACTS_UNCHECKED, is_json);
    return finish_output();
}

const struct applet applet_info = {
    .name = "info",
    .summary = "show what a database says of itself, without reading it all",
    .user = FOR_AUDITORS,
    .options = options,
    .needs_cryptography = true,
    .run = run_info,
};
