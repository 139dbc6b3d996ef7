#include "metrics.h"

#include "trouble.h"

#include "base/format.h"
#include "base/text.h"
#include "serve/stats.h"

#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FRESH_S 60 /* a server writes them every five seconds */

int metrics_read(struct metrics *metrics, const char *path) {
    const char *mark = stats_file_kind.mark;
    struct stat status;
    struct error error;
    metrics->text[0] = '\0';
    if (stat(path, &status) != 0 || status.st_mtime + FRESH_S < time(NULL))
        return EXIT_OK;
    ssize_t len = file_read(path, metrics->text, METRICS_MAX, &error);
    metrics->text[len > 0 ? len : 0] = '\0';
    if (len < 0)
        return trouble("%s", error.text);
    if (strncmp(metrics->text, mark, strlen(mark)) == 0 &&
        strstr(metrics->text, "dlv_key_info{") != NULL)
        return EXIT_OK;
    metrics->text[0] = '\0';
    return trouble("%s: no metrics that dlv server has written, or not all of them", path);
}

bool metrics_find(const struct metrics *metrics, const char *name, unsigned long long *value) {
    char wanted[80], digits[24];
    format_text(wanted, sizeof wanted, "\n%s ", name);
    const char *at = strstr(metrics->text, wanted);
    if (at == NULL)
        return false;
    at += strlen(wanted);
    format_text(digits, sizeof digits, "%.*s", (int)strcspn(at, "\n"), at);
    return text_parse_count(digits, UINT64_MAX, value) == 0;
}
