/* Help and man pages, made from the applets' descriptions. */
#ifndef DLV_CMD_HELP_H
#define DLV_CMD_HELP_H

#include "applet.h"

/* The help of an applet, as text and as a man page. */
void help_print(const struct applet *applet);
void help_print_man(const struct applet *applet);

/* The man page of dlv itself. */
void help_print_man_overview(const char *version);

#endif
