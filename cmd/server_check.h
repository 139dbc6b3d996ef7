/* `dlv server --check`: looks at all that a start or a SIGHUP reads. */
#ifndef DLV_CMD_SERVER_CHECK_H
#define DLV_CMD_SERVER_CHECK_H

#include "serve/serve.h"

/* Says what each file is, and, where the settings name a file of metrics that a server writes, what
 * would change in that server. Everything is looked at, also after something that is wrong. EXIT_OK or
 * EXIT_TROUBLE. */
int server_check(struct serve_settings *settings);

#endif
