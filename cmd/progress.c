#include "progress.h"

#include "trouble.h"

#include "base/format.h"
#include "net/socket.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define SILENT_MS 2000 /* what is short needs no progress */
#define PAUSE_MS 500

static int64_t start_ms, next_ms;
static uint64_t last_done;
static bool is_shown;

void progress_show(uint64_t done, uint64_t total) {
    int64_t now_ms = net_now_ms();
    char line[96];
    if (start_ms == 0 || done < last_done) {
        start_ms = now_ms;
        next_ms = now_ms + SILENT_MS;
    }
    last_done = done;
    if (done >= total) {
        progress_end();
        return;
    }
    if (now_ms < next_ms || done == 0 || !isatty(STDERR_FILENO))
        return;
    next_ms = now_ms + PAUSE_MS;
    is_shown = true;
    double left_s = (double)(now_ms - start_ms) / 1000 * (double)(total - done) / (double)done;
    format_text(line, sizeof line, "\r\033[Kdlv %s: %u %%, %u:%02u left ", trouble_applet(),
                (unsigned)(100.0 * (double)done / (double)total), (unsigned)left_s / 60,
                (unsigned)left_s % 60);
    fputs(line, stderr);
    trouble_clears_line();
}

void progress_hide(void) {
    if (is_shown)
        fputs("\r\033[K", stderr);
    is_shown = false;
}

void progress_end(void) {
    progress_hide();
    start_ms = 0;
}
