/* DigiLocker (India): the URI of a driving licence, "in.gov.transport-DRVLC-NUMBER", and the document, XML of
 * which only attributes of three elements are looked at. */
#ifndef DLV_SCAN_DIGILOCKER_H
#define DLV_SCAN_DIGILOCKER_H

#include "base/error.h"
#include "scan/fields.h"

/* A URI, which begins at `at` in the text, and a document, which is the text. 0, or ERR_FORMAT with the
 * reason. */
int scan_read_digilocker(struct scan *scan, const char *at, struct error *error);
int scan_read_document(struct scan *scan, struct error *error);

#endif
