#include "applet.h"
#include "places.h"

#include "base/parallel.h"
#include "builder/install.h"

#include <time.h>

static struct option_list authorities;
static uint64_t kept;
static bool is_first;

static const struct option options[] = {
    OPTION_LIST("-a, --authority PUB", &authorities,
                "the authority's public key; given twice, its old one or its new one"),
    OPTION_FLAG("--first", &is_first, "begin such a folder"),
    OPTION_COUNT("--keep N", &kept, 1, 100000, 7, "releases", "how many stay in the folder"),
    OPTIONS_END,
};

static int install(struct release_folder *folder, const char *path, const struct key_set *keys) {
    struct db_header header;
    enum installed installed;
    struct error error;
    int code = install_release(folder, path, keys, parallel_processors(), time(NULL), &header,
                               &installed, &error);
    if (code == 0)
        code = release_folder_prune(folder, kept, &error);
    if (code != 0)
        return trouble("%s", error.text);
    print("release %llu of %s, %llu entries, is in force%s: %s\n",
          (unsigned long long)header.facts.sequence, header.facts.name,
          (unsigned long long)header.count, installed == INSTALLED_SAME ? " already" : "",
          folder->current);
    return finish_output();
}

static int run_install(int operand_count, char **operands) {
    static struct key_set keys;
    struct release_folder folder;
    struct error error;
    if (operand_count != 2)
        return usage_error("a database and a folder of releases are needed: FILE DIR");
    if (authorities.count == 0)
        return usage_error("--authority is needed");
    if (key_set_load(&keys, authorities.items, authorities.count, 2048, &error) != 0)
        return trouble("%s", error.text);
    if (places_open_folder(&folder, operands[1], is_first) != EXIT_OK)
        return EXIT_TROUBLE;
    trouble_end_with_file(operands[0]);
    int status = install(&folder, operands[0], &keys);
    release_folder_close(&folder);
    return status;
}

const struct applet applet_install = {
    .name = "install",
    .summary = "put a release into force on a server or kiosk: checked, whole or not at all",
    .synopsis = "--authority authority.pub [--first] [--keep N] licences.db DIR",
    .options = options,
    .description =
        "DIR holds releases, SEQUENCE.db each, and a link, current, to the one in force, as of\n"
        "dlv dbgen --into: dlv server --db DIR/current. The file is copied there, checked in full as it\n"
        "stands on the disk, and then the link is moved. So nobody ever opens half a file, and none is\n"
        "overwritten while it is in use. A release of another register, one that is not later than the\n"
        "one in force, or one that has run out, is refused, and everything stays as it was.\n\n"
        "A running server takes it on SIGHUP; a client that is started from then on has it.",
    .needs_cryptography = true,
    .run = run_install,
};
