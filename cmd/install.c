#include "applet.h"
#include "places.h"
#include "progress.h"
#include "publish.h"

#include "base/parallel.h"
#include "builder/install.h"

#include <string.h>
#include <time.h>

static struct option_list authorities;
static uint64_t kept;
static bool is_first;

static const struct option options[] = {
    OPTION_LIST("-a, --authority PUB", &authorities),
    OPTION_FLAG("--first", &is_first),
    OPTION_COUNT("--keep N", &kept, 1, 100000, 7, "releases"),
    OPTIONS_END,
};

static int install(struct release_folder *folder, const char *path, const struct key_set *keys) {
    struct db_header header;
    enum installed installed;
    struct error error;
    char before[PATH_MAX];
    bool has_before = folder->has_current;
    memcpy(before, folder->current, sizeof before);
    int code = install_release(folder, path, keys, parallel_processors(), progress_show, time(NULL),
                               &header, &installed, &error);
    if (code != 0)
        return trouble("%s", error.text);
    print("release %llu of %s, %llu entries, is in force%s: %s\n",
          (unsigned long long)header.facts.sequence, header.facts.name,
          (unsigned long long)header.count, installed == INSTALLED_SAME ? " already" : "",
          folder->current);
    if (has_before && installed == INSTALLED_NEW)
        publish_changes(folder, before, folder->current, header.facts.sequence, keys);
    if (release_folder_prune(folder, kept, &error) != 0)
        return trouble("%s", error.text);
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
    .user = FOR_ADMINS,
    .options = options,
    .needs_cryptography = true,
    .run = run_install,
};
