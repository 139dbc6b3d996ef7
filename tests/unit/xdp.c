#include "unit.h"

#include "base/bytes.h"
#include "xdp/packet.h"

/* 10.9.0.2:4660 to 10.9.0.1:9300, "hello", its checksums still to be made. */
static const uint8_t ipv4[] = {0x66, 0xf7, 0xb1, 0xb7, 0xf5, 0xd3, 0x02, 0x00, 0x00, 0x00, 0x00,
                               0x02, 0x08, 0x00, /* Ethernet */
                               0x45, 0x00, 0x00, 0x21, 0x12, 0x34, 0x40, 0x00, 0x40, 0x11, 0x00,
                               0x00, 10,   9,    0,    2,    10,   9,    0,    1,    0x12, 0x34,
                               0x24, 0x54, 0x00, 0x0d, 0x00, 0x00, 'h',  'e',  'l',  'l',  'o'};

enum { IP = 14, UDP = 34, PAYLOAD = 42 };

static uint32_t sum_of(const uint8_t *bytes, size_t len, uint32_t sum) {
    for (size_t i = 0; i < len; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16)
        sum = (sum & 0xFFFF) + (sum >> 16);
    return sum;
}

static void put16(uint8_t *p, uint32_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* The frame with good checksums. */
static size_t make_ipv4(uint8_t frame[128]) {
    memset(frame, 0, 128);
    memcpy(frame, ipv4, sizeof ipv4);
    put16(frame + IP + 10, ~sum_of(frame + IP, 20, 0));
    uint32_t pseudo = sum_of(frame + IP + 12, 8, 17 + 13);
    put16(frame + UDP + 6, ~sum_of(frame + UDP, 13, pseudo));
    return sizeof ipv4;
}

static size_t make_ipv6(uint8_t frame[128]) {
    size_t udp = IP + 40;
    memset(frame, 0, 128);
    memcpy(frame, ipv4, 12);
    put16(frame + 12, 0x86DD);
    frame[IP] = 0x60;
    frame[IP + 1] = 0x0A;
    frame[IP + 3] = 0x77; /* flow label */
    put16(frame + IP + 4, 13);
    frame[IP + 6] = 17;
    frame[IP + 7] = 3;
    frame[IP + 8] = frame[IP + 24] = 0xFD;
    frame[IP + 23] = 2;
    frame[IP + 39] = 1;
    memcpy(frame + udp, ipv4 + UDP, 13);
    put16(frame + udp + 6, ~sum_of(frame + udp, 13, sum_of(frame + IP + 8, 32, 17 + 13)));
    return udp + 13;
}

static size_t tag(uint8_t frame[128], size_t len) {
    memmove(frame + 16, frame + 12, len - 12);
    put16(frame + 12, 0x8100);
    put16(frame + 14, 42);
    return len + 4;
}

static void check_round_trip(uint8_t frame[128], size_t len, size_t shift, bool is_v6) {
    uint8_t before[128];
    struct packet packet, reply;
    memcpy(before, frame, 128);
    CHECK(packet_parse(&packet, frame, len) == 1);
    CHECK(packet.is_v6 == is_v6 && packet.port == 9300 && packet.payload_len == 5);
    CHECK(memcmp(frame + packet.payload, "hello", 5) == 0);
    memcpy(frame + packet.payload, "bye", 3);
    size_t reply_len = packet_reply(frame, &packet, 3);
    CHECK(reply_len == (is_v6 ? packet.payload + 3 : 60));
    CHECK(packet_parse(&reply, frame, reply_len) == 1);
    CHECK(reply.port == 0x1234 && reply.payload_len == 3);
    CHECK(memcmp(frame + reply.payload, "bye", 3) == 0);
    CHECK(memcmp(frame, before + 6, 6) == 0 && memcmp(frame + 6, before, 6) == 0);
    size_t ip = IP + shift;
    if (is_v6) {
        CHECK(memcmp(frame + ip + 8, before + ip + 24, 16) == 0 && frame[ip + 7] == 64);
        CHECK(frame[ip + 1] == 0x0A && frame[ip + 3] == 0x77);
    } else {
        CHECK(memcmp(frame + ip + 12, before + ip + 16, 4) == 0 && frame[ip + 8] == 64);
        CHECK(frame[ip + 6] == 0x40);
    }
    CHECK(shift == 0 || memcmp(frame + 12, "\x81\x00\x00\x2a", 4) == 0);
}

/* Every byte that headers and checksums cover, one bit at a time. */
static void check_every_bit(size_t (*make)(uint8_t frame[128])) {
    uint8_t frame[128];
    struct packet packet;
    size_t len = make(frame);
    for (size_t cut = 0; cut < len; cut++)
        CHECK(packet_parse(&packet, frame, cut) == 0);
    for (size_t bit = 12 * 8; bit < len * 8; bit++) {
        make(frame);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool is_taken = packet_parse(&packet, frame, len);
        /* IPv6 has no checksum of its own: class, label and hops may be anything. */
        bool is_free = make == make_ipv6 && ((bit / 8 == IP && bit % 8 < 4) || bit / 8 == IP + 7 ||
                                             (bit / 8 > IP && bit / 8 < IP + 4));
        CHECK(is_taken == is_free);
    }
}

static void check_oddities(void) {
    uint8_t frame[128];
    struct packet packet;
    size_t len = make_ipv4(frame);
    CHECK(packet_parse(&packet, frame, 120) == 1); /* padding behind the datagram */
    put16(frame + UDP + 6, 0);
    CHECK(packet_parse(&packet, frame, len) == 1); /* without a checksum */
    put16(frame + UDP + 6, sum_of(frame + IP + 12, 8, 17 + 13));
    CHECK(packet_parse(&packet, frame, len) == 1); /* with half of one */
    make_ipv4(frame);
    frame[0] |= 1; /* to a group */
    CHECK(packet_parse(&packet, frame, len) == 0);

    len = make_ipv6(frame);
    put16(frame + IP + 46, 0);
    CHECK(packet_parse(&packet, frame, len) == 0); /* IPv6 must have one */
}

int main(void) {
    uint8_t frame[128];
    check_round_trip(frame, make_ipv4(frame), 0, 0);
    check_round_trip(frame, make_ipv6(frame), 0, 1);
    check_round_trip(frame, tag(frame, make_ipv4(frame)), 4, 0);
    check_round_trip(frame, tag(frame, make_ipv6(frame)), 4, 1);
    check_every_bit(make_ipv4);
    check_every_bit(make_ipv6);
    check_oddities();
    return unit_end("xdp");
}
