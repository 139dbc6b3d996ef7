/* Frames of the session protocol (PROTOCOL.md): what both transports carry. Over TCP they follow
 * each other, over UDP each is a datagram. */
#ifndef DLV_WIRE_FRAME_H
#define DLV_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION 1
#define FRAME_HEADER_LEN 8
#define FRAME_MAX 65535          /* an answer with its proofs */
#define FRAME_TO_SERVER_MAX 4096 /* what a server reads */
#define FRAME_DATAGRAM_MAX 1232  /* fits IPv6's smallest MTU: never a fragment */

enum frame_type {
    FRAME_OPEN = 1,
    FRAME_ACCEPT = 2,
    FRAME_ASK = 3,
    FRAME_ANSWER = 4,
    FRAME_COOKIE = 5,
    FRAME_REFUSE = 6
};

/* Why a server refuses; not authenticated, so a hint and nothing more. */
enum refusal {
    REFUSED_VERSION = 1, /* another version of the protocol */
    REFUSED_OPENING = 2, /* whatever the reason */
    REFUSED_SESSION = 3, /* its ticket is not good any more: open anew */
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

/* The header at the start of `bytes`. Total. */
enum frame_result frame_read_header(struct frame *frame, const uint8_t *bytes, size_t len);

/* Writes a header. */
void frame_write_header(uint8_t bytes[FRAME_HEADER_LEN], enum frame_type type, uint8_t detail,
                        size_t len);

#endif
