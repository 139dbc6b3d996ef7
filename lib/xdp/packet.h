/* Ethernet frames with a UDP datagram in them, as a driver hands them over: nobody has looked at
 * them before. Ethernet II, 802.1Q, IPv4 (RFC 791) without options, IPv6 (RFC 8200) without
 * extension headers, UDP (RFC 768). */
#ifndef DLV_XDP_PACKET_H
#define DLV_XDP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_HEADERS_MAX (14 + 4 + 40 + 8)

struct packet {
    bool is_v6;
    size_t ip; /* offsets into the frame */
    size_t udp;
    size_t payload;
    size_t payload_len; /* without Ethernet's padding */
    uint16_t port;      /* the port that it was sent to */
};

/* Finds the datagram in a frame. Total: any bytes may come. False where there is none: lengths that
 * do not agree, a fragment, options, a wrong checksum, or a destination of many hosts.
 *
 * Frames that never left the machine may carry half a checksum, which a network card would have
 * completed (Linux' CHECKSUM_PARTIAL, as over veth). These are accepted, too. */
bool packet_parse(struct packet *packet, const uint8_t *frame, size_t len);

/* Turns the frame into the reply to itself. The reply's `payload_len` bytes already stand where the
 * datagram's payload stood; this function exchanges addresses and ports and computes the checksums.
 * Returns the length of the reply. */
size_t packet_reply(uint8_t *frame, const struct packet *packet, size_t payload_len);

#endif
