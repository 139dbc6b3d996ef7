/* The texts of help, from cmd/help/APPLET.txt. The binary carries them compressed. */
#ifndef DLV_CMD_HELP_TEXTS_H
#define DLV_CMD_HELP_TEXTS_H

/* A section of an applet's file; "synopsis", which is what the file begins with, "description" or "options".
 * It ends with a blank line. NULL: there is none. */
const char *help_text(const char *applet, const char *section);

#endif
