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

/* The time of a clock that only goes forward and is the same in all processes, in microseconds and
 * in milliseconds. */
int64_t net_now_us(void);
int64_t net_now_ms(void);

/* The time of day, in Unix milliseconds. It can be set, so no deadline is counted by it. */
int64_t net_unix_ms(void);

/* "host", "host:port", "[IPv6]:port", ":port" into its parts; `port_default` where there is none.
 * 0, or ERR_FORMAT with the reason. */
int net_split(const char *text, const char *port_default, char host[NET_HOST_SIZE],
              char port[NET_PORT_SIZE], struct error *error);

/* Connects over TCP: tries each of the host's addresses until the deadline. Returns a non-blocking
 * socket, or ERR_SYSTEM or ERR_TIMEOUT with the reason. An empty host means this machine, here and
 * below. */
int net_connect(const char *host, const char *port, int64_t deadline_ms, struct error *error);

/* Returns a connected, non-blocking UDP socket to the nth of the host's addresses. ERR_SYSTEM with
 * the reason (and errno set), or ERR_LIMIT where the host has fewer addresses. */
int net_connect_datagrams(const char *host, const char *port, unsigned nth, struct error *error);

/* Sends all bytes. 0, ERR_SYSTEM (with errno set) or ERR_TIMEOUT. */
int net_send(int fd, const void *bytes, size_t len, int64_t deadline_ms);

/* Waits for bytes and receives at most `max`. Returns their number, 0 at the end of the stream,
 * ERR_SYSTEM (with errno set) or ERR_TIMEOUT. */
ssize_t net_receive(int fd, void *bytes, size_t max, int64_t deadline_ms);

/* Has a TCP socket, or the connections of a listening one, send at once what they are given: answers to
 * several frames would wait for each other otherwise. */
void net_send_at_once(int fd);

/* Returns a listening, non-blocking socket. An empty host means every address, of IPv6 and IPv4.
 * ERR_SYSTEM with the reason. */
int net_listen(const char *host, const char *port, struct error *error);

/* Returns a non-blocking UDP socket at the address of a listening one. Several sockets can share
 * the address, and each receives a part of the datagrams (SO_REUSEPORT). A socket at every address
 * also tells to which of ours a datagram was sent. ERR_SYSTEM with the reason. */
int net_bind_datagrams(int listener, struct error *error);

/* Returns the port of a socket. */
uint16_t net_local_port(int fd);

/* Calls sendmmsg(2) directly, because musl's function of that name makes one system call for each
 * message. Fields of the messages that are not set must be zero. */
struct mmsghdr;
int net_send_messages(int fd, struct mmsghdr *messages, unsigned count);

/* The socket's own address, as "127.0.0.1:8080" or "[::1]:8080". */
void net_local_address(int fd, char text[NET_ADDRESS_SIZE]);

/* The same of the other end of a connected socket. */
void net_peer_address(int fd, char text[NET_ADDRESS_SIZE]);

#endif
