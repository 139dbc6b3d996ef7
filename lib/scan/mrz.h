/* Machine-readable lines: one line of 30 characters as ISO/IEC 18013-1 has it, of France and the Netherlands,
 * and the three lines of Switzerland. Check digits are those of ICAO Doc 9303, part 3, 4.9. */
#ifndef DLV_SCAN_MRZ_H
#define DLV_SCAN_MRZ_H

#include "base/error.h"
#include "scan/fields.h"

/* The text is machine-readable lines. `year` is the current one. 0, or ERR_FORMAT with the reason. */
int scan_read_mrz(struct scan *scan, unsigned year, struct error *error);

#endif
