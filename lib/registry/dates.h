/* Dates as registries write them. */
#ifndef DLV_REGISTRY_DATES_H
#define DLV_REGISTRY_DATES_H

#include "base/error.h"
#include "record/terms.h"

/* Reads a date in one of the formats, tried in their order. A format is made of YYYY, MM, DD, M and
 * D (one or two digits), Mon (Jan to Dec), and characters that stand for themselves. A format
 * without a day means the month's last one. NULL: YYYY-MM-DD. 0, or ERR_FORMAT. */
int dates_read(const char *formats, struct span text, uint32_t *day);

/* Checks the formats: that each has a year and a month, and that no text can fit two of them. 0 or
 * ERR_FORMAT with the reason. */
int dates_check_formats(const char *formats, struct error *error);

#endif
