/* Loads and stores, wiping, hexadecimal and base64. */
#ifndef DLV_BASE_BYTES_H
#define DLV_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* These are written so that compilers make a single load of them. */
static inline uint16_t load_le16(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_le32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t load_le64(const uint8_t *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 |
           (uint64_t)p[7] << 56;
}

static inline uint64_t load_be64(const uint8_t *p) {
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 |
           (uint64_t)p[3] << 32 | (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 |
           (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

static inline void store_le16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void store_le32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static inline void store_le64(uint8_t *p, uint64_t v) {
    store_le32(p, (uint32_t)v);
    store_le32(p + 4, (uint32_t)(v >> 32));
}

static inline void store_be64(uint8_t *p, uint64_t v) {
    for (int i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* Marks a large local buffer that is written before it is read. A release clears all local
 * variables; on a busy path, clearing this one would be much of the work. */
#define NOT_CLEARED __attribute__((uninitialized))

/* Overwrites a secret with zeros; the compiler cannot leave it out. */
void wipe(void *secret, size_t len);

/* Overwrites the 16 KiB of the stack below the caller, where functions that do not wipe their own
 * locals (BearSSL's) have left parts of a secret. */
void wipe_stack(void);

/* Whether both are the same `len` bytes. In constant time. */
bool bytes_are_equal(const void *a, const void *b, size_t len);

/* Whether all `len` bytes are zero. Not in constant time. */
bool bytes_are_zero(const void *bytes, size_t len);

/* Lower-case hexadecimal of `len` bytes and a NUL: 2 * len + 1 characters at `text`. In constant
 * time. */
void hex_encode(char *text, const void *bytes, size_t len);

/* Bytes of `text_len` hexadecimal digits (either case) into `bytes`, which holds `max` of them.
 * Returns the number of bytes, or ERR_FORMAT (odd length, not a digit, more than max). */
long hex_decode(void *bytes, size_t max, const char *text, size_t text_len);

/* Characters of the base64 (RFC 4648, section 4) of `len` bytes, without the NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Base64 of `len` bytes, padded, and a NUL: BASE64_LEN(len) + 1 characters at `text`. */
void base64_encode(char *text, const void *bytes, size_t len);

/* Bytes of `text_len` characters of padded base64 into `bytes`, which holds `max` of them. Returns
 * the number of bytes, or ERR_FORMAT (not the one encoding of some bytes, more than max). */
long base64_decode(void *bytes, size_t max, const char *text, size_t text_len);

#endif
