#include "xdp/socket.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

#define BUSY_POLL_BUDGET 64
#define BUSY_MS 1000 /* how long a queue that somebody has is waited for */
#define BUSY_PAUSE_MS 20
#define MASK (XDP_RING_SIZE - 1)

/* --- rings ------------------------------------------------------------------------------------ */

/* Each index of a ring is written by one side only. Whoever reads an index also sees everything
 * that was written before it. */
static uint32_t read_index(const uint32_t *index) {
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void write_index(uint32_t *index, uint32_t value) {
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static int map_ring(int fd, const struct xdp_ring_offset *offset, size_t element_size,
                    uint64_t page, struct xdp_ring *ring) {
    size_t len = (size_t)offset->desc + XDP_RING_SIZE * element_size;
    uint8_t *map =
        mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
    if (map == MAP_FAILED)
        return ERR_SYSTEM;
    ring->producer = (uint32_t *)(void *)(map + offset->producer);
    ring->consumer = (uint32_t *)(void *)(map + offset->consumer);
    ring->flags = (uint32_t *)(void *)(map + offset->flags);
    ring->elements = map + offset->desc;
    return 0;
}

static int map_rings(struct xdp_socket *xdp) {
    struct xdp_mmap_offsets offsets;
    socklen_t len = sizeof offsets;
    if (getsockopt(xdp->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) != 0 ||
        len != sizeof offsets)
        return ERR_SYSTEM;
    return map_ring(xdp->fd, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING, &xdp->fill) ==
                       0 &&
                   map_ring(xdp->fd, &offsets.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING,
                            &xdp->complete) == 0 &&
                   map_ring(xdp->fd, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING,
                            &xdp->receive) == 0 &&
                   map_ring(xdp->fd, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING,
                            &xdp->transmit) == 0
               ? 0
               : ERR_SYSTEM;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int set(int fd, int option, const void *value, socklen_t len) {
    return setsockopt(fd, SOL_XDP, option, value, len);
}

static int prepare(struct xdp_socket *xdp) {
    const int size = XDP_RING_SIZE;
    size_t len = (size_t)XDP_FRAMES * XDP_FRAME_SIZE;
    xdp->frames = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (xdp->frames == MAP_FAILED)
        return ERR_SYSTEM;
    const struct xdp_umem_reg memory = {
        .addr = (uintptr_t)xdp->frames, .len = len, .chunk_size = XDP_FRAME_SIZE};
    if (set(xdp->fd, XDP_UMEM_REG, &memory, sizeof memory) != 0 ||
        set(xdp->fd, XDP_UMEM_FILL_RING, &size, sizeof size) != 0 ||
        set(xdp->fd, XDP_UMEM_COMPLETION_RING, &size, sizeof size) != 0 ||
        set(xdp->fd, XDP_RX_RING, &size, sizeof size) != 0 ||
        set(xdp->fd, XDP_TX_RING, &size, sizeof size) != 0)
        return ERR_SYSTEM;
    return map_rings(xdp);
}

static void set_busy_poll(int fd, unsigned us) {
    int one = 1, budget = BUSY_POLL_BUDGET, time = (int)us;
    setsockopt(fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &time, sizeof time);
    setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &budget, sizeof budget);
}

static void give_to_kernel(struct xdp_socket *xdp, uint64_t address) {
    uint64_t *addresses = xdp->fill.elements;
    uint32_t at = *xdp->fill.producer;
    addresses[at & MASK] = address;
    write_index(xdp->fill.producer, at + 1);
}

int xdp_socket_open(struct xdp_socket *xdp, const char *interface, unsigned queue,
                    bool is_copy_asked, unsigned busy_poll_us, struct error *error) {
    struct xdp_options options = {0};
    socklen_t len = sizeof options;
    memset(xdp, 0, sizeof *xdp);
    xdp->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (xdp->fd < 0)
        return error_set_errno(error, "AF_XDP: no socket (needs CAP_NET_RAW and the kernel's "
                                      "CONFIG_XDP_SOCKETS)");
    int code = prepare(xdp);
    if (code == 0 && busy_poll_us > 0)
        set_busy_poll(xdp->fd, busy_poll_us);
    const struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = (uint16_t)(XDP_USE_NEED_WAKEUP | (is_copy_asked ? XDP_COPY : 0)),
        .sxdp_ifindex = if_nametoindex(interface),
        .sxdp_queue_id = queue};
    /* The queue of a process that was killed is free a moment after its end. */
    const struct timespec pause = {0, BUSY_PAUSE_MS * 1000000L};
    for (int waited_ms = 0; code == 0; waited_ms += BUSY_PAUSE_MS) {
        if (bind(xdp->fd, (const struct sockaddr *)&address, sizeof address) == 0)
            break;
        code = errno == EBUSY && waited_ms < BUSY_MS ? nanosleep(&pause, NULL) : -1;
    }
    if (code != 0) {
        error_set_errno(error, "AF_XDP: queue %u of %s", queue, interface);
        close(xdp->fd);
        return ERR_SYSTEM;
    }
    if (getsockopt(xdp->fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0)
        xdp->is_zero_copy = (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
    for (uint64_t i = 0; i < XDP_FRAMES; i++)
        give_to_kernel(xdp, i * XDP_FRAME_SIZE);
    return 0;
}

/* --- frames ----------------------------------------------------------------------------------- */

unsigned xdp_socket_receive(struct xdp_socket *xdp, struct xdp_frame *frames, unsigned max) {
    const struct xdp_desc *descriptors = xdp->receive.elements;
    uint32_t at = *xdp->receive.consumer;
    uint32_t there = read_index(xdp->receive.producer) - at;
    unsigned n = there < max ? there : max;
    for (unsigned i = 0; i < n; i++) {
        const struct xdp_desc *descriptor = &descriptors[(at + i) & MASK];
        uint64_t address = descriptor->addr % ((uint64_t)XDP_FRAMES * XDP_FRAME_SIZE);
        size_t room = XDP_FRAME_SIZE - address % XDP_FRAME_SIZE;
        frames[i] = (struct xdp_frame){.address = address,
                                       .bytes = xdp->frames + address,
                                       .len = descriptor->len < room ? descriptor->len : room};
    }
    write_index(xdp->receive.consumer, at + n);
    return n;
}

bool xdp_socket_send(struct xdp_socket *xdp, const struct xdp_frame *frame) {
    struct xdp_desc *descriptors = xdp->transmit.elements;
    uint32_t at = *xdp->transmit.producer;
    if (at - read_index(xdp->transmit.consumer) == XDP_RING_SIZE)
        return false;
    descriptors[at & MASK] = (struct xdp_desc){.addr = frame->address, .len = (uint32_t)frame->len};
    write_index(xdp->transmit.producer, at + 1);
    return true;
}

void xdp_socket_drop(struct xdp_socket *xdp, const struct xdp_frame *frame) {
    give_to_kernel(xdp, frame->address - frame->address % XDP_FRAME_SIZE);
}

static void take_back_sent(struct xdp_socket *xdp) {
    const uint64_t *addresses = xdp->complete.elements;
    uint32_t at = *xdp->complete.consumer, end = read_index(xdp->complete.producer);
    for (; at != end; at++)
        give_to_kernel(xdp, addresses[at & MASK] - addresses[at & MASK] % XDP_FRAME_SIZE);
    write_index(xdp->complete.consumer, at);
}

static bool wants_waking(const struct xdp_ring *ring) {
    return (__atomic_load_n(ring->flags, __ATOMIC_ACQUIRE) & XDP_RING_NEED_WAKEUP) != 0;
}

bool xdp_socket_flush(struct xdp_socket *xdp) {
    bool is_left = *xdp->transmit.producer != read_index(xdp->transmit.consumer);
    if (is_left && wants_waking(&xdp->transmit)) {
        /* The kernel sends a batch of its own size. EAGAIN and EBUSY mean that something is left to
         * send. */
        ssize_t sent = sendto(xdp->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
        (void)sent;
        is_left = *xdp->transmit.producer != read_index(xdp->transmit.consumer);
    }
    take_back_sent(xdp);
    if (wants_waking(&xdp->fill)) {
        ssize_t woken = recvfrom(xdp->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
        (void)woken;
    }
    return is_left;
}
