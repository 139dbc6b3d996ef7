/* The PDF417 code of a North American licence: a header, and elements, each an id of three letters and a value,
 * in a line of its own (AAMVA DL/ID Card Design Standard, D.12). Elements are found by their ids; offsets and
 * lengths that are declared in the header are wrong too often. */
#ifndef DLV_SCAN_PDF417_H
#define DLV_SCAN_PDF417_H

#include "base/error.h"
#include "scan/fields.h"

/* The PDF417 code of a North American licence, whose header begins at `header` in the text. 0, or ERR_FORMAT
 * with the reason. */
int scan_read_pdf417(struct scan *scan, const char *header, struct error *error);

#endif
