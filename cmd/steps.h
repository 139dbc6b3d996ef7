/* Applets that run other applets. */
#ifndef DLV_CMD_STEPS_H
#define DLV_CMD_STEPS_H

#include <stdbool.h>

/* Runs an applet in a process of its own, in `folder`: `words` are its name and its arguments, and NULL behind
 * them. What it prints is shown or not; what it says on stderr is. Its exit status; EXIT_TROUBLE also where it was
 * killed, or this binary does not have it, after saying so. */
int step_run(const char *folder, bool is_shown, const char *const words[]);

#endif
