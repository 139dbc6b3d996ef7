#include "serve/kernel_bypass.h"

#include "xdp/packet.h"

#include <netinet/in.h>
#include <string.h>

#define BATCH 64

/* Puts a control message of one kind before the bytes of `info`. */
static void set_control(struct datagram_route *route, int level, int type, const void *info,
                        size_t len) {
    struct cmsghdr *header = (struct cmsghdr *)(void *)route->control;
    memset(route->control, 0, sizeof route->control);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = (socklen_t)CMSG_LEN(len);
    memcpy(CMSG_DATA(header), info, len);
    route->control_len = CMSG_SPACE(len);
}

/* Where an answer that does not leave at once has to go, through the UDP socket: back from the
 * address that was asked. */
static void note_route(struct datagram_route *route, const struct packet *packet,
                       const uint8_t *frame, bool is_v6_socket) {
    const uint8_t *ip = frame + packet->ip, *udp = frame + packet->udp;
    memset(route, 0, sizeof *route);
    if (packet->is_v6 || is_v6_socket) {
        struct sockaddr_in6 peer = {.sin6_family = AF_INET6};
        struct in6_pktinfo info = {0};
        static const uint8_t v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};
        memcpy(&peer.sin6_port, udp, 2);
        if (packet->is_v6) {
            memcpy(&peer.sin6_addr, ip + 8, 16);
            memcpy(&info.ipi6_addr, ip + 24, 16);
        } else {
            memcpy(&peer.sin6_addr, v4_prefix, 12);
            memcpy(peer.sin6_addr.s6_addr + 12, ip + 12, 4);
            memcpy(&info.ipi6_addr, v4_prefix, 12);
            memcpy(info.ipi6_addr.s6_addr + 12, ip + 16, 4);
        }
        memcpy(&route->peer, &peer, sizeof peer);
        route->peer_len = sizeof peer;
        set_control(route, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct sockaddr_in peer = {.sin_family = AF_INET};
        struct in_pktinfo info = {0};
        memcpy(&peer.sin_port, udp, 2);
        memcpy(&peer.sin_addr, ip + 12, 4);
        memcpy(&info.ipi_spec_dst, ip + 16, 4);
        memcpy(&route->peer, &peer, sizeof peer);
        route->peer_len = sizeof peer;
        set_control(route, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

/* Answers a frame in its place. True where there is something to send. */
static bool answer(struct xdp_frame *frame, struct datagram_server *datagrams, uint16_t port) {
    struct datagram_route route;
    struct packet packet;
    struct frame header;
    if (!packet_parse(&packet, frame->bytes, frame->len) || packet.port != port)
        return false;
    /* Questions are answered at once, and need no way back. */
    if (frame_read_header(&header, frame->bytes + packet.payload, packet.payload_len) != FRAME_OK ||
        header.type != FRAME_ASK)
        note_route(&route, &packet, frame->bytes, datagrams->is_v6);
    size_t len = datagram_answer(datagrams, &route, frame->bytes + packet.payload,
                                 packet.payload_len, datagrams->out[0]);
    if (len == 0)
        return false;
    memcpy(frame->bytes + packet.payload, datagrams->out[0], len);
    frame->len = packet_reply(frame->bytes, &packet, len);
    return true;
}

bool kernel_bypass_serve(struct xdp_socket *socket, struct datagram_server *datagrams,
                         uint16_t port) {
    struct xdp_frame frames[BATCH];
    unsigned n = xdp_socket_receive(socket, frames, BATCH);
    for (unsigned i = 0; i < n; i++) {
        if (!answer(&frames[i], datagrams, port) || !xdp_socket_send(socket, &frames[i]))
            xdp_socket_drop(socket, &frames[i]);
    }
    bool is_left = xdp_socket_flush(socket);
    count_add(&datagrams->answerer->counts->named[COUNT_DATAGRAMS], n);
    return n == BATCH || is_left;
}
