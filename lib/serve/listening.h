/* The sockets that clients come to: TCP for all workers, UDP for each. The parent opens them, or takes them
 * from a service manager, and keeps them open, so that a worker that fails loses no connection that waits. */
#ifndef DLV_SERVE_LISTENING_H
#define DLV_SERVE_LISTENING_H

#include "serve/children.h"

/* 0, or ERR_SYSTEM with the reason. */
int listening_open(struct children *children, struct error *error);

/* While nothing can be answered: closes them, so that clients are refused at once and go elsewhere; those of a
 * service manager stay. */
void listening_close(struct children *children);

/* Opens them again, on the same port. 0, or ERR_SYSTEM with the reason. */
int listening_reopen(struct children *children, struct error *error);

/* Looks whether a socket was shut down, which no worker of ours does. Then all are closed and all workers
 * stopped, to be opened and started anew; those of a service manager only it can open, so then ERR_SYSTEM, and
 * the server is to end. */
int listening_check(struct children *children, struct error *error);

#endif
