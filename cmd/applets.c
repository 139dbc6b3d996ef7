#include "applet.h"

#include <stddef.h>

/* Those that the Makefile names (APPLETS), in the order of the alphabet. */
#define APPLET(name) &applet_##name,

const struct applet *const applets[] = {APPLETS NULL};
