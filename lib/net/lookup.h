/* Looking up the addresses of a name, beside other work and with a deadline: getaddrinfo(3) knows neither,
 * so another process runs it. */
#ifndef DLV_NET_LOOKUP_H
#define DLV_NET_LOOKUP_H

#include "base/error.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define LOOKUP_ADDRESSES_MAX 8

struct net_address {
    socklen_t len;
    struct sockaddr_storage address;
};

struct net_lookup {
    int fd;    /* readable when there is a result; -1: nothing is under way */
    pid_t pid; /* of the process that looks up */
    unsigned count;
    struct net_address
        addresses[LOOKUP_ADDRESSES_MAX]; /* in the order that the system recommends */
};

/* Begins to look up a host, where an empty one is this machine. An address in numbers is there at once:
 * then `fd` is -1. 0, or ERR_SYSTEM with the reason. */
int net_lookup_begin(struct net_lookup *lookup, const char *host, const char *port,
                     struct error *error);

/* Takes the result, where `fd` is readable, and ends the lookup. 0 with at least one address; ERR_TIMEOUT
 * where no name server answers just now, or another negative code, with the reason. */
int net_lookup_take(struct net_lookup *lookup, struct error *error);

/* Ends the lookup, whether there was a result or not. */
void net_lookup_end(struct net_lookup *lookup);

#endif
