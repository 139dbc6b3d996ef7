/* The process of a kiosk that asks. The one that has the screen sends it texts, and it sends reports back. So
 * neither a slow network nor a fault in what parses foreign bytes holds up the screen. */
#ifndef DLV_CMD_KIOSK_ASKING_H
#define DLV_CMD_KIOSK_ASKING_H

#include "asking.h"

#include "kiosk/report.h"
#include "scan/fields.h"

/* A text that was scanned or typed. */
struct kiosk_text {
    uint32_t number; /* of the question, from 1 */
    uint32_t is_typed;
    uint32_t len;
    char text[SCAN_TEXT_MAX];
};

/* A report that is no answer. `why` is what happened, `advice` what to do. */
void report_trouble(struct report *report, const char *heading, const char *why,
                    const char *advice);

/* Reads keys, sends an empty report of number 0 when it is ready, and answers until the other end is closed.
 * Returns the exit status. */
int kiosk_ask_always(int channel, const struct asking_options *options);

#endif
