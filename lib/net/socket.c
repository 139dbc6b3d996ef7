#include "net/socket.h"

#include "base/format.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int64_t net_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now); /* which goes on while the machine is suspended */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t net_now_ms(void) {
    return net_now_us() / 1000;
}

int64_t net_unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int net_split(const char *text, const char *port_default, char host[NET_HOST_SIZE],
              char port[NET_PORT_SIZE], struct error *error) {
    const char *host_start = text;
    const char *port_start = NULL;
    size_t host_len;
    if (*text == '[') {
        const char *close_bracket = strchr(text, ']');
        host_start++;
        if (close_bracket == NULL || (close_bracket[1] != '\0' && close_bracket[1] != ':'))
            return error_set(error, ERR_FORMAT, "\"%s\" is not an address (want [IPv6]:port)",
                             text);
        host_len = (size_t)(close_bracket - host_start);
        if (close_bracket[1] == ':')
            port_start = close_bracket + 2;
    } else {
        const char *colon = strchr(text, ':');
        if (colon != NULL && strchr(colon + 1, ':') != NULL)
            return error_set(error, ERR_FORMAT,
                             "\"%s\" is not an address (IPv6 wants brackets: [::1]:8080)", text);
        host_len = colon ? (size_t)(colon - text) : strlen(text);
        if (colon != NULL)
            port_start = colon + 1;
    }
    if (port_start == NULL)
        port_start = port_default;
    int number = 0;
    size_t digits = strspn(port_start, "0123456789");
    if (digits > 0 && digits <= 5 && port_start[digits] == '\0') {
        for (size_t i = 0; i < digits; i++)
            number = number * 10 + (port_start[i] - '0');
    } else {
        number = -1;
    }
    if (number < 0 || number > 65535 || host_len >= NET_HOST_SIZE)
        return error_set(error, ERR_FORMAT, "\"%s\" is not an address (want host:port)", text);
    if (host_len > 0 && strspn(host_start, "0123456789") == host_len)
        return error_set(error, ERR_FORMAT,
                         "\"%s\" is not an address (a port has a colon: \":%.*s\")", text,
                         (int)host_len, host_start);
    memcpy(host, host_start, host_len);
    host[host_len] = '\0';
    format_text(port, NET_PORT_SIZE, "%u", (unsigned)number & 0xFFFF);
    return 0;
}

/* Waits until `fd` is ready for `events`. 0, ERR_SYSTEM or ERR_TIMEOUT. */
static int wait_for(int fd, short events, int64_t deadline_ms) {
    for (;;) {
        struct pollfd entry = {.fd = fd, .events = events};
        int64_t left = deadline_ms - net_now_ms();
        if (left <= 0)
            return ERR_TIMEOUT;
        int n = poll(&entry, 1, left > 1000000 ? 1000000 : (int)left);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return ERR_SYSTEM;
    }
}

void net_send_at_once(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int connect_one(const struct addrinfo *address, int64_t deadline_ms) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    net_send_at_once(fd);
    int code = 0;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        code = errno == EINPROGRESS ? wait_for(fd, POLLOUT, deadline_ms) : ERR_SYSTEM;
        int problem = errno;
        socklen_t len = sizeof problem;
        if (code == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem != 0)
            code = ERR_SYSTEM;
        errno = problem;
    }
    if (code == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return code;
}

/* Resolves a name. The caller frees the addresses with freeaddrinfo. NULL with the reason where
 * that fails. An empty host is this machine. */
static struct addrinfo *resolve(const char *host, const char *port, int type, int flags,
                                struct error *error) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = type, .ai_flags = flags};
    struct addrinfo *addresses;
    if (*host == '\0')
        host = "localhost";
    int problem = getaddrinfo(host, port, &hints, &addresses);
    if (problem == 0)
        return addresses;
    error_set(error, ERR_SYSTEM, "%s:%s: %s", host, port, gai_strerror(problem));
    return NULL;
}

/* Frees them, and leaves errno as it is. Returns `code`. */
static int free_addresses(struct addrinfo *addresses, int code) {
    int number = errno;
    freeaddrinfo(addresses);
    errno = number;
    return code;
}

