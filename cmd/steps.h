/* Applets that run other applets. */
#ifndef DLV_CMD_STEPS_H
#define DLV_CMD_STEPS_H

#include <stdbool.h>

/* Runs an applet in a process of its own, in `folder`: `words` are its name and its arguments, and NULL behind
 * them, at most 24. What it prints is shown or not; what it says on stderr is. Its exit status; EXIT_TROUBLE also where
 * it was killed or cannot be started, after saying so. */
int step_run(const char *folder, bool is_shown, const char *const words[]);

#endif
