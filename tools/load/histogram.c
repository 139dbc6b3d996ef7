#include "histogram.h"

/* 32 buckets for each power of two; below 64 each number has its own. */
static unsigned bucket_of(uint64_t ns) {
    unsigned power = ns < 64 ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 5;
    return power * 32 + (unsigned)(ns >> power);
}

static uint64_t top_of(unsigned bucket) {
    unsigned power = bucket < 64 ? 0 : bucket / 32 - 1;
    uint64_t first = (uint64_t)(bucket - power * 32) << power;
    return first + ((uint64_t)1 << power) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
    histogram->count++;
    histogram->buckets[bucket_of(ns)]++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

uint64_t histogram_percentile(const struct histogram *histogram, double part) {
    uint64_t want = (uint64_t)(part * (double)histogram->count + 0.5), seen = 0;
    if (want == 0)
        want = 1;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= want) {
            uint64_t top = top_of(i);
            return top < histogram->max_ns ? top : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