int net_connect(const char *host, const char *port, int64_t deadline_ms, struct error *error) {
    struct addrinfo *addresses = resolve(host, port, SOCK_STREAM, 0, error);
    int code = ERR_SYSTEM;
    if (addresses == NULL)
        return code;
    for (const struct addrinfo *address = addresses; address != NULL; address = address->ai_next) {
        code = connect_one(address, deadline_ms);
        if (code >= 0)
            break;
    }
    if (code == ERR_SYSTEM)
        error_set_errno(error, "%s:%s: no connection", host, port);
    else if (code < 0)
        error_set(error, code, "%s:%s: no connection within the time allowed", host, port);
    return free_addresses(addresses, code);
}

int net_connect_datagrams(const char *host, const char *port, unsigned nth, struct error *error) {
    struct addrinfo *addresses = resolve(host, port, SOCK_DGRAM, 0, error);
    const struct addrinfo *address = addresses;
    if (addresses == NULL)
        return ERR_SYSTEM;
    while (address != NULL && nth-- > 0)
        address = address->ai_next;
    int code = ERR_LIMIT;
    if (address != NULL) {
        int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        code = fd >= 0 && connect(fd, address->ai_addr, address->ai_addrlen) == 0
                   ? fd
                   : error_set_errno(error, "%s:%s: no way there", host, port);
        int number = errno;
        if (code < 0 && fd >= 0)
            close(fd);
        errno = number;
    }
    return free_addresses(addresses, code);
}

int net_send(int fd, const void *bytes, size_t len, int64_t deadline_ms) {
    const uint8_t *p = bytes;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return ERR_SYSTEM;
        int code = wait_for(fd, POLLOUT, deadline_ms);
        if (code != 0)
            return code;
    }
    return 0;
}

ssize_t net_receive(int fd, void *bytes, size_t max, int64_t deadline_ms) {
    for (;;) {
        ssize_t n = recv(fd, bytes, max, 0);
        if (n >= 0)
            return n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return ERR_SYSTEM;
        int code = wait_for(fd, POLLIN, deadline_ms);
        if (code != 0)
            return code;
    }
}

static int listen_one(const struct addrinfo *address, bool is_any) {
    int one = 1, zero = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, is_any ? &zero : &one, sizeof one);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 4096) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return ERR_SYSTEM;
}

int net_listen(const char *host, const char *port, struct error *error) {
    const char *families[] = {host, NULL};
    bool is_any = *host == '\0';
    if (is_any) {
        families[0] = "::";
        families[1] = "0.0.0.0"; /* a machine without IPv6 */
    }
    int fd = ERR_SYSTEM;
    for (int i = 0; i < 2 && families[i] != NULL && fd < 0; i++) {
        struct addrinfo *addresses = resolve(families[i], port, SOCK_STREAM, AI_PASSIVE, error);
        if (addresses == NULL)
            return ERR_SYSTEM;
        fd = listen_one(addresses, is_any);
        freeaddrinfo(addresses);
        if (fd < 0 && errno == EADDRINUSE)
            break;
    }
    return fd >= 0 ? fd : error_set_errno(error, "%s:%s: cannot listen", host, port);
}

/* The longest run of at least two groups of zeros, which :: takes the place of; *len 0: none. */
static unsigned find_zeros(const uint8_t address[16], unsigned *len) {
    unsigned best = 0;
    *len = 1;
    for (unsigned at = 0; at < 8; at++) {
        unsigned end = at;
        while (end < 8 && address[2 * end] == 0 && address[2 * end + 1] == 0)
            end++;
        if (end - at > *len) {
            best = at;
            *len = end - at;
        }
    }
    *len = *len > 1 ? *len : 0;
    return best;
}

