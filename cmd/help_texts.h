/* The texts of help, from cmd/help/APPLET.txt. The binary carries them compressed. */
#ifndef DLV_CMD_HELP_TEXTS_H
#define DLV_CMD_HELP_TEXTS_H

#include "record/terms.h"

/* A section of an applet's file: "synopsis", which is what the file begins with, "description" or "options".
 * Empty where there is none. */
struct span help_text(const char *applet, const char *section);

#endif
