/* The eBPF program that takes our datagrams out of an interface's receive queue and leaves all else
 * to the kernel. It is a table of instructions, loaded by bpf(2): no compiler, no library. */
#ifndef DLV_XDP_PROGRAM_H
#define DLV_XDP_PROGRAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define XDP_QUEUES_MAX 64

enum xdp_mode { XDP_MODE_NATIVE, XDP_MODE_GENERIC };

/* Attached while `link` is open; all are closed on exec. */
struct xdp_program {
    int map; /* from queue to socket */
    int program;
    int link;
    enum xdp_mode mode;
};

/* Loads it for UDP to `port` and attaches it to the interface, in the driver, or where that cannot,
 * behind it. The map is empty: until xdp_program_set, everything goes to the kernel. Needs
 * CAP_NET_ADMIN and CAP_BPF. 0, or ERR_SYSTEM with the reason. */
int xdp_program_attach(struct xdp_program *program, const char *interface, uint16_t port,
                       bool is_generic_asked, struct error *error);

/* From now on, what comes on `queue` for us goes to the AF_XDP socket. 0 or ERR_SYSTEM. */
int xdp_program_set(const struct xdp_program *program, unsigned queue, int socket,
                    struct error *error);

#endif
