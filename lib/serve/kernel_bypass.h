/* The session protocol from the driver's ring (AF_XDP): the same answers as serve/datagram gives,
 * without the socket layer. What takes a key-holder is answered through the UDP socket. */
#ifndef DLV_SERVE_KERNEL_BYPASS_H
#define DLV_SERVE_KERNEL_BYPASS_H

#include "serve/datagram.h"
#include "xdp/program.h"
#include "xdp/socket.h"

#include <stdbool.h>

struct kernel_bypass {
    struct xdp_program program; /* the parent's */
    unsigned queue_count;
    struct xdp_socket sockets[XDP_QUEUES_MAX]; /* each for the worker of the same number */
};

/* Answers one batch of the frames that have come. True where there is more to do at once. */
bool kernel_bypass_serve(struct xdp_socket *socket, struct datagram_server *datagrams,
                         uint16_t port);

#endif
