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
#define XDP_RING_SIZE 4096 /* of each ring: all frames fit in any */

/* A ring of `size` elements, one end of which is the kernel's. */
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

/* Makes one for a queue of an interface, all frames in the fill ring. `busy_poll_us` not 0: the
 * kernel polls the driver in our system calls for so long. Needs CAP_NET_RAW. 0, or ERR_SYSTEM with
 * the reason. */
int xdp_socket_open(struct xdp_socket *socket, const char *interface, unsigned queue,
                    bool is_copy_asked, unsigned busy_poll_us, struct error *error);

/* A frame in our hands: `len` bytes at `bytes`, room for XDP_FRAME_SIZE less what lies before. */
struct xdp_frame {
    uint64_t address;
    uint8_t *bytes;
    size_t len;
};

/* Takes what has come, at most `max`. Each must go back by one of the next two. */
unsigned xdp_socket_receive(struct xdp_socket *socket, struct xdp_frame *frames, unsigned max);

/* Sends it; its length may be another. 0 where there is no room: then drop it. */
bool xdp_socket_send(struct xdp_socket *socket, const struct xdp_frame *frame);
void xdp_socket_drop(struct xdp_socket *socket, const struct xdp_frame *frame);

/* After a batch: shows it to the kernel, wakes it where it wants to be woken, and takes back what
 * has been sent. 1 where there is still something to be sent that needs another call, else 0. */
bool xdp_socket_flush(struct xdp_socket *socket);

#endif
