#include "os/service.h"

#include "base/text.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */

void service_notify(const char *state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    if (path == NULL || (*path != '/' && *path != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* the abstract name space */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)sent; /* nobody listens */
    close(fd);
}

static int socket_option(int fd, int option) {
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

void service_sockets(int *listener, int *datagrams) {
    const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
    unsigned long long pid, fds;
    *listener = -1;
    *datagrams = -1;
    if (pid_text == NULL || count_text == NULL || text_parse_count(pid_text, 1 << 30, &pid) != 0 ||
        text_parse_count(count_text, 64, &fds) != 0 || pid != (unsigned long long)getpid())
        return;
    for (int fd = FIRST_FD; fd < FIRST_FD + (int)fds; fd++) {
        int type = socket_option(fd, SO_TYPE);
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (type == SOCK_STREAM && socket_option(fd, SO_ACCEPTCONN) == 1 && *listener < 0)
            *listener = fd;
        else if (type == SOCK_DGRAM && *datagrams < 0)
            *datagrams = fd;
        else
            continue;
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    }
}
