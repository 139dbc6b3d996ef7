/* Frames of the session protocol (PROTOCOL.md): what both transports carry. Over TCP they follow
 * each other, over UDP each is a datagram. */
#ifndef DLV_WIRE_FRAME_H
#define DLV_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION 2
#define FRAME_HEADER_LEN 8
#define FRAME_TYPE 4            /* offset of enum frame_type */
#define FRAME_MAX 4096          /* the longest, either way */
#define FRAME_DATAGRAM_MAX 1232 /* fits IPv6's smallest MTU: never a fragment */

enum frame_type {
    FRAME_OPEN = 1,
    FRAME_ACCEPT = 2,
    FRAME_ASK = 3,
    FRAME_ANSWER = 4,
    FRAME_COOKIE = 5,
    FRAME_REFUSE = 6,
    FRAME_IDENTIFY = 7,
    FRAME_ADMIT = 8,
    FRAME_RENEW = 9,   /* answered by an ACCEPT */
    FRAME_UNWRAP = 10, /* has the form of an IDENTIFY */
    FRAME_UNWRAPPED = 11,
    FRAME_RECEIPT = 12, /* likewise; over TCP alone, as what answers it is longer */
    FRAME_RECEIPTED = 13,
    FRAME_HEALTH = 16, /* over TCP alone: could you answer? */
    FRAME_HEALTHY = 17
};

/* Whether it is one that a key-holder answers. */
static inline int frame_is_costly(uint8_t type) {
    return type == FRAME_OPEN || type == FRAME_IDENTIFY || type == FRAME_RENEW ||
           type == FRAME_UNWRAP || type == FRAME_RECEIPT;
}

#define HEALTH_LEN 16 /* of both: a header, then zeros, or the sequence number of the release */

/* Why a server refuses. It is not authenticated, so it is only a hint. */
enum refusal {
    REFUSED_VERSION = 1, /* another version of the protocol */
    REFUSED_OPENING = 2, /* the opening failed, for whatever reason */
    REFUSED_SESSION = 3, /* the ticket is no longer good: open a new session */
    REFUSED_BUSY = 4     /* too many openings at once: try later, or another server */
};

struct frame {
    uint8_t type;   /* any value */
    uint8_t detail; /* enum refusal of FRAME_REFUSE, else 0 */
    uint16_t len;   /* of the whole frame, at least FRAME_HEADER_LEN */
};

enum frame_result {
    FRAME_OK,            /* a header was read; the frame may be longer than what is there */
    FRAME_WAIT,          /* too few bytes to tell */
    FRAME_FOREIGN,       /* not this protocol */
    FRAME_OTHER_VERSION, /* this protocol in a version that we do not speak */
};

/* Reads the header at the start of `bytes`. Total: any bytes may come. */
enum frame_result frame_read_header(struct frame *frame, const uint8_t *bytes, size_t len);

/* Writes the header of a frame of `len` bytes. */
void frame_write_header(uint8_t bytes[FRAME_HEADER_LEN], enum frame_type type, uint8_t detail,
                        size_t len);

#endif
