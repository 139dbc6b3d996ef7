/* From the encoding of a registry's file to UTF-8, piece by piece.
 *
 * Total: any bytes may come. What is no character of the encoding becomes U+FFFD, which no number
 * and no name may hold, so that its row is a bad one. */
#ifndef DLV_REGISTRY_DECODE_H
#define DLV_REGISTRY_DECODE_H

#include "registry/import.h"

#include <stddef.h>
#include <stdint.h>

/* The room that decoder_take needs for `len` bytes; decoder_finish needs DECODED_ROOM(0). */
#define DECODED_ROOM(len) (3 * (len) + 3)

struct decoder {
    enum encoding encoding; /* any but ENCODING_UTF8, which needs no decoder */
    bool is_begun;          /* the byte order is known */
    bool is_big_endian;     /* of UTF-16 */
    bool has_odd;           /* the first byte of a unit of UTF-16 has come, without the second */
    uint8_t odd;
    uint16_t high;        /* the first half of a surrogate pair; 0: none */
    uint8_t utf8_left;    /* bytes that are missing of what looks like a character of UTF-8 */
    uint64_t utf8_count;  /* what looked like characters of UTF-8 beyond ASCII, ... */
    uint64_t other_count; /* ... and other bytes beyond ASCII */
};

void decoder_init(struct decoder *decoder, enum encoding encoding);

/* Decodes `len` bytes into `out`, which has room for DECODED_ROOM(len). Returns the length. */
size_t decoder_take(struct decoder *decoder, const uint8_t *bytes, size_t len, char *out);

/* Ends it: what was begun and has no end becomes U+FFFD in `out`. Returns the length. */
size_t decoder_finish(struct decoder *decoder, char *out);

/* Whether what was taken as an encoding of single bytes was UTF-8 in truth: it had characters beyond
 * ASCII, and all of them were whole characters of UTF-8. */
bool decoder_was_utf8(const struct decoder *decoder);

#endif
