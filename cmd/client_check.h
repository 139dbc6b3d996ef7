/* `dlv client --check`, --time-from and --health: what becomes of each server by itself. */
#ifndef DLV_CMD_CLIENT_CHECK_H
#define DLV_CMD_CLIENT_CHECK_H

#include "asking.h"

/* Asks each server whether it could answer, without session or key, as balancers do. EXIT_OK where all could, or
 * EXIT_TROUBLE. */
int client_health(const char *servers, int64_t timeout_ms);

/* Opens a session with each server of the list and fetches its release; prints a line for each. EXIT_OK, or
 * EXIT_TROUBLE where one of them would not do. */
int client_check(struct asking *asking);

/* Has each server of the list sign what time it is; prints that, and the median. EXIT_OK, or EXIT_TROUBLE where one of
 * them did not, or they disagree by more than --max-skew. */
int client_time(struct asking *asking);

#endif
