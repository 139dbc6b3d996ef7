/* What a scanner or a keyboard delivers of a licence, as text: the PDF417 codes of North America (AAMVA DL/ID
 * Card Design Standard, Annex D), their magnetic stripes (Annex F), machine-readable lines of one line (ISO/IEC
 * 18013-1, France and the Netherlands) and of Switzerland, DigiLocker's URIs and documents (India), and
 * numbers as they are typed.
 *
 * Scanners work as keyboards, so control characters arrive as other ones, or not at all; what is read in
 * spite of that is doubtful only where it says so. Codes that hold no licence are refused by their name. */
#ifndef DLV_SCAN_SCAN_H
#define DLV_SCAN_SCAN_H

#include "base/error.h"
#include "scan/fields.h"

#include <stddef.h>

/* Reads any bytes. `year` is the current one, by which a birth year of two digits is completed. 0, or
 * ERR_FORMAT with the reason, where there is no number that could be asked. */
int scan_read(struct scan *scan, const char *bytes, size_t len, unsigned year, struct error *error);

#endif
