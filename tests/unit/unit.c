#include "unit.h"

#include <stdio.h>

static unsigned long passed, failed;

void unit_check(int holds, const char *condition, const char *file, int line) {
    if (holds) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
}

void unit_check_text(const char *got, const char *want, const char *file, int line) {
    if (strcmp(got, want) == 0) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "%s:%d: got \"%s\", want \"%s\"\n", file, line, got, want);
}

int unit_end(const char *name) {
    printf("%s: %lu checks, %lu failed\n", name, passed + failed, failed);
    return failed > 0 || passed == 0;
}
