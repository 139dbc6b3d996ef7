/* Running an applet. */
#ifndef DLV_CMD_RUN_H
#define DLV_CMD_RUN_H

#include "applet.h"

/* Parses the options, runs the built-in known answers if the applet needs them, and runs it.
 * Returns the exit status. */
int applet_run(const struct applet *applet, int argc, char **argv);

#endif
