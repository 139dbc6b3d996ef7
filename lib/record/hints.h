/* The slips that people and scanners make in a number: one letter or digit read as another, two that
 * are swapped, leading zeros that are missing. */
#ifndef DLV_RECORD_HINTS_H
#define DLV_RECORD_HINTS_H

#include "record/terms.h"

#define HINTS_MAX 32
#define HINT_TEXT_MAX 64 /* longer numbers get no hints */

struct hint {
    char text[HINT_TEXT_MAX + 8]; /* the number as it may have been meant; NUL-terminated */
    char check[40];               /* what to check: "the letter O at place 3" */
};

/* Writes what the number may have been meant as, where that fits one of the patterns. Returns how
 * many. */
unsigned hints_of(struct hint hints[HINTS_MAX], struct span number, const char *patterns);

#endif
