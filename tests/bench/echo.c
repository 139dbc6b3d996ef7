/* The bounds for answers over UDP: bare echoes of the same datagrams, and a load on them.
 *
 *   echo udp ADDRESS:PORT BATCH     recvmmsg(2) and sendmmsg(2), BATCH datagrams a call; 1: one by
 * one echo xdp IFACE PORT [generic]   AF_XDP, in place, no checksum looked at echo load
 * ADDRESS:PORT SECONDS  prints how many came back a second */
#include "load.h"
#include "xdp/program.h"
#include "xdp/socket.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH_MAX 64

static int fail(const struct error *error) {
    fprintf(stderr, "echo: %s\n", error->text);
    return 2;
}

static int serve_udp(const char *address, unsigned batch) {
    static uint8_t bytes[BATCH_MAX][FRAME_DATAGRAM_MAX];
    static struct sockaddr_storage peers[BATCH_MAX];
    static struct mmsghdr messages[BATCH_MAX];
    struct iovec vectors[BATCH_MAX];
    char host[NET_HOST_SIZE], port[NET_PORT_SIZE];
    struct error error;
    if (net_split(address, "0", host, port, &error) != 0)
        return fail(&error);
    int listener = net_listen(host, port, &error);
    int fd = listener < 0 ? -1 : net_bind_datagrams(listener, &error);
    if (fd < 0 || fcntl(fd, F_SETFL, 0) != 0) /* it waits in recvmmsg */
        return fail(&error);
    puts("ready");
    fflush(stdout);
    for (;;) {
        for (unsigned i = 0; i < batch; i++) {
            vectors[i] = (struct iovec){bytes[i], sizeof bytes[i]};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                                  .msg_namelen = sizeof peers[i],
                                                  .msg_iov = &vectors[i],
                                                  .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, messages, batch, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++)
            vectors[i].iov_len = messages[i].msg_len;
        if (n > 0)
            net_send_messages(fd, messages, (unsigned)n);
    }
}

static void swap(uint8_t *a, uint8_t *b, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static int serve_xdp(const char *interface, uint16_t port, bool is_generic) {
    static struct xdp_socket xdp;
    struct xdp_frame frames[BATCH_MAX];
    struct xdp_program program;
    struct error error;
    if (xdp_program_attach(&program, interface, port, is_generic, &error) != 0 ||
        xdp_socket_open(&xdp, interface, 0, is_generic, 0, &error) != 0 ||
        xdp_program_set(&program, 0, xdp.fd, &error) != 0)
        return fail(&error);
    puts("ready");
    fflush(stdout);
    for (bool is_left = false;;) {
        struct pollfd entry = {.fd = xdp.fd, .events = POLLIN};
        unsigned n = xdp_socket_receive(&xdp, frames, BATCH_MAX);
        if (n == 0 && !is_left)
            poll(&entry, 1, -1);
        for (unsigned i = 0; i < n; i++) {
            uint8_t *bytes = frames[i].bytes;
            swap(bytes, bytes + 6, 6);
            swap(bytes + 26, bytes + 30, 4);
            swap(bytes + 34, bytes + 36, 2);
            if (!xdp_socket_send(&xdp, &frames[i]))
                xdp_socket_drop(&xdp, &frames[i]);
        }
        is_left = n > 0 || is_left ? xdp_socket_flush(&xdp) : 0;
    }
}

static int load(const char *address, unsigned seconds) {
    static struct load_result result;
    struct error error;
    const struct load_settings settings = {.server = address,
                                           .is_udp = true,
                                           .is_unchecked = true,
                                           .connections = 4,
                                           .window = 64,
                                           .digests = 1,
                                           .duration_ms = (int64_t)seconds * 1000,
                                           .timeout_ms = 5000};
    if (load_run(&settings, &result, &error) != 0)
        return fail(&error);
    printf("%.0f\n", (double)result.answered / result.seconds);
    return 0;
}

int main(int argc, char **argv) {
    const char *mode = argc > 3 ? argv[1] : "";
    if (strcmp(mode, "udp") == 0 && atoi(argv[3]) >= 1 && atoi(argv[3]) <= BATCH_MAX)
        return serve_udp(argv[2], (unsigned)atoi(argv[3]));
    if (strcmp(mode, "xdp") == 0)
        return serve_xdp(argv[2], (uint16_t)atoi(argv[3]), argc > 4);
    if (strcmp(mode, "load") == 0)
        return load(argv[2], (unsigned)atoi(argv[3]));
    fprintf(stderr, "usage: echo udp ADDRESS:PORT BATCH | xdp IFACE PORT [generic] | "
                    "load ADDRESS:PORT SECONDS\n");
    return 2;
}
