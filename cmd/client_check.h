/* `dlv client --check`: what becomes of each server by itself. */
#ifndef DLV_CMD_CLIENT_CHECK_H
#define DLV_CMD_CLIENT_CHECK_H

#include "asking.h"

/* Opens a session with each server of the list and fetches its release; prints a line for each. EXIT_OK, or
 * EXIT_TROUBLE where one of them would not do. */
int client_check(struct asking *asking);

#endif
