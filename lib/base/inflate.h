/* Decompression of DEFLATE streams (RFC 1951), for texts that the binary carries compressed. */
#ifndef DLV_BASE_INFLATE_H
#define DLV_BASE_INFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Decompresses the stream that is at the start of `in` into `out`. Returns the number of bytes that were
 * written, or ERR_FORMAT where the stream is damaged, is cut short, or holds more than `out_max` bytes.
 * Reads and writes nothing beyond the two, whatever the bytes are. */
ssize_t inflate(void *out, size_t out_max, const void *in, size_t in_len);

/* The same for a gzip file (RFC 1952) without a name in its header, as `gzip -n` makes them. Its checksum is not
 * looked at. */
ssize_t inflate_gzip(void *out, size_t out_max, const void *in, size_t in_len);

#endif
