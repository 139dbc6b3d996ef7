/* Frames off the wire: whatever is taken for a datagram lies within the frame, and the reply to it
 * is itself a good frame, back where it came from. */
#include "xdp/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t frame[2048];
    struct packet packet, reply;
    uint8_t *exact = malloc(size > 0 ? size : 1); /* so that reading beyond its end shows */
    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    bool is_datagram = size <= 1800 && packet_parse(&packet, exact, size);
    free(exact);
    if (!is_datagram)
        return 0;
    if (packet.payload + packet.payload_len > size || packet.udp + 8 != packet.payload)
        abort();
    memset(frame, 0xEE, sizeof frame);
    memcpy(frame, data, size);
    size_t payload_len = packet.payload_len;
    size_t len = packet_reply(frame, &packet, payload_len);
    if (len > sizeof frame || len < 60)
        abort();
    uint8_t source_port[2] = {data[packet.udp], data[packet.udp + 1]};
    if (frame[0] & 1) /* who sent it was a group: nobody's reply, but no harm */
        return 0;
    size_t source = packet.is_v6 ? packet.ip + 8 : packet.ip + 12,
           address_len = packet.is_v6 ? 16 : 4;
    if (!packet_parse(&reply, frame, len) || reply.payload_len != payload_len ||
        memcmp(frame + reply.payload, data + packet.payload, payload_len) != 0 ||
        memcmp(frame + packet.udp + 2, source_port, 2) != 0 ||
        memcmp(frame + source + address_len, data + source, address_len) != 0 ||
        memcmp(frame, data + 6, 6) != 0) {
        /* A port of zero to answer to, or an address that is nobody's to be answered from. */
        if (packet.port != 0 && data[packet.ip + 16] != 0 && data[packet.ip + 16] < 224)
            abort();
    }
    return 0;
}
