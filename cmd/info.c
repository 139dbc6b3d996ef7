#include "applet.h"
#include "facts.h"

#include "base/file.h"
#include "base/format.h"
#include "crypto/rsa_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *authority;
static bool is_json;

static const struct option options[] = {
    OPTION_TEXT("-a, --authority PUB", &authority,
                "the authority's public key; without it nothing is checked"),
    OPTION_FLAG("-j, --json", &is_json, "print one object instead of lines"),
    OPTIONS_END,
};

/* Reads the header and the page of signatures. */
static int read_head(const char *path, uint8_t head[DB_HEAD_LEN]) {
    struct error error;
    if (file_name_missing(path, &error) != 0)
        return trouble("%s", error.text);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return trouble("%s: %m", path);
    int code = file_read_at(fd, head, DB_HEAD_LEN, 0);
    close(fd);
    return code == 0 ? EXIT_OK : trouble("%s: not a dlv database (shorter than its header)", path);
}

static int run_info(int operand_count, char **operands) {
    static struct rsa_public key;
    uint8_t head[DB_HEAD_LEN];
    char fingerprint[RSA_FINGERPRINT_SIZE];
    struct db_header header;
    struct error error;
    if (operand_count != 1)
        return usage_error("one database is needed");
    const char *path = operands[0];
    if (read_head(path, head) != EXIT_OK)
        return EXIT_TROUBLE;
    if (db_header_decode(&header, head, &error) != 0)
        return trouble("%s: %s", path, error.text);
    if (authority != NULL && (rsa_public_load(&key, authority, 2048, &error) != 0 ||
                              db_header_verify(&header, head + DB_SIGNATURES, &key, &error) != 0))
        return trouble("%s: %s", path, error.text);
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
