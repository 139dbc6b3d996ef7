/* The eBPF program that takes our datagrams out of an interface's receive queue and leaves all else
 * to the kernel. It is a table of instructions, loaded by bpf(2): no compiler, no library. */
#ifndef DLV_XDP_PROGRAM_H
#define DLV_XDP_PROGRAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define XDP_QUEUES_MAX 64

enum xdp_mode { XDP_MODE_NATIVE, XDP_MODE_GENERIC };

/* The program is attached while `link` is open. All descriptors are closed on exec. */
struct xdp_program {
    int map; /* from queue to socket */
    int program;
    int link;
    enum xdp_mode mode;
};

/* Loads the program for UDP to `port` and attaches it to the interface: in the driver, or, where
 * the driver cannot run it, in the kernel behind the driver. The map is empty, so everything goes
 * to the kernel until xdp_program_set. This needs CAP_NET_ADMIN and CAP_BPF. 0, or ERR_SYSTEM with
 * the reason. */
int xdp_program_attach(struct xdp_program *program, const char *interface, uint16_t port,
                       bool is_generic_asked, struct error *error);

/* From now on, datagrams to our port on `queue` go to the AF_XDP socket. 0 or ERR_SYSTEM. */
int xdp_program_set(const struct xdp_program *program, unsigned queue, int socket,
                    struct error *error);

#endif
