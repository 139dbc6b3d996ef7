/* The bound for answers over UDP: a bare echo of the same datagrams by recvmmsg(2) and sendmmsg(2),
 * on one core, under the same load from another. */
#include "load/load.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64

static void pin(size_t core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void echo(int fd) {
    static uint8_t bytes[BATCH][FRAME_DATAGRAM_MAX];
    static struct sockaddr_storage peers[BATCH];
    static struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){bytes[i], sizeof bytes[i]};
            messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                                  .msg_namelen = sizeof peers[i],
                                                  .msg_iov = &vectors[i],
                                                  .msg_iovlen = 1};
        }
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++)
            vectors[i].iov_len = messages[i].msg_len;
        if (n > 0)
            net_send_messages(fd, messages, (unsigned)n);
    }
}

int main(void) {
    static struct load_result result;
    char address[NET_ADDRESS_SIZE];
    struct error error;
    int listener = net_listen("127.0.0.1", "0", &error);
    int fd = listener < 0 ? -1 : net_bind_datagrams(listener, &error);
    if (fd < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    net_local_address(listener, address);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin(0);
        dup2(fd, 0);
        if (fcntl(0, F_SETFL, 0) == 0) /* it waits in recvmmsg */
            echo(0);
        return 2;
    }
    pin(1);
    const struct load_settings settings = {.server = address,
                                           .is_udp = 1,
                                           .is_unchecked = 1,
                                           .connections = 4,
                                           .window = 64,
                                           .digests = 1,
                                           .duration_ms = 3000,
                                           .timeout_ms = 5000};
    int code = load_run(&settings, &result, &error);
    kill(pid, SIGKILL);
    if (code != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    printf("%.0f\n", (double)result.answered / result.seconds);
    return 0;
}
