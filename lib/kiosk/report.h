/* What a kiosk shows of one question: made by the process that asks, drawn by the one that has the screen. */
#ifndef DLV_KIOSK_REPORT_H
#define DLV_KIOSK_REPORT_H

#include <stdint.h>

#define REPORT_WORD_SIZE 64
#define REPORT_LINES_MAX 16
#define REPORT_LINE_SIZE 640

/* Neither is what is no answer: the register does not speak about it, or nobody has answered. */
enum report_mood { REPORT_YES, REPORT_NO, REPORT_NEITHER };

struct report {
    uint32_t number; /* of the question; 0: it was kept, since a stop at this time: */
    int64_t stopped_s;
    uint32_t mood;               /* enum report_mood */
    int32_t utc_offset_s;        /* of the authority's clocks; 0 where it is not known */
    char word[REPORT_WORD_SIZE]; /* "VALID" */
    uint32_t line_count;
    char lines[REPORT_LINES_MAX]
              [REPORT_LINE_SIZE]; /* UTF-8, NUL-terminated; the first matter most */
};

#endif
