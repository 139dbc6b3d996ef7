/* Text for messages. */
#ifndef DLV_BASE_TEXT_H
#define DLV_BASE_TEXT_H

#include <stddef.h>

#define TEXT_QUOTE_SIZE 80

/* Foreign bytes as they may stand in a one-line message: at most 60 of them, what is unsafe to
 * show and invalid UTF-8 as '?', "..." where something was cut. NUL-terminated. */
void text_quote(char quoted[TEXT_QUOTE_SIZE], const char *bytes, size_t len);

/* Reads a count: decimal digits and nothing else. 0, or ERR_FORMAT, also where it is above
 * `max`. */
int text_parse_count(const char *text, unsigned long long max, unsigned long long *count);

#endif
