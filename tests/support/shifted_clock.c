/* A clock that is wrong, for tests: dlv's own objects, linked so that time() is ahead of the true time
 * by DLV_CLOCK_SHIFT seconds (which may be negative), and so that the program was made at the Unix
 * time DLV_BUILT (0 by default: nobody knows when). It is built into no released program. */
#include "built.h"

#include <stdlib.h>
#include <time.h>

time_t __real_time(time_t *now);
time_t __wrap_time(time_t *now);

time_t __wrap_time(time_t *now) {
    const char *shift = getenv("DLV_CLOCK_SHIFT");
    time_t shifted = __real_time(NULL) + (shift != NULL ? strtoll(shift, NULL, 10) : 0);
    if (now != NULL)
        *now = shifted;
    return shifted;
}

int64_t __wrap_built_s(void);

int64_t __wrap_built_s(void) {
    const char *built = getenv("DLV_BUILT");
    return built != NULL ? strtoll(built, NULL, 10) : 0;
}
