#include "applet.h"
#include "facts.h"

#include "crypto/rsa_key.h"
#include "db/open.h"

static const char *authority;
static bool is_json;

static const struct option options[] = {
    OPTION_TEXT("-a, --authority PUB", &authority,
                "the authority's public key; without it nothing is checked"),
    OPTION_FLAG("-j, --json", &is_json, "print one object instead of lines"),
    OPTIONS_END,
};

static int run_info(int operand_count, char **operands) {
    static struct rsa_public key;
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct db_header header;
    struct error error;
    if (operand_count != 1)
        return usage_error("one database is needed");
    const char *path = operands[0];
    if (authority != NULL && rsa_public_load(&key, authority, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (db_read_header(&header, path, authority != NULL ? &key : NULL, &error) != 0)
        return trouble("%s", error.text);
    rsa_fingerprint_of_id(header.facts.authority_id, fingerprint);
    print_facts(path, &header, fingerprint, authority != NULL ? FACTS_SIGNED : FACTS_UNCHECKED,
                is_json);
    return finish_output();
}

const struct applet applet_info = {
    .name = "info",
    .summary = "show what a database says of itself, without reading it all",
    .synopsis = "[--authority authority.pub] [--json] licences.db",
    .options = options,
    .description =
        "Reads nothing but the header, however large the database is. With --authority its signature is\n"
        "checked. `dlv verify` checks all of it.",
    .needs_cryptography = true,
    .run = run_info,
};
