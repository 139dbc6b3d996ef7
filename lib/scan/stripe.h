/* The magnetic stripe of a North American licence: "%STATE CITY^SURNAME$FIRST$MIDDLE^ADDRESS?;ISSUER
 * NUMBER=YYMM BIRTHDATE ...?" (AAMVA DL/ID Card Design Standard, Annex F). Its second track has digits alone. */
#ifndef DLV_SCAN_STRIPE_H
#define DLV_SCAN_STRIPE_H

#include "base/error.h"
#include "scan/fields.h"

/* The text is what a reader of magnetic stripes delivers. 0, or ERR_FORMAT with the reason. */
int scan_read_stripe(struct scan *scan, struct error *error);

#endif
