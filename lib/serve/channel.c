#include "serve/channel.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Room for one descriptor beside a message. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0
               ? 0
               : ERR_SYSTEM;
}

void channel_drain(int channel) {
    char byte;
    while (recv(channel, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0) {
    }
}

bool channel_request_is_sound(const struct channel_request *request, size_t len) {
    return len == sizeof *request && request->len <= sizeof request->bytes &&
           request->work >= CHANNEL_LEGACY && request->work <= CHANNEL_RECEIPT;
}

size_t channel_reply_len(enum channel_work work) {
    return offsetof(struct channel_reply, bytes) +
           (work == CHANNEL_RECEIPT ? RECEIPTED_LEN : RSA_LEN_MAX);
}

bool channel_reply_is_sound(const struct channel_reply *reply, size_t len) {
    return (len == channel_reply_len(CHANNEL_OPEN) || len == channel_reply_len(CHANNEL_RECEIPT)) &&
           reply->len <= len - offsetof(struct channel_reply, bytes);
}

int channel_send_order(int channel, enum channel_order order, int fd) {
    uint8_t byte = (uint8_t)order;
    struct iovec vector = {&byte, 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL) == 1 ? 0 : ERR_SYSTEM;
}

int channel_receive_order(int channel, int *fd) {
    uint8_t byte = 0;
    struct iovec vector = {&byte, 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    *fd = -1;
    ssize_t n;
    do {
        n = recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return ERR_SYSTEM;
    if (n == 0)
        return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(fd, CMSG_DATA(header), sizeof *fd);
    return byte;
}

void channel_say_ready(int channel) {
    ssize_t sent = send(channel, "R", 1, MSG_NOSIGNAL);
    (void)sent; /* the parent is gone */
}

bool channel_is_ready(int channel) {
    char byte;
    return recv(channel, &byte, 1, 0) == 1;
}
