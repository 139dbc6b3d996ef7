#include "serve/listening.h"

#include "base/format.h"
#include "net/socket.h"
#include "os/service.h"
#include "serve/log.h"

#include <poll.h>
#include <unistd.h>

static int open_datagrams(struct children *children, struct error *error) {
    for (unsigned w = 0; w < children->settings->worker_count; w++) {
        children->datagrams[w] = net_bind_datagrams(children->listener, error);
        if (children->datagrams[w] < 0)
            return ERR_SYSTEM;
    }
    return 0;
}

static void take_listener(struct children *children) {
    net_send_at_once(children->listener);
    children->port = net_local_port(children->listener);
}

static int open_own(struct children *children, const char *port, struct error *error) {
    const struct serve_settings *settings = children->settings;
    children->listener = net_listen(settings->host, port, error);
    if (children->listener < 0)
        return ERR_SYSTEM;
    take_listener(children);
    return settings->is_udp ? open_datagrams(children, error) : 0;
}

int listening_open(struct children *children, struct error *error) {
    int datagrams;
    service_sockets(&children->listener, &datagrams);
    children->is_given = children->listener >= 0;
    for (unsigned w = 0; w < children->settings->worker_count; w++)
        children->datagrams[w] = datagrams;
    if (!children->is_given)
        return open_own(children, children->settings->port, error);
    take_listener(children);
    return 0;
}

static bool is_shut(int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLRDHUP};
    return fd >= 0 && poll(&poll_fd, 1, 0) == 1 &&
           (poll_fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static bool is_any_shut(const struct children *children) {
    bool is_one = is_shut(children->listener);
    for (unsigned w = 0; w < children->settings->worker_count; w++)
        is_one |= is_shut(children->datagrams[w]);
    return is_one;
}

static void close_one(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void listening_close(struct children *children) {
    if (children->is_given)
        return;
    close_one(&children->listener);
    for (unsigned w = 0; w < children->settings->worker_count; w++)
        close_one(&children->datagrams[w]);
}

int listening_reopen(struct children *children, struct error *error) {
    char port[NET_PORT_SIZE];
    format_text(port, sizeof port, "%u", children->port);
    int code = children->is_given ? 0 : open_own(children, port, error);
    if (code != 0)
        listening_close(children);
    return code;
}

int listening_check(struct children *children, struct error *error) {
    if (children->is_draining || !is_any_shut(children))
        return 0;
    if (children->is_given)
        return error_set(
            error, ERR_SYSTEM,
            "a socket of the service manager's was shut down: this ends, so that it is "
            "started anew");
    serve_log(children->settings, "listener_lost port=%u reason=\"it was shut down\"",
              children->port);
    children_stop_workers(children); /* they have the old ones, too */
    listening_close(children);
    return 0;
}
