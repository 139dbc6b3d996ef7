/* dlv: finds the applet by the first argument or by the name of the link, and runs it. */
#include "applet.h"
#include "built.h"
#include "help.h"
#include "nearest.h"
#include "run.h"

#include "base/date.h"
#include "base/format.h"
#include "os/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct applet *find_applet(const char *name) {
    for (size_t i = 0; applets[i] != NULL; i++) {
        if (strcmp(applets[i]->name, name) == 0)
            return applets[i];
    }
    return NULL;
}

/* Says that there is no such applet, and which one may have been meant. */
static int refuse_unknown(const char *name) {
    const struct applet *best = NULL;
    unsigned least = NEAREST_NOTHING;
    for (size_t i = 0; applets[i] != NULL; i++) {
        const char *known = applets[i]->name;
        unsigned distance = nearest_distance(name, strlen(name), known, strlen(known));
        if (distance < least) {
            least = distance;
            best = applets[i];
        }
    }
    return best == NULL
               ? usage_error("there is no applet \"%s\"", name)
               : usage_error("there is no applet \"%s\"; \"%s\" may be meant", name, best->name);
}

static int print_overview(FILE *out) {
    static const char *const users[] = {
        "At the roadside:\n", "At the authority, and on its servers:\n", "For auditors:\n"};
    char line[128];
    fputs("dlv: verifies driving licences\n\n"
          "    dlv APPLET ...        or through a link named dlv-APPLET\n"
          "    dlv help APPLET       dlv help --man APPLET\n"
          "    dlv --list            dlv --install DIR        dlv --version\n\n",
          out);
    for (unsigned user = FOR_OFFICERS; user <= FOR_AUDITORS; user++) {
        bool has_heading = false;
        for (size_t i = 0; applets[i] != NULL; i++) {
            if (applets[i]->user != user)
                continue;
            fputs(has_heading ? "" : users[user], out);
            has_heading = true;
            format_text(line, sizeof line, "  %-10s %s\n", applets[i]->name, applets[i]->summary);
            fputs(line, out);
        }
    }
    fputs("\nExit status: 0 VALID or success, 1 another verdict, 2 trouble (never a verdict).\n",
          out);
    return out == stdout ? finish_output() : EXIT_TROUBLE;
}

static int help(int argc, char **argv) {
    bool is_man = argc > 0 && strcmp(argv[0], "--man") == 0;
    const char *name = argc > is_man ? argv[is_man] : NULL;
    if (argc > is_man + 1)
        return usage_error("help takes the name of one applet");
    if (is_man && (name == NULL || strcmp(name, "dlv") == 0)) {
        help_print_man_overview(DLV_VERSION);
        return finish_output();
    }
    if (name == NULL)
        return print_overview(stdout);
    const struct applet *applet = find_applet(name);
    if (applet == NULL)
        return refuse_unknown(name);
    (is_man ? help_print_man : help_print)(applet);
    return finish_output();
}

static int list(void) {
    for (size_t i = 0; applets[i] != NULL; i++)
        puts(applets[i]->name);
    return finish_output();
}

static int version(void) {
    char text[TIME_TEXT_SIZE] = "unknown";
    if (built_s() > 0)
        time_format(text, built_s(), 0);
    print(
        "dlv %s\nsources of: %s, commit %s\ncompiler: %s\ncompiler of BearSSL's RSA: %s\nmusl: %s\n"
        "BearSSL: 0.6, source archive SHA-256 %s\n",
        DLV_VERSION, text, DLV_COMMIT, DLV_COMPILER, RSA_COMPILER, MUSL_VERSION, BEARSSL_SHA256);
    return finish_output();
}

/* Links DIR/dlv-APPLET to this binary. A file of such a name that is not a link is not touched. */
static int install(const char *folder) {
    char self[4096];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return trouble("/proc/self/exe: %m");
    self[len] = '\0';
    for (size_t i = 0; applets[i] != NULL; i++) {
        char link_path[4352];
        struct stat status;
        format_text(link_path, sizeof link_path, "%s/dlv-%s", folder, applets[i]->name);
        if (lstat(link_path, &status) == 0 && (!S_ISLNK(status.st_mode) || unlink(link_path) != 0))
            return trouble("%s: exists and is no link", link_path);
        if (symlink(self, link_path) != 0)
            return trouble("%s: %m", link_path);
    }
    return EXIT_OK;
}

int main(int argc, char **argv) {
    if (process_occupy_standard() != 0)
        return EXIT_TROUBLE;
    process_forbid_core_dumps();
    process_ignore_file_size_signal();
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *self = argc == 0 ? "dlv" : slash ? slash + 1 : argv[0];
    if (strncmp(self, "dlv-", 4) == 0) {
        const struct applet *applet = find_applet(self + 4);
        if (applet != NULL)
            return applet_run(applet, argc - 1, argv + 1);
    }
    if (argc < 2)
        return print_overview(stderr);
    const char *word = argv[1];
    if (strcmp(word, "--list") == 0)
        return list();
    if (strcmp(word, "--version") == 0)
        return version();
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_overview(stdout);
    if (strcmp(word, "--install") == 0)
        return argc == 3 ? install(argv[2]) : usage_error("--install wants DIR");
    if (strcmp(word, "help") == 0)
        return help(argc - 2, argv + 2);
    const struct applet *applet = find_applet(word);
    if (applet == NULL)
        return refuse_unknown(word);
    return applet_run(applet, argc - 2, argv + 2);
}
