#include "nearest.h"

#define WORD_MAX 24

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned nearest_distance(const char *given, size_t given_len, const char *known,
                          size_t known_len) {
    unsigned rows[3][WORD_MAX + 1];
    if (given_len > WORD_MAX || known_len > WORD_MAX)
        return NEAREST_NOTHING;
    for (size_t i = 0; i <= given_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= known_len; j++) {
            if (i == 0) {
                row[j] = (unsigned)j;
                continue;
            }
            unsigned differs = given[i - 1] != known[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && given[i - 1] == known[j - 2] && given[i - 2] == known[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    unsigned distance = rows[given_len % 3][known_len];
    return distance <= 1 + given_len / 4 && distance < known_len ? distance : NEAREST_NOTHING;
}
