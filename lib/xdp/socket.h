/* An AF_XDP socket: frames of one receive queue, in memory that the driver writes and reads.
 *
 * Every frame is at one place at a time, and goes round: fill ring, receive ring, in our hands,
 * transmit ring, completion ring, fill ring. So no list of free ones is needed, and a process that
 * inherits the socket goes on where another has failed (what that one had in hand, at most a batch,
 * is lost). The memory is shared with children. */
#ifndef DLV_XDP_SOCKET_H
#define DLV_XDP_SOCKET_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XDP_FRAME_SIZE 2048
#define XDP_FRAMES 4096
#define XDP_RING_SIZE 4096 /* the size of each ring; all frames fit into any of them */

/* A ring of XDP_RING_SIZE elements: this process is at one end, and the kernel at the other. */
struct xdp_ring {
    uint32_t *producer;
    uint32_t *consumer;
    uint32_t *flags;
    void *elements; /* uint64_t addresses, or struct xdp_desc */
};

struct xdp_socket {
    int fd;
    bool is_zero_copy;
    uint8_t *frames;
    struct xdp_ring fill, complete, receive, transmit;
};

/* Makes a socket for a queue of an interface, with all frames in the fill ring. Where
 * `is_copy_asked`, frames are copied even where the driver could hand them over. Where
 * `busy_poll_us` is not 0, the kernel polls the driver for that long in each of our system calls.
 * This needs CAP_NET_RAW. 0, or ERR_SYSTEM with the reason. */
int xdp_socket_open(struct xdp_socket *socket, const char *interface, unsigned queue,
                    bool is_copy_asked, unsigned busy_poll_us, struct error *error);

/* A frame that this process holds: `len` bytes at `bytes`. There is room for XDP_FRAME_SIZE bytes,
 * less what lies before `bytes`. */
struct xdp_frame {
    uint64_t address;
    uint8_t *bytes;
    size_t len;
};

/* Takes the frames that have come, at most `max`. Each must be returned by one of the next two
 * functions. */
unsigned xdp_socket_receive(struct xdp_socket *socket, struct xdp_frame *frames, unsigned max);

/* Sends a frame, whose length may have changed. False where there is no room: then drop it. */
bool xdp_socket_send(struct xdp_socket *socket, const struct xdp_frame *frame);

/* Gives a frame back without sending it. */
void xdp_socket_drop(struct xdp_socket *socket, const struct xdp_frame *frame);

/* To be called after a batch: shows it to the kernel, wakes the kernel where that is needed, and
 * takes back the frames that have been sent. True where another call is needed to send the rest. */
bool xdp_socket_flush(struct xdp_socket *socket);

#endif
