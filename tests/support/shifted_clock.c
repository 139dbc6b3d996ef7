/* A clock that is wrong, for tests: dlv's own objects, linked so that time() and CLOCK_REALTIME are ahead of the true time by
 * DLV_CLOCK_SHIFT seconds (which may be negative) and runs DLV_CLOCK_SPEED times as fast, and so that the
 * program was made at the Unix time DLV_BUILT (0 by default: nobody knows when). It is built into no released
 * program. */
#include "built.h"

#include <stdlib.h>
#include <time.h>

time_t __real_time(time_t *now);
time_t __wrap_time(time_t *now);

time_t __wrap_time(time_t *now) {
    static time_t start; /* children have it from their parent */
    const char *shift = getenv("DLV_CLOCK_SHIFT"), *speed = getenv("DLV_CLOCK_SPEED");
    time_t true_time = __real_time(NULL);
    if (start == 0)
        start = true_time;
    time_t shifted = true_time + (shift != NULL ? strtoll(shift, NULL, 10) : 0);
    if (speed != NULL)
        shifted += (true_time - start) * (strtoll(speed, NULL, 10) - 1);
    if (now != NULL)
        *now = shifted;
    return shifted;
}

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now) {
    int result = __real_clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += __wrap_time(NULL) - __real_time(NULL);
    return result;
}

int64_t __wrap_built_s(void);

int64_t __wrap_built_s(void) {
    const char *built = getenv("DLV_BUILT");
    return built != NULL ? strtoll(built, NULL, 10) : 0;
}
