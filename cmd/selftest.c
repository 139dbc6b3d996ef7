#include "applet.h"

#include "base/file.h"
#include "kat/kat.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (64u << 20)
#define FAILURES_SHOWN 10 /* of each file */

static const struct option options[] = {OPTIONS_END};

/* Shows the first failures of a file. */
static void show_failure(void *context, const char *line) {
    unsigned *shown = context;
    if (++*shown <= FAILURES_SHOWN)
        trouble("%s", line);
    else if (*shown == FAILURES_SHOWN + 1)
        trouble("and more");
}

static void print_count(const char *name, const struct kat_count *count) {
    print("%s: %lu passed", name, count->passed);
    if (count->failed > 0)
        print(", %lu failed", count->failed);
    if (count->skipped > 0)
        print(", %lu skipped (algorithms that dlv does not use)", count->skipped);
}

static int run_file(const char *path, struct kat_count *total) {
    struct kat_count count;
    struct error error;
    unsigned shown = 0;
    char *text = malloc(FILE_MAX);
    if (text == NULL)
        return trouble("no memory");
    ssize_t len = file_read(path, text, FILE_MAX, &error);
    if (len < 0) {
        free(text);
        return trouble("%s", error.text);
    }
    bool is_good = kat_run(path, text, (size_t)len, show_failure, &shown, &count);
    free(text);
    print_count(path, &count);
    if (is_good && !count.is_sealed)
        fputs("; the file has no count and no checksum, so nothing says that it is whole", stdout);
    putchar('\n');
    total->passed += count.passed;
    total->failed += count.failed;
    total->skipped += count.skipped;
    return is_good ? EXIT_OK : EXIT_TROUBLE;
}

static int run_selftest(int operand_count, char **operands) {
    struct kat_count total;
    struct error error;
    int status = EXIT_OK;
    if (kat_run_builtin(&total, &error) != 0)
        return trouble("%s", error.text);
    print("built-in: %lu passed\n", total.passed);
    for (int i = 0; i < operand_count; i++) {
        if (run_file(operands[i], &total) != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    print_count(status == EXIT_OK ? "all" : "not all", &total);
    putchar('\n');
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}

const struct applet applet_selftest = {
    .name = "selftest",
    .summary = "run known answers through this binary",
    .user = FOR_AUDITORS,
    .options = options,
    .needs_cryptography = false,
    .run = run_selftest,
};
