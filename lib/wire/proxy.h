/* The header by which a load balancer says whose connection it passes on: the PROXY protocol, version 2
 * (HAProxy's doc/proxy-protocol.txt, section 2.2). */
#ifndef DLV_WIRE_PROXY_H
#define DLV_WIRE_PROXY_H

#include <stddef.h>
#include <stdint.h>

#define PROXY_HEADER_MAX 536 /* section 2.2: what every receiver must have room for */
#define PROXY_ADDRESS_LEN 18 /* an address and port, IPv4 as IPv6 writes it (RFC 4291, 2.5.5.2) */

enum proxy_result {
    PROXY_WAIT,   /* it has not come in full */
    PROXY_SOURCE, /* the address is the source's */
    PROXY_NOBODY, /* the balancer's own connection, or a source that has no such address */
    PROXY_FOREIGN /* these bytes are no such header */
};

/* Reads the header at the start of the bytes; *header_len is its length. Total: any bytes may come. */
enum proxy_result proxy_read(const uint8_t *bytes, size_t len, size_t *header_len,
                             uint8_t address[PROXY_ADDRESS_LEN]);

#endif
