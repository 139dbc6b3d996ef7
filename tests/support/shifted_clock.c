/* A clock that is wrong, for tests: dlv's own objects, linked so that time() is ahead of the true time
 * by DLV_CLOCK_SHIFT seconds (which may be negative). It is built into no released program. */
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
