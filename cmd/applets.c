#include "applet.h"

#include <stddef.h>

const struct applet *const applets[] = {
    &applet_client, &applet_dbgen, &applet_diff,   &applet_info, &applet_install,
    &applet_keygen, &applet_kiosk, &applet_reload, &applet_scan, &applet_selftest,
    &applet_server, &applet_sync,  &applet_verify, NULL,
};
