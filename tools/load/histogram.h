/* Times, counted in buckets no wider than a 32nd of what is in them: percentiles of any number of
 * them in little memory. */
#ifndef DLV_LOAD_HISTOGRAM_H
#define DLV_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS (64 * 32)

struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The time that `part` (0 to 1) of all do not exceed; 0 where there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double part);

#endif
