/* The metrics that a running server writes (dlv server --stats). */
#ifndef DLV_CMD_METRICS_H
#define DLV_CMD_METRICS_H

#include <stdbool.h>

#define METRICS_MAX 65536

/* Large: for static memory. */
struct metrics {
    char text[METRICS_MAX + 1]; /* empty: no server writes the file */
};

/* Reads them. EXIT_OK, also where no running server has written the file within the last minute; or
 * EXIT_TROUBLE after saying why. */
int metrics_read(struct metrics *metrics, const char *path);

/* The value of a metric, by its name and labels as they are written. False where it is not there. */
bool metrics_find(const struct metrics *metrics, const char *name, unsigned long long *value);

#endif