/* Writes an IPv6 address as RFC 5952 describes it, with the port. */
static void format_v6(const uint8_t address[16], unsigned port, char text[NET_ADDRESS_SIZE]) {
    unsigned zeros_len, zeros = find_zeros(address, &zeros_len);
    size_t len = format_text(text, NET_ADDRESS_SIZE, "[");
    for (unsigned i = 0; i < 8; i++) {
        if (zeros_len > 0 && i == zeros) {
            len += format_text(text + len, NET_ADDRESS_SIZE - len, "::");
            i += zeros_len - 1;
            continue;
        }
        bool is_first = i == 0 || (zeros_len > 0 && i == zeros + zeros_len);
        len += format_text(text + len, NET_ADDRESS_SIZE - len, is_first ? "%x" : ":%x",
                           (unsigned)(address[2 * i] << 8 | address[2 * i + 1]));
    }
    format_text(text + len, NET_ADDRESS_SIZE - len, "]:%u", port);
}

static void format_address(const struct sockaddr_storage *address, char text[NET_ADDRESS_SIZE]) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof v4);
    memcpy(&v6, address, sizeof v6);
    const uint8_t *bytes = (const uint8_t *)&v4.sin_addr;
    if (address->ss_family == AF_INET6)
        format_v6(v6.sin6_addr.s6_addr, ntohs(v6.sin6_port), text);
    else if (address->ss_family == AF_INET)
        format_text(text, NET_ADDRESS_SIZE, "%u.%u.%u.%u:%u", bytes[0], bytes[1], bytes[2],
                    bytes[3], ntohs(v4.sin_port));
    else
        format_text(text, NET_ADDRESS_SIZE, "unknown");
}

/* The address of one of the ends, which getsockname(2) or getpeername(2) gives. */
static void format_end(int fd, int (*get)(int, struct sockaddr *, socklen_t *),
                       char text[NET_ADDRESS_SIZE]) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (get(fd, (struct sockaddr *)&address, &len) != 0)
        address.ss_family = AF_UNSPEC;
    format_address(&address, text);
}

void net_local_address(int fd, char text[NET_ADDRESS_SIZE]) {
    format_end(fd, getsockname, text);
}

void net_peer_address(int fd, char text[NET_ADDRESS_SIZE]) {
    format_end(fd, getpeername, text);
}

/* the size of the receive buffer, in bytes: for what comes while the process is busy */
#define DATAGRAM_BUFFER (4 << 20)

/* Takes as much as it can get. Only root may have more than the system's limit. */
static void widen(int fd) {
    int size = DATAGRAM_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static bool is_any_address(const struct sockaddr_storage *address) {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, address, sizeof v4);
    memcpy(&v6, address, sizeof v6);
    return address->ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)
                                          : v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

/* A socket of the same family, at the same address. */
static int bind_beside(int listener, const struct sockaddr_storage *address, socklen_t len) {
    int one = 1, v6_only = 0;
    socklen_t size = sizeof v6_only;
    int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    widen(fd);
    if (address->ss_family == AF_INET6) {
        getsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &size);
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    }
    if (is_any_address(address)) {
        bool is_v6 = address->ss_family == AF_INET6;
        setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO,
                   &one, sizeof one);
    }
    if (bind(fd, (const struct sockaddr *)address, len) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return ERR_SYSTEM;
}

int net_bind_datagrams(int listener, struct error *error) {
    struct sockaddr_storage address;
    char text[NET_ADDRESS_SIZE];
    socklen_t len = sizeof address;
    int fd = ERR_SYSTEM;
    if (getsockname(listener, (struct sockaddr *)&address, &len) == 0)
        fd = bind_beside(listener, &address, len);
    if (fd >= 0)
        return fd;
    int saved = errno;
    net_local_address(listener, text);
    errno = saved;
    return error_set_errno(error, "%s: no UDP there", text);
}

uint16_t net_local_port(int fd) {
    struct sockaddr_storage address = {0};
    struct sockaddr_in v4;
    socklen_t len = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &len);
    memcpy(&v4, &address, sizeof v4); /* the port is at the same place in both address families */
    return ntohs(v4.sin_port);
}

int net_send_messages(int fd, struct mmsghdr *messages, unsigned count) {
    return (int)syscall(SYS_sendmmsg, fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}
