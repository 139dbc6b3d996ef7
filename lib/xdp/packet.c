#include "xdp/packet.h"

#include "base/bytes.h"

#include <string.h>

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86DD, ETHERTYPE_VLAN = 0x8100 };
enum { ETHERNET_LEN = 14, VLAN_LEN = 4, IPV4_LEN = 20, IPV6_LEN = 40, UDP_LEN = 8 };
enum { PROTOCOL_UDP = 17, HOPS = 64 };

static uint16_t load_be16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void store_be16(uint8_t *p, size_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* --- the internet checksum (RFC 1071) --------------------------------------------------------- */

/* Adds eight bytes in each step: a sum of 16-bit words may be computed in wider words and folded at
 * the end. */
static uint64_t add(uint64_t sum, const uint8_t *bytes, size_t len) {
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word = load_be64(bytes);
        sum += (word >> 32) + (word & 0xFFFFFFFF);
    }
    for (; len > 1; bytes += 2, len -= 2)
        sum += load_be16(bytes);
    return len > 0 ? sum + ((uint64_t)bytes[0] << 8) : sum;
}

static uint16_t fold(uint64_t sum) {
    while (sum >> 16 != 0)
        sum = (sum >> 16) + (sum & 0xFFFF);
    return (uint16_t)sum;
}

/* Sums the addresses, the protocol and the length, which UDP's checksum covers as well. */
static uint64_t pseudo_header(const uint8_t *frame, const struct packet *packet, size_t udp_len) {
    const uint8_t *ip = frame + packet->ip;
    uint64_t sum = packet->is_v6 ? add(0, ip + 8, 32) : add(0, ip + 12, 8);
    return sum + PROTOCOL_UDP + udp_len;
}

static bool is_udp_checksum_good(const uint8_t *frame, const struct packet *packet,
                                 size_t udp_len) {
    const uint8_t *udp = frame + packet->udp;
    uint64_t sum = pseudo_header(frame, packet, udp_len);
    uint16_t found = load_be16(udp + 6);
    if (found == 0)
        return !packet->is_v6; /* IPv4 may leave it out */
    return fold(add(sum, udp, udp_len)) == 0xFFFF || found == fold(sum);
}

/* --- in --------------------------------------------------------------------------------------- */

/* Parses the headers up to UDP's. *udp_len is the length of the UDP part that IP states. */
static bool parse_ipv4(struct packet *packet, const uint8_t *frame, size_t len, size_t *udp_len) {
    const uint8_t *ip = frame + packet->ip;
    if (len < packet->ip + IPV4_LEN || ip[0] != 0x45)
        return false;
    size_t total = load_be16(ip + 2);
    bool is_fragment = (load_be16(ip + 6) & 0x3FFF) != 0;
    bool is_to_many = ip[16] >= 224 || (ip[12] >= 224 || ip[12] == 0);
    if (total < IPV4_LEN + UDP_LEN || packet->ip + total > len || is_fragment || is_to_many ||
        ip[9] != PROTOCOL_UDP || fold(add(0, ip, IPV4_LEN)) != 0xFFFF)
        return false;
    packet->udp = packet->ip + IPV4_LEN;
    *udp_len = total - IPV4_LEN;
    return true;
}

static bool parse_ipv6(struct packet *packet, const uint8_t *frame, size_t len, size_t *udp_len) {
    const uint8_t *ip = frame + packet->ip;
    if (len < packet->ip + IPV6_LEN || ip[0] >> 4 != 6)
        return false;
    size_t rest = load_be16(ip + 4);
    bool is_to_many = ip[24] == 0xFF || ip[8] == 0xFF;
    if (rest < UDP_LEN || packet->ip + IPV6_LEN + rest > len || is_to_many || ip[6] != PROTOCOL_UDP)
        return false;
    packet->is_v6 = true;
    packet->udp = packet->ip + IPV6_LEN;
    *udp_len = rest;
    return true;
}

bool packet_parse(struct packet *packet, const uint8_t *frame, size_t len) {
    size_t rest;
    *packet = (struct packet){.ip = ETHERNET_LEN};
    if (len < ETHERNET_LEN + VLAN_LEN || (frame[0] & 1) != 0)
        return false;
    uint16_t type = load_be16(frame + 12);
    if (type == ETHERTYPE_VLAN) {
        type = load_be16(frame + 16);
        packet->ip += VLAN_LEN;
    }
    bool is_ip = type == ETHERTYPE_IPV4   ? parse_ipv4(packet, frame, len, &rest)
                 : type == ETHERTYPE_IPV6 ? parse_ipv6(packet, frame, len, &rest)
                                          : 0;
    if (!is_ip)
        return false;
    const uint8_t *udp = frame + packet->udp;
    size_t udp_len = load_be16(udp + 4);
    if (udp_len < UDP_LEN || udp_len > rest || load_be16(udp) == 0 ||
        !is_udp_checksum_good(frame, packet, udp_len))
        return false;
    packet->port = load_be16(udp + 2);
    packet->payload = packet->udp + UDP_LEN;
    packet->payload_len = udp_len - UDP_LEN;
    return true;
}

/* --- out -------------------------------------------------------------------------------------- */

static void exchange(uint8_t *a, uint8_t *b, size_t len) {
    uint8_t kept[16];
    memcpy(kept, a, len);
    memcpy(a, b, len);
    memcpy(b, kept, len);
}

static void reply_ipv4(uint8_t *ip, size_t udp_len) {
    ip[1] = 0;
    store_be16(ip + 2, IPV4_LEN + udp_len);
    store_be16(ip + 4, 0);
    /* the packet is never a fragment, so it needs no identification (RFC 6864) */
    store_be16(ip + 6, 0x4000);
    ip[8] = HOPS;
    store_be16(ip + 10, 0);
    exchange(ip + 12, ip + 16, 4);
    store_be16(ip + 10, (uint16_t)~fold(add(0, ip, IPV4_LEN)));
}

/* The flow label stays, because both directions are one flow. */
static void reply_ipv6(uint8_t *ip, size_t udp_len) {
    ip[0] = 0x60;
    ip[1] &= 0x0F;
    store_be16(ip + 4, udp_len);
    ip[7] = HOPS;
    exchange(ip + 8, ip + 24, 16);
}

size_t packet_reply(uint8_t *frame, const struct packet *packet, size_t payload_len) {
    uint8_t *udp = frame + packet->udp;
    size_t udp_len = UDP_LEN + payload_len;
    exchange(frame, frame + 6, 6);
    if (packet->is_v6)
        reply_ipv6(frame + packet->ip, udp_len);
    else
        reply_ipv4(frame + packet->ip, udp_len);
    exchange(udp, udp + 2, 2);
    store_be16(udp + 4, udp_len);
    store_be16(udp + 6, 0);
    uint16_t sum = (uint16_t)~fold(add(pseudo_header(frame, packet, udp_len), udp, udp_len));
    store_be16(udp + 6, sum != 0 ? sum : 0xFFFF);
    size_t len = packet->udp + udp_len;
    /* the shortest Ethernet frame, without the checksum that the card appends */
    for (; len < 60; len++)
        frame[len] = 0;
    return len;
}
