/* TCP and UDP by name: addresses as they are typed, connecting and waiting with a deadline,
 * listening.
 *
 * Deadlines are points on net_now_ms's clock. */
#ifndef DLV_NET_SOCKET_H
#define DLV_NET_SOCKET_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NET_HOST_SIZE 256
#define NET_PORT_SIZE 6
#define NET_ADDRESS_SIZE 64

/* A clock that only goes forward, the same in all processes: micro- and milliseconds. */
int64_t net_now_us(void);
int64_t net_now_ms(void);

/* "host", "host:port", "[IPv6]:port", ":port" into its parts; `port_default` where there is none.
 * 0, or ERR_FORMAT with the reason. */
int net_split(const char *text, const char *port_default, char host[NET_HOST_SIZE],
              char port[NET_PORT_SIZE], struct error *error);

/* A connected, non-blocking socket: tries each of the host's addresses until the deadline. An empty
 * host means this one, here and below.
 * ERR_SYSTEM or ERR_TIMEOUT with the reason. */
int net_connect(const char *host, const char *port, int64_t deadline_ms, struct error *error);

/* A connected, non-blocking UDP socket to the nth of the host's addresses. ERR_SYSTEM with the
 * reason; ERR_LIMIT where it has not so many. */
int net_connect_datagrams(const char *host, const char *port, unsigned nth, struct error *error);

/* Sends all of it. 0, ERR_SYSTEM (errno) or ERR_TIMEOUT. */
int net_send(int fd, const void *bytes, size_t len, int64_t deadline_ms);

/* Receives what comes first, at most `max` bytes. Their number, 0 at the end of the stream,
 * ERR_SYSTEM (errno) or ERR_TIMEOUT. */
ssize_t net_receive(int fd, void *bytes, size_t max, int64_t deadline_ms);

/* A listening, non-blocking socket. An empty host means every address, IPv6 and IPv4 alike.
 * ERR_SYSTEM with the reason. */
int net_listen(const char *host, const char *port, struct error *error);

/* A non-blocking UDP socket at the address of a listening one; several can share it, each getting
 * its part of what comes (SO_REUSEPORT). One at every address tells to
 * which of ours a datagram was sent.
 * ERR_SYSTEM with the reason. */
int net_bind_datagrams(int listener, struct error *error);

/* Its port. */
uint16_t net_local_port(int fd);

/* sendmmsg(2) itself: musl's function of that name makes a system call a message. The messages'
 * structures must be zeroed but for what is set. */
struct mmsghdr;
int net_send_messages(int fd, struct mmsghdr *messages, unsigned count);

/* The socket's own address, as "127.0.0.1:8080" or "[::1]:8080". */
void net_local_address(int fd, char text[NET_ADDRESS_SIZE]);

#endif
