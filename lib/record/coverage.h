/* Which numbers an authority answers for, as its database says: prefixes of the numbers that it
 * issues, and patterns that all of its numbers fit. Both are lists with commas between, and are
 * compared with numbers in matching form.
 *
 * In a pattern '#' stands for a digit, '@' for a letter, '?' for either; behind one of them
 * "{4}" or "{4-11}" says how many. Other letters and digits stand for themselves. Blanks, '-', '/'
 * and '.' say nothing. */
#ifndef DLV_RECORD_COVERAGE_H
#define DLV_RECORD_COVERAGE_H

#include "base/error.h"
#include "record/terms.h"

#define COVERAGE_MAX 1024 /* bytes of a list, and a NUL */

/* Whether a text is a list of prefixes in matching form. An empty list is one. */
bool coverage_is_valid(const char *prefixes);

/* Whether a number in matching form begins with one of the prefixes. Every number does where the
 * list is empty. */
bool coverage_holds(const char *prefixes, struct span number);

/* Whether a text is a list of patterns. An empty list is one. */
bool patterns_are_valid(const char *patterns);

/* Whether a number in matching form fits one of the patterns. Every number does where the list is
 * empty. */
bool patterns_fit(const char *patterns, struct span number);

#endif
