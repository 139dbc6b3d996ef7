#include "applet.h"

#include "base/file.h"
#include "kat/kat.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (64u << 20)

static const struct option options[] = {{NULL, 0, NULL, NULL, NULL, NULL}};

static int run_file(const char *path, struct kat_count *total) {
    struct kat_count count;
    struct error error;
    char *text = malloc(FILE_MAX);
    if (text == NULL)
        return trouble("no memory");
    ssize_t len = file_read(path, text, FILE_MAX, &error);
    int code = len < 0 ? (int)len : kat_run(path, text, (size_t)len, &count, &error);
    free(text);
    if (code != 0)
        return trouble("%s", error.text);
    printf("%s: %lu passed", path, count.passed);
    if (count.skipped > 0)
        printf(", %lu skipped (algorithms that dlv does not use)", count.skipped);
    putchar('\n');
    total->passed += count.passed;
    total->skipped += count.skipped;
    return EXIT_OK;
}

static int run(int operand_count, char **operands) {
    struct kat_count total;
    struct error error;
    int status = EXIT_OK;
    if (kat_run_builtin(&total, &error) != 0)
        return trouble("%s", error.text);
    printf("built-in: %lu passed\n", total.passed);
    for (int i = 0; i < operand_count; i++) {
        if (run_file(operands[i], &total) != EXIT_OK)
            status = EXIT_TROUBLE;
    }
    if (status == EXIT_OK)
        printf("all: %lu passed\n", total.passed);
    return finish_output() == EXIT_OK ? status : EXIT_TROUBLE;
}

const struct applet applet_selftest = {
    .name = "selftest",
    .summary = "run known answers through this binary",
    .synopsis = "[VECTOR-FILE ...]",
    .options = options,
    .description =
        "Runs the vectors built into the binary, then every file named: NIST's CAVP files as they\n"
        "are (SHA256ShortMsg.rsp, SHA256LongMsg.rsp, SHA256Monte.rsp, SigVer15_186-3.rsp), and\n"
        "those in vectors/. Prints a count for each file and in total. A wrong answer is named by\n"
        "file and line, and the exit status is 2.\n\n"
        "Every applet that uses cryptography runs the built-in ones at its start and does nothing\n"
        "where one fails.",
    .needs_cryptography = false,
    .run = run,
};
