/* The least that a unit test needs: CHECK counts and names what does not hold; a test's main ends
 * with `return unit_end("name")`. */
#ifndef DLV_TESTS_UNIT_H
#define DLV_TESTS_UNIT_H

#include <string.h>

#define CHECK(condition) unit_check((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) unit_check_text((got), (want), __FILE__, __LINE__)

void unit_check(int holds, const char *condition, const char *file, int line);
void unit_check_text(const char *got, const char *want, const char *file, int line);
int unit_end(const char *name);

#endif
